"""The connection to the broker against a hand that cuts the stream where it likes."""

import select
import socket
import struct
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haidang_cloud.broker import BrokerSettings, Connection

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
