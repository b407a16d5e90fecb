"""The decoders: boxes out of raw outputs, whatever order they come in."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from haidang_edge.detect import Detections, ModelError, decoders
from haidang_edge.detect.decoders import Output, SsdLayout

Array = NDArray[np.float32]
LAYOUT = SsdLayout(boxes=0, classes=1, scores=2, count=3)
BOXES = np.array([[[0.1, 0.2, 0.3, 0.4], [0.5, 0.6, 0.7, 0.8], [-0.1, 0.9, 0.2, 1.3]]], np.float32)
RAW = [
    BOXES,
    np.array([[0.0, 2.0, 5.0]], np.float32),
    np.array([[0.4, 0.9, 0.6]], np.float32),
    np.array([3.0], np.float32),
]

SHAPES = {"boxes": (1, 10, 4), "classes": (1, 10), "scores": (1, 10), "count": (1,)}


def ssd(outputs: list[Array], *, min_score: float = 0.3, **options: object) -> Detections:
    return decoders.ssd(outputs, layout=LAYOUT, min_score=min_score, **options)  # type: ignore[arg-type]


def test_ssd_boxes_are_turned_sorted_and_cut_at_the_edges() -> None:
    assert ssd(RAW) == pytest.approx(
        np.array(
            [
                [0.6, 0.5, 0.8, 0.7, 0.9, 2],
                [0.9, 0.0, 1.0, 0.2, 0.6, 5],
                [0.2, 0.1, 0.4, 0.3, 0.4, 0],
            ]
        )
    )


def test_ssd_keeps_what_is_counted_and_scored_enough() -> None:
    counted = [*RAW[:3], np.array([1.0], np.float32)]
    assert ssd(counted)[:, 5].tolist() == [0]
    assert ssd(RAW, min_score=0.5)[:, 5].tolist() == [2, 5]
    assert ssd(RAW, min_score=0.95).shape == (0, 6)


def test_ssd_class_numbers_are_shifted_to_their_labels() -> None:
    assert ssd(RAW, label_offset=1)[:, 5].tolist() == [3, 6, 1]


def test_a_letterboxed_picture_gets_its_own_shares() -> None:
    seen = ssd(RAW, covers=(1.0, 0.75))
    assert seen[0, :4] == pytest.approx([0.6, 0.5 / 0.75, 0.8, 0.7 / 0.75])


# --- which output is which -----------------------------------------------------------------------

NAMINGS = {
    "the op's own names": {
        "boxes": "TFLite_Detection_PostProcess",
        "classes": "TFLite_Detection_PostProcess:1",
        "scores": "TFLite_Detection_PostProcess:2",
        "count": "TFLite_Detection_PostProcess:3",
    },
    "a saved model's numbers": {
        "count": "StatefulPartitionedCall:0",
        "scores": "StatefulPartitionedCall:1",
        "classes": "StatefulPartitionedCall:2",
        "boxes": "StatefulPartitionedCall:3",
    },
    "a third order of numbers": {
        "scores": "StatefulPartitionedCall:0",
        "boxes": "StatefulPartitionedCall:1",
        "count": "StatefulPartitionedCall:2",
        "classes": "StatefulPartitionedCall:3",
    },
    "words": {
        "boxes": "detection_boxes",
        "classes": "detection_classes",
        "scores": "detection_scores",
        "count": "num_detections",
    },
}


@pytest.mark.parametrize("naming", NAMINGS)
@pytest.mark.parametrize("order", [*permutations(SHAPES)])
def test_the_four_outputs_are_found_in_any_order(naming: str, order: tuple[str, ...]) -> None:
    outputs = [Output(name=NAMINGS[naming][role], shape=SHAPES[role]) for role in order]
    layout = decoders.ssd_layout(outputs)
    assert {role: order[getattr(layout, role)] for role in SHAPES} == {r: r for r in SHAPES}


@pytest.mark.parametrize("order", [*permutations(SHAPES)])
def test_the_signature_is_believed_before_the_names(order: tuple[str, ...]) -> None:
    signature = {"count": "output_0", "scores": "output_1", "classes": "output_2"}
    outputs = [
        Output(
            name=f"Identity_{number}",
            signature=signature.get(role, "output_3"),
            shape=SHAPES[role],
        )
        for number, role in enumerate(order)
    ]
    layout = decoders.ssd_layout(outputs)
    assert [order[getattr(layout, role)] for role in SHAPES] == list(SHAPES)


@pytest.mark.parametrize(
    "shapes",
    [
        [(1, 3549, 85)],
        [(1, 10, 4), (1, 10), (1, 10)],
        [(1, 10, 4), (1, 10), (1, 20), (1,)],
        [(1, 10, 5), (1, 10), (1, 10), (1,)],
        [(1, 10), (1, 10), (1, 10), (1, 10)],
    ],
)
def test_outputs_that_are_no_ssd_are_refused_with_their_shapes(
    shapes: list[tuple[int, ...]],
) -> None:
    outputs = [Output(name=f"out:{n}", shape=shape) for n, shape in enumerate(shapes)]
    with pytest.raises(ModelError, match=r"are no SSD post-process: out:0 .*there must be boxes"):
        decoders.ssd_layout(outputs)


# --- yolox ---------------------------------------------------------------------------------------


def yolox(rows: list[list[float]], **options: object) -> Detections:
    given: dict[str, object] = {"width": 100, "height": 200, "min_score": 0.3, "nms_iou": 0.5}
    array = np.array([rows], np.float32).reshape(1, len(rows), 8)
    return decoders.yolox([array], **(given | options))  # type: ignore[arg-type]


def test_yolox_rows_become_shares_of_the_picture() -> None:
    seen = yolox([[50, 100, 20, 40, 0.9, 0.1, 0.8, 0.2], [10, 10, 40, 40, 0.5, 0.9, 0.1, 0.1]])
    assert seen == pytest.approx(
        np.array([[0.4, 0.4, 0.6, 0.6, 0.72, 1], [0.0, 0.0, 0.3, 0.15, 0.45, 0]])
    )


def test_yolox_drops_what_scores_too_little() -> None:
    assert yolox([[50, 100, 20, 40, 0.9, 0.1, 0.3, 0.2]]).shape == (0, 6)
    assert yolox([[50, 100, 20, 40, 0.2, 1.0, 1.0, 1.0]]).shape == (0, 6)
    assert yolox([]).shape == (0, 6)


def test_yolox_drops_the_lesser_of_two_boxes_of_one_class_only() -> None:
    person, same = [50, 100, 20, 40, 1, 0.9, 0, 0], [51, 100, 20, 40, 1, 0.8, 0, 0]
    rider, far = [51, 100, 20, 40, 1, 0, 0.7, 0], [20, 30, 20, 40, 1, 0.6, 0, 0]
    seen = yolox([same, rider, far, person])
    assert seen[:, 4].tolist() == pytest.approx([0.9, 0.7, 0.6])
    assert seen[:, 5].tolist() == [0, 1, 0]


def test_yolox_in_a_letterbox_is_stretched_back() -> None:
    row: list[float] = [50, 50, 20, 20, 1, 0.9, 0, 0]
    seen = yolox([row], covers=(1.0, 0.5))
    assert seen[0, :4] == pytest.approx([0.4, 0.4, 0.6, 0.6])


def test_yolox_proposes_a_box_a_cell() -> None:
    assert decoders.yolox_rows(416, 416) == 3549


SEEN = st.lists(
    st.tuples(
        *(st.floats(0.0, 0.9) for _ in range(2)),
        *(st.floats(0.0, 0.4) for _ in range(2)),
        st.floats(0.3, 1.0),
        st.integers(0, 2),
    ),
    max_size=25,
)


def iou(a: Array, b: Array) -> float:
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(wide, 0) * max(high, 0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return float(shared / union) if union > 0 else 0.0


@given(SEEN, st.sampled_from([0.3, 0.5, 0.65]))
def test_nms_is_what_a_plain_loop_does(rows: list[tuple[float, ...]], limit: float) -> None:
    seen = np.array(rows, np.float32).reshape(-1, 6)
    seen[:, 2:4] += seen[:, 0:2]
    seen = seen[np.argsort(-seen[:, 4], kind="stable")]
    kept: list[int] = []
    for row in range(len(seen)):
        rivals = [k for k in kept if seen[k, 5] == seen[row, 5]]
        overlaps = [iou(seen[k], seen[row]) for k in rivals]
        if any(abs(overlap - limit) < 1e-4 for overlap in overlaps):
            return  # on the edge, rounding decides
        if not any(overlap > limit for overlap in overlaps):
            kept.append(row)
    assert decoders.nms(seen, iou=limit).tolist() == kept


@given(SEEN)
def test_whatever_comes_boxes_lie_in_the_picture_best_first(rows: list[tuple[float, ...]]) -> None:
    raw = np.array(rows, np.float32).reshape(-1, 6) * 3 - 1
    outputs = [raw[None, :, :4], np.abs(raw[None, :, 5]), raw[None, :, 4]]
    seen = ssd([*outputs, np.array([len(raw)], np.float32)])
    assert seen.dtype == np.float32
    assert ((seen[:, :4] >= 0) & (seen[:, :4] <= 1)).all()
    assert (np.diff(seen[:, 4]) <= 0).all()
    assert (seen[:, 4] >= 0.3).all()
