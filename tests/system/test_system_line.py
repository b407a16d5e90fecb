"""The whole line: a clip, the real agent and model, TLS and rights, the centre's databases, boards.

Every record that the node spooled is exactly once in the lake and in InfluxDB; what it says was
seen is what a plain loop sees; the time series made again from the lake are the same ones.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import yaml
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from fakes.node_accounts import MEASUREMENTS, Notes
from fakes.node_line import Child, Line, wait_for
from haidang_cloud.timeseries import Influx, InfluxSettings
from haidang_cloud.timeseries.base import private_bucket, scope_bucket
from haidang_cloud.timeseries.lines import line_of
from haidang_dashboards.grafana.render import render
from haidang_edge.detect import ModelStore
from haidang_protocols.boards import boards
from haidang_protocols.wire.records import Event, Observation, Phase, decode_record
from servers import start
from servers.secure import SecureBroker, secure_broker

pytestmark = [pytest.mark.broker, pytest.mark.influx, pytest.mark.postgres, pytest.mark.data]

CENTRE, NODE = "tinh-thu", "gate-1"
CATALOGUE = """
centre: {id: tinh-thu, name: {vi: Trung tâm}, time_zone: Asia/Ho_Chi_Minh}
places:
  - {id: city, name: {vi: Thành phố}, kind: city}
  - {id: gate, name: {vi: Cổng}, kind: spot, parent: city}
scopes:
  - {id: centre, kind: centre, name: {vi: Toàn trung tâm}}
  - {id: city, kind: locality, name: {vi: Thành phố}, places: [city]}
sites:
  - {id: gate, name: {vi: Cổng}, place: gate}
nodes:
  - {id: gate-1, site: gate}
models:
  - {name: ssd-mobilenet-v1-coco, classes: [person, bicycle, car, motorcycle, bus, truck]}
cameras:
  - id: gate-east
    node: gate-1
    name: {vi: Cổng đông}
    place: gate
    source: CLIP
    model: ssd-mobilenet-v1-coco
    fps: 10
    observe_s: 2
    zones: [{id: yard, name: {vi: Sân}, polygon: [[0, 0], [1, 0], [1, 1], [0, 1]]}]
    lines: [{id: middle, name: {vi: Vạch giữa}, points: [[0.5, 0], [0.5, 1]]}]
    rules:
      - {id: anybody, kind: intrusion, name: {vi: Có người}, zone: yard, classes: [person],
         min_score: 0.4, severity: critical, alarm: true, clear_s: 1, release: [person]}
      - {id: across, kind: line, name: {vi: Qua vạch}, line: middle, classes: [person],
         min_score: 0.4}
