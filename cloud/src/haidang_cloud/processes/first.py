"""The one-time link that makes the first administrator."""

import time

from haidang_cloud.people import Accounts
from haidang_cloud.processes.config import CloudConfig
from haidang_protocols.catalogue import Catalogue


def first_link(config: CloudConfig, accounts: Accounts, catalogue: Catalogue) -> str | None:
    """A new link, which ends all older ones; None while there is an administrator.

    The secret stands behind `#`: a browser sends that part to nobody, so no proxy logs it.
    """
    if accounts.has_manager(catalogue):
        return None
    secret = accounts.first_link(now_ns=time.time_ns())
    return f"{config.api.origin}/setup#first={secret}"
