"""The connection to the broker against a hand that cuts the stream where it likes."""

import contextlib
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion

from haidang_cloud.broker import BrokerSettings, Connection, Line
from haidang_cloud.broker.connection import whole_publish
from haidang_fleet.enrolment.authority import Authority, key_pem, new_key, pem
from servers.start import wait_until

NOW = datetime.now(UTC).replace(microsecond=0)
CONNACK = b"\x20\x02\x00\x00"


class Hand:
    """A broker's end of the line: accepts, and then sends and reads what a test says."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.line = socket.socket()

    def rings(self) -> bool:
        """Whether somebody wants to connect."""
        return bool(select.select([self._listening], [], [], 0)[0])

    def accept(self) -> None:
        self.line.close()
        self.line, _ = self._listening.accept()
        self.line.settimeout(5)
        self.line.recv(4096)
        self.line.sendall(CONNACK)

    def close(self) -> None:
        self.line.close()
        self._listening.close()


@pytest.fixture
def hand() -> Iterator[Hand]:
    made = Hand()
    yield made
    made.close()


def publish(packet: int, payload: bytes, topic: bytes = b"t/x") -> bytes:
    body = struct.pack("!H", len(topic)) + topic + struct.pack("!H", packet) + payload
    size = len(body)
    head = bytes([size & 127 | 128, size >> 7]) if size > 127 else bytes([size])
    return b"\x32" + head + body


class Ear:
    """A connection and what came over it."""

    def __init__(self, hand: Hand) -> None:
        self.heard: list[tuple[int, int, str, bytes]] = []
        self.ups = 0
        self.rests = False
        settings_ = BrokerSettings(host="127.0.0.1", port=hand.port, plain=True)
        self.connection = Connection(
            settings_,
            client_id="ear",
            on_up=self._up,
            on_message=self._message,
        )

    def _message(self, generation: int, packet: int, topic: str, payload: bytes) -> None:
        self.heard.append((generation, packet, topic, payload))
        if self.rests:
            self.connection.rest()

    def _up(self) -> None:
        self.ups += 1

    def until_up(self, hand: Hand, times: int) -> None:
        while not hand.rings():
            self.connection.turn(0.5, read=True)
        hand.accept()
        while self.ups < times:
            self.connection.turn(0.5, read=True)

    def until_heard(self, count: int) -> None:
        for _ in range(1000):
            if len(self.heard) >= count:
                return
            self.connection.turn(0.05, read=True)
        raise AssertionError(f"{len(self.heard)} of {count} messages came")


@settings(deadline=None, max_examples=30)
@given(
    payloads=st.lists(st.binary(max_size=400), min_size=1, max_size=30),
    cuts=st.lists(st.integers(1, 700), min_size=1, max_size=20),
)
def test_messages_come_whole_however_the_stream_is_cut(
    payloads: list[bytes], cuts: list[int]
) -> None:
    hand = Hand()
    ear = Ear(hand)
    try:
        ear.until_up(hand, 1)
        stream = b"".join(publish(n, payload) for n, payload in enumerate(payloads, start=1))
        at = turn = 0
        while at < len(stream):
            size = cuts[turn % len(cuts)]
            hand.line.sendall(stream[at : at + size])
            ear.connection.turn(0.0, read=True)
            at, turn = at + size, turn + 1
        ear.until_heard(len(payloads))
        assert ear.heard == [(1, n, "t/x", payload) for n, payload in enumerate(payloads, start=1)]
    finally:
        ear.connection.close()
        hand.close()


class Paho(mqtt.Client):
    """paho's own reader of a stream that ends."""

    def __init__(self, stream: bytes) -> None:
        super().__init__(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311, manual_ack=True)
        self._stream, self.at = stream, 0
        self.found: list[tuple[int, str, bytes]] = []

    def _sock_recv(self, bufsize: int) -> bytes:
        if self.at == len(self._stream):
            raise BlockingIOError
        data = self._stream[self.at : self.at + bufsize]
        self.at += len(data)
        return data

    def _handle_on_message(self, message: mqtt.MQTTMessage) -> None:
        topic = message._topic.decode(errors="replace")  # noqa: SLF001  # `topic` refuses bad UTF-8
        self.found.append((message.mid, topic, bytes(message.payload)))


LENGTHS = st.integers(0, 300).map(lambda size: bytes([size & 127 | 128, size >> 7]))
STREAMS = st.one_of(
    st.binary(min_size=1, max_size=40),
    # a whole message, and what is left of it when some of its bytes are others
    st.builds(
        lambda head, packet, payload, topic, after: (
            bytes([head]) + publish(packet, payload, topic)[1:] + after
        ),
        st.integers(0x30, 0x3F),
        st.integers(0, 65535),
        st.binary(max_size=300),
        st.binary(max_size=9),
        st.binary(max_size=5),
    ),
    # lengths that are longer than need be, or lie
    st.builds(
        lambda head, length, body: bytes([head]) + length + body,
        st.sampled_from([0x30, 0x32, 0x3B]),
        LENGTHS | st.binary(min_size=1, max_size=6),
        st.builds(lambda size, rest: bytes([0, size]) + rest, st.integers(0, 9), st.binary()),
    ),
)


