"""Whether a message can be taken, and what it becomes: pure, given the catalogue and the time.

A bad record dead-letters its own sequence and no other; an envelope that cannot be read has none.
What went to the dead letter counts as stored: whoever sent it need not send it again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec import Raw
from msgspec.structs import replace

from haidang_cloud.lake.archive import Header, frame
from haidang_cloud.state.deadletter import Letter
from haidang_cloud.state.ledger import SpoolKey
from haidang_cloud.state.nodes import Born
from haidang_cloud.state.outbox import Alarm
from haidang_cloud.timeseries.lines import lines_of, lines_of_heartbeat
from haidang_cloud.timeseries.projection import HEALTH, RECORDS
from haidang_protocols.catalogue import Catalogue
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

FUTURE_NS = 300 * 10**9
SKEW_NS = 30 * 10**9
"""A heartbeat whose clock is further off is kept under the time when it came."""

NO_SEQS = SeqSet()


@dataclass(frozen=True, slots=True)
class _Camera:
    node: str
    place: str
    zones: frozenset[str]
    labels: frozenset[str]


class Directory:
    """What ingest must know of a catalogue, by id."""

    def __init__(self, catalogue: Catalogue, number: int) -> None:
        """Index a catalogue in force."""
        self.catalogue, self.number = catalogue, number
        self.centre = catalogue.centre.id
        self.sites: Mapping[str, str] = {node.id: node.site for node in catalogue.nodes}
        self.places: Mapping[str, str] = {site.id: site.place for site in catalogue.sites}
        labels = {model.name: frozenset(model.classes) for model in catalogue.models}
        self.cameras: Mapping[str, _Camera] = {
            camera.id: _Camera(
                camera.node,
                camera.place,
                frozenset(z.id for z in camera.zones) | {line.id for line in camera.lines},
                labels.get(camera.model, frozenset()),
            )
            for camera in catalogue.cameras
        }
        self._by_id = {camera.id: camera for camera in catalogue.cameras}

    def knows(self, camera: str, zone: str) -> bool:
        """Whether a camera has that zone or line."""
        found = self.cameras.get(camera)
        return found is not None and zone in found.zones

    def labels(self, camera: str, label: str) -> bool:
        """Whether the model of a camera has that class."""
        found = self.cameras.get(camera)
        return found is not None and label in found.labels

    def owner(self, event: Event) -> tuple[str, str]:
        """Scope and place that an alarm belongs to."""
        camera = self._by_id.get(event.camera)
        if camera is None:
            return self.catalogue.scope_of_centre().id, ""
        return self.catalogue.owner_scope(camera, event.rule), camera.place


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a line comes from, should the time series refuse it."""

    key: SpoolKey
    seq: int
    topic: str
    raw: bytes


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
        low, high = self.windows.get((dataset, place), (t, t))
        self.windows[dataset, place] = (min(low, t), max(high, t))


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
            # a node's word on itself comes every few seconds: one letter for all of a kind
            alike = "" if topic.leaf in (NodeLeaf.RECORDS, NodeLeaf.SNAPSHOT) else text
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
        alike: str = "",
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
        refused = [
            seq
            for seq, raw in fresh
            if not self._one(into, key, seq, raw, text, now_ns, misplaced=misplaced)
        ]
        if len(refused) < len(fresh):
            header = Header(text, now_ns, self.directory.number, tuple(refused))
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
        key: SpoolKey,
        seq: int,
        raw: Raw,
        topic: str,
        now_ns: int,
        *,
        misplaced: MessageRefusedError | None,
    ) -> bool:
        """Take one record or dead-letter it; returns whether it was taken."""
        try:
            record = decode_record(raw)
            if isinstance(record, Gap):
                self._close_holes(into.stored[key], record, seq)
            if misplaced is not None:
                raise misplaced
            self._check(record, key.node, now_ns)
        except MessageRefusedError as error:
            self._refuse(
                into, topic, bytes(raw), error, now_ns, node=key.node, spool=key.spool, seq=seq
            )
            return False
        self._record(into, record, key, seq, bytes(raw), topic, now_ns)
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

    def _record(
        self,
        into: Taken,
        record: Record,
        key: SpoolKey,
        seq: int,
        raw: bytes,
        topic: str,
        now_ns: int,
    ) -> None:
        identity = f"{key.node}.{key.spool}.{seq}"
        lines = lines_of(
            record,
            site=key.site,
            node=key.node,
            record_id=identity,
            known=self.directory.knows,
            labels=self.directory.labels,
        )
        origin = Origin(key, seq, topic, raw)
        for line in lines:
            into.lines.append(line.encode())
            into.origins.append(origin)
        if isinstance(record, Gap):
            into.window(HEALTH, self.directory.places[key.site], record.t)
        if not isinstance(record, Event):
            return
        into.window(RECORDS, self.directory.cameras[record.camera].place, record.t)
        if record.alarm:
            into.events.append(record)
            into.alarms.append(
                Alarm(
                    centre=self.directory.centre,
                    record_id=identity,
                    site=key.site,
                    node=key.node,
                    received_ns=now_ns,
                    payload=raw,
                )
            )

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
