"""A real worker on a real broker: the order of work, back-pressure, outages, leaving."""

import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import sqlalchemy as sa

from fakes.gates import Gate, GatedSeries
from fakes.relay import Relay
from fakes.room import Room, until
from fakes.sender import SPOOL, START, Sender, envelope, event, events
from haidang_cloud.errors import StoreUnavailableError
from haidang_cloud.ingest import Directory
from haidang_cloud.ingest.alarms import PATIENCE_S
from haidang_cloud.ingest.worker import QUEUE_LOAD
from haidang_cloud.state import State, nodes, open_state
from haidang_cloud.timeseries import SqliteSeries
from haidang_protocols.catalogue import Catalogue
from haidang_protocols.wire import messages
from haidang_protocols.wire.messages import ClockState
from haidang_protocols.wire.records import Gap, Phase, RecordClass
from haidang_protocols.wire.seqset import SeqSet
from haidang_protocols.wire.snapshot import SnapshotHeader, encode_snapshot
from haidang_protocols.wire.topics import NodeLeaf
from servers import start

pytestmark = pytest.mark.broker

NewBroker = Callable[..., start.Server]
NewRoom = Callable[..., Room]
NewSender = Callable[..., Sender]


@pytest.fixture
def wordy(new_broker: NewBroker) -> start.Server:
    """A broker that logs each packet."""
    port = start.free_port()
    return new_broker(
        f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_type all\n"
        "max_inflight_messages 1000\nmax_queued_messages 100000\nset_tcp_nodelay true\n",
        port=port,
    )


@pytest.fixture
def gated(tmp_path: Path) -> Iterator[GatedSeries]:
    series = GatedSeries(SqliteSeries(tmp_path / "series.sqlite"))
    yield series
    series.close()


@pytest.fixture
def lite(tmp_path: Path) -> Iterator[State]:
    """A SQLite state: for what does not depend on the database."""
    opened = open_state(f"sqlite:///{tmp_path / 'lite.sqlite'}")
    yield opened
    opened.close()


@pytest.fixture
def new_room(
    tmp_path: Path, lite: State, gated: GatedSeries, minimal: Catalogue
) -> Iterator[NewRoom]:
    """Makes rooms on a broker; all gates are opened and all workers end with the test."""
    made: list[Room] = []

    def make(port: int, state: State = lite) -> Room:
        made.append(Room(tmp_path, port, state, gated, minimal))
        return made[-1]

    yield make
    gated.gate.open()
    for room in made:
        room.files.gate.open()
        room.close()


@pytest.fixture
def room(broker: start.Server, new_room: NewRoom) -> Iterator[Room]:
    """A room on the plain broker."""
    made = new_room(broker.port)
    yield made
    assert made.errors == []


@pytest.fixture
def relayed(
    postgres: start.Postgres, new_database: Callable[[], str]
) -> Iterator[tuple[Relay, State]]:
    """A PostgreSQL behind a relay."""
    relay = Relay(postgres.server.port)
    state = open_state(new_database().replace(f":{postgres.server.port}/", f":{relay.port}/"))
    yield relay, state
    relay.mend()
    state.close()
    relay.close()


@pytest.fixture
def new_sender() -> Iterator[NewSender]:
    """Makes senders that leave with the test."""
    made: list[Sender] = []

    def make(port: int, **options: str) -> Sender:
        made.append(Sender(port, **options))
        return made[-1]

    yield make
    for sender in made:
        sender.close()


@pytest.fixture
def sender(broker: start.Server, new_sender: NewSender) -> Sender:
    """A node on the plain broker."""
    return new_sender(broker.port)


def pubacks(broker: start.Server) -> int:
    return len(re.findall(r"Received PUBACK from demo.ingest.w1", broker.log.read_text()))


def taken_in(broker: start.Server) -> int:
    return len(re.findall(r"Sending PUBLISH to demo.ingest.w1", broker.log.read_text()))


# --- the order of work ------------------------------------------------------------------------


