"""`haidang node evaluate`: how well a model sees, by the path that a camera's pictures take."""

from __future__ import annotations  # what is heavy is imported when the command runs

import argparse
import contextlib
import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from haidang_protocols.command import Command
from haidang_protocols.errors import UserError

if TYPE_CHECKING:
    from haidang_edge.capture import Frame, Source
    from haidang_edge.detect import Detections, Engine, Model

MIN_SCORE = 0.05


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", required=True, help="its name, as `haidang node models list`")
    parser.add_argument(
        "--models", type=Path, default=Path("models"), help="the node's folder of models (models)"
    )
    parser.add_argument("--clip", type=Path, help="a video or a picture: tell what is seen in it")
    parser.add_argument("--images", type=Path, help="a folder of pictures, with --annotations")
    parser.add_argument("--annotations", type=Path, help="what is in them: COCO's instances.json")
    parser.add_argument(
        "--min-score", type=_share, default=MIN_SCORE, help=f"ignore what is below ({MIN_SCORE})"
    )
    parser.add_argument("--json", action="store_true", help="for programs; a line a picture")


def _share(text: str) -> float:
    value = float(text)
    if not 0.0 <= value <= 1.0:
        raise argparse.ArgumentTypeError(f"{text} is not from 0 to 1")
    return value


def _run(arguments: argparse.Namespace) -> int:
    measured = arguments.images is not None and arguments.annotations is not None
    if measured == (arguments.clip is not None):
        raise UserError("give either --clip FILE, or both --images FOLDER and --annotations FILE")
    from haidang_edge.detect import ModelStore, open_engine

    model = ModelStore(arguments.models).load(arguments.model)
    engine = open_engine(model, min_score=arguments.min_score)
    try:
        if measured:
            result = mean_precision(model, engine, arguments.images, arguments.annotations)
            _show_precision(result, as_json=arguments.json)
        else:
            _show_clip(model, engine, arguments.clip, as_json=arguments.json)
    finally:
        engine.close()
    return 0


def look(model: Model, engine: Engine, file: Path) -> Iterator[tuple[Frame, Detections]]:
    """Every picture of `file` with what is seen in it; raises `CaptureError`."""
    with _opened(model, file) as source:
        for frame in source.frames():
            yield frame, engine.infer(frame.pixels, covers=frame.covers)


def mean_precision(model: Model, engine: Engine, images: Path, annotations: Path) -> dict[str, Any]:
    """COCO's mean average precision over `images`: `map` (IoU 0.5 to 0.95) and `ap50`.

    Raises:
        UserError: pycocotools is missing, or the files are not what they must be.
    """
    truth = _truth(annotations)
    categories = {c["name"]: c["id"] for c in truth.dataset["categories"]}
    numbers = [categories.get(label) for label in model.labels]
    if not any(numbers):
        raise UserError(f"{annotations}: none of its categories is a label of {model.name}")
    found: list[dict[str, Any]] = []
    for image in truth.dataset["images"]:
        for _, seen in look(model, engine, images / image["file_name"]):
            found += _results(image, seen, numbers)
    scores = _scored(truth, found)
    return {
        "model": model.name,
        "sha256": model.manifest.sha256,
        "images": len(truth.dataset["images"]),
        "detections": len(found),
        "map": scores[0],
        "ap50": scores[1],
    }


def _opened(model: Model, file: Path) -> Source:
    from haidang_edge.capture import CaptureSettings, open_source

    given = model.manifest.input
    settings = CaptureSettings(letterbox=given.letterbox)
    return open_source(str(file), width=given.width, height=given.height, settings=settings)


def _truth(annotations: Path) -> Any:  # noqa: ANN401  # pycocotools has no types
    try:
        from pycocotools.coco import COCO
    except ImportError as error:
        raise UserError("mAP needs pycocotools: pip install pycocotools") from error
    truth = COCO()
    try:
        truth.dataset = json.loads(annotations.read_bytes())
        _quiet(truth.createIndex)
        sound = all(truth.dataset[key] for key in ("images", "annotations", "categories"))
    except OSError as error:
        raise UserError(f"{annotations}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{annotations}: is no COCO instances file: {error}") from error
    if not sound:
        raise UserError(f"{annotations}: has no images, no annotations or no categories")
    return truth


def _results(
    image: dict[str, Any], seen: Detections, numbers: list[int | None]
) -> Iterator[dict[str, Any]]:
    """What was seen in an image, in COCO's own form: corner and size in pixels."""
    width, height = image["width"], image["height"]
    for x0, y0, x1, y1, score, cls in seen.tolist():
        number = numbers[int(cls)]
        if number is not None:
            box = [x0 * width, y0 * height, (x1 - x0) * width, (y1 - y0) * height]
            yield {
                "image_id": image["id"],
                "category_id": number,
                "bbox": box,
                "score": score,
            }


def _scored(truth: Any, found: list[dict[str, Any]]) -> tuple[float, float]:  # noqa: ANN401
    if not found:
        return 0.0, 0.0
    from pycocotools.cocoeval import COCOeval

    def evaluated() -> Any:  # noqa: ANN401
        run = COCOeval(truth, truth.loadRes(found), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
        return run.stats

    stats = _quiet(evaluated)
    return float(stats[0]), float(stats[1])


def _quiet(call: Callable[[], Any]) -> Any:  # noqa: ANN401
    """The result of a call that prints what nobody asked for."""
    with contextlib.redirect_stdout(io.StringIO()):
        return call()


def _show_precision(result: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(result) + "\n")
        return
    sys.stdout.write(
        f"{result['model']} on {result['images']} pictures: "
        f"mAP {result['map']:.3f}, AP50 {result['ap50']:.3f}\n"
    )


def _show_clip(model: Model, engine: Engine, clip: Path, *, as_json: bool) -> None:
    for number, (frame, seen) in enumerate(look(model, engine, clip)):
        told = [
            {"label": model.labels[int(row[5])], "score": row[4], "box": row[:4]}
            for row in seen.tolist()
        ]
        if as_json:
            line = {"frame": number, "pts_s": frame.pts_s, "detections": told}
            sys.stdout.write(json.dumps(line) + "\n")
        elif told:
            words = ", ".join(f"{t['label']} {t['score']:.2f}" for t in told)
            sys.stdout.write(f"{number:>6} {frame.pts_s or 0.0:8.2f} s  {words}\n")


EVALUATE = Command(
    help="tell what a model sees in a clip, or how well it sees on annotated pictures",
    configure=_configure,
    run=_run,
    examples="  haidang node evaluate --model ssd-mobilenet-v1-coco --clip gate.mp4 --json\n"
    "  haidang node evaluate --model ssd-mobilenet-v1-coco --images val2017 \\\n"
    "    --annotations instances_val2017.json",
)
