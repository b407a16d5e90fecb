"""What a node sends: events, observations, gaps, and the batch that carries them.

A record travels without its id: node, spool and sequence give it (`names.record_id`). Its time `t`
is fixed once at the node, strictly increasing per camera, before it is first sent.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from itertools import pairwise
from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct

from haidang_protocols.wire.errors import UNREADABLE, MessageRefusedError
from haidang_protocols.wire.names import NAME_PATTERN, SPOOL_PATTERN
from haidang_protocols.wire.topics import Severity

BATCH_VERSION = 1
BATCH_RECORDS_MAX = 50
BATCH_BYTES_MAX = 64 * 1024
MESSAGE_BYTES_MAX = 256 * 1024
"""A larger message is refused by the broker, and by ingest should one arrive all the same."""

INT64_MAX = 2**63 - 1
"""Databases, line protocol and Parquet hold no larger number: one that is larger is malformed."""

NUL = b"\\u0000"
"""How JSON spells the one character that no database keeps in a text."""

Name = Annotated[str, Meta(pattern=NAME_PATTERN)]
Unit = Annotated[float, Meta(ge=0.0, le=1.0)]
Count = Annotated[int, Meta(ge=0, le=INT64_MAX)]
Seq = Annotated[int, Meta(ge=1, le=INT64_MAX)]
TimeNs = Annotated[int, Meta(ge=0, le=INT64_MAX)]
Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 as shares of the picture's width and height."""


class RuleKind(StrEnum):
    """What a rule watches for; `other` is read for a kind that this version does not know."""

    INTRUSION = "intrusion"
    LINE = "line"
    CROWD = "crowd"
    LOITERING = "loitering"
    OTHER = "other"

    @classmethod
    def _missing_(cls, value: object) -> "RuleKind":  # noqa: ARG003  # enum protocol
        return cls.OTHER


class Phase(StrEnum):
    """A lasting event begins and ends; a crossing is a moment."""

    BEGIN = "begin"
    END = "end"
    MOMENT = "moment"


class RecordClass(StrEnum):
    """What is dropped last and sent first comes first; a gap is never dropped."""

    ALARM = "alarm"
    GAP = "gap"
    EVENT = "event"
    OBSERVATION = "observation"
    SNAPSHOT = "snapshot"


