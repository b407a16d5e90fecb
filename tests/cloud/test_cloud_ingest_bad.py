"""What a worker does with bad input, and with each answer that an InfluxDB may give."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from fakes.room import Room, until
from fakes.scripted_influx import Say, ScriptedInflux
from fakes.sender import SPOOL, Sender, envelope, event, events
from haidang_cloud.lake import Row
from haidang_cloud.state import State, nodes, open_state
from haidang_cloud.timeseries import Influx, InfluxSettings, TimeSeries
from haidang_edge.publish import BrokerSettings, Hooks, Identity, Pace, Publisher
from haidang_edge.spool import ClockFixes, NodeClock, Spool, SpoolSettings
from haidang_protocols.catalogue import Catalogue
from haidang_protocols.wire import messages
from haidang_protocols.wire.records import MESSAGE_BYTES_MAX, RecordClass, encode_record
from haidang_protocols.wire.topics import NodeLeaf
from servers import start

pytestmark = pytest.mark.broker

FAR_NS = 3600 * 10**9


@pytest.fixture
def room(
    tmp_path: Path, broker: start.Server, state: State, series: TimeSeries, minimal: Catalogue
) -> Iterator[Room]:
    """A room on each kind of database and of time series."""
    made = Room(tmp_path, broker.port, state, series, minimal)
    yield made
    made.close()
    series.drop(made.bucket)
    assert made.errors == []


@pytest.fixture
def sender(broker: start.Server) -> Iterator[Sender]:
    made = Sender(broker.port)
    yield made
    made.close()


def test_bad_input_of_every_kind_is_a_letter_and_holds_up_nobody(
    room: Room, sender: Sender
) -> None:
    room.work()
    hour_ahead = time.time_ns() + FAR_NS
    sender.send(events(1, 2))
    sender.send(b"\x00\xff not JSON")
    sender.send(events(3, 4).replace(b'"v":1', b'"v":7'))
    sender.send(events(3, 4) + b" " * MESSAGE_BYTES_MAX)
    sender.send(envelope([(3, event(3))], node="gate-2\0"))
    sender.send(envelope([(4, event(4, t=hour_ahead)), (5, event(5))]))
    sender.send(envelope([(6, event(6, camera="nowhere")), (7, b'{"kind":"?"}')]))
    sender.send(envelope([(8, event(8, zone="a\0b"))]))
    deep = b"[" * 20_000 + b"]" * 20_000
    sender.send(envelope([(9, encode_record(event(9))[:-1] + b',"more":' + deep + b"}")]))
    sender.send(b'{"v":1,"more":' + deep + b"}", leaf=NodeLeaf.HEARTBEAT)
    sender.send(b"x", topic=f"haidang/v1/demo/node/case/gate-1/{NodeLeaf.RECORDS}")
    sender.send(b"not a picture", leaf=NodeLeaf.SNAPSHOT, tail=f"gate-1.{SPOOL}.1")
    sender.send(b"no heartbeat", leaf=NodeLeaf.HEARTBEAT)
    sender.send(events(10, 10))
    until(lambda: sender.upto() == 10, "watermark")
    # the envelope of the ninth cannot be read, so that nobody knows what it holds
    assert sender.stored() == set(range(1, 11)) - {9}
    until(lambda: len(room.letters()) == 12, "letters")
    assert sorted((letter.reason, letter.seq) for letter in room.letters()) == [
        ("forged", 0),
        ("future", 4),
        ("malformed", 0),
        ("malformed", 0),
        ("malformed", 0),
        ("malformed", 0),
        ("malformed", 0),
        ("malformed", 7),
        ("malformed", 8),
        ("oversized", 0),
        ("unknown_camera", 6),
        ("version", 0),
    ]
    assert room.points() == 4
    assert room.rolled() == [1, 2, 5, 10]


def test_what_the_broker_finds_too_large_never_comes_and_harms_nobody(
    lite_room: Room, sender: Sender
) -> None:
    lite_room.work()
    other = Sender(lite_room.port)
    other._client.publish("haidang/v1/demo/node/gate/gate-1/records", bytes(310_000), qos=1)  # noqa: SLF001
    sender.send(events(1, 3))
    until(lambda: sender.upto() == 3, "watermark")
    assert lite_room.letters() == []
    other.close()


def test_a_poison_that_comes_again_is_one_letter(lite_room: Room, sender: Sender) -> None:
    lite_room.work()
    for n in range(3):
        sender.send(envelope([(n + 1, b'{"kind":"?"}')]))
        sender.send(b"poison")
        sender.send(b"heart %d" % n, leaf=NodeLeaf.HEARTBEAT)
        until(partial(_reached, sender, n + 1), "watermark")
    until(lambda: sum(letter.tries for letter in lite_room.letters()) == 9, "nine refusals")
    assert sorted(letter.tries for letter in lite_room.letters()) == [1, 1, 1, 3, 3]


def _reached(sender: Sender, seq: int) -> bool:
    return sender.upto() == seq


class Node:
    """The edge's own spool and publisher, in a hurry."""

    def __init__(self, folder: Path, port: int) -> None:
        self.spool = Spool(SpoolSettings(folder=folder, segment_bytes=1 << 20))
        self.clock = NodeClock(folder, trust_wall=True)
        self.publisher = Publisher(
            self.spool,
            identity=Identity(centre="demo", site="gate", node="gate-1"),
            broker=BrokerSettings(host="127.0.0.1", port=port, plain=True),
            clock=self.clock,
            fixes=ClockFixes(folder),
            hooks=Hooks(birth=self._birth, heartbeat=self._heartbeat),
            pace=Pace(stall_s=1.2, stall_max_s=1.5, unreadable_s=1.0),
        )
        self.publisher.start()

    def _birth(self) -> messages.Birth:
        return messages.Birth(
            spool=self.spool.id,
            next_seq=self.spool.next_seq,
            agent="test",
            clock=self.clock.state(),
        )

    def _heartbeat(self) -> messages.Heartbeat:
        return messages.Heartbeat(at=self.clock.state().wall, clock=self.clock.state())

    def put(self, payload: bytes) -> int:
        seq = self.spool.append(RecordClass.EVENT, payload)
        self.spool.wait(seq)
        return seq

    def stop(self) -> None:
        self.publisher.stop()
        self.spool.close()


