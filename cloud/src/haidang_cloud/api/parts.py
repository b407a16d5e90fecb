"""What the API is made of, and what each request finds of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from haidang_cloud.ingest.replay import Replayed
from haidang_cloud.state.deadletter import Kept
from haidang_cloud.web import Rooms, Ruling


@dataclass(frozen=True, kw_only=True)
class Parts(Rooms):
    """The rooms below, and what only the API does.

    Attributes:
        ruling: gives the catalogue in force; it may change at any time.
        replay: judges a dead letter again, in somebody's name.
    """

    ruling: Callable[[], Ruling]
    replay: Callable[[Kept, str], Replayed]


def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


PartsOf = Annotated[Parts, Depends(_parts)]