"""
SAME_BOX, SAME_SCORE = 0.9, 0.05


@pytest.fixture
def clip(data_dir: Path) -> Path:
    return data_dir / "video" / "people_one_by_one.mp4"


@pytest.fixture
def model(data_dir: Path) -> Path:
    return data_dir / "models" / "ssd_mobilenet_v1_coco_quant.tflite"


@pytest.fixture
def secured(
    mosquitto_program: Path, tmp_path: Path, clip: Path
) -> Iterator[tuple[SecureBroker, str]]:
    """A broker that asks everybody for a certificate, and the catalogue that says who may what."""
    from haidang_protocols.catalogue import load_texts

    text = CATALOGUE.replace("CLIP", str(clip))
    broker = secure_broker(mosquitto_program, tmp_path / "secure", load_texts({"a.yaml": text}))
    broker.start()
    yield broker, text
    broker.stop()


def agent(line: Line, broker: SecureBroker, model: Path, *, loops: bool) -> Child:
    """The real agent with a certificate of its own."""
    home = line.folder / NODE
    ModelStore(home / "models").add(model)
    config = {
        "centre": CENTRE,
        "site": "gate",
        "node": NODE,
        "catalogue": str(line.folder / "line.yaml"),
        "models": "models",
        "spool": {"folder": "spool", "quota_mb": 256},
        "broker": {
            "host": "localhost",
            "port": broker.port,
            "ca": str(broker.ca),
            "cert": str(broker.cert(NODE)),
            "key": str(broker.key(NODE)),
        },
        "trust_wall": True,
        "loop_files": loops,
    }
    (home / "node.yaml").write_text(yaml.safe_dump(config))
    haidang = Path(sys.executable).with_name("haidang")
    command = [str(haidang), "node", "agent", "--config", str(home / "node.yaml")]
    return Child(command, line.folder / "agent.log")


def spooled(line: Line) -> Notes:
    return Notes.of_spool(line.folder / NODE / "spool")


def records(notes: Notes, kind: type) -> list[Any]:
    found = [decode_record(note.raw.encode()) for note in notes.made.values() if note.raw]
    return [record for record in found if isinstance(record, kind)]


def run_line(line: Line, node: Child, *, enough: Callable[[Notes], bool]) -> Notes:
    """Run until the spool holds enough and the centre all of that; returns what was spooled."""
    line.desk("1")
    for child in (*line.workers, *line.desks, node):
        child.start()
    try:
        wait_for(lambda: enough(spooled(line)), "enough was seen", 200.0)
        node.stop()  # what is going on is ended, and waits in the spool
        upto = max(spooled(line).made)
        node.start()
        wait_for(lambda: line.stored(NODE) >= upto, "the centre has it all", 60.0)
    except (TimeoutError, AssertionError) as error:
        raise AssertionError(f"{error}\n{node.tail()}\n{line.workers[0].tail()}") from error
    finally:
        node.kill()
    notes = spooled(line)
    return replace(notes, settled=frozenset(seq for seq in notes.made if seq <= upto))


def plain_loop(clip: Path, model: Path, *, upto_s: float) -> list[tuple[list[float], float]]:
    """Boxes and scores of people up to a time, as one would find them without Haidang."""
    interpreter = Interpreter(model_path=str(model), num_threads=1)
    interpreter.allocate_tensors()
    given = interpreter.get_input_details()[0]["index"]
    boxes, classes, scores, _ = (d["index"] for d in interpreter.get_output_details())
    found = []
    with av.open(str(clip)) as file:
        for frame in file.decode(video=0):
            if frame.time > upto_s:
                break
            small = frame.reformat(300, 300, "rgb24", interpolation="FAST_BILINEAR", threads=1)
            interpreter.set_tensor(given, small.to_ndarray()[None])
            interpreter.invoke()
            for n, score in enumerate(interpreter.get_tensor(scores)[0]):
                if interpreter.get_tensor(classes)[0][n] == 0:
                    y0, x0, y1, x1 = (float(v) for v in interpreter.get_tensor(boxes)[0][n])
                    found.append(([x0, y0, x1, y1], float(score)))
    return found


def overlaps(box: tuple[float, ...], boxes: NDArray[Any]) -> NDArray[Any]:
    """Intersection over union of a box with many."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    own = (box[2] - box[0]) * (box[3] - box[1])
    whole: NDArray[Any] = shared / (areas + own - shared)
    return whole


def seen_by_both(events: list[Event], plain: list[tuple[list[float], float]]) -> int:
    """How many events carry a box and score that the plain loop has on some frame."""
    boxes = np.clip(np.array([box for box, _ in plain]), 0, 1)
    scores = np.array([score for _, score in plain])
    same = 0
    for event in events:
        assert event.box is not None
        assert event.score is not None
        alike = overlaps(event.box, boxes) >= SAME_BOX
        same += bool((alike & (abs(scores - event.score) <= SAME_SCORE)).any())
    return same


def points(series: Influx, bucket: str) -> set[str]:
    """Every point of the records in a bucket."""
    return {line_of(p) for measurement in MEASUREMENTS for p in series.read(bucket, measurement)}


def check_line(
    line: Line,
    notes: Notes,
    series: Influx,
    *,
    plain: list[tuple[list[float], float]],
    tell: Callable[[object], None],
) -> None:
    found = line.account(NODE, notes=notes)
    # where an event ends its subject is gone: its box is where the track would be
    events = [e for e in records(notes, Event) if e.phase is not Phase.END]
    same = seen_by_both(events, plain)
    tell(f"{found}; {same} of {len(events)} events' boxes are those of a plain loop")
    assert not found.faults()
    assert same == len(events) > 0
    check_rebuild(line, series)
    check_boards(line, series)


