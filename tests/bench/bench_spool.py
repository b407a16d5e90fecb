"""The spool beside a bare loop of write and fdatasync: same sizes, same batches, same disk.

The bare loop knows no sequence, no checksum, no class, no quota and no reader. It appends to a file
that grows; beside it one whose blocks are laid out before, as the spool's segments are. A batch
counts when all of it is durable; the next one begins only then.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench import measure
from bench.measure import Figure, median
from haidang_edge.spool import Spool, SpoolSettings
from haidang_protocols.wire.records import Event, Phase, RecordClass, RuleKind, encode_record

BATCHES = {1: 200, 20: 150, 200: 80}
"""Records a batch, and how many batches a run makes."""

PREALLOCATED = 16 << 20
ALONE, ALONE_PAUSE_S = 60, 0.02
HEAD = ("arm", "batches/s", "records/s", "× bare", "µs CPU a record")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run: seconds a batch and CPU a record."""

    batch_s: float
    cpu_us: float


def main() -> None:
    payload = _payload()
    folder = Path(tempfile.mkdtemp(prefix="haidang-bench-"))
    try:
        for size, count in BATCHES.items():
            _compare(folder, [payload] * size, count)
        _alone(folder, payload)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _payload() -> bytes:
    """An event as a camera's rule makes it."""
    event = Event(
        t=1_764_043_200_123_456_789,
        boot="3f2a9c01",
        mono=86_400_123_456_789,
        camera="gate-east",
        rule="night-intrusion",
        type=RuleKind.INTRUSION,
        phase=Phase.BEGIN,
        event="5ba97a024204",
        alarm=True,
        zone="yard",
        cls="person",
        track=28632,
        score=0.7046,
        box=(0.2862, 0.2507, 0.416, 0.5555),
        snapshot=True,
        model="ssd-mobilenet-v1-coco",
        catalogue=12,
    )
    return encode_record(event)


def _compare(folder: Path, batch: list[bytes], count: int) -> None:
    arms = {
        "bare": lambda: _bare(folder, batch, count, laid_out=False),
        "bare, laid out": lambda: _bare(folder, batch, count, laid_out=True),
        "spool": lambda: _spool(folder, batch, count),
    }
    results = measure.rounds(arms, measure.reps(7))
    middles = {
        arm: Run(
            batch_s=median(run.batch_s for run in runs), cpu_us=median(run.cpu_us for run in runs)
        )
        for arm, runs in results.items()
    }
    bare = middles["bare"]
    rows = [
        (arm, 1 / run.batch_s, len(batch) / run.batch_s, bare.batch_s / run.batch_s, run.cpu_us)
        for arm, run in middles.items()
    ]
    measure.table(f"{len(batch)} records of {len(batch[0])} bytes a batch", HEAD, rows)
    ratio = bare.batch_s / middles["spool"].batch_s
    measure.figures(Figure(f"spool over a bare loop, {len(batch)} a batch", ratio, 0.5))


def _timed(run: Callable[[], None], batches: int, size: int) -> Run:
    begun, used = time.monotonic(), time.process_time()
    run()
    took_s, used_s = time.monotonic() - begun, time.process_time() - used
    return Run(batch_s=took_s / batches, cpu_us=used_s / batches / size * 1e6)


def _bare(folder: Path, batch: list[bytes], count: int, *, laid_out: bool) -> Run:
    path = folder / "bare"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    if laid_out:
        os.write(fd, bytes(PREALLOCATED))
        os.fsync(fd)
        os.lseek(fd, 0, os.SEEK_SET)

    def loop() -> None:
        for _ in range(count):
            os.write(fd, b"".join(batch))
            os.fdatasync(fd)

    try:
        return _timed(loop, count, len(batch))
    finally:
        os.close(fd)
        path.unlink()


def _spool(folder: Path, batch: list[bytes], count: int) -> Run:
    where = folder / "spool"
    spool = Spool(SpoolSettings(folder=where))
    # its first segment is made with its first record
    spool.wait(spool.append(RecordClass.EVENT, batch[0]))

    def loop() -> None:
        for _ in range(count):
            for payload in batch:
                last = spool.append(RecordClass.EVENT, payload)
            if not spool.wait(last):
                raise AssertionError(f"record {last} is not durable after 10 s")

    try:
        return _timed(loop, count, len(batch))
    finally:
        spool.close()
        shutil.rmtree(where)


def _alone(folder: Path, payload: bytes) -> None:
    """A record that comes to an idle spool waits for nothing but the disk."""
    where = folder / "alone"
    spool = Spool(SpoolSettings(folder=where))
    path = folder / "bare"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    os.write(fd, bytes(PREALLOCATED))
    os.fsync(fd)
    os.lseek(fd, 0, os.SEEK_SET)
    spool.wait(spool.append(RecordClass.ALARM, payload))

    def bare() -> float:
        time.sleep(ALONE_PAUSE_S)
        begun = time.monotonic()
        os.write(fd, payload)
        os.fdatasync(fd)
        return time.monotonic() - begun

    def spooled() -> float:
        time.sleep(ALONE_PAUSE_S)
        begun = time.monotonic()
        spool.wait(spool.append(RecordClass.ALARM, payload))
        return time.monotonic() - begun

    results = measure.rounds({"bare": bare, "spool": spooled}, ALONE)
    spool.close()
    os.close(fd)
    middles = {arm: median(times) * 1e3 for arm, times in results.items()}
    measure.table(
        "One record to an idle spool, milliseconds until it is durable",
        ("arm", "median", "worst"),
        [(arm, middles[arm], max(times) * 1e3) for arm, times in results.items()],
    )
    measure.figures(
        Figure("spool over bare, one record alone", middles["bare"] / middles["spool"], 0.5)
    )
