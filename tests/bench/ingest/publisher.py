"""A process that publishes the load at QoS 1 over a bare socket, as fast as the broker takes it.

Prints one JSON line when the first message goes out and one when the last is acknowledged. With
`--paced` it builds while it sends, up to the record that a line on its standard input names; else
everything is built before.
"""

import argparse
import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

if __package__ in (None, ""):  # run as a file
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from bench.ingest import load

CHUNK = 2000
SEND_BYTES = 64 << 10


class _Broker:
    """A connection that counts acknowledgements and holds back beyond a window."""

    def __init__(self, port: int, window: int) -> None:
        self._window = window
        self._sent = self._acked = 0
        self._news = threading.Condition()
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = b"\x00\x04MQTT\x04\x02\x00\x00\x00\x09publisher"
        self._socket.sendall(b"\x10" + load.length(len(head)) + head)
        if self._socket.recv(4)[3:] != b"\x00":
            raise ConnectionError("the broker refused the publisher")
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        left = 0
        while data := self._socket.recv(65536):
            # every PUBACK is 4 bytes
            count, left = divmod(left + len(data), 4)
            with self._news:
                self._acked += count
                self._news.notify()

    def send(self, packets: list[bytes]) -> None:
        with self._news:
            self._news.wait_for(lambda: self._sent - self._acked <= self._window)
        self._socket.sendall(b"".join(packets))
        self._sent += len(packets)

    def drain(self) -> None:
        with self._news:
            self._news.wait_for(lambda: self._sent == self._acked)
        self._socket.sendall(b"\xe0\x00")
        self._thread.join()  # the broker hangs up
        self._socket.close()


class _Permit:
    """How far the load may go, as standard input says line by line."""

    def __init__(self) -> None:
        self._upto = 0
        self._news = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in sys.stdin:
            with self._news:
                self._upto = int(line)
                self._news.notify()

    def wait(self, record: int) -> None:
        with self._news:
            self._news.wait_for(lambda: self._upto >= record)


def _say() -> None:
    print(json.dumps({"t": time.monotonic()}), flush=True)


def _chunks(arguments: argparse.Namespace) -> Iterator[list[bytes]]:
    packet = 0
    for first in range(0, arguments.n, CHUNK):
        count = min(CHUNK, arguments.n - first)
        records = list(load.sent(first, count, base_ns=arguments.base_ns))
        built = load.packets(records, centre=arguments.centre, k=arguments.k, packet=packet)
        packet += len(built)
        yield built


def _small(packets: list[bytes]) -> Iterator[list[bytes]]:
    """Cut into what one send takes."""
    part: list[bytes] = []
    size = 0
    for packet in packets:
        part.append(packet)
        size += len(packet)
        if size >= SEND_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--centre", required=True)
    parser.add_argument("--n", type=int, required=True, help="records")
    parser.add_argument("--k", type=int, required=True, help="records a message")
    parser.add_argument("--base-ns", type=int, required=True, help="time of the first record")
    parser.add_argument("--window", type=int, default=2000, help="most unacknowledged messages")
    parser.add_argument("--paced", action="store_true", help="go as far as standard input says")
    arguments = parser.parse_args()
    chunks: Iterator[list[bytes]] = _chunks(arguments)
    permit = _Permit() if arguments.paced else None
    if permit is None:
        chunks = iter(list(_small(list(chain.from_iterable(chunks)))))
    broker = _Broker(arguments.port, arguments.window)
    _say()
    for number, packets in enumerate(chunks, start=1):
        if permit is not None:
            permit.wait(min(number * CHUNK, arguments.n))
        broker.send(packets)
    broker.drain()
    _say()


if __name__ == "__main__":
    main()
