"""A snapshot on the wire: header and picture apart, and every way in which it can be broken."""

import contextlib
import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from haidang_protocols.wire.errors import MessageRefusedError
from haidang_protocols.wire.snapshot import (
    SNAPSHOT_BYTES_MAX,
    SnapshotHeader,
    decode_snapshot,
    encode_snapshot,
)
from strategies import BOXES, NAMES, SEQS, SPOOLS, TIMES

JPEG = b"\xff\xd8\xff\xe0picture"
HEADER = SnapshotHeader(
    spool="00112233aabbccdd",
    seq=8,
    record="gate-1.00112233aabbccdd.7",
    camera="gate-east",
    t=5,
    crop=(0.1, 0.2, 0.3, 0.4),
)


def framed(header: bytes, jpeg: bytes = JPEG) -> bytes:
    return struct.pack(">I", len(header)) + header + jpeg


def headed(**fields: object) -> bytes:
    return msgspec.json.encode({**msgspec.to_builtins(HEADER), **fields})


def reason_of(payload: bytes) -> str:
    with pytest.raises(MessageRefusedError) as caught:
        decode_snapshot(payload)
    return caught.value.reason


@given(
    header=st.builds(
        SnapshotHeader, spool=SPOOLS, seq=SEQS, record=NAMES, camera=NAMES, t=TIMES, crop=BOXES
    ),
    rest=st.binary(max_size=200),
)
def test_header_and_picture_come_back_as_they_went(header: SnapshotHeader, rest: bytes) -> None:
    jpeg = b"\xff\xd8" + rest
    assert decode_snapshot(encode_snapshot(header, jpeg)) == (header, jpeg)


def test_unknown_fields_are_ignored() -> None:
    assert decode_snapshot(framed(headed(invented=1))) == (HEADER, JPEG)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "malformed"),
        (b"\x00\x00\x00", "malformed"),
        (struct.pack(">I", 0) + JPEG, "malformed"),
        (struct.pack(">I", 2**32 - 1) + JPEG, "malformed"),
        (struct.pack(">I", 5000) + b" " * 6000, "malformed"),
        (framed(b"{}"), "malformed"),
        (framed(b"\xff"), "malformed"),
        (framed(headed(seq=0)), "malformed"),
        (framed(headed(spool="x")), "malformed"),
        (framed(headed(v=2)), "version"),
        (framed(headed(), b"GIF89a"), "malformed"),
        (framed(headed(), b""), "malformed"),
        (framed(headed(), b"\xff\xd8" + b"x" * SNAPSHOT_BYTES_MAX), "oversized"),
    ],
)
def test_a_snapshot_that_cannot_be_read_says_why(payload: bytes, reason: str) -> None:
    assert reason_of(payload) == reason


def test_the_largest_picture_is_still_taken() -> None:
    jpeg = b"\xff\xd8" + b"x" * (SNAPSHOT_BYTES_MAX - 2)
    assert decode_snapshot(encode_snapshot(HEADER, jpeg))[1] == jpeg


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(payload: bytes) -> None:
    with contextlib.suppress(MessageRefusedError):
        decode_snapshot(payload)
