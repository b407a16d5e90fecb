"""Which pictures are worth looking at: pure judgements over times, tested without a camera."""

import numpy as np
from numpy.typing import NDArray


class Thinner:
    """Lets so many pictures a second through that the average never exceeds `fps`."""

    def __init__(self, fps: float | None) -> None:
        """None lets all through."""
        self._period_s = None if fps is None else 1.0 / fps
        self._next_s: float | None = None
        self._before_s = 0.0

    def due(self, at_s: float) -> bool:
        """Whether the picture at `at_s` is the nearest one to the moment of the next look."""
        if self._period_s is None:
            return True
        if self._next_s is None or at_s < self._before_s:  # the first, or a stream that began anew
            self._next_s = self._before_s = at_s
        step_s = min(at_s - self._before_s, self._period_s)
        self._before_s = at_s
        if at_s + step_s / 2 < self._next_s:
            return False
        self._next_s += self._period_s
        if self._next_s <= at_s:  # pictures were missing: start counting from here
            self._next_s = at_s + self._period_s
        return True


class Stillness:
    """Since when a picture has not changed by one byte: no living sensor does that for long."""

    def __init__(self) -> None:
        """Nothing seen yet."""
        self._sample: NDArray[np.uint8] | None = None
        self._since_ns = 0

    def seconds(self, sample: NDArray[np.uint8], mono_ns: int) -> float:
        """For how long `sample` has been the same; it is copied when it is new."""
        if self._sample is None or not np.array_equal(sample, self._sample):
            self._sample, self._since_ns = sample.copy(), mono_ns
        return (mono_ns - self._since_ns) / 1e9
