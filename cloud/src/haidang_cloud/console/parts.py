"""What the console is made of, and what each request finds of it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from haidang_cloud.blobs import Blobs
from haidang_cloud.cases import CaseDesk, CaseShelf
from haidang_cloud.console.hub import Hub
from haidang_cloud.console.ruling import Ruling
from haidang_cloud.people import Accounts, Throttle
from haidang_cloud.state.database import State
from haidang_cloud.timeseries import TimeSeries


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The rooms below, for one centre.

    Attributes:
        origin: the console's address as people type it; decides on the cookie and on CSRF.
        language: what somebody reads who has not chosen yet.
        ruling: gives the catalogue in force; it may change at any time.
        hub: the live picture that all viewers share.
        faults: where the demo's desk is told; None where nothing may be broken.
    """

    centre: str
    origin: str
    language: str
    state: State
    series: TimeSeries
    accounts: Accounts
    blobs: Blobs
    ruling: Callable[[], Ruling]
    hub: Hub
    faults: Path | None = None
    now_ns: Callable[[], int] = time.time_ns
    throttle: Throttle = field(default_factory=Throttle)

    @property
    def desk(self) -> CaseDesk:
        """Moves cases."""
        return CaseDesk(self.state, self.centre)

    @property
    def shelf(self) -> CaseShelf:
        """Shows cases."""
        return CaseShelf(self.state, self.centre)

    @property
    def secure(self) -> bool:
        """Whether people reach us by https."""
        return self.origin.startswith("https://")

    @property
    def cookie(self) -> str:
        """The session's cookie, the same as the API's; `__Host-` binds it to this host."""
        return "__Host-haidang" if self.secure else "haidang"
