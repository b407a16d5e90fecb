"""Whether a message can be taken, and what it becomes: pure, given the catalogue and the time.

A bad record dead-letters its own sequence and no other; an envelope that cannot be read has none.
What went to the dead letter counts as stored: whoever sent it need not send it again.
"""

import re
from collections.abc import Callable, Sequence

from msgspec import Raw
from msgspec.structs import replace

from haidang_cloud.ingest import quick
from haidang_cloud.ingest.directory import Directory
from haidang_cloud.ingest.quick import FUTURE_NS
from haidang_cloud.ingest.taken import Came, Picture, Taken
from haidang_cloud.lake.archive import Header, frame
from haidang_cloud.state.deadletter import Letter
from haidang_cloud.state.ledger import SpoolKey
from haidang_cloud.state.nodes import Born
from haidang_cloud.timeseries.lines import lines_of_heartbeat
from haidang_cloud.timeseries.projection import HEALTH, RECORDS
from haidang_protocols.wire import messages
from haidang_protocols.wire.errors import MessageRefusedError
from haidang_protocols.wire.names import parse_record_id
from haidang_protocols.wire.records import (
    Batch,
    Event,
    Gap,
    Record,
    decode_batch,
    decode_record,
)
from haidang_protocols.wire.seqset import SeqSet
from haidang_protocols.wire.snapshot import SnapshotHeader, decode_snapshot
from haidang_protocols.wire.topics import NodeLeaf, NodeTopic

SKEW_NS = 30 * 10**9
"""A heartbeat whose clock is further off is kept under the time when it came."""

NO_SEQS = SeqSet()
_SENT = re.compile(rb'"sent":[0-9]+')
"""What differs each time that an envelope is sent again."""


