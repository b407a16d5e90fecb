"""An hour of demo before an open wall: memory flat, no error, nothing lost, nothing doubled.

HAIDANG_DEMO_MINUTES says for how long it runs instead.
"""

import contextlib
import json
import os
import re
import signal
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from servers import start
from servers.demo import Demo, lives
from system.browser.chromium import Browser, browser, demand

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.soak]

MINUTES = float(os.environ.get("HAIDANG_DEMO_MINUTES", "60"))
LOOK_S = min(20.0, MINUTES * 2)
LOOKS_MIN = 10
GROWN_MB, GROWN_SHARE = 6.0, 0.04
"""What a process may grow from the middle of the run to its end."""

SLOPE_MB_H = 15.0
"""What its second half may climb in an hour."""

SLOPE_MINUTES = 20.0
"""Over a shorter run a page more would be a slope."""

BAD = re.compile(r"\b(?:ERROR|CRITICAL)\b|Traceback|^\d+: Error", re.MULTILINE)

Look = tuple[float, float]
"""Seconds since the beginning, MB."""


LIVE = ".standing .pulse:not(.waiting)"

PAGE = "the page"
"""What the wall holds in the browser, among the processes."""


@pytest.fixture
def demo(tmp_path: Path, mosquitto_program: Path) -> Iterator[Demo]:
    demo = Demo(tmp_path)
    yield demo
    demo.close()


@pytest.mark.timeout(MINUTES * 60 + 900)
def test_an_hour_of_demo_is_flat_and_silent_and_loses_nothing(
    demo: Demo, tmp_path: Path, tell: Callable[[object], None]
) -> None:
    demand()
    demo.await_ready()
    with wall(demo) as page:
        looks = watched(demo, page, tmp_path / "memory.jsonl")
        assert page.errors() == []
    account = demo.await_account(waiting=0, lost=0, doubled=0)
    tell(account)
    for line in table(looks):
        tell(line)
    assert account["stored"] == account["spooled"] > MINUTES
    assert account["refused"] == []
    assert "starts again" not in demo.said
    assert complaints(demo.folder / "logs") == {}
    assert climbers(looks) == {}
    pids = demo.pids()
    assert demo.end(signal.SIGINT) == 0
    start.wait_until(lambda: not [p for p in pids if lives(p)], what="the end of all processes")


@contextlib.contextmanager
def wall(demo: Demo) -> Iterator[Browser]:
    """The wall as it stands open at a centre all day."""
    link = demo.await_said(r"http://127.0.0.1:\d+/enter#link=\S+", timeout_s=10)
    with browser() as page:
        page.open(link)
        page.wait(LIVE)
        yield page


def watched(demo: Demo, page: Browser, log: Path) -> dict[str, list[Look]]:
    """Memory of each process over the time; wall and account must be good at every look."""
    looks: dict[str, list[Look]] = defaultdict(list)
    begun_s = time.monotonic()
    while (at_s := time.monotonic() - begun_s) < MINUTES * 60:
        memory, account = demo.own_memory(), demo.account()
        memory[PAGE] = page.heap_mb()
        for name, megabytes in memory.items():
            looks[name].append((at_s, megabytes))
        with log.open("a") as out:
            out.write(json.dumps({"at_s": at_s, "memory": memory, "account": account}) + "\n")
        assert (account["lost"], account["doubled"]) == (0, 0), account
        page.wait(LIVE, what="the wall being live")
        time.sleep(LOOK_S)
    return {name: one for name, one in looks.items() if len(one) >= LOOKS_MIN}


def part(looks: Sequence[Look], begin: float, end: float) -> list[Look]:
    """The looks of a part of the run, as shares of it."""
    whole_s = looks[-1][0]
    return [look for look in looks if begin * whole_s <= look[0] <= end * whole_s]


def levels(looks: Sequence[Look]) -> tuple[float, float]:
    """MB about the middle and at the end."""
    middle, end = part(looks, 0.4, 0.6), part(looks, 0.85, 1.0)
    return statistics.median(mb for _, mb in middle), statistics.median(mb for _, mb in end)


def slope_mb_h(looks: Sequence[Look]) -> float:
    """How much the second half climbs in an hour."""
    times, sizes = zip(*part(looks, 0.5, 1.0), strict=True)
    return statistics.linear_regression(times, sizes).slope * 3600


def climbers(looks: Mapping[str, Sequence[Look]]) -> dict[str, str]:
    """Who is not flat, and how much."""
    found: dict[str, str] = {}
    for name, one in looks.items():
        middle, end = levels(one)
        if end - middle > GROWN_MB + GROWN_SHARE * middle:
            found[name] = f"from {middle:.1f} to {end:.1f} MB"
        elif MINUTES >= SLOPE_MINUTES and (climbs := slope_mb_h(one)) > SLOPE_MB_H:
            found[name] = f"{climbs:.1f} MB an hour"
    return found


def table(looks: Mapping[str, Sequence[Look]]) -> Iterator[str]:
    """A line for each process, and one for all."""
    whole = [0.0, 0.0]
    for name, one in looks.items():
        middle, end = levels(one)
        whole = [whole[0] + middle, whole[1] + end]
        yield f"{name}: {middle:.1f} → {end:.1f} MB, {slope_mb_h(one):+.1f} MB an hour"
    yield f"all: {whole[0]:.0f} → {whole[1]:.0f} MB"


def complaints(logs: Path) -> dict[str, str]:
    """The first error in each log."""
    found: dict[str, str] = {}
    for log in sorted(logs.glob("*.log")):
        said = log.read_text(errors="replace")
        if bad := BAD.search(said):
            found[log.name] = said[max(0, bad.start() - 200) : bad.end() + 800]
    return found
