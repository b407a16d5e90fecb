"""Whether a picture is worth the detector: it is when something changed, or when it is time."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSettings:
    """When the gate opens.

    Attributes:
        level: brightness steps (of 255) by which a point must change to count.
        share: share of points that must have changed.
        hold_s: once opened by a change it stays open this long.
        alive_look_s: a look this often while a track lives; somebody who stands still is not gone.
        idle_look_s: a look this often in any case.
    """

    level: int = 12
    share: float = 0.002
    hold_s: float = 1.0
    alive_look_s: float = 0.6
    idle_look_s: float = 10.0


class Gate:
    """Judges one camera's pictures in order; knows no clock of its own.

    A picture is compared with the last one that was looked at, so that a change which is slow from
    picture to picture is seen all the same.
    """

    def __init__(self, settings: GateSettings | None = None) -> None:
        """Begin: the first picture is always looked at."""
        self._settings = settings or GateSettings()
        self._seen: NDArray[np.uint8] | None = None
        self._looked_ns = 0
        self._open_until_ns: int | None = None

    def look(self, luma: NDArray[np.uint8], mono_ns: int, *, tracks_alive: bool) -> bool:
        """Whether to run the detector on the picture that `luma` is the small grey of."""
        changed = self._changed(luma)
        if changed:
            self._open_until_ns = mono_ns + round(self._settings.hold_s * 1e9)
        held = self._open_until_ns is not None and mono_ns <= self._open_until_ns
        if not (changed or held or self._due(mono_ns, tracks_alive=tracks_alive)):
            return False
        self._seen, self._looked_ns = luma, mono_ns
        return True

    def _changed(self, luma: NDArray[np.uint8]) -> bool:
        seen = self._seen
        if seen is None or seen.shape != luma.shape:
            return True
        # unsigned all the way: the greater minus the lesser needs no wider type
        moved = np.maximum(luma, seen) - np.minimum(luma, seen) > self._settings.level
        return int(np.count_nonzero(moved)) > self._settings.share * luma.size

    def _due(self, mono_ns: int, *, tracks_alive: bool) -> bool:
        every_s = self._settings.idle_look_s
        if tracks_alive:
            every_s = min(every_s, self._settings.alive_look_s)
        return mono_ns - self._looked_ns >= round(every_s * 1e9)
