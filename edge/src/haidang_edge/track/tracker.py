"""The tracker: constant velocity, matching by overlap in passes, ids that never come twice.

A box is matched to where its object should be by now: first sure detections to objects that are
known, then the faint ones (they keep a track alive, they never begin one), then what is left to
tracks that were seen only once; at last by overlap of boxes that are widened by the time that went
by, for objects that move by more than their size between two looks. So far it is ByteTrack (Zhang
et al., 2022) in seconds instead of frames. Boxes are compared with a margin around them, so that a
thin one is not lost over a tremble: C-BIoU (Yang et al., 2023). What a detector tells twice is less
sure the second time: Soft-NMS (Bodla et al., 2017).

Plain Python on purpose: for the few boxes of a look it is quicker than arrays are.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Array = NDArray[np.float32]
Box = tuple[float, float, float, float]
Row = list[float]
"""A detection: x0, y0, x1, y1, score, class."""
Fit = tuple[int, float, int, int]
"""Pass, badness, the track's and the row's place: the least goes first."""

_NS = 1e-9
"""A nanosecond in seconds."""
VOTES_KEPT = 0.9
"""Share of a class vote's weight that is left at the next one: a track may change its mind."""
RIM = 0.005
"""A box that is closer to the picture's edge is cut off by it."""
ALIKE = 2.5
"""What is larger by more than this factor, in area, is something else."""
DOUBT = 0.5
"""The σ of Soft-NMS, as its authors chose it."""
_SHORTEST_S = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerSettings:
    """How boxes become tracks.

    Attributes:
        start_score: a detection below begins no track.
        keep_score: a detection below is not looked at.
        margin: share of its longer side that a box is widened by on every side to be compared.
        overlap: IoU that two boxes of one object have at least, so widened.
        other_class_overlap: the same, where the detector calls the object something else.
        twice_overlap: a detection that overlaps another of its class by more, which has its track,
            begins none: it is the same object told twice.
        lost_s: a track not seen for longer ends at the next look.
        tentative_s: the same for a track that was seen only once.
        coast_s: how far ahead a velocity is trusted.
        settle_s: how long the past counts in where an object is, how large, and how fast.
        widen_per_s: shares of its size that a box is widened by, for each second unseen.
    """

    start_score: float = 0.5
    keep_score: float = 0.2
    margin: float = 0.1
    overlap: float = 0.35
    other_class_overlap: float = 0.5
    twice_overlap: float = 0.35
    lost_s: float = 3.0
    tentative_s: float = 1.0
    coast_s: float = 1.0
    settle_s: float = 0.5
    widen_per_s: float = 0.75


class Track(Struct, frozen=True, kw_only=True, gc=False):
    """One object at one look.

    Attributes:
        id: unique on its camera since the node started.
        cls: index of the label that most of its detections had, by score.
        score: of its newest detection.
        box: x0, y0, x1, y1 as shares of the picture, where it was last seen.
        seen: whether it was seen at this very look.
        covered: not seen, and where it should be stands another that was: behind that one, or the
            same under another id.
        hits: at how many looks it was seen.
        first_ns: monotonic time when it was first seen; `last_ns` likewise.
    """

    id: int
    cls: int
    score: float
    box: Box
    seen: bool
    covered: bool = False
    hits: int
    first_ns: int
    last_ns: int

    @property
    def foot(self) -> tuple[float, float]:
        """Where it stands: the middle of its lower edge."""
        return (self.box[0] + self.box[2]) / 2, self.box[3]

    @property
    def confirmed(self) -> bool:
        """Seen at least twice: a single detection is no object yet."""
        return self.hits > 1


