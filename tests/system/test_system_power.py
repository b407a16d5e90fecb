"""What SIGKILL cannot show, since it keeps the page cache: no word is given before its fdatasync.

The node's spool and the centre's archive run over files whose syncs a test holds back and whose
power it cuts; the broker between them is a real one, and the wire to it is listened to.
"""

import errno
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes.disk import HeldArchive, HeldFiles
from fakes.node_accounts import Account
from fakes.node_line import CAMERAS, Line, catalogue, wait_for
from fakes.node_process import Node, NodeSettings
from fakes.node_worker import worker_over
from fakes.shims import TcpWire
from haidang_cloud.lake.archive import folder_of
from haidang_protocols.wire.topics import NodeLeaf, node_topic
from servers import start

pytestmark = pytest.mark.broker

PUBLISH, PUBACK = 3, 4
RECORDS = node_topic("c", "gate", "n1", NodeLeaf.RECORDS)
STORED = node_topic("c", "gate", "n1", NodeLeaf.STORED)


class Said:
    """What an MQTT client said on a wire: packets of a kind, publications by topic."""

    def __init__(self) -> None:
        self._rest = b""
        self.pubacks = 0
        self.published: dict[str, int] = {}

    def hear(self, data: bytes) -> None:
        self._rest += data
        while (packet := self._next()) is not None:
            kind, body = packet
            if kind == PUBACK:
                self.pubacks += 1
            elif kind == PUBLISH:
                length = int.from_bytes(body[:2], "big")
                topic = body[2 : 2 + length].decode()
                self.published[topic] = self.published.get(topic, 0) + 1

    def _next(self) -> tuple[int, bytes] | None:
        """Kind and body of the next whole packet: one byte, a length in 7-bit groups, the body."""
        size, at = 0, 1
        while True:
            if at >= len(self._rest):
                return None
            size |= (self._rest[at] & 0x7F) << (7 * (at - 1))
            at += 1
            if not self._rest[at - 1] & 0x80:
                break
        if len(self._rest) < at + size:
            return None
        kind, body = self._rest[0] >> 4, self._rest[at : at + size]
        self._rest = self._rest[at + size :]
        return kind, body


@pytest.fixture
def wire(broker: start.Server) -> Iterator[tuple[TcpWire, Said]]:
    """A wire to the broker, and what the client at its near end said."""
    said = Said()
    made = TcpWire(broker.port, listener=said.hear)
    yield made, said
    made.close()


def settings_of(line: Line, folder: Path, port: int, **options: Any) -> NodeSettings:
    return NodeSettings(
        folder=str(folder),
        notes=str(line.notes_path("n1")),
        port=port,
        centre="c",
        site="gate",
        node="n1",
        cameras=CAMERAS["n1"],
        **options,
    )


