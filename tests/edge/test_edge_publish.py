"""The publisher against a real broker: only the watermark trims, and everything arrives."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fakes.centre import Centre
from fakes.settime import SetTime
from haidang_edge.publish import BrokerSettings, Hooks, Identity, Pace, Publisher
from haidang_edge.publish.window import Bucket, Window
from haidang_edge.spool import ClockFixes, NodeClock, Spool, SpoolSettings
from haidang_protocols.wire import messages, topics
from haidang_protocols.wire.names import record_id
from haidang_protocols.wire.records import (
    Event,
    Gap,
    Observation,
    Phase,
    RecordClass,
    RuleKind,
    encode_record,
)
from haidang_protocols.wire.seqset import SeqSet
from haidang_protocols.wire.snapshot import SnapshotHeader, encode_snapshot
from haidang_protocols.wire.topics import NodeLeaf, Severity
from servers import start

pytestmark = pytest.mark.broker

ME = Identity(centre="c", site="s", node="n")
QUICK = Pace(stall_s=0.4, stall_max_s=1.0, alarm_patience_s=0.3, unreadable_s=1.0)


def event(*, alarm: bool = False, t: int = 0, synced: bool = True, mono: int = 1) -> Event:
    return Event(
        t=t or time.time_ns(),
        boot="0123abcd",
        mono=mono,
        synced=synced,
        camera="cam",
        rule="r",
        type=RuleKind.INTRUSION,
        phase=Phase.BEGIN,
        event="e1",
        severity=Severity.CRITICAL,
        alarm=alarm,
    )


def broken(_arguments: dict[str, object]) -> dict[str, object]:
    raise KeyError("a fault of ours")


class Node:
    """A spool with a publisher."""

    def __init__(self, folder: Path, port: int, **options: Any) -> None:
        self.spool = Spool(SpoolSettings(folder=folder, segment_bytes=1 << 20))
        self.started, self.go_on = threading.Event(), threading.Event()
        self.clock = options.pop("clock", None) or NodeClock(folder, trust_wall=True)
        hooks = Hooks(
            birth=lambda: messages.Birth(
                spool=self.spool.id,
                next_seq=self.spool.next_seq,
                agent="test",
                clock=self.clock.state(),
            ),
            heartbeat=lambda: messages.Heartbeat(
                at=self.clock.state().wall, clock=self.clock.state(), spool_depth=self.spool.depth()
            ),
            case_of=lambda _: ("city", "gate"),
            commands={"echo": lambda arguments: arguments, "slow": self._slow, "broken": broken},
        )
        self.publisher = options.pop("kind", Publisher)(
            self.spool,
            identity=ME,
            broker=BrokerSettings(host="127.0.0.1", port=port, plain=True),
            clock=self.clock,
            fixes=ClockFixes(folder),
            hooks=hooks,
            pace=options.pop("pace", QUICK),
        )
        self.publisher.start()

    def _slow(self, arguments: dict[str, object]) -> dict[str, object]:
        self.started.set()
        self.go_on.wait(20)
        return arguments

    def send(self, count: int) -> list[int]:
        seqs = [self.spool.append(RecordClass.EVENT, encode_record(event())) for _ in range(count)]
        self.spool.wait(seqs[-1])
        return seqs

    def stop(self) -> None:
        self.publisher.stop()
        self.spool.close()


@pytest.fixture
def centre(broker: start.Server) -> Iterator[Centre]:
    made = Centre(broker.port)
    yield made
    made.close()


@pytest.fixture
def node(broker: start.Server, tmp_path: Path) -> Iterator[Node]:
    made = Node(tmp_path / "spool", broker.port)
    yield made
    made.stop()


def until(condition: Callable[[], Any], what: str, timeout_s: float = 15.0) -> None:
    start.wait_until(condition, what=what, timeout_s=timeout_s)


def test_everything_arrives_and_the_watermark_empties_the_spool(node: Node, centre: Centre) -> None:
    seqs = node.send(230)
    until(lambda: node.spool.depth() == 0, "spool empty")
    assert set(centre.records) == set(seqs)
    assert all(len(batch) <= 50 for batch in centre.deliveries)
    assert len(centre.deliveries) < 20, "records travel in batches"


def test_without_the_centres_word_the_spool_keeps_everything(node: Node, centre: Centre) -> None:
    centre.stores = lambda _: False
    seqs = node.send(60)
    until(lambda: len(centre.deliveries) >= 4, "sent and sent again")
    assert node.spool.depth() == 60
    centre.stores = lambda _: True
    until(lambda: node.spool.depth() == 0, "spool empty")
    assert set(centre.records) == set(seqs)
    assert all(len(forms) == 1 for forms in centre.raw.values()), "a resend is the same bytes"


def test_a_restart_sends_what_was_left(
    broker: start.Server, centre: Centre, tmp_path: Path
) -> None:
    centre.stores = lambda seq: seq <= 10
    first = Node(tmp_path / "spool", broker.port)
    first.send(30)
    until(lambda: first.spool.depth() == 20, "ten stored")
    first.stop()
    centre.stores = lambda _: True
    second = Node(tmp_path / "spool", broker.port)
    until(lambda: second.spool.depth() == 0, "spool empty")
    assert set(centre.records) == set(range(1, 31))
    second.stop()


def test_a_broker_that_is_killed_costs_nothing(
    broker: start.Server, node: Node, centre: Centre
) -> None:
    node.send(40)
    until(lambda: centre.deliveries, "first batch")
    broker.kill()
    node.send(40)
    broker.start()
    node.send(40)
    until(lambda: node.spool.depth() == 0, "spool empty", 30)
    assert set(centre.records) == set(range(1, 121))


def test_a_record_that_stays_a_hole_is_split_off_and_at_last_replaced_by_a_gap(
    node: Node, centre: Centre
) -> None:
    centre.stores = lambda seq: seq != 5
    node.send(20)
    live = 0

    def gone() -> bool:
        nonlocal live
        live += 1
        if live % 20 == 0:
            node.send(1)
        return any(isinstance(record, Gap) for record in centre.records.values())

    until(gone, "gap", 40)
    (gap,) = [r for r in centre.records.values() if isinstance(r, Gap)]
    assert gap.ranges == ((5, 5),)
    assert gap.reason == "unreadable"
    assert [5] in centre.deliveries, "it went alone first"
    until(lambda: node.spool.depth() == 0, "spool empty")


def test_nodes_keep_spooling_while_no_worker_is_up(node: Node, centre: Centre) -> None:
    centre.ingest(online=False)
    until(lambda: node.publisher._ingest, "seen")  # noqa: SLF001
    node.send(10)
    time.sleep(0.6)
    assert not centre.deliveries
    centre.ingest(online=True, worker="w2")
    until(lambda: node.spool.depth() == 0, "spool empty")


def test_an_alarm_that_is_not_stored_is_told_beside_the_camera(node: Node, centre: Centre) -> None:
    centre.stores = lambda _: False
    seq = node.spool.append(RecordClass.ALARM, encode_record(event(alarm=True)))
    until(lambda: centre.heard(NodeLeaf.ALARM), "told directly")
    time.sleep(0.8)
    (payload,) = centre.heard(NodeLeaf.ALARM)
    told = messages.decode(payload, messages.CaseMessage)
    assert told.provisional
    assert told.scope == "city"
    assert told.record == record_id("n", node.spool.id, seq)


def test_an_alarm_with_no_worker_up_is_told_at_once(node: Node, centre: Centre) -> None:
    centre.ingest(online=False)
    until(lambda: node.publisher._ingest, "seen")  # noqa: SLF001
    node.spool.append(RecordClass.ALARM, encode_record(event(alarm=True)))
    until(lambda: centre.heard(NodeLeaf.ALARM), "told directly")
    assert not centre.deliveries


def test_the_end_of_an_alarm_calls_nobody(node: Node, centre: Centre) -> None:
    centre.stores = lambda _: False
    ended = msgspec.structs.replace(event(alarm=True), phase=Phase.END)
    node.spool.append(RecordClass.ALARM, encode_record(ended))
    begun = node.spool.append(RecordClass.ALARM, encode_record(event(alarm=True)))
    until(lambda: centre.heard(NodeLeaf.ALARM), "the beginning told directly")
    time.sleep(0.8)
    (payload,) = centre.heard(NodeLeaf.ALARM)
    told = messages.decode(payload, messages.CaseMessage)
    assert told.record == record_id("n", node.spool.id, begun)


def test_a_slow_command_delays_no_alarm(node: Node, centre: Centre) -> None:
    until(lambda: centre.heard(NodeLeaf.BIRTH), "connected")
    ask = messages.encode(messages.NodeCommand(id="slow"))
    centre.say(topics.node_topic("c", "s", "n", NodeLeaf.COMMAND, "slow"), ask)
    assert node.started.wait(10)
    node.spool.append(RecordClass.ALARM, encode_record(event(alarm=True)))
    until(lambda: centre.records, "the alarm")
    assert not centre.heard(NodeLeaf.REPLY)
    node.go_on.set()
    until(lambda: centre.heard(NodeLeaf.REPLY), "the reply")


def test_an_announcement_tells_the_birth_again_and_resends_nothing(
    node: Node, centre: Centre
) -> None:
    centre.stores = lambda _: False
    node.send(3)
    until(lambda: centre.deliveries, "sent")
    births, sent = len(centre.heard(NodeLeaf.BIRTH)), len(centre.deliveries)
    node.publisher.announce()
    until(lambda: len(centre.heard(NodeLeaf.BIRTH)) > births, "the birth again")
    assert len(centre.deliveries) == sent


def test_alarms_overtake_a_backlog(broker: start.Server, centre: Centre, tmp_path: Path) -> None:
    spool = Spool(SpoolSettings(folder=tmp_path / "spool"))
    for _ in range(600):
        last = spool.append(RecordClass.OBSERVATION, encode_record(event()))
    alarm = spool.append(RecordClass.ALARM, encode_record(event(alarm=True)))
    spool.wait(max(last, alarm))
    spool.close()
    node = Node(tmp_path / "spool", broker.port)
    until(lambda: node.spool.depth() == 0, "spool empty")
    assert centre.deliveries[0] == [alarm]
    node.stop()


def test_a_snapshot_travels_by_itself_and_is_acknowledged_the_same_way(
    node: Node, centre: Centre
) -> None:
    seq = node.spool.append(RecordClass.EVENT, encode_record(event()))
    record = record_id("n", node.spool.id, seq)
    jpeg = b"\xff\xd8picture"

    def build(own: int) -> bytes:
        header = SnapshotHeader(
            spool=node.spool.id, seq=own, record=record, camera="cam", t=1, crop=(0, 0, 1, 1)
        )
        return encode_snapshot(header, jpeg)

    node.spool.append_built(RecordClass.SNAPSHOT, build)
    until(lambda: centre.pictures and node.spool.depth() == 0, "spool empty")
    assert centre.pictures == {record: jpeg}


def test_birth_state_heartbeat_and_replies(node: Node, centre: Centre) -> None:
    until(lambda: centre.heard(NodeLeaf.HEARTBEAT), "heartbeat")
    birth = messages.decode(centre.heard(NodeLeaf.BIRTH)[0], messages.Birth)
    assert birth.spool == node.spool.id
    assert messages.decode(centre.heard(NodeLeaf.STATE)[-1], messages.NodeState).online
    for verb, command in (("broken", {}), ("echo", {"a": 1}), ("dance", {})):
        ask = messages.NodeCommand(id=verb, arguments=command)
        centre.say(topics.node_topic("c", "s", "n", NodeLeaf.COMMAND, verb), messages.encode(ask))
    until(lambda: len(centre.heard(NodeLeaf.REPLY)) == 3, "replies")
    replies = {
        r.id: r for r in (messages.decode(p, messages.Reply) for p in centre.heard(NodeLeaf.REPLY))
    }
    assert replies["echo"].ok
    assert replies["echo"].result == {"a": 1}
    assert not replies["dance"].ok
    assert "known: broken, echo, slow" in replies["dance"].why
    assert replies["broken"].why == "the node could not do it; its log says why"


def test_a_spoilt_watermark_trims_nothing(node: Node, centre: Centre) -> None:
    centre.stores = lambda _: False
    node.send(5)
    stored = topics.node_topic("c", "s", "n", NodeLeaf.STORED)
    other = {"v": 1, "spool": "f" * 16, "upto": 99}
    for payload in (b"{", b"", msgspec.json.encode(other), b'{"v":9}'):
        centre.say(stored, payload)
    until(lambda: len(centre.deliveries) >= 2, "sent again")
    assert node.spool.depth() == 5


def test_a_clock_from_1970_is_corrected_once_and_in_order(
    broker: start.Server, centre: Centre, tmp_path: Path
) -> None:
    source = SetTime()
    clock = NodeClock(tmp_path, source=source)
    node = Node(tmp_path / "spool", broker.port, clock=clock)
    until(lambda: centre.heard(NodeLeaf.BIRTH), "connected")
    for n in range(5):
        source.mono += 10**9
        source.wall += 10**9
        at = clock.fix("cam")
        alarm = n == 2
        node.spool.append(
            RecordClass.ALARM if alarm else RecordClass.EVENT,
            encode_record(event(alarm=alarm, t=at.wall, synced=at.synced, mono=at.mono)),
        )
    until(lambda: centre.records, "the alarm does not wait")
    assert set(centre.records) == {3}
    assert not centre.records[3].synced
    true_epoch = 1_760_000_000 * 10**9
    source.wall, source.is_synced = true_epoch + source.mono, True
    node.send(1)
    until(lambda: node.spool.depth() == 0, "spool empty")
    corrected = [centre.records[n] for n in (1, 2, 4, 5)]
    assert [record.t for record in corrected] == [true_epoch + s * 10**9 for s in (2, 3, 5, 6)]
    assert all(record.synced for record in corrected)
    source.wall += 10**12  # a jump afterwards changes nothing that was decided
    node.stop()
    assert all(len(forms) == 1 for forms in centre.raw.values())


def test_backlog_leaves_at_the_allowed_rate() -> None:
    bucket = Bucket(200.0)
    assert bucket.take(50, 0.0) == 50
    assert bucket.take(500, 0.0) == 150
    assert bucket.take(500, 0.0) == 0
    assert bucket.take(500, 0.5) == 100


def test_patience_doubles_while_the_centre_is_silent() -> None:
    window = Window(Pace(stall_s=4, stall_max_s=10))
    window.take(1, RecordClass.EVENT, 0.0)
    assert [t for t in range(40) if window.stalled(float(t))] == [4, 12, 22, 32]
    assert window.stored(SeqSet([(1, 1)]), 40.0) == 1
    assert window.size() == 0


def test_what_a_slow_wire_has_not_handed_over_is_not_sent_twice() -> None:
    window = Window(Pace(stall_s=1))
    window.take(1, RecordClass.EVENT, 0.0, 7)
    window.take(2, RecordClass.EVENT, 0.0, 8)
    assert not window.stalled(60.0, unconfirmed={7, 8}.__contains__)
    assert window.due() == []
    window.restart(60.0, unconfirmed={8}.__contains__)
    assert window.due() == [1]
    window.take(1, RecordClass.EVENT, 60.5, 9)
    assert not window.stalled(60.9), "patience begins with the broker's word"
    assert window.stalled(62.0)
    assert window.due() == [1, 2]


def test_a_silent_centre_however_long_makes_no_record_unreadable() -> None:
    window = Window(Pace(stall_s=1, stall_max_s=4, unreadable_s=10))
    for again in range(60):
        for seq in range(1, 5):
            window.take(seq, RecordClass.EVENT, float(again))
        window.stalled(again + 0.5)
    window.stored(SeqSet([(4, 4)]), 60.0)
    for again in range(60, 64):
        window.stalled(again + 1.5)
        window.take(1, RecordClass.EVENT, again + 1.6)
    # nothing that was sent after it was stored: a worker that hangs may hold it
    assert not window.alone(1)
    assert window.hopeless(1000.0) == []


def test_a_record_is_given_up_only_when_often_and_long_passed_over() -> None:
    window = Window(Pace(stall_s=1, unreadable_after=3, unreadable_s=100))
    now_s = 0.0
    for again in range(8):
        window.take(1, RecordClass.EVENT, now_s)
        window.take(10 + again, RecordClass.EVENT, now_s + 0.1)
        window.stored(SeqSet([(10 + again, 10 + again)]), now_s + 0.2)
        assert window.alone(1) == (again >= 3)
        assert window.hopeless(now_s) == []
        now_s += 1.5
        window.stalled(now_s)
    assert window.hopeless(now_s) == []
    assert window.hopeless(now_s + 100.0) == [(1, RecordClass.EVENT)]


def test_an_observation_is_no_event(node: Node, centre: Centre) -> None:
    record = Observation(t=1, camera="cam", interval_s=60.0, frames=5)
    node.spool.append(RecordClass.OBSERVATION, encode_record(record))
    until(lambda: node.spool.depth() == 0 and centre.records, "stored")
    assert list(centre.records.values()) == [record]


def test_more_holes_than_a_watermark_names_do_not_stop_the_line(
    broker: start.Server, centre: Centre, tmp_path: Path
) -> None:
    """Higher classes overtake lower ones: every second record of this backlog stays behind."""
    spool = Spool(SpoolSettings(folder=tmp_path / "spool"))
    last = 0
    for n in range(800):
        cls = (RecordClass.EVENT, RecordClass.OBSERVATION)[n % 2]
        last = spool.append(cls, encode_record(event()))
    spool.wait(last)
    spool.close()
    pace = Pace(window=200, stall_s=0.4, stall_max_s=1.0, backlog_per_s=5000.0)
    node = Node(tmp_path / "spool", broker.port, pace=pace)
    until(lambda: node.spool.depth() == 0, "spool empty", 30)
    assert set(centre.records) == set(range(1, last + 1))
    node.stop()


def test_a_broker_that_is_away_is_told_once_and_so_is_its_coming(
    new_broker: Callable[..., start.Server], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    port = start.free_port()
    node = Node(tmp_path / "spool", port)
    away = f"127.0.0.1:{port} cannot be reached: connection refused"
    until(lambda: away in caplog.text, "told")
    time.sleep(4.0)  # it tries again after one and two seconds
    assert caplog.text.count(away) == 1
    reason = node.publisher.last_reason
    assert reason is not None
    assert reason.code == "broker.unreached"
    plain = f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n"
    new_broker(plain, port)
    until(lambda: f"connected to broker 127.0.0.1:{port}" in caplog.text, "up")
    node.stop()