def test_each_step_waits_for_the_one_before_it(
    wordy: start.Server, gated: GatedSeries, new_room: NewRoom, new_sender: NewSender, state: State
) -> None:
    """Archive synced → series → ledger → PUBACK and watermark: each is held shut in its turn."""
    room = new_room(wordy.port, state)
    sender = new_sender(wordy.port)
    commits = Gate()

    @sa.event.listens_for(state.engine, "commit")
    def _(_connection: sa.Connection) -> None:
        commits.go()

    worker = room.work()
    gates = (room.files.gate, gated.gate, commits)
    for gate in gates:
        gate.shut()

    def nothing_is_promised() -> bool:
        time.sleep(0.3)
        return not (sender.marks or pubacks(wordy) or room.ledger())

    sender.send(events(1, 3))
    until(lambda: room.files.gate.waiting, "sync begun")
    assert gated.tried == 0, "the archive is first"
    assert nothing_is_promised()
    room.files.gate.open()
    until(lambda: gated.gate.waiting, "series written")
    assert nothing_is_promised()
    assert commits.waiting == 0, "the ledger is after the series"
    gated.gate.open()
    until(lambda: commits.waiting, "ledger about to commit")
    assert room.points() == 3
    assert nothing_is_promised()
    commits.open()
    until(lambda: sender.upto() == 3, "watermark")
    until(lambda: pubacks(wordy) == 1, "PUBACK")
    assert room.ledger() == SeqSet([(1, 3)])
    room.leave(worker)
    assert room.rolled() == [1, 2, 3]


def test_a_picture_is_on_the_disk_before_its_sequence_is_acknowledged(
    room: Room, sender: Sender, gated: GatedSeries
) -> None:
    room.work()
    gated.gate.shut()
    record = f"gate-1.{SPOOL}.1"
    header = SnapshotHeader(
        spool=SPOOL, seq=2, record=record, camera="gate-east", t=START, crop=(0, 0, 1, 1)
    )
    sender.send(encode_snapshot(header, b"\xff\xd8jpeg"), leaf=NodeLeaf.SNAPSHOT, tail=record)
    until(lambda: gated.gate.waiting, "series begun")
    assert room.blobs.open(record, actor="test", why="", now_ns=START) == b"\xff\xd8jpeg"
    assert not sender.marks
    gated.gate.open()
    until(lambda: sender.stored() == {2}, "watermark")


def test_what_fails_in_one_step_does_not_do_the_steps_before_again(
    room: Room, sender: Sender, gated: GatedSeries
) -> None:
    room.work()
    gated.error = StoreUnavailableError("away")
    sender.send(events(1, 3))
    until(lambda: gated.tried >= 3, "tried again")
    size = sum(path.stat().st_size for path in room.lake.archive_folder.iterdir())
    gated.error = None
    until(lambda: sender.upto() == 3, "watermark")
    assert room.files.gate.passed == 1, "the archive would grow with each try"
    assert sum(path.stat().st_size for path in room.lake.archive_folder.iterdir()) == size


def test_watermarks_only_rise_and_come_once_a_second_at_most(room: Room, sender: Sender) -> None:
    room.work()
    last = 0
    deadline = time.monotonic() + 2.6
    while time.monotonic() < deadline:
        sender.send(events(last + 1, last + 5))
        last += 5
        time.sleep(0.01)
    until(lambda: sender.upto() == last, "the last watermark")
    tops = [mark.upto for _, mark in sender.marks]
    assert tops == sorted(tops)
    assert 3 <= len(tops) <= 6
    times = [at for at, _ in sender.marks]
    # the worker's second, and how unevenly this process hears of it
    assert all(b - a > 0.6 for a, b in pairwise(times))


