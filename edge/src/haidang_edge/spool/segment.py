"""The form of a segment file: a header, then frames; read back up to the first that is not whole.

    header  magic 8 | version u8 | class u8 | 0 u16 | base seq u64 | crc32 u32
    frame   length u32 | crc32 u32 | seq u64 | appended ns i64 | payload

The file is zeros beyond its last frame, so a length of 0 ends it. The checksum of a frame covers
its sequence, time and payload.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

from haidang_protocols.wire.records import RecordClass

MAGIC = b"HDSPOOL\n"
VERSION = 1
HEADER = struct.Struct("<8sBBHQI")
FRAME = struct.Struct("<IIQq")
_LEAD = struct.Struct("<II")
_BODY = struct.Struct("<Qq")
_CLASSES = tuple(RecordClass)
PAYLOAD_BYTES_MAX = 1 << 20


class Frame(NamedTuple):
    """Where a record stands in its segment."""

    seq: int
    appended_ns: int
    offset: int
    size: int


def header(cls: RecordClass, base_seq: int) -> bytes:
    """The first bytes of a segment."""
    body = HEADER.pack(MAGIC, VERSION, _CLASSES.index(cls), 0, base_seq, 0)[:-4]
    return body + struct.pack("<I", zlib.crc32(body))


def read_header(data: bytes) -> tuple[RecordClass, int] | None:
    """Class and base sequence, None when the header is not whole."""
    if len(data) < HEADER.size:
        return None
    magic, version, cls, _, base_seq, crc = HEADER.unpack_from(data)
    if magic != MAGIC or version != VERSION or cls >= len(_CLASSES):
        return None
    if zlib.crc32(data[: HEADER.size - 4]) != crc:
        return None
    return _CLASSES[cls], base_seq


class Record(Protocol):
    """What a frame is made of."""

    @property
    def seq(self) -> int: ...
    @property
    def appended_ns(self) -> int: ...
    @property
    def payload(self) -> bytes: ...


def framed(records: Iterable[Record], *, at: int, size: int) -> tuple[bytes, list[int]]:
    """The bytes of as many frames as fit from `at` on into a segment of `size`.

    With them where each one's payload stands. This runs for every record: all of it at once, in
    one function, with as few calls a record as there can be.
    """
    parts: list[bytes] = []
    offsets: list[int] = []
    checksum, pack_lead, pack_body, own = zlib.crc32, _LEAD.pack, _BODY.pack, FRAME.size
    end = at
    for record in records:
        payload = record.payload
        length = len(payload)
        start = end + own
        end = start + length
        if end > size:
            break
        body = pack_body(record.seq, record.appended_ns)
        parts += (pack_lead(length, checksum(payload, checksum(body))), body, payload)
        offsets.append(start)
    return b"".join(parts), offsets


def frames(data: bytes, *, at: int = HEADER.size) -> Iterator[Frame]:
    """The whole frames of a segment's bytes from `at` on, up to the first that is broken.

    A broken frame whose length is plausible is stepped over when a whole one follows it: a flipped
    bit costs one record, not all behind it.
    """
    offset = at
    while (found := _at(data, offset)) is not None:
        whole, end = found
        if whole is not None:
            yield whole
        elif _next_is_whole(data, end):
            pass
        else:
            return
        offset = end


def _at(data: bytes, offset: int) -> tuple[Frame | None, int] | None:
    """The frame at `offset` (None in its place when broken) and its end; None: nothing more."""
    if offset + FRAME.size > len(data):
        return None
    length, crc, seq, appended_ns = FRAME.unpack_from(data, offset)
    end = offset + FRAME.size + length
    if not 0 < length <= PAYLOAD_BYTES_MAX or end > len(data):
        return None
    if zlib.crc32(memoryview(data)[offset + 8 : end]) != crc or seq < 1:
        return None, end
    return Frame(seq, appended_ns, offset + FRAME.size, length), end


def _next_is_whole(data: bytes, offset: int) -> bool:
    found = _at(data, offset)
    return found is not None and found[0] is not None


def end_of(read: list[Frame]) -> int:
    """Where the next frame goes."""
    return read[-1].offset + read[-1].size if read else HEADER.size
