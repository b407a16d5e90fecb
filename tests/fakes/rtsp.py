"""A camera at its protocol boundary: RTSP with RTP over the same TCP connection (RFC 2326, 6184).

It plays the pictures of an H.264 file at their own pace, for ever, and can be told to fall silent,
to send what is no picture, to hang up, to repeat one picture, to want a password, or to answer
nothing at all.
"""

import base64
import re
import socket
import struct
import threading
import time
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path

import av

CLOCK_HZ = 90_000
FIRST_STAMP = 0xFFFF_0000  # wraps round within a second, as a real one does some day
FRAGMENT_BYTES = 1400
FU_A = 28
SLICES = (1, 5)
GARBAGE = bytes((0x61, *range(100)))  # says that it is a slice


class RtspCamera:
    """A camera with one stream at `rtsp://127.0.0.1:port/stream`."""

    def __init__(self, clip: Path, *, fps: float = 25.0, password: str = "", port: int = 0) -> None:
        """`password` is for the user `admin` (Basic)."""
        self._parameters, self._pictures = _pictures(clip)
        self._step_s, self._password = 1.0 / fps, password
        self._step = round(CLOCK_HZ / fps)
        self.silent, self.garbled, self.frozen, self.mute = (threading.Event() for _ in range(4))
        self.asked: list[str] = []
        self._stopping = threading.Event()
        self._guests: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port = int(self._listener.getsockname()[1])
        self._spawn(self._accept)

    def url(self, user: str = "", path: str = "stream") -> str:
        """Its address, with `user` (`name:password`) in it when given."""
        return f"rtsp://{user + '@' if user else ''}127.0.0.1:{self.port}/{path}"

    def hang_up(self) -> None:
        """Close every connection; new ones are welcome."""
        for guest in self._guests:
            _shut(guest)

    def close(self) -> None:
        self._stopping.set()
        _shut(self._listener)
        self.hang_up()
        for thread in self._threads:
            thread.join()
        for each in (self._listener, *self._guests):
            each.close()

    def __enter__(self) -> "RtspCamera":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _spawn(self, run: object, *arguments: object) -> None:
        thread = threading.Thread(target=run, args=arguments)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                guest, _ = self._listener.accept()
            except OSError:
                return
            self._guests.append(guest)
            self._spawn(self._serve, guest)

    def _serve(self, guest: socket.socket) -> None:
        requests = guest.makefile("rb")
        try:
            for request in _requests(requests):
                self.asked.append(request.split(" ", 1)[0])
                if self.mute.is_set():
                    continue
                if self._answer(guest, request):
                    self._play(guest)
                    return
        except OSError:
            return
        finally:
            requests.close()
            _shut(guest)

    def _answer(self, guest: socket.socket, request: str) -> bool:
        """Answer one request; True when it said PLAY."""
        verb, url = request.split(" ")[:2]
        number = re.search(r"(?im)^CSeq: *(\d+)", request)
        head = f"CSeq: {number.group(1) if number else 0}\r\n"
        status, more, body = "200 OK", "", ""
        token = base64.b64encode(f"admin:{self._password}".encode()).decode()
        if self._password and f"Basic {token}" not in request:
            status, more = "401 Unauthorized", 'WWW-Authenticate: Basic realm="camera"\r\n'
        elif "/stream" not in url:
            status = "404 Not Found"
        elif verb == "OPTIONS":
            more = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
        elif verb == "DESCRIBE":
            body = self._describe()
            more = f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n"
        elif verb == "SETUP":
            more = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1;timeout=60\r\n"
        elif verb == "PLAY":
            more = "Session: 1\r\nRange: npt=0.000-\r\n"
        guest.sendall(f"RTSP/1.0 {status}\r\n{head}{more}\r\n{body}".encode())
        return verb == "PLAY" and status == "200 OK"

    def _describe(self) -> str:
        sets = ",".join(base64.b64encode(nal).decode() for nal in self._parameters)
        lines = (
            "v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=camera", "c=IN IP4 0.0.0.0", "t=0 0",
            "m=video 0 RTP/AVP 96", f"a=rtpmap:96 H264/{CLOCK_HZ}",
            f"a=fmtp:96 packetization-mode=1;sprop-parameter-sets={sets}", "a=control:trackID=0",
        )  # fmt: skip
        return "\r\n".join((*lines, ""))

    def _play(self, guest: socket.socket) -> None:
        sequence, begun_s, played = 0, time.monotonic(), 0
        for order, nals in self._forever():
            if self._stopping.wait(max(begun_s + played * self._step_s - time.monotonic(), 0)):
                return
            stamp = (FIRST_STAMP + order * self._step) & 0xFFFFFFFF
            played += 1
            if self.silent.is_set():
                continue
            payloads = [GARBAGE] if self.garbled.is_set() else [*_payloads(nals)]
            for place, payload in enumerate(payloads):
                last = 0x80 if place == len(payloads) - 1 else 0
                header = struct.pack(">BBHII", 0x80, 96 | last, sequence & 0xFFFF, stamp, 1)
                size = len(header) + len(payload)
                guest.sendall(struct.pack(">BBH", 0x24, 0, size) + header + payload)
                sequence += 1

    def _forever(self) -> Iterator[tuple[int, list[bytes]]]:
        """Each picture's NAL units with its place in the order of presentation."""
        for lap in count():
            for order, nals in self._pictures:
                # the same key picture again and again decodes to the same bytes
                shown = self._pictures[0][1] if self.frozen.is_set() else nals
                yield lap * len(self._pictures) + order, shown


