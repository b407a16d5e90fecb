"""How a source is read, and by which clock."""

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureSettings:
    """How a source is read.

    Attributes:
        fps: pictures a second at most, on average; None is all.
        letterbox: pictures keep their shape, grey fills the model's size; else they are stretched.
        loop: a file begins again at its end.
        pace: a file's pictures come at their own times; else as fast as they are taken.
        open_timeout_s: a source must open within this.
        stall_s: without a picture for this long it counts as stalled.
        freeze_s: a picture that stays the same to the byte for this long counts as frozen.
    """

    fps: float | None = None
    letterbox: bool = False
    loop: bool = False
    pace: bool = False
    open_timeout_s: float = 10.0
    stall_s: float = 10.0
    freeze_s: float = 30.0


def boottime_ns() -> int:
    """The node's clock that no one sets: nanoseconds since boot, sleep included."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
