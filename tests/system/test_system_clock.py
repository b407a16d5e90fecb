"""A node whose clock begins in 1970 and jumps: order kept, corrected once, nothing doubled."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fakes.node_line import CAMERAS, Line, wait_for
from fakes.node_process import Clock
from haidang_cloud.lake import Lake, Row
from haidang_cloud.processes.config import state_of

pytestmark = pytest.mark.broker

SECOND = 10**9
BOOTS = ("0123abcd", "4567cdef")


class Bent:
    """The clock of a node's machine, in a test's hand."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def set(self, *, off_s: float = 0.0, synced: bool = True, boot: str = BOOTS[0]) -> None:
        fresh = self.path.with_suffix(".new")
        off_ns = int(off_s * SECOND)
        fresh.write_bytes(msgspec.json.encode(Clock(off_ns, synced, boot)))
        fresh.rename(self.path)

    def begin_in_1970(self, *, boot: str = BOOTS[0]) -> None:
        self.set(off_s=100.0 - time.time(), synced=False, boot=boot)


def rows_of(line: Line) -> list[Row]:
    config = line.config
    state = state_of(config)
    try:
        zone = "Asia/Ho_Chi_Minh"
        return list(Lake(Path(config.lake), state, centre="c", time_zone=zone).rows())
    finally:
        state.close()


def test_a_clock_from_1970_that_jumps_keeps_order_and_doubles_nothing(
    new_line: Callable[..., Line],
    embedded: dict[str, Any],
    tell: Callable[[object], None],
) -> None:
    line = new_line(**embedded, workers=1)
    bent = Bent(line.folder / "clock.json")
    node = line.node(rate=150.0, alarm_every=20, clock=str(bent.path))

    def more(records: int) -> None:
        at = len(line.notes("n1").settled)
        wait_for(lambda: len(line.notes("n1").settled) > at + records, "more records")

    begun = datetime.now(UTC)
    bent.begin_in_1970()
    line.start()  # alarms do not wait for the clock
    more(100)
    node.kill()
    node.start()  # the same boot, and still no clock
    more(100)
    bent.set()  # set at last: what waited is corrected
    more(100)
    for off_s in (90.0, -60.0, 3600.0, 0.0):
        bent.set(off_s=off_s)
        more(60)
    bent.set(synced=False)
    more(60)
    node.kill()
    bent.begin_in_1970(boot=BOOTS[1])  # a new boot without a battery
    node.start()
    more(100)
    bent.set(boot=BOOTS[1])
    line.finish()
    line.stop()
    found = line.account()
    future = [letter for letter in found.dead if letter.startswith("future")]
    tell(f"{found}; {len(future)} refused, from the hour in the future")
    assert 0 < len(future) == len(found.dead), "only what was made an hour ahead is refused"
    assert set(found.faults()) == {"dead"}, found.faults()

    rows = [row for row in rows_of(line) if row.kind != "gap"]
    for camera in CAMERAS["n1"]:
        times = [row.t for row in rows if row.camera == camera and row.synced]
        by_seq = [r.t for r in sorted(rows, key=lambda r: r.seq) if r.camera == camera and r.synced]
        assert len(set(times)) == len(times)
        turned = [(a, b) for a, b in pairwise(by_seq) if b <= a]
        assert len(turned) <= 1, "only the hour in the future is taken back"
    corrected = [row for row in rows if row.synced]
    low, high = begun - timedelta(seconds=5), datetime.now(UTC) + timedelta(seconds=100)
    for row in corrected:
        assert low.timestamp() * SECOND < row.t < high.timestamp() * SECOND
    early = [row for row in rows if not row.synced]
    assert early, "alarms were sent as they were"
    assert all(row.alarm for row in early)