def test_holes_are_named_and_closed_by_a_gap(room: Room, sender: Sender) -> None:
    room.work()
    sender.send(events(1, 2))
    sender.send(events(6, 8))
    until(lambda: sender.upto() == 8, "watermark")
    assert sender.stored() == {1, 2, 6, 7, 8}
    gap = Gap(t=START, ranges=((3, 5),), cls=RecordClass.EVENT, reason="quota")
    sender.send(envelope([(9, gap)]))
    until(lambda: sender.stored() == set(range(1, 10)), "holes closed")
    assert room.rolled() == [1, 2, 6, 7, 8, 9]


# --- again and again --------------------------------------------------------------------------


def test_a_worker_that_forgot_everything_answers_duplicates_and_births(
    room: Room, sender: Sender
) -> None:
    first = room.work()
    sender.send(events(1, 50))
    until(lambda: sender.upto() == 50, "watermark")
    room.leave(first)
    room.work("w2")
    sender.marks.clear()
    birth = messages.Birth(
        spool=SPOOL, next_seq=51, agent="1", clock=ClockState(boot="b", mono=1, wall=1, synced=True)
    )
    sender.send(messages.encode(birth), leaf=NodeLeaf.BIRTH)
    until(lambda: sender.upto() == 50, "the watermark of a node that came up")
    assert [born.node for born in nodes.read(room.state, "demo")] == ["gate-1"]
    sender.marks.clear()
    sender.send(events(1, 50))
    until(lambda: sender.upto() == 50, "watermark again")
    assert room.points() == 50
    assert room.rolled() == list(range(1, 51))


def test_an_acknowledgement_never_goes_to_another_connection(
    wordy: start.Server, gated: GatedSeries, new_room: NewRoom, new_sender: NewSender
) -> None:
    room = new_room(wordy.port)
    sender = new_sender(wordy.port)
    room.work()
    gated.gate.shut()
    sender.send(events(1, 3))
    until(lambda: gated.gate.waiting, "writing")
    wordy.kill()
    wordy.log.write_text("")
    wordy.start()
    until(lambda: "Sending SUBACK to demo.ingest.w1" in wordy.log.read_text(), "worker back")
    gated.gate.open()
    until(lambda: room.ledger() == SeqSet([(1, 3)]), "stored")
    until(lambda: sender.upto() == 3, "watermark after the reconnection")
    assert pubacks(wordy) == 0, "the new connection delivered nothing that could be acknowledged"
    sender.send(events(4, 4))
    until(lambda: pubacks(wordy) == 1, "PUBACK")


# --- too much -----------------------------------------------------------------------------------


def test_a_full_queue_pauses_reading_and_the_connection_lives_on(
    wordy: start.Server, gated: GatedSeries, new_room: NewRoom, new_sender: NewSender
) -> None:
    room = new_room(wordy.port)
    sender = new_sender(wordy.port)
    worker = room.work(keepalive_s=2, slow_s=100)
    gated.gate.shut()
    sender.post([events(n, n + 49) for n in range(1, 30_001, 50)])
    until(lambda: worker.load >= QUEUE_LOAD - 51, "queue full")
    time.sleep(4)
    assert worker.load <= QUEUE_LOAD + 51
    gated.gate.open()
    until(lambda: sender.upto() == 30_000, "all stored", 60)
    assert wordy.log.read_text().count("as demo.ingest.w1") == 1, "it had to connect once"


def test_a_batch_of_pictures_fills_the_queue_by_its_bytes(
    room: Room, sender: Sender, gated: GatedSeries
) -> None:
    worker = room.work()
    gated.gate.shut()
    jpeg = b"\xff\xd8" + bytes(190_000)
    for seq in range(1, 400):
        record = f"gate-1.{SPOOL}.{seq + 1000}"
        header = SnapshotHeader(
            spool=SPOOL, seq=seq, record=record, camera="gate-east", t=START, crop=(0, 0, 1, 1)
        )
        sender.send(encode_snapshot(header, jpeg), leaf=NodeLeaf.SNAPSHOT, tail=record)
        if seq > 350 and worker.load < 2 * 350:
            break
    assert worker.load < 2 * 360, "64 MiB are some 350 pictures, two counts each"
    gated.gate.open()
    until(lambda: worker.load == 0, "stored", 60)


