"""The watermark: the store's word, and the only thing that trims a spool."""

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from haidang_protocols.wire.errors import UNREADABLE, MessageRefusedError
from haidang_protocols.wire.names import SPOOL_PATTERN
from haidang_protocols.wire.seqset import SeqSet
from haidang_protocols.wire.versions import always

WATERMARK_VERSION = 1
MISSING_MAX = 64


class Watermark(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All of 1..`upto` of `spool` is stored, but for `missing` (at most 64 ranges)."""

    v: int = always(WATERMARK_VERSION)
    spool: Annotated[str, Meta(pattern=SPOOL_PATTERN)]
    upto: Annotated[int, Meta(ge=0)]
    missing: tuple[tuple[int, int], ...] = ()

    def stored(self) -> SeqSet:
        """What is stored by this word; a node adds it to what it knew, so that never shrinks."""
        known = SeqSet([(1, self.upto)] if self.upto else [])
        if not self.missing:
            return known
        holes = SeqSet(self.missing)
        return SeqSet(holes.missing(1, self.upto))


def watermark_of(spool: str, stored: SeqSet) -> Watermark:
    """The highest watermark that names every hole below it in at most `MISSING_MAX` ranges."""
    holes: list[tuple[int, int]] = []
    upto = 0
    at = 1
    for first, last in stored.ranges():
        if first > at:
            if len(holes) == MISSING_MAX:
                break
            holes.append((at, first - 1))
        upto, at = last, last + 1
    return Watermark(spool=spool, upto=upto, missing=tuple(holes))


_DECODER = msgspec.json.Decoder(Watermark)


def encode_watermark(watermark: Watermark) -> bytes:
    """The payload of `…/stored`."""
    return msgspec.json.encode(watermark)


def decode_watermark(payload: bytes) -> Watermark:
    """Read a watermark; raises `MessageRefusedError`."""
    try:
        watermark = _DECODER.decode(payload)
    except UNREADABLE as error:
        raise MessageRefusedError("malformed", f"watermark: {error}") from error
    if watermark.v != WATERMARK_VERSION:
        raise MessageRefusedError(
            "version", f"watermark: v is {watermark.v}; known is {WATERMARK_VERSION}"
        )
    for first, last in watermark.missing:
        if not 1 <= first <= last <= watermark.upto:
            raise MessageRefusedError(
                "malformed", f"watermark: missing {first}..{last} is outside 1..{watermark.upto}"
            )
    return watermark
