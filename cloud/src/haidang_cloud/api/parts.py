"""What the API is made of, and what each request finds of it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from haidang_cloud.blobs import Blobs
from haidang_cloud.cases import CaseDesk, CaseShelf
from haidang_cloud.ingest.replay import Replayed
from haidang_cloud.people import Accounts, Rights, Throttle
from haidang_cloud.state.database import State
from haidang_cloud.state.deadletter import Kept
from haidang_cloud.timeseries import TimeSeries
from haidang_protocols.catalogue import Catalogue


class Ruling:
    """The catalogue in force, and the rights that it gives."""

    def __init__(self, catalogue: Catalogue, number: int) -> None:
        """Index a catalogue in force."""
        self.catalogue, self.number = catalogue, number
        self.rights = Rights(catalogue)


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The rooms below, for one centre.

    Attributes:
        origin: the API's address as people type it; decides on the cookie and on CSRF.
        ruling: gives the catalogue in force; it may change at any time.
        replay: judges a dead letter again, in somebody's name.
    """

    centre: str
    origin: str
    state: State
    series: TimeSeries
    accounts: Accounts
    blobs: Blobs
    ruling: Callable[[], Ruling]
    replay: Callable[[Kept, str], Replayed]
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
        """The session's cookie; `__Host-` binds it to this host, and needs https."""
        return "__Host-haidang" if self.secure else "haidang"


def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


PartsOf = Annotated[Parts, Depends(_parts)]
