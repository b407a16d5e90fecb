"""What the tracker takes of a frame, by how many objects are in it: CPU a look."""

import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from bench import measure
from haidang_edge.track import Tracker

COUNTS = (2, 5, 10, 30, 60, 100)
USUAL, USUAL_MAX_US = 10, 200.0
WARM, LOOKS, STEP_NS = 20, 150, 200_000_000
SIZE = (0.04, 0.1)


def main() -> None:
    """Print the table and the figure."""
    arms = {str(count): lambda count=count: _look_us(count) for count in COUNTS}
    runs = measure.rounds(arms, measure.reps(5))
    took = {count: measure.median(runs[str(count)]) for count in COUNTS}
    title = "A look of the tracker at people who walk about"
    measure.table(title, ("objects", "µs CPU"), list(took.items()))
    what = f"a look at {USUAL} objects"
    measure.figures(measure.Figure(what, took[USUAL], USUAL_MAX_US, "µs", at_most=True))


def _look_us(count: int) -> float:
    """The median look, in microseconds."""
    tracker, took = Tracker(), []
    for number, detections in enumerate(_walk(count)):
        begun = time.thread_time_ns()
        tracker.update(detections, number * STEP_NS + 1)
        took.append((time.thread_time_ns() - begun) / 1e3)
    return measure.median(took[WARM:])


def _walk(count: int) -> Iterator[NDArray[np.float32]]:
    """Boxes that go their ways, and tremble as a detector's do."""
    chance = np.random.default_rng(count)
    corner = chance.random((count, 2)) * 0.9
    way = (chance.random((count, 2)) - 0.5) * 0.004
    for number in range(LOOKS):
        at = corner + way * number + chance.normal(0, 0.002, (count, 2))
        end = at + SIZE
        rest = np.tile([0.8, 0.0], (count, 1))
        yield np.hstack([at, end, rest]).astype(np.float32)
