"""The tracker: constant velocity, matching by overlap in three passes, ids that never come twice.

A box is matched to where its object should be by now: first the sure detections, then the faint
ones (they keep a track alive, they never begin one), at last by overlap of boxes that are widened
by the time that went by, for objects that move by more than their size between two looks.
"""

from dataclasses import dataclass

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Array = NDArray[np.float32]
Box = tuple[float, float, float, float]

_NS = 1e-9
"""A nanosecond in seconds."""
VOTES_KEPT = 0.9
"""Share of a class vote's weight that is left at the next one: a track may change its mind."""
RIM = 0.005
"""A box that is closer to the picture's edge is cut off by it."""
_CENTRE = np.array([[0.5, 0], [0, 0.5], [0.5, 0], [0, 0.5]], np.float32)
"""A box times this is its centre."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerSettings:
    """How boxes become tracks.

    Attributes:
        start_score: a detection below begins no track.
        keep_score: a detection below is not looked at.
        overlap: IoU that two boxes of one object have at least.
        other_class_overlap: the same, where the detector calls the object something else.
        lost_s: a track not seen for longer ends at the next look.
        tentative_s: the same for a track that was seen only once.
        coast_s: how far ahead a velocity is trusted.
        settle_s: time in which a velocity takes up what is new.
        widen_per_s: shares of its size that a box is widened by, for each second unseen.
    """

    start_score: float = 0.5
    keep_score: float = 0.2
    overlap: float = 0.25
    other_class_overlap: float = 0.5
    lost_s: float = 3.0
    tentative_s: float = 1.0
    coast_s: float = 1.0
    settle_s: float = 0.4
    widen_per_s: float = 0.75


class Track(Struct, frozen=True, kw_only=True, gc=False):
    """One object at one look.

    Attributes:
        id: unique on its camera since the node started.
        cls: index of the label that most of its detections had, by score.
        score: of its newest detection.
        box: x0, y0, x1, y1 as shares of the picture, where it was last seen.
        seen: whether it was seen at this very look.
        hits: at how many looks it was seen.
        first_ns: monotonic time when it was first seen; `last_ns` likewise.
    """

    id: int
    cls: int
    score: float
    box: Box
    seen: bool
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


@dataclass(slots=True)
class _Kept:
    """A track's state between looks; `cls` leads `votes`, class → weight."""

    id: int
    first_ns: int
    last_ns: int
    score: float
    cls: int
    votes: dict[int, float]
    hits: int = 1

    def vote(self, cls: int, score: float) -> None:
        """Count what it was called this time."""
        votes = self.votes
        if len(votes) == 1 and cls in votes:
            votes[cls] = votes[cls] * VOTES_KEPT + score
            return
        for known in votes:
            votes[known] *= VOTES_KEPT
        votes[cls] = votes.get(cls, 0.0) + score
        self.cls = max(votes, key=lambda known: (votes[known], -known))


