"""A zone drawn on one's own camera raises alarms when a plain loop's boxes say that it must."""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import av
import pytest
from ai_edge_litert.interpreter import Interpreter

from haidang_cloud.state import open_state, versions
from haidang_cloud.timeseries import SqliteSeries
from haidang_cloud.timeseries.base import private_bucket
from haidang_protocols.catalogue import load_texts
from haidang_protocols.catalogue.model import Camera, IntrusionRule
from servers import start
from servers.demo import Demo
from system.browser.chromium import Browser, browser, demand

pytestmark = [pytest.mark.broker, pytest.mark.data, pytest.mark.slow]

CORNERS = ".grip:not(.middle)"
WANTED = ((0.42, 0.80), (0.72, 0.80), (0.72, 0.98), (0.42, 0.98))
LOOK_S = 0.2
"""Between two looks at five a second."""

WITHIN_S = 2 * LOOK_S
"""A track is sure at its second look."""

VISITS = 2
"""Whole visits to wait for; the clip has one in twenty seconds."""


@dataclass(frozen=True, slots=True)
class Visit:
    """When somebody's visit should be told to begin and to end, in seconds of the clip."""

    begin: float
    end: float


# --- the plain loop: as one would write it without Haidang ---------------------------------------


def looks(clip: Path, model: Path) -> Iterator[tuple[float, list[tuple[float, float, float]]]]:
    """Each look's time with score and foot point of every person."""
    interpreter = Interpreter(model_path=str(model), num_threads=1)
    interpreter.allocate_tensors()
    given = interpreter.get_input_details()[0]["index"]
    boxes, classes, scores, _ = (d["index"] for d in interpreter.get_output_details())
    with av.open(str(clip)) as file:
        for number, frame in enumerate(file.decode(video=0)):
            if number % 2:  # ten frames a second
                continue
            small = frame.reformat(300, 300, "rgb24", interpolation="FAST_BILINEAR", threads=1)
            interpreter.set_tensor(given, small.to_ndarray()[None])
            interpreter.invoke()
            found = zip(
                *(interpreter.get_tensor(index)[0] for index in (boxes, classes, scores)),
                strict=True,
            )
            yield (
                number / 10,
                [
                    (float(score), float(box[1] + box[3]) / 2, min(float(box[2]), 1 - 1e-9))
                    for box, cls, score in found
                    if cls == 0
                ],
            )


