"""The wall at its largest: 200 cameras, 10,000 open alarms, 50 events a second, 50 viewers.

A viewer is what a browser is to the console: it fetches the page, joins over the page's own socket,
and hears every update. All look from one process, so that theirs and the console's time are apart.
The first paint is a real browser's.
"""

import ast
import asyncio
import re
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import socketio  # type: ignore[import-untyped]

from bench import measure
from fakes import wall
from haidang_cloud.ingest import Directory
from haidang_cloud.state import outbox
from haidang_cloud.state.outbox import Alarm
from haidang_protocols.wire.names import record_id
from haidang_protocols.wire.records import encode_record
from servers import start
from system.browser.centre import Centre
from system.browser.chromium import browser, programs

CAMERAS_A_SPOT = 40
OPEN = 10_000
EVENTS_A_S = 50
VIEWERS = 50
FOR_S = 30.0
SECOND_NS = 10**9
_QUERY = re.compile(r"query: (\{.*?\}),\n")


def fill(centre: Centre) -> None:
    """Ten thousand alarms that nobody has answered, raised as any other."""
    now_ns, rows = time.time_ns(), []
    for number in range(1, OPEN + 1):
        camera = centre.catalogue.cameras[number % len(centre.catalogue.cameras)]
        t = now_ns - number * SECOND_NS
        event = wall.event_of(camera, ("dem", "dong", "qua")[number % 3], t, f"c{number}")
        rows.append(
            Alarm(
                centre=wall.CENTRE,
                record_id=record_id(camera.node, wall.SPOOL, number),
                site=camera.place,
                node=camera.node,
                received_ns=t,
                payload=encode_record(event),
            )
        )
    outbox.add(centre.state, rows)
    owner = Directory(centre.catalogue, 1).owner
    while centre.coast.desk.consume(owner, now_ns=now_ns):
        pass
    centre.coast.seq = OPEN


class Life:
    """Events and new alarms as they would come, until it is stopped."""

    def __init__(self, centre: Centre) -> None:
        self._centre, self._stop = centre, threading.Event()
        self.raised: dict[str, float] = {}
        works = (self._events, self._alarms)
        self._threads = [threading.Thread(target=work) for work in works]

    def __enter__(self) -> "Life":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _events(self) -> None:
        cameras, number = self._centre.catalogue.cameras, 0
        while not self._stop.wait(0.1):
            given = []
            for _ in range(EVENTS_A_S // 10):
                number += 1
                camera = cameras[number % len(cameras)]
                t = time.time_ns() + number % 10
                given.append(wall.event_of(camera, "qua", t, f"b{number}", alarm=False))
            self._centre.coast.write(*given)

    def _alarms(self) -> None:
        cameras, number = self._centre.catalogue.cameras, 0
        while not self._stop.wait(1.0):
            number += 1
            begun = time.time()
            camera = cameras[number % len(cameras)].id
            self.raised[self._centre.coast.alarm(camera, "dem", picture=False)] = begun


class Viewer:
    """A page that is open."""

    def __init__(self, heard: dict[str, list[float]]) -> None:
        self._heard = heard
        self._socket = socketio.AsyncClient(reconnection=False, logger=False)
        self._socket.on("live.news", self._news)

    async def look(self, centre: Centre, cookies: Mapping[str, str], number: int) -> None:
        async with httpx.AsyncClient(base_url=centre.origin, cookies=dict(cookies)) as client:
            found = _QUERY.search((await client.get("/")).text)
            if found is None:
                raise RuntimeError("the page names no socket")
            asked = ast.literal_eval(found[1])
            mine = {"document_id": f"d{number}", "tab_id": f"t{number}", "old_tab_id": "null"}
            query = {k: str(v).lower() if isinstance(v, bool) else v for k, v in asked.items()}
            cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
            await self._socket.connect(
                f"{centre.origin}?{urlencode({**query, **mine})}",
                headers={"Cookie": cookie, "Origin": centre.origin},
                transports=["websocket"],
                socketio_path="/_nicegui_ws/socket.io",
            )
            await self._socket.call("live.join", {})
            await client.get("/live/state", timeout=60)

    def _news(self, told: dict[str, Any]) -> None:
        now = time.time()
        for row in told.get("cases", ()):
            self._heard.setdefault(row["id"], []).append(now)

    async def leave(self) -> None:
        await self._socket.disconnect()


async def used(pid: int) -> float:
    """Percent of a core over a while."""
    before, begun = measure.cpu_s(pid), time.monotonic()
    await asyncio.sleep(FOR_S)
    return (measure.cpu_s(pid) - before) / (time.monotonic() - begun) * 100


async def look(centre: Centre, life: Life) -> dict[str, float]:
    """The console without anybody, then with fifty."""
    pid = centre.pid
    with centre.client("an") as client:
        cookies = dict(client.cookies)
    await asyncio.sleep(5)
    alone, memory = await used(pid), measure.pss_mb(pid)
    heard: dict[str, list[float]] = {}
    viewers = [Viewer(heard) for _ in range(VIEWERS)]
    for number, viewer in enumerate(viewers):
        await viewer.look(centre, cookies, number)
    await asyncio.sleep(3)
    life.raised.clear()
    heard.clear()
    together, grown = await used(pid), measure.pss_mb(pid)
    for viewer in viewers:
        await viewer.leave()
    delays = sorted(t - since for case, since in life.raised.items() for t in heard.get(case, ()))
    print("  slowest:", ", ".join(f"{delay:.2f} s" for delay in delays[-1::-VIEWERS][:4]))
    return {
        "alone": alone,
        "cpu": (together - alone) / VIEWERS,
        "memory": (grown - memory) / VIEWERS,
        "whole": grown,
        "p50": delays[len(delays) // 2],
        "p95": delays[int(len(delays) * 0.95)],
    }


def first_paint(centre: Centre, path: str, wanted: str) -> float:
    """Seconds until a browser that has the code shows what is asked for."""
    with browser() as opened:
        opened.log_in(centre.origin, "an", wall.PASSWORD)
        begun = time.monotonic()
        opened.open(centre.origin + path)
        opened.wait(wanted)
        return time.monotonic() - begun


@contextmanager
def large(folder: Path) -> Iterator[Centre]:
    """A centre of that size, served."""
    broker = start.mosquitto(measure.program("mosquitto"), folder / "broker")
    broker.start()
    centre = Centre(folder, broker.port, cameras=CAMERAS_A_SPOT)
    try:
        fill(centre)
        centre.nodes.start()
        centre.serve()
        yield centre
    finally:
        centre.close()
        broker.stop()


def measured(folder: Path) -> tuple[dict[str, float], float]:
    """The figures, and the first paint."""
    with large(folder) as centre, Life(centre) as life:
        found = asyncio.run(look(centre, life))
        paint = first_paint(centre, "/alarms", ".queue .item") if programs() else 0.0
    return found, paint


def main() -> None:
    """Measure, and print."""
    with tempfile.TemporaryDirectory(prefix="haidang-bench-") as folder:
        found, paint = measured(Path(folder))
    print(f"  console alone: {found['alone']:.1f} % of a core; with all: {found['whole']:.0f} MB")
    print(f"  delay p50 {found['p50']:.2f} s; first paint of the queue {paint:.2f} s")
    measure.figures(
        measure.Figure("CPU of a viewer", found["cpu"], 0.5, "% of a core", at_most=True),
        measure.Figure("memory of a viewer", found["memory"], 1.0, "MB", at_most=True),
        measure.Figure("an alarm on the wall, p95", found["p95"], 1.0, "s", at_most=True),
    )