class Judge:
    """Adds messages to a `Taken`; `known` tells which sequences need not be stored again."""

    def __init__(
        self, directory: Directory, known: Callable[[SpoolKey], SeqSet] = lambda _: NO_SEQS
    ) -> None:
        """Judge by a catalogue."""
        self.directory = directory
        self._known = known

    def take(self, into: Taken, topic: NodeTopic, text: str, payload: bytes, now_ns: int) -> None:
        """Judge one message (`text` is its topic as it came)."""
        try:
            if topic.leaf is NodeLeaf.RECORDS:
                self._batch(into, topic, text, payload, now_ns)
            elif topic.leaf is NodeLeaf.SNAPSHOT:
                self._snapshot(into, topic, text, payload, now_ns)
            elif topic.leaf is NodeLeaf.HEARTBEAT:
                self._heartbeat(into, topic, payload, now_ns)
            elif topic.leaf is NodeLeaf.BIRTH:
                self._birth(into, topic, payload, now_ns)
        except MessageRefusedError as error:
            alike = _alike(topic, payload)
            self._refuse(into, text, payload, error, now_ns, node=topic.node, alike=alike)

    def _refuse(
        self,
        into: Taken,
        topic: str,
        payload: bytes,
        error: MessageRefusedError,
        now_ns: int,
        *,
        node: str,
        spool: str = "",
        seq: int = 0,
        alike: bytes = b"",
    ) -> None:
        letter = Letter(
            centre=self.directory.centre,
            topic=topic,
            reason=error.reason,
            message=str(error),
            payload=payload,
            at_ns=now_ns,
            node=node,
            spool=spool,
            seq=seq,
            alike=alike,
        )
        into.letters.append(letter)

    def _misplaced(self, topic: NodeTopic) -> MessageRefusedError | None:
        """What the catalogue has against the node that a topic names."""
        site = self.directory.sites.get(topic.node)
        if site is None:
            return MessageRefusedError(
                "unknown_node", f"node {topic.node!r} is not in the catalogue"
            )
        if site != topic.site:
            return MessageRefusedError(
                "forged", f"node {topic.node!r} stands at {site!r}, not at {topic.site!r}"
            )
        return None

    def _check_node(self, topic: NodeTopic) -> None:
        misplaced = self._misplaced(topic)
        if misplaced is not None:
            raise misplaced

    # --- records ----------------------------------------------------------------------------

    def _batch(self, into: Taken, topic: NodeTopic, text: str, payload: bytes, now_ns: int) -> None:
        taken = quick.take(
            into,
            topic,
            text,
            payload,
            directory=self.directory,
            known=self._known,
            now_ns=now_ns,
        )
        if not taken:
            self.one_by_one(into, topic, text, payload, now_ns)

    def one_by_one(
        self, into: Taken, topic: NodeTopic, text: str, payload: bytes, now_ns: int
    ) -> None:
        """Judge each record of a message by itself; raises `MessageRefusedError` for all of it."""
        batch = decode_batch(payload)
        # the broker vouches for the topic, nobody for what the envelope says of itself
        key = SpoolKey(topic.node, batch.spool, topic.site)
        fresh = self._fresh(into, key, batch)
        into.records += len(batch.seqs)
        if not fresh:
            return
        said = (batch.centre, batch.site, batch.node)
        if said != (topic.centre, topic.site, topic.node):
            raise MessageRefusedError("forged", f"envelope of {'/'.join(said)} on topic {text}")
        misplaced = self._misplaced(topic)
        came = Came(key, text, payload)
        taken = {
            seq
            for seq, raw in fresh
            if self._one(into, came, seq, raw, now_ns, misplaced=misplaced)
        }
        if taken:
            # what was refused when it came before must not come in with this message either
            left_out = tuple(seq for seq in batch.seqs if seq not in taken)
            header = Header(text, now_ns, self.directory.number, left_out)
            into.frames.append(frame(header, payload))

    def _fresh(self, into: Taken, key: SpoolKey, batch: Batch) -> Sequence[tuple[int, Raw]]:
        """The records of a batch that were not stored before; all its sequences will be."""
        known, stored = self._known(key), into.stored.setdefault(key, SeqSet())
        fresh = [
            (seq, raw)
            for seq, raw in zip(batch.seqs, batch.records, strict=True)
            if seq not in known and seq not in stored
        ]
        for seq in batch.seqs:
            stored.add(seq)
        return fresh

    def _one(
        self,
        into: Taken,
        came: Came,
        seq: int,
        raw: Raw,
        now_ns: int,
        *,
        misplaced: MessageRefusedError | None,
    ) -> bool:
        """Take one record or dead-letter it; returns whether it was taken."""
        key = came.key
        try:
            record = decode_record(raw)
            if isinstance(record, Gap):
                self._close_holes(into.stored[key], record, seq)
            if misplaced is not None:
                raise misplaced
            self._check(record, key.node, now_ns)
        except MessageRefusedError as error:
            self._refuse(
                into, came.topic, bytes(raw), error, now_ns, node=key.node, spool=key.spool, seq=seq
            )
            return False
        self._record(into, record, came, seq, now_ns)
        return True

    def _close_holes(self, stored: SeqSet, gap: Gap, seq: int) -> None:
        """What will never come is accounted for, even if the gap itself is refused."""
        for first, last in gap.ranges:
            if not first <= last < seq:
                raise MessageRefusedError(
                    "malformed", f"gap of {first}..{last} in record {seq}: it must lie before it"
                )
        stored.update(gap.ranges)

    def _check(self, record: Record, node: str, now_ns: int) -> None:
        if record.t > now_ns + FUTURE_NS:
            ahead = (record.t - now_ns) / 1e9
            raise MessageRefusedError(
                "future", f"record of {ahead:.0f} s from now; at most 300 s are allowed"
            )
        if isinstance(record, Gap):
            return
        camera = self.directory.cameras.get(record.camera)
        if camera is None:
            raise MessageRefusedError(
                "unknown_camera", f"camera {record.camera!r} is not in the catalogue"
            )
        if camera.node != node:
            raise MessageRefusedError(
                "forged", f"camera {record.camera!r} hangs on {camera.node!r}, not on {node!r}"
            )

    def _record(self, into: Taken, record: Record, came: Came, seq: int, now_ns: int) -> None:
        key = came.key
        identity = f"{key.node}.{key.spool}.{seq}"
        lines = self.directory.maker.lines(record, site=key.site, node=key.node, record_id=identity)
        into.lines.extend(line.encode() for line in lines)
        into.origins.extend([(came, seq)] * len(lines))
        if isinstance(record, Gap):
            into.window(HEALTH, self.directory.places[key.site], record.t)
        if not isinstance(record, Event):
            return
        into.window(RECORDS, self.directory.cameras[record.camera].place, record.t)
        if record.alarm:
            into.alarm(came, seq, centre=self.directory.centre, now_ns=now_ns)

    # --- the rest ---------------------------------------------------------------------------

    def _snapshot(
        self, into: Taken, topic: NodeTopic, text: str, payload: bytes, now_ns: int
    ) -> None:
        header, jpeg = decode_snapshot(payload)
        key = SpoolKey(topic.node, header.spool, topic.site)
        stored = into.stored.setdefault(key, SeqSet())
        into.records += 1
        if header.seq in self._known(key) or header.seq in stored:
            stored.add(header.seq)
            return
        stored.add(header.seq)
        try:
            self._check_snapshot(topic, header)
        except MessageRefusedError as error:
            self._refuse(
                into,
                text,
                payload,
                error,
                now_ns,
                node=key.node,
                spool=key.spool,
                seq=header.seq,
            )
        else:
            into.pictures.append(Picture(key, header, jpeg))

    def _check_snapshot(self, topic: NodeTopic, header: SnapshotHeader) -> None:
        node, spool, _ = parse_record_id(topic.tail or "")
        if header.record != topic.tail or node != topic.node or spool != header.spool:
            raise MessageRefusedError(
                "forged", f"snapshot of {header.record!r} came for {topic.tail!r} of {topic.node!r}"
            )
        self._check_node(topic)
        camera = self.directory.cameras.get(header.camera)
        if camera is None or camera.node != topic.node:
            raise MessageRefusedError(
                "unknown_camera", f"camera {header.camera!r} does not hang on {topic.node!r}"
            )

    def _heartbeat(self, into: Taken, topic: NodeTopic, payload: bytes, now_ns: int) -> None:
        self._check_node(topic)
        beat = messages.decode(payload, messages.Heartbeat)
        at = beat.at if abs(beat.at - now_ns) <= SKEW_NS else now_ns
        cameras = tuple(
            c
            for c in beat.cameras
            if (found := self.directory.cameras.get(c.id)) is not None and found.node == topic.node
        )
        beat = replace(beat, at=at, cameras=cameras)
        for line in lines_of_heartbeat(beat, site=topic.site, node=topic.node):
            into.lines.append(line.encode())
            into.origins.append(None)
        into.window(HEALTH, self.directory.places[topic.site], at)

    def _birth(self, into: Taken, topic: NodeTopic, payload: bytes, now_ns: int) -> None:
        self._check_node(topic)
        birth = messages.decode(payload, messages.Birth)
        into.births.append(Born(site=topic.site, node=topic.node, birth=birth, seen_ns=now_ns))
        # a node that comes up hears at once what is stored of its spool
        into.stored.setdefault(SpoolKey(topic.node, birth.spool, topic.site), SeqSet())


def _alike(topic: NodeTopic, payload: bytes) -> bytes:
    """What makes a message that was refused the same as another one."""
    if topic.leaf in (NodeLeaf.RECORDS, NodeLeaf.SNAPSHOT):
        return _SENT.sub(b"", payload)
    # a node's word on itself comes every few seconds: one letter for all of a kind
    return f"{topic.site}/{topic.node}/{topic.leaf}".encode()