# --- outages ------------------------------------------------------------------------------------


def alarm_batch(first: int, count: int = 1) -> bytes:
    """Alarms of just now."""
    now = time.time_ns()
    return envelope([(n, event(n, alarm=True, t=now + n)) for n in range(first, first + count)])


def test_alarms_are_in_the_outbox_while_the_series_are_down(
    room: Room, sender: Sender, gated: GatedSeries
) -> None:
    room.work()
    gated.error = StoreUnavailableError("away")
    sender.send(alarm_batch(1))
    until(lambda: len(room.alarms()) == 1, "alarm in the outbox")
    assert not sender.marks
    # even with a full queue behind a store that is down
    sender.post([events(n, n + 49) for n in range(101, 25_101, 50)])
    sender.send(alarm_batch(2))
    until(lambda: len(room.alarms()) == 2, "alarm past the queue")
    assert not sender.marks
    gated.error = None
    until(lambda: {1, *range(101, 10_101)} <= sender.stored(), "the queue stored")
    sender.send(alarm_batch(2))
    until(lambda: 2 in sender.stored(), "what was shed came again")
    assert len(room.alarms()) == 2


def test_what_nobody_takes_from_the_outbox_is_told_to_staff(room: Room, sender: Sender) -> None:
    room.work()
    with room.takes_alarms():
        sender.send(alarm_batch(1))
        until(lambda: sender.upto() == 1 and not room.alarms(), "taken, as a worker would")
        time.sleep(2 * PATIENCE_S)
        assert not sender.cases, "what was taken is told by whoever took it"
    sender.send(alarm_batch(2))
    until(lambda: len(sender.cases) == 1, "staff told though there is no worker")
    assert sender.cases[0].provisional
    assert sender.cases[0].record == f"gate-1.{SPOOL}.2"


@pytest.mark.postgres
def test_an_alarm_stored_an_instant_before_the_database_went_is_told_to_staff(
    broker: start.Server,
    sender: Sender,
    new_room: NewRoom,
    relayed: tuple[Relay, State],
) -> None:
    relay, state = relayed
    room = new_room(broker.port, state)
    room.work()
    sender.send(alarm_batch(1))
    until(lambda: len(room.alarms()) == 1, "in the outbox")
    relay.cut()
    until(lambda: len(sender.cases) == 1, "staff told")
    relay.mend()
    until(lambda: sender.upto() == 1, "stored")


def test_alarms_pass_series_that_hang(room: Room, sender: Sender, gated: GatedSeries) -> None:
    room.work(slow_s=1)
    gated.gate.shut()
    sender.post([events(n, n + 49) for n in range(101, 25_101, 50)])
    assert room.alarms() == []
    sender.send(alarm_batch(1))
    until(lambda: len(room.alarms()) == 1, "alarm past the queue")


def test_a_heap_of_heartbeats_is_bounded_too(
    room: Room, sender: Sender, gated: GatedSeries
) -> None:
    worker = room.work()
    gated.error = StoreUnavailableError("away")
    clock = ClockState(boot="b", mono=1, wall=START, synced=True)
    beat = messages.encode(messages.Heartbeat(at=START, clock=clock))
    for _ in range(QUEUE_LOAD + 3000):
        sender.send(beat, leaf=NodeLeaf.HEARTBEAT, qos=0)
    until(lambda: worker.load >= QUEUE_LOAD - 1, "full")
    assert worker.load <= QUEUE_LOAD + 1


