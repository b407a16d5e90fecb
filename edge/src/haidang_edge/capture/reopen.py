"""Keeps a camera open: what fails is opened again, later each time, and every change is told."""

import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from haidang_edge.capture.errors import CaptureError
from haidang_edge.capture.frame import Frame
from haidang_edge.capture.source import Source
from haidang_protocols.wire.messages import CameraState
from haidang_protocols.wire.reasons import Reason, because


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """How long to wait before opening again.

    Attributes:
        first_s: after the first failure; twice as long after each further one.
        most_s: never longer than this.
        steady_s: a source that lived this long has recovered: the next wait is the first again.
    """

    first_s: float = 1.0
    most_s: float = 30.0
    steady_s: float = 20.0

    def wait_s(self, failures: int, share: float) -> float:
        """The wait after so many failures in a row; `share` (0..1) of its upper half is random."""
        longest_s = min(self.first_s * 2.0 ** min(failures - 1, 32), self.most_s)
        # half of it is random, so that cameras behind one switch do not all come back at once
        return longest_s * (0.5 + 0.5 * share)


def reopening(
    opener: Callable[[], Source],
    *,
    on_state: Callable[[CameraState, Reason | None], None],
    stop: threading.Event,
    backoff: Backoff | None = None,
    jitter: Callable[[], float] = random.random,
) -> Iterator[Frame]:
    """The pictures of what `opener` opens, again and again, until `stop` or the end of a file.

    Args:
        opener: opens the source anew; `SourceAddressError` from it is let through.
        on_state: told each change of state and why: connecting, live, frozen, stalled, ended, down.
        stop: ends a wait at once, and the pictures at the next one.
        backoff: see `Backoff`.
        jitter: a number from 0 to 1; for tests.
    """
    chosen, failures = backoff or Backoff(), 0
    while not stop.is_set():
        on_state(CameraState.CONNECTING, None)
        life = _Life(on_state)
        try:
            with opener() as source:
                for frame in source.frames():
                    life.saw(frame, source)
                    yield frame
                    if stop.is_set():
                        return
        except CaptureError as error:
            on_state(error.state, error.why)
        else:
            on_state(CameraState.ENDED, because("camera.end"))
            return
        failures = 1 if life.seconds >= chosen.steady_s else failures + 1
        stop.wait(chosen.wait_s(failures, jitter()))


class _Life:
    """One opening of a source: how long it gave pictures, and whether they change."""

    def __init__(self, on_state: Callable[[CameraState, Reason | None], None]) -> None:
        self._on_state = on_state
        self._state = CameraState.CONNECTING
        self._begun_ns: int | None = None
        self.seconds = 0.0

    def saw(self, frame: Frame, source: Source) -> None:
        """Count on, and say whether it is live or frozen, if that is new."""
        if self._begun_ns is None:
            self._begun_ns = frame.mono_ns
        self.seconds = (frame.mono_ns - self._begun_ns) / 1e9
        state = CameraState.FROZEN if source.frozen else CameraState.LIVE
        if state is not self._state:
            still = because("camera.still", seconds=round(source.still_s))
            self._on_state(state, still if source.frozen else None)
            self._state = state