@settings(deadline=None, max_examples=1000)
@given(before=st.binary(max_size=3), stream=STREAMS)
def test_a_message_is_read_as_paho_reads_it(before: bytes, stream: bytes) -> None:
    found = whole_publish(before + stream, len(before))
    if stream[0] >> 4 != 3 or stream[0] >> 1 & 3 > 1:
        assert found is None, "no message, or none of QoS 0 or 1: paho's"
        return
    paho = Paho(stream)
    error = paho._packet_read()  # noqa: SLF001  # what reads one packet
    if found is None:
        assert paho.found == []
    else:
        assert error == mqtt.MQTT_ERR_SUCCESS
        assert paho.found == [(found.packet, found.topic, found.payload)]
        assert paho.at == found.end - len(before)


def test_what_was_read_at_once_waits_while_reading_pauses_and_needs_no_news(hand: Hand) -> None:
    ear = Ear(hand)
    ear.until_up(hand, 1)
    ear.rests = True
    hand.line.sendall(b"".join(publish(n, b"p") for n in (1, 2, 3)))
    ear.until_heard(1)
    assert len(ear.heard) == 1
    ear.connection.turn(0.05, read=False)
    assert len(ear.heard) == 1, "reading paused"
    ear.until_heard(3)
    ear.connection.close()


def test_many_are_acknowledged_at_once_but_none_of_a_connection_that_is_gone(hand: Hand) -> None:
    ear = Ear(hand)
    ear.until_up(hand, 1)
    hand.line.sendall(b"".join(publish(n, b"p") for n in (1, 2)))
    ear.until_heard(2)
    hand.line.close()
    ear.until_up(hand, 2)
    hand.line.sendall(b"".join(publish(n, b"p") for n in (7, 8)))
    ear.until_heard(4)
    ear.connection.ack_all([(generation, packet) for generation, packet, _, _ in ear.heard])
    assert hand.line.recv(100) == b"\x40\x02\x00\x07\x40\x02\x00\x08"
    ear.connection.close()


def test_a_lost_line_is_told_and_our_own_leaving_is_not(
    hand: Hand, caplog: pytest.LogCaptureFixture
) -> None:
    ear = Ear(hand)
    ear.until_up(hand, 1)
    hand.line.close()
    ear.until_up(hand, 2)
    assert len(caplog.records) == 1
    assert caplog.records[0].message.startswith("broker: ")
    caplog.clear()
    ear.connection.close()
    assert hand.line.recv(100) == b"\xe0\x00", "it says goodbye"
    assert not caplog.records


# --- the line of a process ----------------------------------------------------------------------


class Talk:
    """A line that runs, and what came over it."""

    def __init__(self, hand: Hand, filters: tuple[str, ...] = ()) -> None:
        self.heard: list[tuple[int, int, str, bytes]] = []
        settings_ = BrokerSettings(host="127.0.0.1", port=hand.port, plain=True)
        self.line = Line(settings_, client_id="talk")
        if filters:
            self.line.hear(filters, lambda *message: self.heard.append(message))
        self._thread = threading.Thread(target=self.line.run, daemon=True)
        self._thread.start()
        self.until_up(hand, 1)

    def until_up(self, hand: Hand, generation: int) -> None:
        wait_until(hand.rings, what="somebody who connects")
        hand.accept()
        wait_until(
            lambda: self.line.up and self.line.generation == generation, what="the connection"
        )

    def until_heard(self, count: int) -> None:
        wait_until(lambda: len(self.heard) == count, what=f"{count} messages")

    def stop(self) -> None:
        self.line.stop()
        self._thread.join(5)
        assert not self._thread.is_alive()


def said(hand: Hand) -> tuple[int, bytes, bytes]:
    """First byte, packet id and payload of the one message to `t/x` that comes."""
    came = hand.line.recv(4096)
    assert came[2:7] == b"\x00\x03t/x"
    assert len(came) == came[1] + 2, "one message, and nothing behind it"
    return came[0], came[7:9], came[9:]


def test_what_is_said_is_done_once_the_broker_has_it(hand: Hand) -> None:
    talk, done = Talk(hand), threading.Event()
    talk.line.say("t/x", b"kept", retain=True, done=done.set)
    first, packet, payload = said(hand)
    assert (first, payload) == (0x33, b"kept"), "QoS 1, retained"
    assert not done.wait(0.3)
    hand.line.sendall(b"\x40\x02" + packet)
    assert done.wait(5)
    talk.line.say("t/x", b"passing")
    assert said(hand)[0] == 0x32, "not retained"
    talk.stop()
    talk.line.close()


def test_what_is_said_while_the_broker_is_away_is_neither_sent_later_nor_done(hand: Hand) -> None:
    talk, late, new = Talk(hand), threading.Event(), threading.Event()
    hand.line.close()
    wait_until(lambda: not talk.line.up, what="an end of the connection")
    talk.line.say("t/x", b"late", done=late.set)
    time.sleep(0.5)  # its thread looks at what is said at once, but nobody can see it do so
    talk.until_up(hand, 2)
    talk.line.say("t/x", b"new", done=new.set)
    _, packet, payload = said(hand)
    assert payload == b"new"
    hand.line.sendall(b"\x40\x02" + packet)
    assert new.wait(5)
    assert not late.is_set()
    talk.stop()
    talk.line.close()