@pytest.mark.postgres
@pytest.mark.parametrize("way", ["cut", "silent"])
def test_alarms_reach_staff_while_the_database_is_away_and_the_outbox_follows(
    broker: start.Server,
    sender: Sender,
    new_room: NewRoom,
    relayed: tuple[Relay, State],
    way: str,
) -> None:
    relay, state = relayed
    room = new_room(broker.port, state)
    room.work()
    sender.send(events(1, 1))
    until(lambda: sender.upto() == 1, "all is well")
    if way == "cut":
        relay.cut()
    else:
        relay.silent = True
    sender.send(alarm_batch(2))
    until(lambda: len(sender.cases) == 1, "staff told")
    sender.send(alarm_batch(3))
    until(lambda: len(sender.cases) == 2, "staff told of the next")
    for case, seq in zip(sender.cases, (2, 3), strict=True):
        assert case.provisional
        assert case.record == f"gate-1.{SPOOL}.{seq}"
        assert (case.scope, case.place) == ("city", "gate")
    sender.send(alarm_batch(2))
    time.sleep(0.5)
    over = event(4, alarm=True, phase=Phase.END, event="e2", t=time.time_ns())
    sender.send(envelope([(4, over)]))
    time.sleep(0.5)
    assert len(sender.cases) == 2, "the same alarm again is told once, its end is no alarm"
    assert sender.upto() == 1, "the watermark waits for the store"
    relay.mend()
    until(lambda: sender.upto() == 4, "stored after all")
    assert sorted(alarm.record_id[-1] for alarm in room.alarms()) == ["2", "3", "4"]
    if way == "cut":
        assert all(alarm.told for alarm in room.alarms() if not alarm.record_id.endswith("4"))


def test_a_locked_database_keeps_nobody_waiting(room: Room, sender: Sender, tmp_path: Path) -> None:
    room.work()
    other = sqlite3.connect(tmp_path / "lite.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    sender.send(alarm_batch(1))
    until(lambda: sender.cases, "staff told")
    other.execute("COMMIT")
    other.close()
    until(lambda: sender.upto() == 1, "stored")
    assert len(room.alarms()) == 1


# --- coming and going ---------------------------------------------------------------------------


def test_a_new_catalogue_counts_from_the_next_message_on(
    room: Room, new_sender: NewSender, two_nodes: Catalogue
) -> None:
    room.work()
    stranger = new_sender(room.port, node="gate-2")
    stranger.send(
        envelope([(1, Gap(t=START, ranges=(), cls=RecordClass.EVENT, reason="-"))], node="gate-2")
    )
    until(lambda: stranger.upto() == 1, "dead letter")
    assert [letter.reason for letter in room.letters()] == ["unknown_node"]
    room.directory = Directory(two_nodes, 2)
    stranger.send(
        envelope([(2, Gap(t=START, ranges=(), cls=RecordClass.EVENT, reason="-"))], node="gate-2")
    )
    until(lambda: stranger.upto() == 2, "taken")
    assert len(room.letters()) == 1


def test_a_worker_leaves_the_group_first_and_stores_what_it_holds(
    wordy: start.Server, gated: GatedSeries, new_room: NewRoom, new_sender: NewSender
) -> None:
    """Every message is sent once only: whatever a leaving worker dropped would be missing."""
    room = new_room(wordy.port)
    sender = new_sender(wordy.port)
    one = room.work("w1")
    sender.post([events(n, n + 9) for n in range(1, 501, 10)])
    room.work("w2")
    for n in range(501, 2501, 10):
        sender.send(events(n, n + 9))
        if n == 1501:
            one.stop()
    room.leave(one)
    until(lambda: ("w1", False) in sender.ingest, "w1 said goodbye")
    until(lambda: sender.upto() == 2500, "all stored")
    assert sender.stored() == set(range(1, 2501))
    assert "Received UNSUBSCRIBE from demo.ingest.w1" in wordy.log.read_text()


def test_what_should_never_happen_ends_the_worker_aloud(
    broker: start.Server, gated: GatedSeries, new_room: NewRoom, sender: Sender
) -> None:
    room = new_room(broker.port)
    room.work()
    gated.error = ZeroDivisionError("a mistake of ours")
    sender.send(events(1, 1))
    until(lambda: room.errors, "the worker ended")
    assert isinstance(room.errors[0], ZeroDivisionError)
    until(lambda: sender.ingest[-1] == ("w1", False), "and is seen to be gone")