class _Kept:
    """A track's state between looks: its votes, and a filter over its centre and size.

    The filter forgets: what is `settle_s` old counts a third. While young it weighs all looks
    alike, so that two are enough for a velocity (Morrison's expanding, then fading memory).
    """

    __slots__ = (
        "box", "cls", "first_ns", "high", "hits", "id", "last_ns", "score", "votes", "vx", "vy",
        "wide", "x", "y",
    )  # fmt: skip

    def __init__(self, number: int, row: Row, mono_ns: int) -> None:
        x0, y0, x1, y1, self.score, cls = row
        self.id, self.first_ns, self.last_ns, self.hits = number, mono_ns, mono_ns, 1
        self.cls = int(cls)
        self.votes = {self.cls: self.score}
        self.box: Box = (x0, y0, x1, y1)
        self.x, self.y, self.wide, self.high = (x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0
        self.vx = self.vy = 0.0

    def expected(self, ahead_s: float) -> Box:
        """Where it should be so much later."""
        x, y = self.x + self.vx * ahead_s, self.y + self.vy * ahead_s
        wide, high = self.wide / 2, self.high / 2
        return x - wide, y - high, x + wide, y + high

    def take(self, row: Row, mono_ns: int, settle_s: float) -> None:
        """Be seen at a place."""
        x0, y0, x1, y1, score, cls = row
        dt_s = max((mono_ns - self.last_ns) * _NS, _SHORTEST_S)
        n = self.hits = self.hits + 1
        left = math.exp(-dt_s / settle_s)
        gain = max(1 - left * left, (4 * n - 2) / (n * (n + 1)))
        turn = max((1 - left) ** 2, 6 / (n * (n + 1))) / dt_s
        self.x += self.vx * dt_s
        self.y += self.vy * dt_s
        off_x, off_y = (x0 + x1) / 2 - self.x, (y0 + y1) / 2 - self.y
        self.x += gain * off_x
        self.y += gain * off_y
        self.vx += turn * off_x
        self.vy += turn * off_y
        self.wide += gain * (x1 - x0 - self.wide)
        self.high += gain * (y1 - y0 - self.high)
        self.box, self.score, self.last_ns = (x0, y0, x1, y1), score, mono_ns
        self._vote(int(cls), score)

    def _vote(self, cls: int, score: float) -> None:
        """Count what it was called this time; `cls` leads the votes, class → weight."""
        votes = self.votes
        if len(votes) == 1 and cls in votes:
            votes[cls] = votes[cls] * VOTES_KEPT + score
            return
        for known in votes:
            votes[known] *= VOTES_KEPT
        votes[cls] = votes.get(cls, 0.0) + score
        self.cls = max(votes, key=lambda known: (votes[known], -known))

    def leaving(self) -> bool:
        """Whether it is cut off by the picture's edge and was on its way out over it."""
        x0, y0, x1, y1 = self.box
        return (
            (x0 <= RIM and self.vx < 0)
            or (y0 <= RIM and self.vy < 0)
            or (x1 >= 1 - RIM and self.vx > 0)
            or (y1 >= 1 - RIM and self.vy > 0)
        )


class Tracker:
    """See the module; used by one thread. `settings` may be changed between looks."""

    def __init__(self, settings: TrackerSettings | None = None, *, first_id: int = 1) -> None:
        """Begin with no tracks; `first_id` must be above all ids given since the node started."""
        self.settings = settings or TrackerSettings()
        self._next = first_id
        self._kept: list[_Kept] = []

    @property
    def alive(self) -> bool:
        """Whether there is any track."""
        return bool(self._kept)

    def update(self, detections: Array, mono_ns: int) -> tuple[Track, ...]:
        """All tracks that are alive after a look at `mono_ns` (monotonic, never going back).

        `detections`: (n, 6) of x0, y0, x1, y1 as shares, score, class; the order of rows plays no
        part, up to rows that are equal.
        """
        rows = _rows(detections, self.settings.keep_score)
        expected = [self._expected(kept, mono_ns) for kept in self._kept]
        of_row, covered = self._match(rows, expected, mono_ns)
        for row, at in of_row.items():
            self._kept[at].take(rows[row], mono_ns, self.settings.settle_s)
        self._forget(mono_ns)
        self._begin(rows, of_row, mono_ns)
        return tuple(_track(kept, mono_ns, covered=kept in covered) for kept in self._kept)

    # --- matching ---------------------------------------------------------------------------

    def _expected(self, kept: _Kept, mono_ns: int) -> Box:
        return kept.expected(min((mono_ns - kept.last_ns) * _NS, self.settings.coast_s))

    def _match(
        self, rows: list[Row], expected: list[Box], mono_ns: int
    ) -> tuple[dict[int, int], set[_Kept]]:
        """Row → track, both by their places; and who is covered."""
        of_row: dict[int, int] = {}
        free = set(range(len(expected)))
        fits = sorted(self._fits(rows, expected))
        _choose(fits, free, of_row)
        if free and len(of_row) < len(rows):
            _choose(sorted(self._near(rows, expected, mono_ns)), free, of_row)
        # the badness of a fit of its own class is -1 less the overlap
        covered = {
            self._kept[at]
            for _, badness, at, _ in fits
            if at in free and -badness - 1 > self.settings.twice_overlap
        }
        return of_row, covered

    def _fits(self, rows: list[Row], expected: list[Box]) -> Iterator[Fit]:
        """Which box may be which track's: by pass, then by overlap."""
        s = self.settings
        wide = [_widened(row, s.margin) for row in rows]
        about = _About(wide)
        for at, (kept, box) in enumerate(zip(self._kept, expected, strict=True)):
            mine = _widened(box, s.margin)
            for row in about.meeting(mine):
                overlap = _overlap(mine, wide[row])
                # a wrong name costs more overlap, so that a rider and the bicycle stay two
                same = rows[row][5] == kept.cls
                if overlap >= (s.overlap if same else s.other_class_overlap):
                    faint = rows[row][4] < s.start_score
                    yield (int(faint) if kept.hits > 1 else 2), -overlap - same, at, row

    def _near(self, rows: list[Row], expected: list[Box], mono_ns: int) -> Iterator[Fit]:
        """Which sure box may be which track's, if that has moved by more than its size."""
        s = self.settings
        for at, (kept, box) in enumerate(zip(self._kept, expected, strict=True)):
            if kept.leaving():
                continue
            # as long as its velocity is trusted: later its place is anybody's
            unseen_s = min((mono_ns - kept.last_ns) * _NS, s.coast_s)
            mine = _widened(box, unseen_s * s.widen_per_s)
            for row, other in enumerate(rows):
                if other[4] >= s.start_score and other[5] == kept.cls and _alike(box, other):
                    overlap = _overlap(mine, other)
                    if overlap > 0:
                        yield 0, -overlap, at, row

    # --- tracks come and go -----------------------------------------------------------------

    def _forget(self, mono_ns: int) -> None:
        s = self.settings
        self._kept = [
            kept
            for kept in self._kept
            if (mono_ns - kept.last_ns) * _NS <= (s.lost_s if kept.hits > 1 else s.tentative_s)
        ]

    def _begin(self, rows: list[Row], of_row: dict[int, int], mono_ns: int) -> None:
        s = self.settings
        known = [rows[row] for row in of_row]
        for at, row in enumerate(rows):
            if at in of_row or row[4] < s.start_score or _is_twice(row, known, s.twice_overlap):
                continue
            self._kept.append(_Kept(self._next, row, mono_ns))
            self._next += 1
            known.append(row)


def _rows(detections: Array, least: float) -> list[Row]:
    """Best score first, then by box and class: one order, however the detector gave them.

    What lies over a better box of its class is less sure, the more the further (Soft-NMS): a
    detector tells one object twice more often than two objects at one place.
    """
    given: list[Row] = detections.tolist()
    best = sorted((row for row in given if row[4] >= least), key=_by_score)
    about, rows = _About(best), dict[int, Row]()
    for at, row in enumerate(best):
        over = (other for other in about.meeting(row) if other < at and other in rows)
        squares = sum(_overlap(row, best[o]) ** 2 for o in over if best[o][5] == row[5])
        score = row[4] * math.exp(squares / -DOUBT) if squares else row[4]
        if score >= least:
            rows[at] = [*row[:4], score, row[5]]
    return sorted(rows.values(), key=_by_score)


class _About:
    """Boxes by where they begin: who meets one is found without a look at all of a crowd."""

    __slots__ = ("_at", "_begins", "_boxes", "_widest")

    def __init__(self, boxes: Sequence[Sequence[float]]) -> None:
        self._boxes = boxes
        self._at = sorted(range(len(boxes)), key=lambda at: boxes[at][0])
        self._begins = [boxes[at][0] for at in self._at]
        self._widest = max((box[2] - box[0] for box in boxes), default=0.0)

    def meeting(self, box: Sequence[float]) -> list[int]:
        """The places of those that a box meets, from left to right."""
        x0, y0, x1, y1 = box[:4]
        boxes = self._boxes
        first = bisect_left(self._begins, x0 - self._widest)
        near = self._at[first : bisect_left(self._begins, x1, first)]
        return [at for at in near if boxes[at][2] > x0 and boxes[at][1] < y1 and boxes[at][3] > y0]


def _by_score(row: Row) -> tuple[float, Row]:
    return -row[4], row


def _track(kept: _Kept, mono_ns: int, *, covered: bool) -> Track:
    return Track(
        id=kept.id,
        cls=kept.cls,
        score=kept.score,
        box=kept.box,
        seen=kept.last_ns == mono_ns,
        covered=covered,
        hits=kept.hits,
        first_ns=kept.first_ns,
        last_ns=kept.last_ns,
    )


def _choose(fits: Iterable[Fit], free: set[int], of_row: dict[int, int]) -> None:
    """Best fits first, each track and row once; `free` tracks and rows `of_row` change."""
    for _, _, at, row in fits:
        if at in free and row not in of_row:
            free.discard(at)
            of_row[row] = at


def _is_twice(row: Row, known: Iterable[Row], overlap: float) -> bool:
    """Whether it is one of the known told once more."""
    return any(row[5] == other[5] and _overlap(row, other) > overlap for other in known)


def _overlap(a: Sequence[float], b: Sequence[float]) -> float:
    """Intersection over union of two boxes, given by the first four numbers of each."""
    ax0, ay0, ax1, ay1 = a[:4]
    bx0, by0, bx1, by1 = b[:4]
    wide = (ax1 if ax1 < bx1 else bx1) - (ax0 if ax0 > bx0 else bx0)
    high = (ay1 if ay1 < by1 else by1) - (ay0 if ay0 > by0 else by0)
    if wide <= 0 or high <= 0:
        return 0.0
    inner = wide * high
    return inner / ((ax1 - ax0) * (ay1 - ay0) + (bx1 - bx0) * (by1 - by0) - inner)


def _widened(box: Sequence[float], share: float) -> Box:
    """A box grown on every side by a share of its longer side."""
    x0, y0, x1, y1 = box[:4]
    margin = max(x1 - x0, y1 - y0) * share
    return x0 - margin, y0 - margin, x1 + margin, y1 + margin


def _alike(a: Sequence[float], b: Sequence[float]) -> bool:
    """Whether neither is much larger than the other."""
    one, other = (a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1])
    return min(one, other) * ALIKE >= max(one, other)
