"""From a model's raw outputs to boxes: pure functions over arrays, chosen by the manifest."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from haidang_edge.detect.detections import CLASS, COLUMNS, SCORE, Detections, none_seen
from haidang_edge.detect.errors import ModelError

Array = NDArray[np.float32]
Shape = tuple[int, ...]

_WORDS = {
    "boxes": re.compile(r"box|location", re.IGNORECASE),
    "classes": re.compile(r"class|label|categor", re.IGNORECASE),
    "scores": re.compile(r"score|confidence", re.IGNORECASE),
    "count": re.compile(r"num|count", re.IGNORECASE),
}
_NUMBER = re.compile(r"(\d+)$")
# In whichever order a converter numbered the four: where the boxes and the count stand tells which.
_ORDERS = (
    ("boxes", "classes", "scores", "count"),
    ("count", "scores", "classes", "boxes"),
    ("scores", "boxes", "count", "classes"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One output of a model.

    Attributes:
        signature: its name in the model's signature, "" where there is none.
    """

    name: str
    signature: str = ""
    shape: Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class SsdLayout:
    """Which output of an SSD post-process is which, by its place in the list."""

    boxes: int
    classes: int
    scores: int
    count: int


def ssd_layout(outputs: Sequence[Output]) -> SsdLayout:
    """Find the four outputs in whatever order they come.

    By words in their names, or else by number and shape. Raises `ModelError` if that is no SSD.
    """
    if len(outputs) == len(_WORDS):
        for names in ([o.signature for o in outputs], [o.name for o in outputs]):
            found = _by_words(names) or _by_number(names, [o.shape for o in outputs])
            if found is not None and _plausible(found, outputs):
                return found
    listed = ", ".join(f"{o.name} {list(o.shape)}" for o in outputs)
    raise ModelError(
        f"its outputs are no SSD post-process: {listed}; "
        "there must be boxes [1, n, 4], classes [1, n], scores [1, n], count [1]"
    )


def _by_words(names: Sequence[str]) -> SsdLayout | None:
    found: dict[str, int] = {}
    for place, name in enumerate(names):
        roles = [role for role, word in _WORDS.items() if word.search(name)]
        if len(roles) == 1:
            found[roles[0]] = place
    return SsdLayout(**found) if len(found) == len(_WORDS) else None


def _by_number(names: Sequence[str], shapes: Sequence[Shape]) -> SsdLayout | None:
    """By the number that each name ends with; the first one may have none."""
    numbers = [int(m.group(1)) if (m := _NUMBER.search(name)) else 0 for name in names]
    if len(set(numbers)) != len(numbers):
        return None
    places = sorted(range(len(names)), key=numbers.__getitem__)
    for order in _ORDERS:
        layout = SsdLayout(**dict(zip(order, places, strict=True)))
        if _is_boxes(shapes[layout.boxes]) and _is_count(shapes[layout.count]):
            return layout
    return None


def _is_boxes(shape: Shape) -> bool:
    return len(shape) == 3 and shape[0] == 1 and shape[2] == 4


def _is_count(shape: Shape) -> bool:
    return int(np.prod(shape)) == 1 and len(shape) <= 1


def _plausible(layout: SsdLayout, outputs: Sequence[Output]) -> bool:
    boxes = outputs[layout.boxes].shape
    return (
        _is_boxes(boxes)
        and _is_count(outputs[layout.count].shape)
        and outputs[layout.classes].shape == outputs[layout.scores].shape == boxes[:2]
    )


def ssd(
    outputs: Sequence[Array],
    *,
    layout: SsdLayout,
    min_score: float,
    label_offset: int = 0,
    covers: tuple[float, float] = (1.0, 1.0),
) -> Detections:
    """The boxes of an SSD post-process, whose four outputs stand as `layout` says.

    The op gives y0, x0, y1, x1 as shares of the input, which may lie outside it.
    """
    count = int(outputs[layout.count].item())
    scores = outputs[layout.scores][0, :count]
    kept = np.flatnonzero(scores >= min_score)
    kept = kept[np.argsort(-scores[kept], kind="stable")]
    seen = np.empty((len(kept), COLUMNS), np.float32)
    seen[:, :4] = outputs[layout.boxes][0, kept][:, (1, 0, 3, 2)]
    seen[:, SCORE] = scores[kept]
    seen[:, CLASS] = outputs[layout.classes][0, kept] + label_offset
    return _placed(seen, covers)


def yolox_rows(width: int, height: int) -> int:
    """How many boxes a YOLOX of that input size proposes: one a cell at strides 8, 16 and 32."""
    return sum((width // stride) * (height // stride) for stride in (8, 16, 32))


def yolox(
    outputs: Sequence[Array],
    *,
    width: int,
    height: int,
    min_score: float,
    nms_iou: float,
    covers: tuple[float, float] = (1.0, 1.0),
) -> Detections:
    """The boxes of a YOLOX: rows of cx, cy, w, h in input pixels, objectness, class scores."""
    # a box's score is its objectness times at most 1: most rows fall before the classes are read
    rows = outputs[0][0]
    rows = rows[rows[:, 4] >= min_score]
    if not len(rows):
        return none_seen()
    classes = rows[:, 5:].argmax(axis=1)
    scores = rows[:, 4] * rows[np.arange(len(rows)), 5 + classes]
    kept = np.flatnonzero(scores >= min_score)
    kept = kept[np.argsort(-scores[kept], kind="stable")]
    rows, half = rows[kept], rows[kept, 2:4] / 2
    seen = np.empty((len(kept), COLUMNS), np.float32)
    size = np.array((width, height), np.float32)
    seen[:, 0:2] = (rows[:, 0:2] - half) / size
    seen[:, 2:4] = (rows[:, 0:2] + half) / size
    seen[:, SCORE], seen[:, CLASS] = scores[kept], classes[kept]
    placed = _placed(seen, covers)
    return placed[nms(placed, iou=nms_iou)]


def nms(seen: Detections, *, iou: float) -> NDArray[np.intp]:
    """Which rows stay when, of two boxes of a class that overlap by more than `iou`, one must go.

    `seen` is sorted, best first, and the better one stays; what is returned is sorted too.
    """
    x0, y0, x1, y1 = seen[:, :4].T
    areas = (x1 - x0) * (y1 - y0)
    left = np.arange(len(seen))
    kept: list[int] = []
    while len(left):
        best, left = left[0], left[1:]
        kept.append(int(best))
        wide = np.minimum(x1[best], x1[left]) - np.maximum(x0[best], x0[left])
        high = np.minimum(y1[best], y1[left]) - np.maximum(y0[best], y0[left])
        shared = np.maximum(wide, 0) * np.maximum(high, 0)
        # multiplied out, so that two boxes without area divide nothing by nothing
        same = shared > iou * (areas[best] + areas[left] - shared)
        left = left[~(same & (seen[left, CLASS] == seen[best, CLASS]))]
    return np.array(kept, np.intp)


def _placed(seen: Detections, covers: tuple[float, float]) -> Detections:
    """Shares of the input into shares of the picture in it, cut at the picture's edges."""
    if covers != (1.0, 1.0):
        seen[:, (0, 2)] /= covers[0]
        seen[:, (1, 3)] /= covers[1]
    np.clip(seen[:, :4], 0.0, 1.0, out=seen[:, :4])
    return seen