def holds(polygon: Sequence[tuple[float, float]], x: float, y: float) -> bool:
    """Whether a point is on the same side of every edge of a convex polygon."""
    turned = zip(polygon, (*polygon[1:], polygon[0]), strict=True)
    sides = [(bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0 for (ax, ay), (bx, by) in turned]
    return all(sides) or not any(sides)


def visits(
    seen: Sequence[tuple[float, list[tuple[float, float, float]]]],
    polygon: Sequence[tuple[float, float]],
    rule: IntrusionRule,
) -> list[Visit]:
    """Begun when somebody was there for `after_s`, over when nobody was for `clear_s`."""
    found: list[Visit] = []
    since, begun, last = None, None, 0.0
    for t, people in seen:
        here = any(s >= rule.min_score and holds(polygon, x, y) for s, x, y in people)
        if here:
            since, last = t if since is None else since, t
            if begun is None and t - since >= rule.after_s:
                begun = t
        elif begun is None:
            since = None
        elif t - last >= rule.clear_s:
            found.append(Visit(begun, t))
            since = begun = None
    return found


# --- the demo ------------------------------------------------------------------------------------


@pytest.fixture
def own(tmp_path: Path, mosquitto_program: Path, clip: Path, model: Path) -> Iterator[Demo]:
    demand()
    demo = Demo(tmp_path, "--camera", str(clip), "--model", str(model))
    yield demo
    demo.close()


@pytest.fixture
def clip(data_dir: Path) -> Path:
    return data_dir / "video" / "people_one_by_one.mp4"


@pytest.fixture
def model(data_dir: Path) -> Path:
    return data_dir / "models" / "ssd_mobilenet_v1_coco_quant.tflite"


def draw(window: Browser, demo: Demo) -> None:
    """A new zone on the page, its corners dragged where they are wanted, published."""
    link = re.search(r"(http://127.0.0.1:\d+)/enter#link=\S+", demo.said)
    assert link is not None
    window.open(link.group(0))
    window.wait(".frame header")
    window.open(f"{link.group(1)}/cameras/my-camera")
    window.click("[data-act=draw]")
    window.click("[data-act=add]")
    box: dict[str, float] = window.run(
        "const b = document.querySelector('.editor .sight').getBoundingClientRect();"
        "return {width: b.width, height: b.height}"
    )
    for corner in (2, 3, 0, 1):  # the lower ones first, so that no edge crosses another
        grip = window.all(CORNERS)[corner]
        left, top = (
            float(n) / 100 for n in re.findall(r"([\d.]+)%", str(grip.get_attribute("style")))
        )
        x, y = WANTED[corner]
        window.hold(grip, round((x - left) * box["width"]), round((y - top) * box["height"]))
        window.let_go()
    window.write("input[name=vi]", "Trước cửa")
    window.find("select[name=watch]").send_keys("Person")
    window.write("input[name=why]", "who stands there")
    window.click("[data-act=propose]")
    window.click("[data-act=publish]")
    window.click("[data-act=decide]")
    window.wait_text("[data-runs]", "the node runs version 2", timeout_s=60)


def camera_of(demo: Demo) -> Camera:
    state = open_state(f"sqlite:///{demo.folder / 'state.sqlite'}")
    try:
        version = versions.newest(state, "demo")
        assert version is not None
        return load_texts(version.texts).cameras[0]
    finally:
        state.close()


def told(demo: Demo, zone: str, phase: str) -> list[float]:
    """When events in a zone were, in seconds since 1970."""
    series = SqliteSeries(demo.folder / "series.sqlite")
    try:
        tags = {"zone": zone, "phase": phase}
        points = list(series.read(private_bucket("demo"), "event", tags=tags))
    finally:
        series.close()
    return sorted(point.t / 1e9 for point in points)


def begun_s(demo: Demo) -> float:
    """When the node saw the clip's first picture."""
    log = (demo.folder / "logs" / "node.log").read_text()
    found = re.search(r"^(\S+ \S+),(\d+) INFO \S+: my-camera: live", log, re.MULTILINE)
    assert found is not None, log[-2000:]
    return datetime.fromisoformat(found.group(1)).timestamp() + int(found.group(2)) / 1000


def test_a_zone_that_is_drawn_raises_alarms_at_the_right_moments(
    own: Demo, clip: Path, model: Path, tell: Callable[[object], None]
) -> None:
    own.await_ready()
    with browser() as window:
        draw(window, own)
    drawn_s = time.time()
    camera = camera_of(own)
    rule = camera.rules[-1]
    assert isinstance(rule, IntrusionRule)
    polygon = next(zone.polygon for zone in camera.zones if zone.id == rule.zone)
    seen = list(looks(clip, model))
    period, began_s = seen[-1][0] + LOOK_S, begun_s(own)
    expected = [
        Visit(began_s + turn * period + visit.begin, began_s + turn * period + visit.end)
        for turn in range(4)
        for visit in visits(seen, polygon, rule)
    ]
    # somebody who stood there when the zone came into force is no whole visit
    under_way = [v.end for v in expected if v.begin - rule.after_s <= drawn_s <= v.end]
    from_s = max([drawn_s, *(end + WITHIN_S for end in under_way)])

    def ended() -> list[float]:
        return [end for end in told(own, rule.zone, "end") if end > from_s]

    start.wait_until(lambda: len(ended()) >= VISITS, what="whole visits", timeout_s=240)
    upto_s = ended()[VISITS - 1]
    whole = [v for v in expected if v.begin > from_s and v.end < upto_s + 2 * WITHIN_S]
    begins = [begin for begin in told(own, rule.zone, "begin") if from_s < begin <= upto_s]
    late = [begin - visit.begin for begin, visit in zip(begins, whole, strict=True)]
    late += [end - visit.end for end, visit in zip(ended()[:VISITS], whole, strict=True)]
    tell(f"{VISITS} visits; begins, then ends late by {[round(one, 2) for one in late]} s")
    assert max(map(abs, late)) <= WITHIN_S
    account = own.await_account(lost=0, doubled=0)
    assert account["refused"] == []
