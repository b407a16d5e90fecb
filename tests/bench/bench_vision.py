"""Capture and detection beside a bare loop over the same libraries: CPU a frame, and memory.

The bare loop decodes, scales, runs the model and reads its boxes with nothing around it. Both run
in turn in processes of their own, so that what else the machine does falls on both.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

BENCH = Path(__file__).resolve()
if __name__ == "__main__":  # run as a child, not by run.py
    sys.path[0] = str(BENCH.parents[1])

from bench import measure  # noqa: E402  # the path is set above
from servers import find  # noqa: E402

WARM, FRAMES, SIDE, MIN_SCORE = 20, 200, 300, 0.3


def bare(clip: Path, model: Path) -> Iterator[int]:
    """As little as can be written: the number of boxes in each frame."""
    import av
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter
    from av.video.reformatter import Interpolation, VideoReformatter

    interpreter = Interpreter(model_path=str(model), num_threads=1)
    interpreter.allocate_tensors()
    given = interpreter.get_input_details()[0]["index"]
    at = [output["index"] for output in interpreter.get_output_details()]
    scaler, how = VideoReformatter(), Interpolation.FAST_BILINEAR
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for frame in container.decode(stream):
            scaled = scaler.reformat(frame, SIDE, SIDE, "rgb24", interpolation=how, threads=1)
            interpreter.set_tensor(given, scaled.to_ndarray()[np.newaxis])
            interpreter.invoke()
            boxes, classes, scores, count = (interpreter.get_tensor(index)[0] for index in at)
            kept = scores[: int(count)] >= MIN_SCORE
            rows = zip(boxes[: int(count)][kept], scores[kept], classes[kept], strict=True)
            yield len([(*box, score, cls) for box, score, cls in rows])


def ours(clip: Path, model: Path, *, gate: bool = False) -> Iterator[int]:
    """The same by `Source` and `Engine`."""
    from haidang_edge.capture import Gate, open_source
    from haidang_edge.detect import ModelStore, open_engine

    engine = open_engine(ModelStore(model.parents[1]).load(model.parent.name))
    judge = Gate()
    with open_source(str(clip), width=SIDE, height=SIDE) as source:
        for frame in source.frames():
            if gate:
                judge.look(frame.luma, frame.mono_ns, tracks_alive=False)
            yield len(engine.infer(frame.pixels, covers=frame.covers))


def gated(clip: Path, model: Path) -> Iterator[int]:
    """As `ours`, with the gate's work as well; every frame is inferred all the same."""
    return ours(clip, model, gate=True)


WAYS: dict[str, Callable[[Path, Path], Iterator[int]]] = {
    "bare loop": bare,
    "capture + detect": ours,
    "… + gate": gated,
}


def child(way: str, clip: Path, model: Path) -> None:
    """Run one way and print its figures as JSON."""
    counts = WAYS[way](clip, model)
    boxes = sum(islice(counts, WARM))
    begun_s = time.process_time()
    boxes += sum(islice(counts, FRAMES))
    spent_s = time.process_time() - begun_s
    me = os.getpid()
    figures = {"cpu_ms": spent_s / FRAMES * 1e3, "boxes": boxes}
    print(json.dumps(figures | {"rss_mb": measure.rss_mb(me), "pss_mb": measure.pss_mb(me)}))


def main() -> None:
    """Print the table and the figures."""
    data = measure.need(find.data(), "no real test data: set HAIDANG_TEST_DATA")
    clip = data / "video" / "car_park_720p_h264.mp4"
    with tempfile.TemporaryDirectory(prefix="haidang-bench-") as folder:
        model = _stored(data / "models" / "ssd_mobilenet_v1_coco_quant.tflite", Path(folder))

        def arm(way: str) -> Callable[[], dict[str, float]]:
            command = [sys.executable, str(BENCH), way, str(clip), str(model)]
            return lambda: dict(json.loads(subprocess.check_output(command, text=True)))

        runs = measure.rounds({way: arm(way) for way in WAYS}, measure.reps(5))
    ratios = {
        way: measure.median(
            one["cpu_ms"] / bare_one["cpu_ms"]
            for one, bare_one in zip(runs[way], runs["bare loop"], strict=True)
        )
        for way in WAYS
    }
    keys = ("cpu_ms", "rss_mb", "pss_mb", "boxes")
    measure.table(
        f"{FRAMES} frames of a 720p clip, SSD, one thread, each frame inferred; medians",
        ("", "CPU ms a frame", "RSS MB", "PSS MB", "boxes", "× bare"),
        [[w, *(measure.median(r[k] for r in runs[w]) for k in keys), ratios[w]] for w in WAYS],
    )
    measure.figures(
        measure.Figure(
            "capture and detection, CPU a frame over the bare loop",
            ratios["capture + detect"],
            1.02,
            "×",
            at_most=True,
        )
    )


def _stored(file: Path, folder: Path) -> Path:
    from haidang_edge.detect import ModelStore

    return ModelStore(folder).add(file).path


if __name__ == "__main__":
    child(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