class _Record(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind"):
    """Common to all records.

    Attributes:
        t: nanoseconds since 1970 UTC, fixed once.
        boot: first 8 digits of the kernel's boot id.
        mono: nanoseconds since boot (CLOCK_BOOTTIME).
        synced: whether the clock was synchronised when `t` was fixed.
    """

    t: TimeNs
    boot: str = ""
    mono: TimeNs = 0
    synced: bool = True


class Event(_Record, tag="event", frozen=True, kw_only=True):
    """A rule fired.

    Attributes:
        event: id that the beginning and the end of one event share.
        rule: id of the rule in the catalogue; `type` is its kind.
        cls: class label of the subject, "" for a crowd of several classes.
        alarm: somebody must see it now.
        snapshot: a redacted picture follows under this record's id.
        catalogue: version that the rule came from, 0 when from a file on the node.
    """

    camera: Name
    rule: Name
    type: RuleKind
    phase: Phase
    event: str
    severity: Severity = Severity.INFO
    alarm: bool = False
    zone: str = ""
    cls: str = ""
    track: Count | None = None
    score: Unit | None = None
    box: Box | None = None
    count: Count | None = None
    direction: str = ""
    duration_s: float | None = None
    snapshot: bool = False
    model: str = ""
    catalogue: Count = 0


class ZoneCount(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How many of a class were in a zone during the interval; zone "" is the whole picture."""

    zone: str = ""
    cls: str
    mean: float
    max: Count


class LineCount(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How many of a class crossed a line during the interval, both ways."""

    line: str
    cls: str
    forward: Count = 0
    backward: Count = 0


class Observation(_Record, tag="observation", frozen=True, kw_only=True):
    """What a camera counted in an interval that ended at `t`; `frames` are those looked at."""

    camera: Name
    interval_s: float
    frames: Count
    counts: tuple[ZoneCount, ...] = ()
    crossings: tuple[LineCount, ...] = ()
    model: str = ""


class GapReason(StrEnum):
    """Why records will never come; what a newer node says is another text."""

    QUOTA = "quota"
    DISK_FULL = "disk full"
    DAMAGED = "unreadable after a crash or on a bad disk"
    UNREADABLE = "unreadable"


class Gap(_Record, tag="gap", frozen=True, kw_only=True):
    """Records that will never come: which, of what class, and why."""

    ranges: tuple[tuple[Seq, Seq], ...]
    cls: RecordClass
    reason: str


Record = Event | Observation | Gap


class Batch(Struct, frozen=True, kw_only=True):
    """The envelope on `…/records`; `seqs[i]`, ascending, is the sequence number of `records[i]`.

    Records stay raw: each is decoded by itself, so that a bad one spoils no other.
    """

    v: int
    spool: Annotated[str, Meta(pattern=SPOOL_PATTERN)]
    centre: str
    site: str
    node: str
    seqs: list[Seq]
    records: list[Raw]
    sent: TimeNs = 0


_ENCODER = msgspec.json.Encoder()
_RECORD_DECODER: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)
_BATCH_DECODER = msgspec.json.Decoder(Batch)


class _Version(Struct):
    v: int


def encode_record(record: Record) -> bytes:
    """One record as the node's spool keeps it and a batch carries it."""
    return _ENCODER.encode(record)


def decode_record(payload: bytes | Raw) -> Record:
    """Read one record; raises `MessageRefusedError` (malformed)."""
    if NUL in bytes(payload):
        raise MessageRefusedError("malformed", "record: a text holds the character NUL")
    try:
        return _RECORD_DECODER.decode(payload)
    except UNREADABLE as error:
        raise MessageRefusedError("malformed", f"record: {error}") from error


def encode_batch(
    *,
    spool: str,
    centre: str,
    site: str,
    node: str,
    records: Sequence[tuple[int, bytes]],
    sent: int,
) -> bytes:
    """An envelope around encoded records, which are joined as they are, never encoded again."""
    head = _ENCODER.encode(
        {
            "v": BATCH_VERSION,
            "spool": spool,
            "centre": centre,
            "site": site,
            "node": node,
            "seqs": [seq for seq, _ in records],
            "sent": sent,
        }
    )
    return b'%b,"records":[%b]}' % (head[:-1], b",".join(raw for _, raw in records))


def decode_batch(payload: bytes) -> Batch:
    """Read an envelope; raises `MessageRefusedError` (oversized, version, malformed)."""
    if len(payload) > MESSAGE_BYTES_MAX:
        raise MessageRefusedError(
            "oversized", f"batch: {len(payload)} bytes; at most {MESSAGE_BYTES_MAX} are allowed"
        )
    try:
        batch = _BATCH_DECODER.decode(payload)
    except UNREADABLE as error:
        raise _why_unreadable(payload, error) from error
    if batch.v != BATCH_VERSION:
        raise MessageRefusedError("version", f"batch: v is {batch.v}; known is {BATCH_VERSION}")
    if len(batch.seqs) != len(batch.records):
        raise MessageRefusedError(
            "malformed",
            f"batch: {len(batch.seqs)} sequence numbers for {len(batch.records)} records",
        )
    if any(after <= seq for seq, after in pairwise(batch.seqs)):
        raise MessageRefusedError("malformed", "batch: its sequence numbers do not ascend")
    return batch


def _why_unreadable(payload: bytes, error: Exception) -> MessageRefusedError:
    """An unknown version tells so, even where its fields no longer fit."""
    try:
        version = msgspec.json.decode(payload, type=_Version).v
    except UNREADABLE:
        return MessageRefusedError("malformed", f"batch: {error}")
    if version != BATCH_VERSION:
        return MessageRefusedError("version", f"batch: v is {version}; known is {BATCH_VERSION}")
    return MessageRefusedError("malformed", f"batch: {error}")


def split_batches(records: Iterable[tuple[int, bytes]]) -> Iterable[list[tuple[int, bytes]]]:
    """Cut records into batches of at most `BATCH_RECORDS_MAX` and `BATCH_BYTES_MAX`."""
    batch: list[tuple[int, bytes]] = []
    size = 0
    for seq, raw in records:
        if batch and (len(batch) >= BATCH_RECORDS_MAX or size + len(raw) > BATCH_BYTES_MAX):
            yield batch
            batch, size = [], 0
        batch.append((seq, raw))
        size += len(raw)
    if batch:
        yield batch
