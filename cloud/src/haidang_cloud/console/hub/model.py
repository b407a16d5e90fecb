"""The live picture of a centre, in memory: what is open, alive, and going on in the last hour.

Every change gets the next revision; what changed after one is found without looking at the rest.
Threads that hear of something put it in; the event loop takes out what viewers have not had.
"""

import threading
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from msgspec.structs import replace

from haidang_cloud.console.hub.rows import (
    MS_NS,
    CameraRow,
    CaseRow,
    EventRow,
    NodeRow,
    birth_fields,
)
from haidang_protocols.wire.messages import Birth
from haidang_protocols.wire.records import Box

MINUTES = 60
EVENTS_KEPT = 2000
CLOSED_KEPT_MS = 15 * 60_000
OPEN = frozenset({"raised", "acknowledged", "on_scene"})
_T = TypeVar("_T")


class Ordered(Generic[_T]):
    """Rows by key, in the order of their last change."""

    def __init__(self) -> None:
        """Begin with none."""
        self._rows: dict[str, tuple[int, _T]] = {}

    def put(self, key: str, row: _T, revision: int) -> None:
        """Set a row; it is the newest now."""
        self._rows.pop(key, None)
        self._rows[key] = (revision, row)

    def drop(self, key: str) -> None:
        """Forget a row."""
        self._rows.pop(key, None)

    def get(self, key: str) -> _T | None:
        """The row of a key."""
        found = self._rows.get(key)
        return None if found is None else found[1]

    def since(self, revision: int) -> Iterator[_T]:
        """Rows that changed after a revision, the newest first."""
        for at, row in reversed(self._rows.values()):
            if at <= revision:
                return
            yield row

    def __iter__(self) -> Iterator[_T]:
        return (row for _, row in self._rows.values())

    def __len__(self) -> int:
        return len(self._rows)


@dataclass(slots=True)
class Minute:
    """What began in one minute, by (camera, zone); and what cameras counted, as a mean.

    `known` has the hashes of its events: whole, an hour's ids at fifty a second took 40 MB.
    """

    number: int
    begun: Counter[tuple[str, str]] = field(default_factory=Counter)
    seen: dict[tuple[str, str], float] = field(default_factory=dict)
    known: set[int] = field(default_factory=set)


@dataclass(slots=True)
class Wellness:
    """Whether what feeds the picture is there; a viewer is told what is not."""

    broker: bool = False
    database: bool = True
    series: bool = True
    ingest: dict[str, bool] = field(default_factory=dict)

    def row(self) -> dict[str, object]:
        """As viewers are sent it; no ingest worker heard of is not one that is down."""
        return {
            "broker": self.broker,
            "database": self.database,
            "series": self.series,
            "ingest": any(self.ingest.values()) or not self.ingest,
        }


