"""What the node sees is what its model sees: against a plain loop over the bare libraries."""

import contextlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from haidang_edge.capture import open_source
from haidang_edge.commands.evaluate import mean_precision
from haidang_edge.detect import Model, ModelStore, open_engine

pytestmark = pytest.mark.data

MIN_SCORE = 0.05
Box = tuple[list[float], float, int]
"""Corner and size in pixels, score, class number."""


@pytest.fixture(scope="module")
def models(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Model]:
    store = ModelStore(tmp_path_factory.mktemp("models"))
    added = [store.add(file) for file in (data_dir / "models").glob("*.tflite")]
    return {model.name: model for model in added}


# --- the plain loops: as one would write them without Haidang ------------------------------------


def scaled(frame: av.VideoFrame, width: int, height: int) -> NDArray[Any]:
    small = frame.reformat(width, height, "rgb24", interpolation="FAST_BILINEAR", threads=1)
    return small.to_ndarray()


def plain_ssd(file: Path) -> Callable[[av.VideoFrame], list[Box]]:
    interpreter = Interpreter(model_path=str(file), num_threads=1)
    interpreter.allocate_tensors()
    given = interpreter.get_input_details()[0]["index"]
    boxes, classes, scores, count = (d["index"] for d in interpreter.get_output_details())

    def look(frame: av.VideoFrame) -> list[Box]:
        interpreter.set_tensor(given, scaled(frame, 300, 300)[None])
        interpreter.invoke()
        found: list[Box] = []
        for n in range(int(interpreter.get_tensor(count)[0])):
            score = float(interpreter.get_tensor(scores)[0][n])
            if score >= MIN_SCORE:
                y0, x0, y1, x1 = (min(max(float(v), 0.0), 1.0) for v in
                                  interpreter.get_tensor(boxes)[0][n])  # fmt: skip
                box = [x0 * frame.width, y0 * frame.height]
                box += [(x1 - x0) * frame.width, (y1 - y0) * frame.height]
                found.append((box, score, int(interpreter.get_tensor(classes)[0][n])))
        return found

    return look


def plain_yolox(file: Path) -> Callable[[av.VideoFrame], list[Box]]:
    interpreter = Interpreter(model_path=str(file), num_threads=1)
    interpreter.allocate_tensors()
    given = interpreter.get_input_details()[0]["index"]
    output = interpreter.get_output_details()[0]["index"]

    def look(frame: av.VideoFrame) -> list[Box]:
        ratio = min(416 / frame.width, 416 / frame.height)
        width, height = int(frame.width * ratio), int(frame.height * ratio)
        padded = np.full((416, 416, 3), 114, np.uint8)
        padded[:height, :width] = scaled(frame, width, height)
        interpreter.set_tensor(given, padded[None, :, :, ::-1].astype(np.float32))
        interpreter.invoke()
        found: list[Box] = []
        for row in interpreter.get_tensor(output)[0]:
            cls = int(row[5:].argmax())
            score = float(row[4] * row[5 + cls])
            if score >= MIN_SCORE:
                x0 = max((row[0] - row[2] / 2) * frame.width / width, 0)
                y0 = max((row[1] - row[3] / 2) * frame.height / height, 0)
                x1 = min((row[0] + row[2] / 2) * frame.width / width, frame.width)
                y1 = min((row[1] + row[3] / 2) * frame.height / height, frame.height)
                found.append(([x0, y0, x1 - x0, y1 - y0], score, cls))
        return [*suppressed(found)]

    return look


def suppressed(found: list[Box]) -> Iterator[Box]:
    kept: list[Box] = []
    for box, score, cls in sorted(found, key=lambda one: -one[1]):
        if all(other != cls or iou(box, rival) <= 0.65 for rival, _, other in kept):
            kept.append((box, score, cls))
            yield box, score, cls


def iou(a: list[float], b: list[float]) -> float:
    wide = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    high = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    shared = max(wide, 0) * max(high, 0)
    return shared / (a[2] * a[3] + b[2] * b[3] - shared)


PLAIN = {
    "ssd-mobilenet-v1-coco": ("ssd_mobilenet_v1_coco_quant.tflite", plain_ssd),
    "yolox-nano-coco": ("yolox_nano_float.tflite", plain_yolox),
}


def plain_precision(
    look: Callable[[av.VideoFrame], list[Box]], data_dir: Path, labels: tuple[str, ...]
) -> tuple[float, float]:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(data_dir / "coco" / "instances.json")
        numbers = {c["name"]: c["id"] for c in truth.dataset["categories"]}
        found = []
        for image in truth.dataset["images"]:
            with av.open(str(data_dir / "coco" / "images" / image["file_name"])) as file:
                for box, score, cls in look(next(file.decode(video=0))):
                    if labels[cls] in numbers:
                        found.append(
                            {
                                "image_id": image["id"],
                                "category_id": numbers[labels[cls]],
                                "bbox": box,
                                "score": score,
                            }
                        )
        run = COCOeval(truth, truth.loadRes(found), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    return float(run.stats[0]), float(run.stats[1])


@pytest.mark.parametrize(
    ("name", "least"), [("ssd-mobilenet-v1-coco", 0.19), ("yolox-nano-coco", 0.26)]
)
def test_the_mean_precision_is_that_of_a_plain_loop(
    models: dict[str, Model], data_dir: Path, name: str, least: float
) -> None:
    file, plain = PLAIN[name]
    expected = plain_precision(plain(data_dir / "models" / file), data_dir, models[name].labels)
    engine = open_engine(models[name], min_score=MIN_SCORE)
    coco = data_dir / "coco"
    result = mean_precision(models[name], engine, coco / "images", coco / "instances.json")
    engine.close()
    assert result["images"] == 41
    assert result["map"] == pytest.approx(expected[0], abs=0.005)
    assert result["ap50"] == pytest.approx(expected[1], abs=0.005)
    assert result["map"] > least  # a mistake made alike on both sides would show here


def test_the_boxes_in_a_clip_are_those_of_a_plain_loop(
    models: dict[str, Model], data_dir: Path
) -> None:
    clip = data_dir / "video" / "people_one_by_one.mp4"
    file, plain = PLAIN["ssd-mobilenet-v1-coco"]
    look = plain(data_dir / "models" / file)
    engine = open_engine(models["ssd-mobilenet-v1-coco"], min_score=MIN_SCORE)
    seen = 0
    with av.open(str(clip)) as bare, open_source(str(clip), width=300, height=300) as source:
        for number, (frame, raw) in enumerate(
            zip(source.frames(), bare.decode(video=0), strict=True)
        ):
            if number == 500:
                break
            if number % 5:  # two pictures a second
                continue
            expected = sorted(look(raw), key=lambda one: -one[1])
            found = engine.infer(frame.pixels, covers=frame.covers)
            size = (frame.width, frame.height)
            assert len(found) == len(expected)
            for row, (box, score, cls) in zip(found.tolist(), expected, strict=True):
                x0, y0, x1, y1 = (
                    row[0] * size[0],
                    row[1] * size[1],
                    row[2] * size[0],
                    row[3] * size[1],
                )
                assert row[4] == pytest.approx(score, abs=1e-6)
                assert int(row[5]) == cls
                assert [x0, y0, x1 - x0, y1 - y0] == pytest.approx(box, abs=0.01)
            seen += len(found)
    engine.close()
    assert seen > 100