def test_a_record_that_spoils_its_envelope_goes_alone_and_then_a_gap_takes_its_place(
    lite_room: Room, tmp_path: Path, broker: start.Server
) -> None:
    lite_room.work()
    node = Node(tmp_path / "spool", broker.port)
    good = [node.put(encode_record(event(n))) for n in range(5)]
    poison = node.put(b'{"kind":"event", broken')
    good += [node.put(encode_record(event(n))) for n in range(5, 10)]

    def given_up() -> bool:
        good.append(node.put(encode_record(event(len(good)))))
        time.sleep(0.1)
        return poison in lite_room.ledger(spool=node.spool.id)

    until(given_up, "a gap took its place", 60)
    until(lambda: node.spool.depth() == 0, "the spool is empty")
    stored = lite_room.ledger(spool=node.spool.id)
    node.stop()
    assert poison in stored
    records = {row.seq: row.kind for row in _rolled(lite_room)}
    assert [seq for seq, kind in records.items() if kind == "event"] == good
    assert list(records.values()).count("gap") == 1
    letters = lite_room.letters()
    assert {letter.reason for letter in letters} == {"malformed"}
    alone = [letter for letter in letters if b'"seqs":[%d]' % poison in letter.payload]
    assert len(alone) == 1, "the same envelope at another time is the same letter"
    assert alone[0].tries >= 3


def test_a_node_that_came_up_before_any_worker_is_known_all_the_same(
    lite_room: Room, tmp_path: Path, broker: start.Server
) -> None:
    node = Node(tmp_path / "spool", broker.port)
    until(lambda: node.publisher.connected, "node up")
    time.sleep(0.5)
    lite_room.work()
    until(lambda: nodes.read(lite_room.state, "demo"), "its birth")
    node.stop()


def _rolled(room: Room) -> list[Row]:
    room.rolled()
    return sorted(room.lake.rows(), key=lambda row: row.seq)


# --- each answer of an InfluxDB -----------------------------------------------------------------


@pytest.fixture
def lite(tmp_path: Path) -> Iterator[State]:
    opened = open_state(f"sqlite:///{tmp_path / 'lite.sqlite'}")
    yield opened
    opened.close()