class LiveModel:
    """See the module; hold `lock` around everything."""

    def __init__(self) -> None:
        """Begin with nothing known."""
        self.lock = threading.RLock()
        # 0 is before everything: who has had that has had nothing
        self.revision = 1
        self.cases: Ordered[CaseRow] = Ordered()
        self.cameras: Ordered[CameraRow] = Ordered()
        self.nodes: Ordered[NodeRow] = Ordered()
        self.minutes: Ordered[Minute] = Ordered()
        self.events: deque[tuple[int, EventRow]] = deque(maxlen=EVENTS_KEPT)
        self.wellness = Wellness()
        self.wellness_revision = 0
        self._stamps: dict[str, int] = {}

    def _next(self) -> int:
        self.revision += 1
        return self.revision

    # --- cases ------------------------------------------------------------------------------

    def put_case(self, row: CaseRow, *, stamp_ns: int) -> None:
        """Take a case, unless something newer is known of it; what is stored beats what is not."""
        with self.lock:
            known = self.cases.get(row.id)
            if known is not None:
                if row.provisional and not known.provisional:
                    return
                newer = stamp_ns > self._stamps[row.id]
                if not newer and known.provisional == row.provisional:
                    return
            self._stamps[row.id] = stamp_ns
            self.cases.put(row.id, row, self._next())

    def stamp(self, case: str) -> int | None:
        """When what is known of a case was true; None when nothing is, or nothing stored."""
        with self.lock:
            known = self.cases.get(case)
            return None if known is None or known.provisional else self._stamps[case]

    def keep_cases(self, stored: set[str], *, now_ms: int) -> None:
        """Forget cases that were closed a while ago, and open ones that the database has not."""
        with self.lock:
            for row in list(self.cases):
                closed = row.state not in OPEN and row.changed < now_ms - CLOSED_KEPT_MS
                if closed or (row.state in OPEN and row.id not in stored and not row.provisional):
                    self.cases.drop(row.id)
                    self._stamps.pop(row.id, None)

    # --- nodes and cameras ------------------------------------------------------------------

    def change_node(self, number: str, fields: dict[str, object]) -> None:
        """Change some of a node's row."""
        with self.lock:
            known = self.nodes.get(number) or NodeRow(id=number)
            row = replace(known, **fields)
            if row != known:
                self.nodes.put(number, row, self._next())

    def put_birth(self, number: str, birth: Birth, *, at_ns: int) -> None:
        """A node has said who it is, unless a later birth is known: the database lags behind."""
        with self.lock:
            known = self.nodes.get(number) or NodeRow(id=number)
            if at_ns // MS_NS >= known.born:
                self.change_node(number, birth_fields(birth, known, at_ns=at_ns))

    def put_camera(self, row: CameraRow) -> None:
        """Set a camera's row."""
        with self.lock:
            if self.cameras.get(row.id) != row:
                self.cameras.put(row.id, row, self._next())

    def put_picture(self, camera: str, record: str, *, t_ms: int, crop: Box | None = None) -> None:
        """A camera has a newer picture."""
        with self.lock:
            known = self.cameras.get(camera) or CameraRow(id=camera)
            if t_ms >= known.picture_t:
                self.put_camera(replace(known, picture=record, picture_t=t_ms, crop=crop))

    # --- what goes on -----------------------------------------------------------------------

    def add_event(self, row: EventRow, *, now_ms: int) -> None:
        """Count an event once, however often it is read."""
        with self.lock:
            number = row.t // 60_000
            if number <= now_ms // 60_000 - MINUTES or row.t > now_ms + 60_000:
                return
            minute = self._minute(number)
            key = hash((row.t, row.id))
            if key in minute.known:
                return
            minute.known.add(key)
            revision = self._next()
            if row.phase != "end":
                minute.begun[row.camera, row.zone] += 1
                self.minutes.put(str(number), minute, revision)
            self.events.append((revision, row))

    def set_seen(self, camera: str, zone: str, *, t_ms: int, mean: float, now_ms: int) -> None:
        """A camera counted so many in a zone, over all classes."""
        with self.lock:
            number = t_ms // 60_000
            if not now_ms // 60_000 - MINUTES < number <= now_ms // 60_000 + 1:
                return
            minute = self._minute(number)
            if minute.seen.get((camera, zone)) != mean:
                minute.seen[camera, zone] = mean
                self.minutes.put(str(number), minute, self._next())

    def _minute(self, number: int) -> Minute:
        found = self.minutes.get(str(number))
        if found is None:
            found = Minute(number)
            self.minutes.put(str(number), found, self.revision)
            for old in [m.number for m in self.minutes if m.number <= number - MINUTES]:
                self.minutes.drop(str(old))
        return found

    # --- what feeds it ----------------------------------------------------------------------

    def set_well(self, **flags: bool) -> None:
        """Note which of broker, database, series answer."""
        with self.lock:
            for name, value in flags.items():
                if getattr(self.wellness, name) != value:
                    setattr(self.wellness, name, value)
                    self.wellness_revision = self._next()

    def set_ingest(self, worker: str, *, online: bool) -> None:
        """Note whether an ingest worker is up."""
        with self.lock:
            if self.wellness.ingest.get(worker) != online:
                self.wellness.ingest[worker] = online
                self.wellness_revision = self._next()
