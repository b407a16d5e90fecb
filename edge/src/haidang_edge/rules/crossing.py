"""Who crossed a line, and which way: counted once until they are clearly back.

A foot point trembles. Somebody is on a side only when further from the line than a margin that
grows with their size; in between they are where they were.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from haidang_edge.rules import geometry
from haidang_edge.rules.geometry import Point
from haidang_edge.track import Track

MARGIN_OF_HEIGHT = 0.1
MARGIN_MIN, MARGIN_MAX = 0.004, 0.02


@dataclass(frozen=True, slots=True)
class Crossing:
    """One crossing by one track; `forward` is from the line's left to its right."""

    track: Track
    forward: bool


@dataclass(frozen=True, slots=True)
class _Stand:
    """Where a track last stood clearly on a side."""

    right: bool
    foot: Point


class Crossings:
    """One line's memory of the tracks near it."""

    def __init__(self, line: tuple[Point, Point]) -> None:
        """Begin with nobody."""
        self.line = line
        self._stands: dict[int, _Stand] = {}

    def look(self, tracks: Iterable[Track]) -> Iterator[Crossing]:
        """The crossings that this look has shown; tracks that are gone are forgotten."""
        before, self._stands = self._stands, {}
        for track in tracks:
            stood = before.get(track.id)
            stands = self._stand(track) if track.seen else None
            kept = stands or stood
            if kept is not None:
                self._stands[track.id] = kept
            if stands is None or stood is None or stands.right == stood.right:
                continue
            if geometry.meet(stood.foot, stands.foot, self.line):
                yield Crossing(track, forward=stands.right)

    def _stand(self, track: Track) -> _Stand | None:
        away = geometry.beside(track.foot, self.line)
        height = track.box[3] - track.box[1]
        margin = min(max(MARGIN_OF_HEIGHT * height, MARGIN_MIN), MARGIN_MAX)
        return None if abs(away) <= margin else _Stand(away > 0, track.foot)