def test_what_was_under_way_when_the_line_broke_is_sent_again_and_then_done(hand: Hand) -> None:
    talk, done = Talk(hand), threading.Event()
    talk.line.say("t/x", b"p", done=done.set)
    said(hand)
    hand.line.close()
    talk.until_up(hand, 2)
    first, packet, payload = said(hand)
    assert (first, payload) == (0x3A, b"p"), "marked as sent before"
    hand.line.sendall(b"\x40\x02" + packet)
    assert done.wait(5)
    talk.stop()
    talk.line.close()


def test_a_message_is_acknowledged_when_it_is_dealt_with_and_only_on_its_connection(
    hand: Hand,
) -> None:
    talk = Talk(hand, ("t/+",))
    assert hand.line.recv(100)[:1] == b"\x82", "it asks for messages"
    hand.line.sendall(publish(1, b"p"))
    talk.until_heard(1)
    assert not select.select([hand.line], [], [], 0.3)[0], "not acknowledged yet"
    hand.line.close()
    talk.until_up(hand, 2)
    assert hand.line.recv(100)[:1] == b"\x82", "it asks again"
    hand.line.sendall(publish(7, b"q"))
    talk.until_heard(2)
    for generation, packet, _, _ in talk.heard:
        talk.line.ack(generation, packet)
    assert hand.line.recv(100) == b"\x40\x02\x00\x07"
    talk.stop()
    talk.line.close()


def test_what_an_older_program_asked_for_holds_up_nothing(hand: Hand) -> None:
    talk = Talk(hand)
    hand.line.sendall(publish(3, b"old"))
    assert hand.line.recv(100) == b"\x40\x02\x00\x03"
    talk.stop()
    talk.line.close()


def test_what_is_left_is_sent_before_leaving(hand: Hand) -> None:
    talk = Talk(hand)
    talk.stop()
    assert talk.line.leaving
    talk.line.say("t/x", b"last")
    talk.line.close()
    assert hand.line.recv(100).endswith(b"last\xe0\x00"), "and then it says goodbye"


class Door:
    """A TLS server that looks at who knocks and lets nobody in."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        key = new_key()
        certificate = authority.sign_server(key.public_key(), names=("localhost",), now=NOW, days=1)
        both = folder / "server.pem"
        both.write_bytes(pem(certificate).encode() + key_pem(key))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(both)
        context.load_verify_locations(cadata=pem(authority.certificate))
        context.verify_mode = ssl.CERT_REQUIRED
        self.shown: list[int] = []
        self._context = context
        self._listening = socket.create_server(("localhost", 0))
        self.port = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while True:
            try:
                knock, _ = self._listening.accept()
            except OSError:
                return
            with (
                contextlib.suppress(OSError),
                self._context.wrap_socket(knock, server_side=True) as secured,
            ):
                found = secured.getpeercert(binary_form=True)
                assert found is not None
                self.shown.append(x509.load_der_x509_certificate(found).serial_number)

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(5)


def test_a_renewed_certificate_is_shown_at_the_next_connection_and_half_a_one_never(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority = Authority.make(tmp_path / "ca", name="Test", now=NOW)
    cert, key_file = tmp_path / "worker.crt", tmp_path / "worker.key"

    def issue() -> int:
        key = new_key()
        made = authority.sign_client(key.public_key(), cn="c.worker.1", now=NOW, days=1)
        cert.write_text(pem(made))
        key_file.write_bytes(key_pem(key))
        return made.serial_number

    def other_cert() -> str:
        """Another one's, as it lies on the disk before its key does."""
        return pem(authority.sign_client(new_key().public_key(), cn="c.worker.1", now=NOW, days=1))

    first = issue()
    door = Door(tmp_path, authority)
    connection = Connection(
        BrokerSettings(
            host="localhost", port=door.port, ca=tmp_path / "ca" / "ca.crt", cert=cert, key=key_file
        ),
        client_id="c.worker.1",
        on_up=lambda: None,
        on_message=lambda *_: None,
    )

    def knocks(count: int) -> bool:
        connection.turn(0.05, read=True)
        return len(door.shown) >= count

    wait_until(lambda: knocks(1), what="a first knock")
    cert.write_text("half of it")
    wait_until(lambda: knocks(2), what="a knock with half a certificate on the disk")
    cert.write_text(other_cert())
    shown = len(door.shown)
    wait_until(lambda: knocks(shown + 2), what="knocks while the key is still the old one")
    second = issue()
    shown = len(door.shown)
    wait_until(lambda: knocks(shown + 2), what="knocks after the renewal")
    connection.close()
    door.close()
    assert set(door.shown[:shown]) == {first}
    assert door.shown[-1] == second
    assert "the certificate stays as it was" in caplog.text
