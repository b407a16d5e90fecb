"""A node without cameras: the real spool, clock and publisher, records made up at a given rate.

Run as a process of its own, so that it can be killed at any moment. Two files beside its spool say
what it did: `notes` (every record as it was given to the spool, and which ones the spool settled:
these lines are synced, they are the promise that an account holds against the centre), and its
settings. SIGUSR1 ends the making of records, SIGTERM the process.
"""

import hashlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import msgspec

from haidang_edge.publish import BrokerSettings, Hooks, Identity, Pace, Publisher
from haidang_edge.spool import ClockFixes, Files, NodeClock, Spool, SpoolSettings
from haidang_edge.spool.clock import SystemTime, TimeSource
from haidang_protocols.wire import messages
from haidang_protocols.wire.names import record_id
from haidang_protocols.wire.records import (
    Event,
    Observation,
    Phase,
    Record,
    RecordClass,
    RuleKind,
    ZoneCount,
    encode_record,
)
from haidang_protocols.wire.seqset import SeqSet
from haidang_protocols.wire.snapshot import SnapshotHeader, encode_snapshot
from haidang_protocols.wire.topics import Severity


class NodeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a test wants of a node; every `alarm_every`-th record is one, and so on; 0 is never."""

    folder: str
    notes: str
    port: int
    centre: str
    site: str
    node: str
    cameras: tuple[str, ...]
    rate: float = 200.0
    group: int = 10
    settle_s: float = 30.0
    alarm_every: int = 50
    event_every: int = 4
    snapshot_every: int = 100
    snapshot_bytes: int = 4000
    quota_bytes: int = 256 << 20
    segment_bytes: int = 1 << 20
    stall_s: float = 1.0
    stall_max_s: float = 4.0
    backlog_per_s: float = 2000.0
    alarm_patience_s: float = 2.0
    makes: bool = True
    trim_on_puback: bool = False
    clock: str = ""


class Note(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of the notes: a record that was made, or how far the spool has settled them."""

    seq: int = 0
    cls: RecordClass = RecordClass.OBSERVATION
    raw: str = ""
    sha256: str = ""
    settled: tuple[int, ...] = ()
    drained: bool = False


class Clock(msgspec.Struct, frozen=True):
    """A machine's clock as a test sets it, in a file: wall time is off by so much."""

    off_ns: int = 0
    synced: bool = True
    boot: str = "0123abcd"


class FileTime(SystemTime):
    """The machine's time, bent by a file that a test may replace at any moment."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def _now(self) -> Clock:
        return msgspec.json.decode(self._path.read_bytes(), type=Clock)

    def boot(self) -> str:
        return self._now().boot

    def wall_ns(self) -> int:
        return max(0, super().wall_ns() + self._now().off_ns)

    def synced(self) -> bool:
        return self._now().synced


class TrimsOnPuback(Publisher):
    """What the promise forbids: it takes the broker's word for the store's."""

    def _send(self, now_s: float) -> None:
        if self._window.sent and not self._session.queued():
            self._stored(SeqSet((seq, seq) for seq in self._window.sent))
        super()._send(now_s)


class Notes:
    """The side file: what was made is written, what was settled is synced."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def made(self, note: Note) -> None:
        self._write(note)

    def settled(self, seqs: list[int]) -> None:
        self._write(Note(settled=tuple(seqs)))
        os.fdatasync(self._fd)

    def drained(self) -> None:
        self._write(Note(drained=True))

    def close(self) -> None:
        os.close(self._fd)

    def _write(self, note: Note) -> None:
        # one write a line: a kill leaves whole lines, since the page cache outlives the process
        os.write(self._fd, msgspec.json.encode(note) + b"\n")


