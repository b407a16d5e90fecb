"""The rooms below, as whoever answers requests finds them."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from haidang_cloud.blobs import Blobs
from haidang_cloud.cases import CaseDesk, CaseShelf
from haidang_cloud.people import Accounts, Throttle
from haidang_cloud.state.database import State
from haidang_cloud.timeseries import TimeSeries


@dataclass(frozen=True, kw_only=True)
class Rooms:
    """The rooms below, for one centre.

    Attributes:
        origin: our address as people type it; decides on the cookie and on CSRF.
    """

    centre: str
    origin: str
    state: State
    series: TimeSeries
    accounts: Accounts
    blobs: Blobs
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
        """The session's cookie, the same for both; `__Host-` binds it to this host by https."""
        return "__Host-haidang" if self.secure else "haidang"
