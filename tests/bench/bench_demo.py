"""The demo on this machine: set-up, first alarm, then CPU, memory and pictures, busy and at rest.

Busy are four streets where people walk; at rest each camera's picture stands still and nobody looks
at the wall. All processes count, the drawing of the streets too.
"""

import json
import sqlite3
import tempfile
import time
from pathlib import Path

from bench import measure
from bench.measure import Figure
from servers.demo import Demo

BUSY_S, REST_S = 60.0, 40.0
SETTLE_S = 15.0
"""Until what began has come to its own pace."""

ALARM_S, FPS = 60.0, 5.0
POINTS = "SELECT tags, fields FROM point WHERE measurement = 'camera' ORDER BY t"
CAMERAS = ("promenade", "junction", "port-gate", "market")


def main() -> None:
    """Measure, and print."""
    measure.program("mosquitto")
    with tempfile.TemporaryDirectory(prefix="haidang-bench-") as folder:
        demo = Demo(Path(folder))
        try:
            _measure(demo)
        finally:
            demo.close()


def _measure(demo: Demo) -> None:
    demo.await_ready()
    ready_s = time.monotonic()
    print(f"  set-up {demo.set_up_s:.1f} s; {demo.await_first_alarm()}")
    alarm_s = time.monotonic() - ready_s
    time.sleep(SETTLE_S)
    busy = _look(demo, BUSY_S)
    for camera in CAMERAS:
        (demo.folder / "node" / f"{camera}.hold").touch()
    time.sleep(SETTLE_S)
    rest = _look(demo, REST_S)
    rows = [("four cameras", *busy), ("at rest", *rest)]
    measure.table("All processes of the demo", ("", "CPU, cores", "PSS, MB"), rows)
    memory = sorted(demo.memory().items(), key=lambda item: -item[1])
    measure.table("At the end", ("process", "PSS, MB"), [(name, mb) for name, mb in memory])
    rates = _rates(demo.folder / "series.sqlite")
    measure.table("Pictures", ("camera", "median a second"), sorted(rates.items()))
    account = demo.account()
    print(f"  lost {account['lost']}, doubled {account['doubled']} of {account['spooled']}")
    measure.figures(
        Figure("set-up to first alarm", alarm_s, ALARM_S, "s", at_most=True),
        Figure("pictures of the slowest camera", min(rates.values()), FPS, "a second"),
    )


def _look(demo: Demo, for_s: float) -> tuple[float, float]:
    """Cores that the whole tree used over so many seconds, and its memory at their end."""
    pid = demo.process.pid
    begun_s, then_s = time.monotonic(), measure.cpu_s(pid)
    time.sleep(for_s)
    cores = (measure.cpu_s(pid) - then_s) / (time.monotonic() - begun_s)
    return cores, measure.pss_mb(pid)


def _rates(series: Path) -> dict[str, float]:
    """The median of what each camera's heartbeats told, the first two left out."""
    found: dict[str, list[float]] = {}
    reader = sqlite3.connect(f"file:{series}?mode=ro", uri=True)
    try:
        for tags, fields in reader.execute(POINTS):
            found.setdefault(json.loads(tags)["camera"], []).append(json.loads(fields)["fps"])
    finally:
        reader.close()
    return {camera: measure.median(rates[2:]) for camera, rates in found.items()}