class Node:
    """The parts, put together as the agent does it."""

    def __init__(self, settings: NodeSettings, *, files: Files | None = None) -> None:
        folder = Path(settings.folder)
        folder.mkdir(parents=True, exist_ok=True)
        source: TimeSource | None = FileTime(Path(settings.clock)) if settings.clock else None
        self._settings = settings
        self._notes = Notes(Path(settings.notes))
        self.spool = Spool(
            SpoolSettings(
                folder=folder,
                quota_bytes=settings.quota_bytes,
                segment_bytes=settings.segment_bytes,
            ),
            files=files,
        )
        self.clock = NodeClock(folder, source=source, trust_wall=source is None)
        kind = TrimsOnPuback if settings.trim_on_puback else Publisher
        self.publisher = kind(
            self.spool,
            identity=Identity(centre=settings.centre, site=settings.site, node=settings.node),
            broker=BrokerSettings(host="127.0.0.1", port=settings.port, plain=True, keepalive_s=5),
            clock=self.clock,
            fixes=ClockFixes(folder),
            hooks=Hooks(
                birth=self._birth, heartbeat=self._heartbeat, case_of=lambda _: ("city", "gate")
            ),
            pace=Pace(
                stall_s=settings.stall_s,
                stall_max_s=settings.stall_max_s,
                backlog_per_s=settings.backlog_per_s,
                alarm_patience_s=settings.alarm_patience_s,
            ),
        )
        self._numbers = count(1)

    def _birth(self) -> messages.Birth:
        return messages.Birth(
            spool=self.spool.id,
            next_seq=self.spool.next_seq,
            agent="made-up",
            clock=self.clock.state(),
        )

    def _heartbeat(self) -> messages.Heartbeat:
        now = self.clock.state()
        return messages.Heartbeat(
            at=now.wall, clock=now, spool_depth=self.spool.depth(), dropped=self.spool.dropped()
        )

    # --- making records ---------------------------------------------------------------------

    def make_group(self) -> None:
        """Make a few records, wait until the spool has settled them, and note it."""
        seqs = [seq for _ in range(self._settings.group) for seq in self._make()]
        if self.spool.wait(seqs[-1], timeout_s=self._settings.settle_s):
            self._notes.settled(seqs)

    def _make(self) -> Iterator[int]:
        number = next(self._numbers)
        camera = self._settings.cameras[number % len(self._settings.cameras)]
        if _is_one(number, self._settings.snapshot_every):
            event = self._event(camera, number, alarm=False)
            yield event
            yield self._snapshot(camera, event)
        elif _is_one(number, self._settings.alarm_every):
            yield self._event(camera, number, alarm=True)
        elif _is_one(number, self._settings.event_every):
            yield self._event(camera, number, alarm=False)
        else:
            yield self._observation(camera, number)

    def _append(self, cls: RecordClass, record: Record) -> int:
        raw = encode_record(record)

        def noted(seq: int) -> bytes:
            self._notes.made(Note(seq=seq, cls=cls, raw=raw.decode()))
            return raw

        return self.spool.append_built(cls, noted)

    def _event(self, camera: str, number: int, *, alarm: bool) -> int:
        at = self.clock.fix(camera)
        event = Event(
            t=at.wall,
            boot=at.boot,
            mono=at.mono,
            synced=at.synced,
            camera=camera,
            rule="night",
            type=RuleKind.INTRUSION,
            phase=Phase.MOMENT,
            event=f"e{at.mono}-{number}",
            severity=Severity.CRITICAL if alarm else Severity.INFO,
            alarm=alarm,
            zone="yard",
            cls="person",
            score=0.5,
        )
        return self._append(RecordClass.ALARM if alarm else RecordClass.EVENT, event)

    def _observation(self, camera: str, number: int) -> int:
        at = self.clock.fix(camera)
        observation = Observation(
            t=at.wall,
            boot=at.boot,
            mono=at.mono,
            synced=at.synced,
            camera=camera,
            interval_s=1.0,
            frames=number,
            counts=(
                ZoneCount(cls="person", mean=number % 7 / 2, max=number % 7),
                ZoneCount(zone="yard", cls="car", mean=0.5, max=1),
            ),
        )
        return self._append(RecordClass.OBSERVATION, observation)

    def _snapshot(self, camera: str, event: int) -> int:
        jpeg = b"\xff\xd8" + os.urandom(self._settings.snapshot_bytes)
        record = record_id(self._settings.node, self.spool.id, event)
        t = self.clock.state().wall
        digest = hashlib.sha256(jpeg).hexdigest()

        def noted(seq: int) -> bytes:
            header = SnapshotHeader(
                spool=self.spool.id, seq=seq, record=record, camera=camera, t=t, crop=(0, 0, 1, 1)
            )
            self._notes.made(Note(seq=seq, cls=RecordClass.SNAPSHOT, sha256=digest))
            return encode_snapshot(header, jpeg)

        return self.spool.append_built(RecordClass.SNAPSHOT, noted)

    # --- life -------------------------------------------------------------------------------

    def run(self, *, making: threading.Event, stop: threading.Event) -> None:
        """Make records while `making` is set; then say when the spool is empty; until `stop`."""
        self.publisher.start()
        pause_s = self._settings.group / self._settings.rate
        next_s = time.monotonic()
        drained = False
        while not stop.is_set():
            if making.is_set():
                self.make_group()
                # what a slow disk held up is not made up for: no burst follows it
                next_s = max(next_s + pause_s, time.monotonic())
                stop.wait(next_s - time.monotonic())
                continue
            if not drained and not self.spool.depth():
                drained = True
                self._notes.drained()
            stop.wait(0.02)
        self.publisher.stop()
        self.clock.save()
        self.spool.close()
        self._notes.close()


def fill_with_backlog(settings: NodeSettings, *, records: int, per_s: float) -> None:
    """A spool as an outage leaves it: `records` made at that rate, the last one a minute ago."""
    folder, step_ns = Path(settings.folder), int(1e9 / per_s)
    at_ns = begun_ns = time.time_ns() - 60_000_000_000 - records * step_ns
    notes = Notes(Path(settings.notes))
    quota, size = settings.quota_bytes, settings.segment_bytes
    spool = Spool(
        SpoolSettings(folder=folder, quota_bytes=quota, segment_bytes=size), wall_ns=lambda: at_ns
    )
    waiting: list[int] = []
    for number in range(records):
        at_ns = begun_ns + number * step_ns
        camera = settings.cameras[number % len(settings.cameras)]
        count = ZoneCount(cls="person", mean=1.0, max=1)
        record = Observation(t=at_ns, camera=camera, interval_s=1.0, frames=5, counts=(count,))
        raw = encode_record(record)
        seq = spool.append(RecordClass.OBSERVATION, raw)
        notes.made(Note(seq=seq, cls=RecordClass.OBSERVATION, raw=raw.decode()))
        waiting.append(seq)
        if len(waiting) == 2000 or number == records - 1:
            spool.wait(seq, timeout_s=60.0)
            notes.settled(waiting)
            waiting.clear()
    spool.close()
    notes.close()


def _is_one(number: int, every: int) -> bool:
    return every > 0 and number % every == 0


def main() -> int:
    """Run by the settings file that is named."""
    settings = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=NodeSettings)
    making, stop = threading.Event(), threading.Event()
    if settings.makes:
        making.set()
    signal.signal(signal.SIGUSR1, lambda *_: making.clear())
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    node = Node(settings)
    sys.stderr.write(f"{settings.node} is up\n")
    sys.stderr.flush()
    node.run(making=making, stop=stop)
    return 0


if __name__ == "__main__":
    sys.exit(main())
