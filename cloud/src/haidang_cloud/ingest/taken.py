"""What messages become on their way into the stores."""

from dataclasses import dataclass, field

import msgspec

from haidang_cloud.state.deadletter import Letter
from haidang_cloud.state.ledger import SpoolKey
from haidang_cloud.state.nodes import Born
from haidang_cloud.state.outbox import Alarm
from haidang_protocols.wire.records import Event, decode_batch, decode_record
from haidang_protocols.wire.seqset import SeqSet
from haidang_protocols.wire.snapshot import SnapshotHeader


class Came(msgspec.Struct, frozen=True):
    """A batch of records as it came."""

    key: SpoolKey
    topic: str
    payload: bytes

    def raw(self, seq: int) -> bytes:
        """One of its records: for the few that are needed again."""
        batch = decode_batch(self.payload)
        return bytes(batch.records[batch.seqs.index(seq)])


Origin = tuple[Came, int]
"""The message and the sequence that a line comes from, should the time series refuse it."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A snapshot to keep."""

    key: SpoolKey
    header: SnapshotHeader
    jpeg: bytes


@dataclass(slots=True)
class Taken:
    """What one message, or many, become; `windows` are by dataset and place."""

    lines: list[bytes] = field(default_factory=list)
    origins: list[Origin | None] = field(default_factory=list)
    frames: list[bytes] = field(default_factory=list)
    alarms: list[Alarm] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    births: list[Born] = field(default_factory=list)
    stored: dict[SpoolKey, SeqSet] = field(default_factory=dict)
    windows: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    records: int = 0

    def window(self, dataset: str, place: str, t: int) -> None:
        """Something of `dataset` at `place` came for time `t`."""
        span = self.windows.get((dataset, place))
        if span is None:
            self.windows[dataset, place] = (t, t)
        elif t > span[1]:
            self.windows[dataset, place] = (span[0], t)
        elif t < span[0]:
            self.windows[dataset, place] = (t, span[1])

    def alarm(self, came: Came, seq: int, *, centre: str, now_ns: int) -> None:
        """Record `seq` of a message is an event that somebody must see now."""
        key, raw = came.key, came.raw(seq)
        event = decode_record(raw)
        if not isinstance(event, Event):
            raise TypeError(f"record {seq} of {came.topic} is no event")
        self.events.append(event)
        self.alarms.append(
            Alarm(
                centre=centre,
                record_id=f"{key.node}.{key.spool}.{seq}",
                site=key.site,
                node=key.node,
                received_ns=now_ns,
                payload=raw,
            )
        )