class Tracker:
    """See the module; used by one thread. `settings` may be changed between looks."""

    def __init__(self, settings: TrackerSettings | None = None, *, first_id: int = 1) -> None:
        """Begin with no tracks; `first_id` must be above all ids given since the node started."""
        self.settings = settings or TrackerSettings()
        self._next = first_id
        self._kept: list[_Kept] = []
        self._boxes: Array = np.empty((0, 4), np.float32)
        self._speeds: Array = np.empty((0, 2), np.float32)

    @property
    def alive(self) -> bool:
        """Whether there is any track."""
        return bool(self._kept)

    def update(self, detections: Array, mono_ns: int) -> tuple[Track, ...]:
        """All tracks that are alive after a look at `mono_ns` (monotonic, never going back).

        `detections`: (n, 6) of x0, y0, x1, y1 as shares, score, class; the order of rows plays no
        part, up to rows that are equal.
        """
        found = _sorted(detections[detections[:, 4] >= self.settings.keep_score])
        pairs = self._match(found, mono_ns)
        self._take(found, pairs, mono_ns)
        self._forget(mono_ns)
        taken = {row for _, row in pairs}
        for row in range(len(found)):
            if row not in taken and found[row, 4] >= self.settings.start_score:
                self._begin(found[row], mono_ns)
        return self._tracks(mono_ns)

    # --- matching ---------------------------------------------------------------------------

    def _match(self, found: Array, mono_ns: int) -> list[tuple[int, int]]:
        if not self._kept or not len(found):
            return []
        s = self.settings
        unseen_s = np.array([(mono_ns - k.last_ns) * _NS for k in self._kept], np.float32)
        ahead = self._speeds * np.minimum(unseen_s, s.coast_s)[:, None]
        expected = self._boxes + np.hstack([ahead, ahead])
        same = np.array([k.cls for k in self._kept])[:, None] == found[:, 5].astype(int)[None]
        overlap = _overlap(expected, found[:, :4])
        # a wrong name costs more overlap, so that a rider and the bicycle stay two
        fit = np.where(same, overlap + 1.0, np.where(overlap >= s.other_class_overlap, overlap, 0))
        fit[overlap < s.overlap] = 0
        sure = found[:, 4] >= s.start_score
        pairs = _greedy(fit * sure, [])
        if not sure.all():
            pairs = _greedy(fit, pairs)
        if len(pairs) < min(fit.shape):
            # as long as its velocity is trusted: later its place is anybody's
            grown = (np.minimum(unseen_s, s.coast_s) * s.widen_per_s).astype(np.float32)
            near = _overlap(_widened(expected, grown), found[:, :4])
            alike = same & sure & _alike(expected, found[:, :4])
            stays = ~_leaving(self._boxes, self._speeds)[:, None]
            pairs = _greedy(np.where(alike & stays, near, 0), pairs)
        return pairs

    def _take(self, found: Array, pairs: list[tuple[int, int]], mono_ns: int) -> None:
        if not pairs:
            return
        at, rows = (list(side) for side in zip(*pairs, strict=True))
        boxes = found[rows, :4]
        kept = [self._kept[index] for index in at]
        dt_s = np.array([max((mono_ns - k.last_ns) * _NS, 1e-3) for k in kept], np.float32)
        share = 1.0 - np.exp(dt_s / -self.settings.settle_s)
        moved = (boxes - self._boxes[at]) @ _CENTRE
        self._speeds[at] += share[:, None] * (moved / dt_s[:, None] - self._speeds[at])
        self._boxes[at] = boxes
        scored: list[list[float]] = found[rows, 4:].tolist()
        for track, (score, cls) in zip(kept, scored, strict=True):
            track.score, track.last_ns, track.hits = score, mono_ns, track.hits + 1
            track.vote(int(cls), score)

    def _forget(self, mono_ns: int) -> None:
        s = self.settings
        stays = [
            (mono_ns - k.last_ns) * _NS <= (s.lost_s if k.hits > 1 else s.tentative_s)
            for k in self._kept
        ]
        if not all(stays):
            self._kept = [k for k, stay in zip(self._kept, stays, strict=True) if stay]
            self._boxes, self._speeds = self._boxes[stays], self._speeds[stays]

    def _begin(self, row: Array, mono_ns: int) -> None:
        cls, score = int(row[5]), float(row[4])
        self._kept.append(_Kept(self._next, mono_ns, mono_ns, score, cls, {cls: score}))
        self._next += 1
        self._boxes = np.vstack([self._boxes, row[None, :4]])
        self._speeds = np.vstack([self._speeds, np.zeros((1, 2), np.float32)])

    def _tracks(self, mono_ns: int) -> tuple[Track, ...]:
        boxes: list[list[float]] = self._boxes.tolist()
        return tuple(
            Track(
                id=kept.id,
                cls=kept.cls,
                score=kept.score,
                box=(box[0], box[1], box[2], box[3]),
                seen=kept.last_ns == mono_ns,
                hits=kept.hits,
                first_ns=kept.first_ns,
                last_ns=kept.last_ns,
            )
            for kept, box in zip(self._kept, boxes, strict=True)
        )


def _sorted(rows: Array) -> Array:
    """Best score first, then by box and class: one order, however the detector gave them."""
    x0, y0, x1, y1, score, cls = rows.T
    order = np.lexsort((cls, y1, x1, y0, x0, -score))
    ordered: Array = rows[order]
    return ordered


def _overlap(a: Array, b: Array) -> Array:
    """Intersection over union of every box of `a` with every box of `b`."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    sides = np.maximum(high - low, 0)
    inner = sides[..., 0] * sides[..., 1]
    outer = _area(a)[:, None] + _area(b)[None] - inner
    shares: Array = inner / np.maximum(outer, 1e-12)
    return shares


def _area(boxes: Array) -> Array:
    area: Array = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return area


def _widened(boxes: Array, shares: Array) -> Array:
    """Boxes grown on every side by `shares` of their longer side."""
    size = np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    margin = (size * shares)[:, None]
    wide: Array = boxes + margin * np.array([-1, -1, 1, 1], np.float32)
    return wide


def _leaving(boxes: Array, speeds: Array) -> NDArray[np.bool_]:
    """Whether a box is cut off by the picture's edge and was on its way out over it."""
    out_low = (boxes[:, :2] <= RIM) & (speeds < 0)
    out_high = (boxes[:, 2:] >= 1 - RIM) & (speeds > 0)
    leaving: NDArray[np.bool_] = np.any(out_low | out_high, axis=1)
    return leaving


def _alike(a: Array, b: Array) -> NDArray[np.bool_]:
    """Whether sizes differ by less than half: what is twice as large is something else."""
    one, other = _area(a)[:, None], _area(b)[None]
    alike: NDArray[np.bool_] = np.minimum(one, other) * 2.5 >= np.maximum(one, other)
    return alike


def _greedy(fit: Array, pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Best fits first, each track and row once, after those that are `pairs` already."""
    tracks, rows = {t for t, _ in pairs}, {r for _, r in pairs}
    chosen = list(pairs)
    at, row = np.nonzero(fit)
    order = np.argsort(-fit[at, row], kind="stable")
    for t, r in zip(at[order].tolist(), row[order].tolist(), strict=True):
        if t not in tracks and r not in rows:
            tracks.add(t)
            rows.add(r)
            chosen.append((t, r))
    return chosen