def check_rebuild(line: Line, series: Influx) -> None:
    """The time series made again from the lake are the same."""
    buckets = [private_bucket(CENTRE), *(scope_bucket(CENTRE, s) for s in ("centre", "city"))]
    before = {bucket: points(series, bucket) for bucket in buckets}
    assert all(before.values())
    for bucket in buckets:
        series.drop(bucket)
    haidang = Path(sys.executable).with_name("haidang")
    command = [str(haidang), "cloud", "rebuild", "--config", str(line.config_path), "--yes"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for bucket in buckets:
        again = points(series, bucket)
        assert again == before[bucket], bucket


def check_boards(line: Line, series: Influx) -> None:
    """The boards' own queries find what the line brought into the scope's bucket."""
    answered = []
    for board in boards(line.catalogue):
        if board.scope != "city":
            continue
        for panel in render(board, language="en")["panels"]:
            for target in panel.get("targets", ()):
                query = target["query"].replace("$timeFilter", "time >= now() - 24h")
                query = query.replace("$__interval", panel["interval"])
                for key in ("camera", "node"):
                    query = query.replace(f"${{{key}:regex}}", ".*")
                if series.query(scope_bucket(CENTRE, "city"), query):
                    answered.append(panel["title"])
    assert {"Events today", "Alarms today"} <= set(answered)


@pytest.fixture
def series(influx: start.Influx) -> Iterator[Influx]:
    opened = Influx(InfluxSettings(url=influx.url, org=influx.org, token=influx.token))
    yield opened
    for bucket in (private_bucket(CENTRE), *(scope_bucket(CENTRE, s) for s in ("centre", "city"))):
        opened.drop(bucket)
    opened.close()


def secure_line(
    new_line: Callable[..., Line], settings: dict[str, Any], broker: SecureBroker, text: str
) -> Line:
    part = {
        "host": "localhost",
        "port": broker.port,
        "ca": str(broker.ca),
        "cert": str(broker.cert(f"{CENTRE}.{{process}}")),
        "key": str(broker.key(f"{CENTRE}.{{process}}")),
    }
    return new_line(**settings, broker=broker.server, declared=text, broker_part=part)


def projected(line: Line, series: Influx) -> bool:
    """Whether every event of the centre is in the scope's bucket too."""
    private = series.count(private_bucket(CENTRE), "event", "id")
    return series.count(scope_bucket(CENTRE, "city"), "event", "id") == private


def test_a_clip_goes_through_the_whole_line(
    new_line: Callable[..., Line],
    real: dict[str, Any],
    secured: tuple[SecureBroker, str],
    series: Influx,
    clip: Path,
    model: Path,
    tell: Callable[[object], None],
) -> None:
    line = secure_line(new_line, real, *secured)
    node = agent(line, secured[0], model, loops=True)

    def enough(notes: Notes) -> bool:
        return bool(records(notes, Event)) and len(records(notes, Observation)) >= 5

    notes = run_line(line, node, enough=enough)
    wait_for(lambda: projected(line, series), "the scope's bucket is fed")
    line.stop()
    watched_s = 2.0 * len(records(notes, Observation))
    plain = plain_loop(clip, model, upto_s=watched_s + 5.0)
    check_line(line, notes, series, plain=plain, tell=tell)


@pytest.mark.soak
def test_the_whole_clip_with_everything_killed_once(
    new_line: Callable[..., Line],
    real: dict[str, Any],
    secured: tuple[SecureBroker, str],
    series: Influx,
    clip: Path,
    model: Path,
    tell: Callable[[object], None],
) -> None:
    line = secure_line(new_line, real, *secured)
    node = agent(line, secured[0], model, loops=True)
    kills = [
        (20, line.workers[0].kill, line.workers[0].start),
        (40, secured[0].server.kill, secured[0].server.start),
        (60, line.workers[1].kill, line.workers[1].start),
    ]

    def enough(notes: Notes) -> bool:
        watched = len(records(notes, Observation))
        while kills and watched >= kills[0][0]:
            _, kill, again = kills.pop(0)
            kill()
            again()
        return watched >= 72  # twice seventy seconds: the clip once

    notes = run_line(line, node, enough=enough)
    wait_for(lambda: projected(line, series), "the scope's bucket is fed")
    line.stop()
    watched_s = 2.0 * len(records(notes, Observation))
    plain = plain_loop(clip, model, upto_s=watched_s + 5.0)
    check_line(line, notes, series, plain=plain, tell=tell)