NewServer = Callable[..., ScriptedInflux]


@pytest.fixture
def new_server() -> Iterator[NewServer]:
    made: list[ScriptedInflux] = []

    def make(*script: Say, **options: object) -> ScriptedInflux:
        made.append(ScriptedInflux(script, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for server in made:
        server.close()


@pytest.fixture
def lite_room(
    tmp_path: Path, broker: start.Server, lite: State, new_server: NewServer, minimal: Catalogue
) -> Iterator[Room]:
    """A room whose time series are a server with a script."""
    server = new_server()
    series = Influx(InfluxSettings(url=server.url, org="o", token="t", timeout_s=2.0))
    made = Room(tmp_path, broker.port, lite, series, minimal)
    made.server = server
    yield made
    made.close()
    series.close()
    assert made.errors == []


def server_of(room: Room) -> ScriptedInflux:
    found = room.server
    assert isinstance(found, ScriptedInflux)
    return found


@pytest.mark.parametrize("status", [400, 422])
def test_a_line_that_is_refused_is_a_letter_and_the_rest_is_stored(
    lite_room: Room, sender: Sender, status: int
) -> None:
    server = server_of(lite_room)
    server.poison, server.poison_status = f"gate-1.{SPOOL}.7".encode(), status
    lite_room.work()
    sender.send(events(1, 20))
    until(lambda: sender.upto() == 20, "watermark")
    (letter,) = lite_room.letters()
    assert (letter.reason, letter.seq) == ("refused", 7)
    assert str(status) in letter.message
    assert len(server.lines) == 19
    assert lite_room.rolled() == list(range(1, 21)), "the lake has it all the same"


def test_too_much_at_once_is_sent_in_halves(lite_room: Room, sender: Sender) -> None:
    server_of(lite_room).limit = 9
    lite_room.work()
    sender.send(events(1, 50))
    until(lambda: sender.upto() == 50, "watermark")
    assert len(server_of(lite_room).lines) == 50
    assert 413 in server_of(lite_room).answers


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_a_person_must_mend_stops_everything_and_says_so_without_hurry(
    lite_room: Room, sender: Sender, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    server = server_of(lite_room)
    server.script.append(Say(status, body='{"message":"bad token"}'))
    lite_room.work()
    sender.send(events(1, 3))
    until(lambda: server.answers, "asked")
    time.sleep(1.5)
    assert server.answers == [status], "asked once, then waited"
    assert not sender.marks
    assert not lite_room.ledger()
    assert f"{status} bad token" in caplog.text
    if status == 401:
        until(lambda: sender.upto() == 3, "stored once it is mended")


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_asks_for_time_gets_it(lite_room: Room, sender: Sender, status: int) -> None:
    server = server_of(lite_room)
    server.script.append(Say(status, retry_after="2"))
    lite_room.work()
    begun = time.monotonic()
    sender.send(events(1, 3))
    until(lambda: sender.upto() == 3, "watermark")
    assert time.monotonic() - begun >= 2
    assert server.answers[:2] == [status, 204]


def test_an_answer_that_is_lost_after_the_write_doubles_nothing(
    lite_room: Room, sender: Sender
) -> None:
    server = server_of(lite_room)
    server.script.extend([Say(500), Say(stores=True, hangs=True)])
    lite_room.work()
    sender.send(events(1, 3))
    until(lambda: sender.upto() == 3, "watermark")
    assert len(server.lines) == 3
    assert set(server.lines.values()) == {2}, "the same bytes again"
    assert lite_room.letters() == []


def test_a_server_that_is_not_there_yet_keeps_no_worker_from_starting(
    tmp_path: Path, broker: start.Server, lite: State, minimal: Catalogue, sender: Sender
) -> None:
    series = Influx(InfluxSettings(url=f"http://127.0.0.1:{start.free_port()}", org="o", token="t"))
    room = Room(tmp_path, broker.port, lite, series, minimal)
    room.work()
    sender.send(envelope([(1, event(1, alarm=True))]))
    until(lambda: len(room.alarms()) == 1, "the alarm is in the outbox")
    assert not sender.marks
    room.close()
    series.close()
