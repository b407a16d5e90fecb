"""What the console is made of, and what each request finds of it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from haidang_cloud.console.hub import Hub
from haidang_cloud.console.ruling import Ruling
from haidang_cloud.web import Rooms


@dataclass(frozen=True, kw_only=True)
class Parts(Rooms):
    """The rooms below, and what only the console shows.

    Attributes:
        language: what somebody reads who has not chosen yet.
        ruling: gives the catalogue in force; it may change at any time.
        hub: the live picture that all viewers share.
        faults: where the demo's desk is told; None where nothing may be broken.
    """

    language: str
    ruling: Callable[[], Ruling]
    hub: Hub
    faults: Path | None = None
