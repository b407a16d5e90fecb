"""What a camera counted in an interval: how many were where, and who crossed which line.

Means are weighted by time, so a gate that looks seldom at an empty yard does not make it seem full.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from haidang_protocols.wire.records import LineCount, Observation, ZoneCount

HOLD_NS = 5_000_000_000
"""A count is taken to hold for so long without a frame; beyond, nobody knows."""

Key = tuple[str, str]
"""Zone ("" for the whole picture) and class."""


@dataclass(slots=True)
class _Count:
    now: int = 0
    most: int = 0
    sum_ns: int = 0


@dataclass(slots=True)
class Tally:
    """One interval after the other; `watched` keys are told though nobody was there."""

    camera: str
    model: str
    interval_ns: int
    watched: frozenset[Key]
    start_ns: int
    _counts: dict[Key, _Count] = field(default_factory=dict)
    _lines: dict[Key, list[int]] = field(default_factory=dict)
    _at_ns: int = -1
    _seen_ns: int = 0
    _looks: int = 0

    def look(self, present: Mapping[Key, int], mono_ns: int) -> None:
        """A look has shown that so many are there now."""
        self.frame(mono_ns)
        self._looks += 1
        for key in present.keys() | self._counts.keys():
            count = self._counts.setdefault(key, _Count())
            count.now = present.get(key, 0)
            count.most = max(count.most, count.now)

    def frame(self, mono_ns: int) -> None:
        """A frame came: what was counted last has held until now."""
        if self._at_ns >= 0:
            held_ns = min(mono_ns - self._at_ns, HOLD_NS)
            self._seen_ns += held_ns
            for count in self._counts.values():
                count.sum_ns += count.now * held_ns
        self._at_ns = mono_ns

    def crossed(self, line: str, cls: str, *, forward: bool) -> None:
        """Somebody crossed a line."""
        self._lines.setdefault((line, cls), [0, 0])[0 if forward else 1] += 1

    def due(self, mono_ns: int) -> bool:
        """Whether the interval is over."""
        return mono_ns - self.start_ns >= self.interval_ns

    def close(self, mono_ns: int) -> Observation | None:
        """End the interval and begin the next; None when the camera saw nothing in it."""
        told = self._observation(mono_ns) if self._looks or self._seen_ns else None
        self.start_ns, self._seen_ns, self._looks = mono_ns, 0, 0
        self._lines = {}
        self._counts = {key: _Count(c.now, c.now) for key, c in self._counts.items() if c.now}
        return told

    def _observation(self, mono_ns: int) -> Observation:
        counts = {key: self._counts.get(key, _Count()) for key in self.watched | set(self._counts)}
        return Observation(
            t=0,
            mono=mono_ns,
            camera=self.camera,
            model=self.model,
            interval_s=round((mono_ns - self.start_ns) / 1e9, 3),
            frames=self._looks,
            counts=tuple(
                ZoneCount(zone=zone, cls=cls, mean=self._mean(count), max=count.most)
                for (zone, cls), count in sorted(counts.items())
            ),
            crossings=tuple(
                LineCount(line=line, cls=cls, forward=forward, backward=backward)
                for (line, cls), (forward, backward) in sorted(self._lines.items())
            ),
        )

    def _mean(self, count: _Count) -> float:
        return round(count.sum_ns / self._seen_ns, 4) if self._seen_ns else float(count.now)


def how_many(keys: Iterable[Key]) -> dict[Key, int]:
    """How often each key stands in `keys`."""
    counts: dict[Key, int] = {}
    for key in keys:
        counts[key] = counts.get(key, 0) + 1
    return counts
