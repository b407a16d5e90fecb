"""The node beside a bare loop: CPU a frame, and the memory of all its processes.

The bare loop decodes, scales, runs the model and reads its boxes: nothing else, in one process, in
the clip's own time like a camera. The agent does the same with its gate off and every frame looked
at, and tracks, judges, counts, spools and publishes besides.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import measure
from servers import find, start
from servers.node import AgentNode

FRAMES = 250
SETTLE_S = 8.0
MEASURE_S = 20.0

BARE = """
import json, sys, time
import av, numpy as np
from ai_edge_litert.interpreter import Interpreter
from av.video.reformatter import Interpolation, VideoReformatter

clip, model, frames, paced = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "paced"
interpreter = Interpreter(model_path=model, num_threads=1)
interpreter.allocate_tensors()
index = interpreter.get_input_details()[0]["index"]
boxes_at, classes_at, scores_at, count_at = (o["index"] for o in interpreter.get_output_details())
reformatter = VideoReformatter()
fast = Interpolation.FAST_BILINEAR
done, start_s, begun_s = 0, 0.0, 0.0
while done < frames:
    with av.open(clip) as container:
        stream = container.streams.video[0]
        step_s = float(1 / stream.average_rate)
        for frame in container.decode(stream):
            if done == 0:
                start_s, begun_s = time.process_time(), time.monotonic()
            if paced:
                time.sleep(max(0.0, begun_s + done * step_s - time.monotonic()))
            scaled = reformatter.reformat(frame, 300, 300, "rgb24", interpolation=fast, threads=1)
            interpreter.set_tensor(index, scaled.to_ndarray()[None])
            interpreter.invoke()
            count = int(interpreter.get_tensor(count_at)[0])
            kept = interpreter.get_tensor(scores_at)[0, :count] >= 0.3
            rows = np.hstack([
                interpreter.get_tensor(boxes_at)[0, :count][kept],
                interpreter.get_tensor(scores_at)[0, :count][kept][:, None],
                interpreter.get_tensor(classes_at)[0, :count][kept][:, None],
            ])
            done += 1
            if done == frames:
                break
print(json.dumps({"cpu_ms": (time.process_time() - start_s) / done * 1e3}))
"""


def bare(clip: Path, model: Path, *, paced: bool) -> dict[str, float]:
    """CPU milliseconds a frame of the bare loop."""
    command = [sys.executable, "-c", BARE, str(clip), str(model), str(FRAMES)]
    command.append("paced" if paced else "flat out")
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout))


@contextmanager
def node(clip: Path, model: Path, *, cameras: int) -> Iterator[AgentNode]:
    """A node at work, all cameras on one clip, with a broker of its own."""
    folder = Path(tempfile.mkdtemp(prefix="haidang-bench-"))
    broker = start.mosquitto(measure.program("mosquitto"), folder / "broker")
    broker.start()
    camera = {"source": str(clip), "fps": 60, "gate": False}
    declared = [camera | {"id": f"cam-{n}"} for n in range(cameras)]
    made = AgentNode(folder, port=broker.port, model=model, cameras=declared)
    try:
        made.start()
        start.wait_until(
            lambda: all(c.get("looked") for c in made.cameras().values()), what="the first looks"
        )
        yield made
    finally:
        made.close()
        broker.stop()
        shutil.rmtree(folder)


def agent(clip: Path, model: Path, *, cameras: int) -> dict[str, float]:
    """CPU a frame and memory of a node once it has settled."""
    with node(clip, model, cameras=cameras) as made:
        time.sleep(SETTLE_S)
        looked, cpu_s, at_s = _looked(made), measure.cpu_s(made.pid), time.monotonic()
        time.sleep(MEASURE_S)
        frames, passed_s = _looked(made) - looked, time.monotonic() - at_s
        return {
            "cpu_ms": (measure.cpu_s(made.pid) - cpu_s) / frames * 1e3,
            "fps": frames / passed_s / cameras,
            "pss_mb": measure.pss_mb(made.pid),
            "processes": len(measure.tree(made.pid)),
        }


def _looked(made: AgentNode) -> int:
    return sum(camera["looked"] for camera in made.cameras().values())


def main() -> None:
    """Print the tables and the figures."""
    data = measure.need(find.data(), "no real test data: set HAIDANG_TEST_DATA")
    clip = data / "video" / "car_park_720p_h264.mp4"
    model = data / "models" / "ssd_mobilenet_v1_coco_quant.tflite"
    runs = measure.rounds(
        {
            "bare, flat out": lambda: bare(clip, model, paced=False),
            "bare, in its own time": lambda: bare(clip, model, paced=True),
            "agent, 1 camera": lambda: agent(clip, model, cameras=1),
            "agent, 2 cameras": lambda: agent(clip, model, cameras=2),
        },
        measure.reps(3),
    )

    def middle(arm: str, what: str) -> float:
        return measure.median(run[what] for run in runs[arm] if what in run)

    measure.table(
        "A 720p clip at 12.5 frames a second, every frame looked at",
        ["", "CPU ms a frame", "frames a second", "PSS MB", "processes"],
        [
            [arm, *(middle(arm, w) if w in runs[arm][0] else "" for w in
                    ("cpu_ms", "fps", "pss_mb", "processes"))]
            for arm in runs
        ],
    )  # fmt: skip
    paced = [
        a["cpu_ms"] / b["cpu_ms"]
        for a, b in zip(runs["agent, 1 camera"], runs["bare, in its own time"], strict=True)
    ]
    one, two = middle("agent, 1 camera", "pss_mb"), middle("agent, 2 cameras", "pss_mb")
    measure.figures(
        measure.Figure("CPU a frame over the bare loop", measure.median(paced), 1.05, at_most=True),
        measure.Figure("memory of a node with one camera", one, 180, "MB", at_most=True),
        measure.Figure("memory of one camera more", two - one, 45, "MB", at_most=True),
    )
