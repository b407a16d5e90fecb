"""Scenes of drawn streets to train and to judge `haidang-street` by, from one distribution.

The distribution was fixed in `draw_scene` before the first training. Scenes from `TEST_SEED` on are
for judging alone.
"""

from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from haidang_edge.street import CLASSES, VIEWS, Light, Street, StreetSettings

SIZE = 256
VISIBLE_MIN = 0.4
SIDE_MIN_PX = 3.0
TEST_SEED = 1_000_000

Picture = npt.NDArray[np.uint8]
Boxes = npt.NDArray[np.float32]
"""Rows of `y0 x0 y1 x1 class`, shares of the picture."""


def draw_scene(seed: int) -> tuple[Picture, Boxes]:
    """The scene of that number: picture (256, 256, 3) and boxes (n, 5) `y0 x0 y1 x1 class`."""
    rnd = np.random.default_rng([20261125, seed])
    settings = StreetSettings(
        view=str(rnd.choice(sorted(VIEWS))),
        light=Light(str(rnd.choice([light.value for light in Light]))),
        seed=int(rnd.integers(2**31)),
        traffic=float(rnd.uniform(0.6, 2.0)),
        incidents=0.75,
    )
    street = Street(settings)
    picture, truths = street.look(float(rnd.uniform(0, 36_000)))
    kept = [
        (t.box[1], t.box[0], t.box[3], t.box[2], CLASSES.index(t.cls))
        for t in truths
        if t.visible >= VISIBLE_MIN
        and min(t.box[2] - t.box[0], t.box[3] - t.box[1]) * SIZE >= SIDE_MIN_PX
    ]
    return shrink(picture), np.asarray(kept, np.float32).reshape(-1, 5)


def shrink(picture: Picture) -> Picture:
    """To the model's size, by the scaler that a node uses."""
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
    small = frame.reformat(SIZE, SIZE, format="rgb24", interpolation="FAST_BILINEAR")
    return np.asarray(small.to_ndarray(), np.uint8)


def render(seeds: range, workers: int) -> tuple[Picture, list[Boxes]]:
    """Many scenes, by several processes."""
    pictures = np.empty((len(seeds), SIZE, SIZE, 3), np.uint8)
    boxes: list[Boxes] = []
    with get_context("fork").Pool(workers) as pool:
        for at, (picture, found) in enumerate(pool.imap(draw_scene, seeds, chunksize=16)):
            pictures[at] = picture
            boxes.append(found)
    return pictures, boxes


def evaluate(file: Path, pictures: Picture, boxes: Sequence[Boxes]) -> dict[str, float]:
    """AP50 and mAP by pycocotools of the exported file."""
    interpreter = Interpreter(str(file))
    interpreter.allocate_tensors()
    found: list[dict[str, object]] = []
    signature = interpreter.get_signature_runner()
    name = next(iter(signature.get_input_details()))
    for index, picture in enumerate(pictures):
        out = signature(**{name: picture[None]})
        count = int(out["output_3"][0])
        for box, cls, score in zip(
            out["output_0"][0][:count], out["output_1"][0][:count], out["output_2"][0][:count],
            strict=True,
        ):  # fmt: skip
            y0, x0, y1, x1 = (float(v) * SIZE for v in np.clip(box, 0, 1))
            found.append({"image_id": index, "category_id": int(cls) + 1, "score": float(score),
                          "bbox": [x0, y0, x1 - x0, y1 - y0]})  # fmt: skip
    truth = COCO()
    notes: list[dict[str, object]] = []
    for index, held in enumerate(boxes):
        for y0, x0, y1, x1, cls in held.tolist():
            box = [x0 * SIZE, y0 * SIZE, (x1 - x0) * SIZE, (y1 - y0) * SIZE]
            notes.append({"id": len(notes) + 1, "image_id": index, "category_id": int(cls) + 1,
                          "bbox": box, "area": box[2] * box[3], "iscrowd": 0})  # fmt: skip
    truth.dataset = {
        "info": {},
        "images": [{"id": index} for index in range(len(pictures))],
        "annotations": notes,
        "categories": [{"id": i + 1, "name": n} for i, n in enumerate(CLASSES)],
    }
    truth.createIndex()
    judged = COCOeval(truth, truth.loadRes(found), "bbox")
    judged.evaluate()
    judged.accumulate()
    judged.summarize()
    precision = judged.eval["precision"][0, :, :, 0, 2]
    figures = {"mAP": float(judged.stats[0]), "AP50": float(judged.stats[1])}
    figures |= {f"AP50 {n}": float(precision[:, i].mean()) for i, n in enumerate(CLASSES)}
    return figures