class Running:
    """A node in a thread."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.making, self._stop = threading.Event(), threading.Event()
        self.making.set()
        self._thread = threading.Thread(
            target=node.run, kwargs={"making": self.making, "stop": self._stop}
        )
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()


def test_no_record_leaves_the_node_before_its_sync(
    new_line: Callable[..., Line], embedded: dict[str, Any], wire: tuple[TcpWire, Said]
) -> None:
    wan, said = wire
    line = new_line(**embedded)
    files = HeldFiles()
    running = Running(Node(settings_of(line, line.folder / "n1", wan.port), files=files))
    try:
        wait_for(lambda: said.published.get(RECORDS), "the node sends")
        files.gate.hold()
        assert files.gate.waiting.wait(10)
        time.sleep(1.5)  # what was durable before has left by now
        before = said.published[RECORDS]
        time.sleep(1.0)
        assert said.published[RECORDS] == before
        files.gate.release()
        wait_for(lambda: said.published[RECORDS] > before, "it sends again")
    finally:
        files.gate.release()
        running.stop()


def test_no_acknowledgement_and_no_watermark_precedes_the_archives_sync(
    new_line: Callable[..., Line],
    embedded: dict[str, Any],
    broker: start.Server,
    wire: tuple[TcpWire, Said],
) -> None:
    wan, said = wire
    line = new_line(**embedded)
    files = HeldArchive()
    node = line.node(rate=100.0, alarm_every=0, snapshot_every=0)
    with worker_over(line.config, catalogue(), files=files, port=wan.port):
        node.start()
        wait_for(lambda: said.published.get(STORED) and said.pubacks, "the worker stores")
        files.gate.hold()
        assert files.gate.waiting.wait(10)
        time.sleep(1.5)  # the word for what was synced before is out by now
        pubacks, marks, stored = said.pubacks, said.published[STORED], line.stored()
        time.sleep(1.5)
        assert (said.pubacks, said.published[STORED], line.stored()) == (pubacks, marks, stored)
        files.gate.release()
        line.workers.clear()
        line.finish()
        node.stop()
    assert said.pubacks > pubacks
    assert not line.account().faults()


def cut_in_the_middle(
    line: Line, broker: start.Server, *, files: HeldFiles, archive: HeldArchive, seed: int
) -> Account:
    """Node and centre lose their power at one moment; both come up with what their disks held."""
    rnd = random.Random(seed)
    settings = settings_of(line, line.folder / "n1", broker.port, rate=300.0, settle_s=2.0)
    held = folder_of(Path(line.config.lake), "c")
    running = Running(Node(settings, files=files))
    with worker_over(line.config, catalogue(), files=archive, port=broker.port):
        wait_for(line.stored, "the line runs")
        time.sleep(rnd.uniform(0.5, 2.0))
        running.making.clear()
        files.die(line.folder / "n1-disk", rnd)
        archive.die(line.folder / "archive-disk", rnd)
        # what the archive holds may still be told to the ledger; nothing else may
        time.sleep(0.5)
        broker.kill()
        time.sleep(settings.settle_s)  # nobody waits any more for what was not durable
        worker_dies(archive)
    files.gate.release()
    running.stop()
    line.workers[:] = [line.worker("w2")]
    held.rename(line.folder / "archive-lost")
    (line.folder / "archive-disk").rename(held)
    (line.folder / "n1").rename(line.folder / "n1-lost")
    (line.folder / "n1-disk").rename(line.folder / "n1")
    broker.start()
    line.node(rate=100.0)
    line.start()
    line.finish()
    line.stop()
    return line.account()


def worker_dies(archive: HeldArchive) -> None:
    """Let the held sync fail, as on a disk without power, so that the thread can end."""
    archive.fails = True
    archive.gate.release()


@pytest.mark.parametrize("seed", [1, *(pytest.param(n, marks=pytest.mark.soak) for n in (2, 3, 4))])
def test_a_power_cut_at_both_ends_costs_nothing_that_was_announced(
    new_line: Callable[..., Line],
    embedded: dict[str, Any],
    broker: start.Server,
    tell: Callable[[object], None],
    seed: int,
) -> None:
    line = new_line(**embedded)
    found = cut_in_the_middle(line, broker, files=HeldFiles(), archive=HeldArchive(), seed=seed)
    tell(found)
    assert not found.faults()
    assert found.settled > 100


def test_a_centre_that_only_claims_to_sync_is_found_out(
    new_line: Callable[..., Line],
    tmp_path: Path,
    broker: start.Server,
    tell: Callable[[object], None],
) -> None:
    class Claims(HeldArchive):
        def sync(self, fd: int) -> None:
            """A sync that only claims."""
            with self.gate.passing():
                if self.fails:
                    raise OSError(errno.EIO, f"no power for {fd}")

        def die(self, into: Path, rnd: random.Random) -> None:  # noqa: ARG002  # as the real one
            """Nothing was ever synced, so nothing need be there."""
            self.gate.hold()
            into.mkdir(parents=True)

    # a node that sends all of it again before it hears the watermark hides the loss: not every time
    for seed in range(3, 9):
        line = new_line(
            state=f"sqlite:///{tmp_path / f'state-{seed}.sqlite'}",
            timeseries={"kind": "sqlite", "path": str(tmp_path / f"series-{seed}.sqlite")},
        )
        found = cut_in_the_middle(line, broker, files=HeldFiles(), archive=Claims(), seed=seed)
        tell(found)
        if found.lost:
            return
    pytest.fail("six archives that only claimed to sync, and no loss was found")
