"""The two small files beside the segments: whose spool it is, and what is known to be stored."""

import msgspec

IDENTITY, STORED = "spool.json", "stored.json"


class Identity(msgspec.Struct, frozen=True):
    """The spool's id, and when it was made (nanoseconds since 1970 UTC)."""

    spool: str
    created_ns: int


class Stored(msgspec.Struct, frozen=True):
    """Sequences of a spool that the centre has stored, as ranges with both ends."""

    spool: str
    ranges: tuple[tuple[int, int], ...]
