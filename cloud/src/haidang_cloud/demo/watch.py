"""Looks at the running demo: account, first alarm, the catalogue, whether the node runs it."""

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count

import msgspec
import sqlalchemy as sa

from haidang_cloud.demo.account import Account, Bookkeeper, SpoolLook
from haidang_cloud.demo.home import CENTRE, Home
from haidang_cloud.demo.store import StoreLook
from haidang_cloud.errors import LakeError, StateUnavailableError, StoreUnavailableError
from haidang_cloud.people import Accounts
from haidang_cloud.processes import running
from haidang_cloud.processes.config import load_config, series_of, state_of
from haidang_cloud.state import nodes, versions
from haidang_cloud.state.tables import case
from haidang_protocols.catalogue import Catalogue
from haidang_protocols.errors import UserError

log = logging.getLogger(__name__)

LOOK_S = 1.0
AWAITED = "catalogue.awaited"
"""What a node says that has not heard from the centre yet."""

GIVE_BACK_LOOKS = 10
"""After so many looks memory that is free goes back: each reads files into memory and lets go."""
_LOOKS = msgspec.json.Decoder(SpoolLook)
_TROUBLES: Mapping[type[Exception], str] = {
    StateUnavailableError: "database",
    StoreUnavailableError: "series",
    LakeError: "lake",
    OSError: "disk",
}
"""What an account cannot be made without."""


@dataclass(frozen=True, slots=True)
class FirstAlarm:
    """A case that staff were told of."""

    camera: str
    rule: str


class Watch:
    """Open while the demo runs; the account is kept by a thread of its own."""

    def __init__(self, home: Home) -> None:
        """Open the stores, which are set up."""
        self.config = config = load_config(home.centre_file)
        self._state, self._series = state_of(config), series_of(config)
        self._version = 0
        self.catalogue = self._newest()
        zone = self.catalogue.centre.time_zone
        self._store = StoreLook(config, self._state, self._series, time_zone=zone)
        self._keeper = Bookkeeper()
        self._lock = threading.Lock()
        self._account = Account()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="account")
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._stop.set()
        self._thread.join()
        self._series.close()
        self._state.close()

    # --- the account ------------------------------------------------------------------------

    def hear(self, line: str) -> None:
        """One line of `haidang node spool --json --follow`; from any thread."""
        try:
            look = _LOOKS.decode(line)
        except msgspec.MsgspecError:
            log.warning("the spool's reader said: %s", line.strip())
            return
        with self._lock:
            self._keeper.spooled(look)

    def account(self) -> Account:
        """The newest account."""
        return self._account

    def _keep(self) -> None:
        for number in count(1):
            if self._stop.wait(LOOK_S):
                return
            if number % GIVE_BACK_LOOKS == 0:
                running.give_back()
            try:
                with self._lock:
                    stored = self._store.look(self._keeper.spool)
                    self._account = self._keeper.judge(stored)
            except tuple(_TROUBLES) as error:
                trouble = next(word for kind, word in _TROUBLES.items() if isinstance(error, kind))
                if trouble != self._account.trouble:
                    log.warning("the account is not up to date: %s", error)
                self._account = msgspec.structs.replace(self._account, trouble=trouble)

    # --- alarms, people, catalogue ----------------------------------------------------------

    def at_work(self) -> bool:
        """Whether the node runs a catalogue; raises `UserError` for one that it cannot run."""
        birth = next((born.birth for born in nodes.read(self._state, CENTRE)), None)
        if birth is None:
            return False
        why = birth.because
        if not birth.catalogue and why is not None and why.code != AWAITED:
            raise UserError(birth.reason)
        return birth.catalogue > 0

    def first_alarm(self, since_ns: int) -> FirstAlarm | None:
        """The first case since then that was stored and told."""
        wanted = (
            sa.select(case.c.camera, case.c.rule)
            .where(case.c.raised_ns >= since_ns, case.c.told_version > 0)
            .order_by(case.c.raised_ns)
            .limit(1)
        )
        with self._state.read() as connection:
            row = connection.execute(wanted).first()
        return None if row is None else FirstAlarm(row.camera, row.rule)

    def entry_link(self, login: str, origin: str) -> str:
        """An address that lets somebody in once; raises `RefusedError` for nobody of that name."""
        secret = Accounts(self._state, CENTRE).entry_link(
            login, actor="demo", now_ns=time.time_ns()
        )
        return f"{origin}/enter#link={secret}"

    def follow_catalogue(self) -> None:
        """Know what was published on the wall."""
        if versions.newest_number(self._state, CENTRE) > self._version:
            self.catalogue = self._newest()

    def _newest(self) -> Catalogue:
        version = versions.newest(self._state, CENTRE)
        if version is None:
            raise RuntimeError("the catalogue was published a moment ago")
        self._version = version.number
        return version.catalogue()
