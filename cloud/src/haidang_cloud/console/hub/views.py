"""What one audience is sent of the live picture: all of it, or what changed after a revision."""

from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from haidang_cloud.console.hub.model import LiveModel, Minute
from haidang_cloud.console.hub.rows import CameraRow, CaseRow, EventRow, NodeRow
from haidang_cloud.console.ruling import Audience

EVENTS_SHOWN = 60


class MinuteRow(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A minute: its number since 1970, how much began, and by `camera/zone` what."""

    m: int
    n: int
    begun: dict[str, int] = {}
    seen: dict[str, float] = {}


class Update(Struct, kw_only=True, omit_defaults=True):
    """Rows that changed; `whole` says that these are all there are.

    `seq` counts up by one with every update of an audience: a viewer who misses one asks for all.
    """

    seq: int
    at: int
    whole: bool = False
    well: dict[str, Any] | None = None
    cases: list[CaseRow] = []
    cameras: list[CameraRow] = []
    nodes: list[NodeRow] = []
    minutes: list[MinuteRow] = []
    events: list[EventRow] = []

    def empty(self) -> bool:
        """Whether there is nothing new in it."""
        rows = self.cases or self.cameras or self.nodes or self.minutes or self.events
        return not rows and self.well is None


def update(model: LiveModel, audience: Audience, *, since: int, seq: int, now_ms: int) -> Update:
    """What an audience has not had since a revision; 0 is everything. Hold the model's lock."""
    news = since == 0 or model.wellness_revision > since
    return Update(
        seq=seq,
        at=now_ms,
        whole=since == 0,
        well=model.wellness.row() if news else None,
        cases=[row for row in model.cases.since(since) if row.scope in audience.cases],
        cameras=list(_cameras(model.cameras.since(since), audience)),
        nodes=[row for row in model.nodes.since(since) if row.id in audience.nodes],
        minutes=list(_minutes(model.minutes.since(since), audience)),
        events=list(_events(model, audience, since)),
    )


def _cameras(rows: Iterable[CameraRow], audience: Audience) -> Iterable[CameraRow]:
    return (row for row in rows if row.id in audience.cameras)


def _minutes(minutes: Iterable[Minute], audience: Audience) -> Iterable[MinuteRow]:
    if not audience.events and not audience.observed:
        return
    for minute in minutes:
        begun = {
            f"{camera}/{zone}": count
            for (camera, zone), count in minute.begun.items()
            if camera in audience.events
        }
        seen = (
            {f"{camera}/{zone}": mean for (camera, zone), mean in minute.seen.items()}
            if audience.observed
            else {}
        )
        yield MinuteRow(m=minute.number, n=sum(begun.values()), begun=begun, seen=seen)


def _events(model: LiveModel, audience: Audience, since: int) -> Iterable[EventRow]:
    """The newest that they may see, newest first."""
    shown = 0
    for revision, row in reversed(model.events):
        if revision <= since or shown == EVENTS_SHOWN:
            return
        if row.camera in audience.events:
            shown += 1
            yield row