def _requests(stream: object) -> Iterator[str]:
    """The text of each request; what a guest says while it is played to is not read."""
    lines: list[str] = []
    for line in stream:  # type: ignore[attr-defined]
        if line.strip():
            lines.append(line.decode())
        elif lines:
            yield "".join(lines)
            lines.clear()


def _pictures(clip: Path) -> tuple[list[bytes], list[tuple[int, list[bytes]]]]:
    """The parameter sets, and of every picture its place when shown and its NAL units."""
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        extra = bytes(stream.codec_context.extradata or b"")
        packets = [p for p in container.demux(stream) if p.size]
        places = {pts: place for place, pts in enumerate(sorted(p.pts or 0 for p in packets))}
        pictures = [(places[p.pts or 0], _nals(bytes(p))) for p in packets]
    sets, at = [], 6
    for _ in range(2):  # avcC: one SPS, then one PPS, each with its length before it
        size = int.from_bytes(extra[at : at + 2])
        sets.append(extra[at + 2 : at + 2 + size])
        at += 2 + size + 1
    return sets, pictures


def _nals(packet: bytes) -> list[bytes]:
    """The slices in a packet from an mp4: each NAL unit has its length in four bytes before it."""
    nals, at = [], 0
    while at < len(packet):
        size = int.from_bytes(packet[at : at + 4])
        nals.append(packet[at + 4 : at + 4 + size])
        at += 4 + size
    return [nal for nal in nals if nal[0] & 0x1F in SLICES]


def _payloads(nals: Iterable[bytes]) -> Iterator[bytes]:
    for nal in nals:
        yield from _fragments(nal)


def _fragments(nal: bytes) -> Iterator[bytes]:
    """A NAL unit as RTP payloads: whole, or cut into FU-A fragments."""
    if len(nal) <= FRAGMENT_BYTES:
        yield nal
        return
    head, body = nal[0], nal[1:]
    for at in range(0, len(body), FRAGMENT_BYTES):
        begins, ends = 0x80 * (at == 0), 0x40 * (at + FRAGMENT_BYTES >= len(body))
        mark = bytes(((head & 0xE0) | FU_A, begins | ends | (head & 0x1F)))
        yield mark + body[at : at + FRAGMENT_BYTES]


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
