"""A snapshot on the wire: a short JSON header, then the redacted JPEG."""

import struct
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from haidang_protocols.wire.errors import UNREADABLE, MessageRefusedError
from haidang_protocols.wire.names import SPOOL_PATTERN
from haidang_protocols.wire.records import Box, Name, Seq, TimeNs
from haidang_protocols.wire.versions import always

SNAPSHOT_VERSION = 1
SNAPSHOT_BYTES_MAX = 200 * 1024
_LENGTH = struct.Struct(">I")
_HEADER_MAX = 4096


class SnapshotHeader(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a picture shows; `seq` is its own place in the spool, `record` the event's id."""

    v: int = always(SNAPSHOT_VERSION)
    spool: Annotated[str, Meta(pattern=SPOOL_PATTERN)]
    seq: Seq
    record: str
    camera: Name
    t: TimeNs
    crop: Box
    sha256: str = ""


def encode_snapshot(header: SnapshotHeader, jpeg: bytes) -> bytes:
    """Header and picture in one payload."""
    head = msgspec.json.encode(header)
    return b"".join((_LENGTH.pack(len(head)), head, jpeg))


def decode_snapshot(payload: bytes) -> tuple[SnapshotHeader, bytes]:
    """Take a snapshot apart; raises `MessageRefusedError` (malformed, version, oversized)."""
    if len(payload) < _LENGTH.size:
        raise MessageRefusedError("malformed", f"snapshot: only {len(payload)} bytes")
    (length,) = _LENGTH.unpack_from(payload)
    if not 0 < length <= min(_HEADER_MAX, len(payload) - _LENGTH.size):
        raise MessageRefusedError("malformed", f"snapshot: header of {length} bytes does not fit")
    end = _LENGTH.size + length
    try:
        header = msgspec.json.decode(payload[_LENGTH.size : end], type=SnapshotHeader)
    except UNREADABLE as error:
        raise MessageRefusedError("malformed", f"snapshot: {error}") from error
    if header.v != SNAPSHOT_VERSION:
        raise MessageRefusedError(
            "version", f"snapshot: v is {header.v}; known is {SNAPSHOT_VERSION}"
        )
    jpeg = payload[end:]
    if len(jpeg) > SNAPSHOT_BYTES_MAX:
        raise MessageRefusedError(
            "oversized", f"snapshot: {len(jpeg)} bytes; at most {SNAPSHOT_BYTES_MAX} are allowed"
        )
    if not jpeg.startswith(b"\xff\xd8"):
        raise MessageRefusedError("malformed", "snapshot: the picture is no JPEG")
    return header, jpeg
