"""Whether a message can be taken, and what it becomes: pure, given the catalogue and the time.

A bad record dead-letters its own sequence and no other; an envelope that cannot be read has none.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from haidang_cloud.lake.archive import Header, frame
from haidang_cloud.state.deadletter import Letter
from haidang_cloud.state.ledger import SpoolKey
from haidang_cloud.state.nodes import Born
from haidang_cloud.state.outbox import Alarm
from haidang_cloud.timeseries.lines import lines_of, lines_of_heartbeat
from haidang_protocols.catalogue import Catalogue
from haidang_protocols.wire import messages
from haidang_protocols.wire.errors import MessageRefusedError
from haidang_protocols.wire.names import parse_record_id
from haidang_protocols.wire.records import (
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
NO_SEQS = SeqSet()


@dataclass(frozen=True, slots=True)
class _Camera:
    node: str
    place: str
    zones: frozenset[str]


class Directory:
    """What ingest must know of a catalogue, by id."""

    def __init__(self, catalogue: Catalogue, number: int) -> None:
        """Index a catalogue in force."""
        self.catalogue, self.number = catalogue, number
        self.centre = catalogue.centre.id
        self.sites: Mapping[str, str] = {node.id: node.site for node in catalogue.nodes}
        self.cameras: Mapping[str, _Camera] = {
            camera.id: _Camera(
                camera.node,
                camera.place,
                frozenset(z.id for z in camera.zones) | {line.id for line in camera.lines},
            )
            for camera in catalogue.cameras
        }
        self._by_id = {camera.id: camera for camera in catalogue.cameras}

    def knows(self, camera: str, zone: str) -> bool:
        """Whether a camera has that zone or line."""
        found = self.cameras.get(camera)
        return found is not None and zone in found.zones

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
    """What one message, or many, become."""

    lines: list[bytes] = field(default_factory=list)
    origins: list[Origin | None] = field(default_factory=list)
    frames: list[bytes] = field(default_factory=list)
    alarms: list[Alarm] = field(default_factory=list)
    events: list[tuple[str, Event]] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    births: list[Born] = field(default_factory=list)
    stored: dict[SpoolKey, SeqSet] = field(default_factory=dict)
    windows: dict[str, tuple[int, int]] = field(default_factory=dict)
    records: int = 0

    def window(self, place: str, t: int) -> None:
        """A record at `place` came for time `t`."""
        low, high = self.windows.get(place, (t, t))
        self.windows[place] = (min(low, t), max(high, t))


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
                self._snapshot(into, topic, payload)
            elif topic.leaf is NodeLeaf.HEARTBEAT:
                self._heartbeat(into, topic, payload)
            elif topic.leaf is NodeLeaf.BIRTH:
                self._check_node(topic)
                birth = messages.decode(payload, messages.Birth)
                into.births.append(
                    Born(site=topic.site, node=topic.node, birth=birth, seen_ns=now_ns)
                )
        except MessageRefusedError as error:
            into.letters.append(self._letter(text, payload, error, now_ns, node=topic.node))

    def _letter(
        self,
        topic: str,
        payload: bytes,
        error: MessageRefusedError,
        now_ns: int,
        *,
        node: str = "",
        spool: str = "",
        seq: int = 0,
    ) -> Letter:
        return Letter(
            centre=self.directory.centre,
            topic=topic,
            reason=error.reason,
            message=str(error),
            payload=payload,
            at_ns=now_ns,
            node=node,
            spool=spool,
            seq=seq,
        )

    def _check_node(self, topic: NodeTopic) -> None:
        site = self.directory.sites.get(topic.node)
        if site is None:
            raise MessageRefusedError(
                "unknown_node", f"node {topic.node!r} is not in the catalogue"
            )
        if site != topic.site:
            raise MessageRefusedError(
                "forged", f"node {topic.node!r} stands at {site!r}, not at {topic.site!r}"
            )

    def _batch(self, into: Taken, topic: NodeTopic, text: str, payload: bytes, now_ns: int) -> None:
        batch = decode_batch(payload)
        said = (batch.centre, batch.site, batch.node)
        if said != (topic.centre, topic.site, topic.node):
            raise MessageRefusedError("forged", f"envelope of {'/'.join(said)} on topic {text}")
        self._check_node(topic)
        key = SpoolKey(batch.node, batch.spool, batch.site)
        known = self._known(key)
        stored = into.stored.setdefault(key, SeqSet())
        refused: list[int] = []
        fresh = False
        for seq, raw in zip(batch.seqs, batch.records, strict=True):
            stored.add(seq)
            if seq in known:
                continue
            fresh = True
            try:
                record = decode_record(raw)
                self._check(record, topic.node, now_ns)
            except MessageRefusedError as error:
                refused.append(seq)
                into.letters.append(
                    self._letter(
                        text,
                        bytes(raw),
                        error,
                        now_ns,
                        node=batch.node,
                        spool=batch.spool,
                        seq=seq,
                    )
                )
                continue
            self._record(into, record, key, seq, raw, text, now_ns)
        if fresh:
            header = Header(text, now_ns, self.directory.number, tuple(refused))
            into.frames.append(frame(header, payload))
        into.records += len(batch.seqs)

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
        )
        origin = Origin(key, seq, topic, raw)
        for line in lines:
            into.lines.append(line.encode())
            into.origins.append(origin)
        if isinstance(record, Event):
            into.window(self.directory.cameras[record.camera].place, record.t)
            if record.alarm:
                into.events.append((identity, record))
                into.alarms.append(
                    Alarm(
                        centre=self.directory.centre,
                        record_id=identity,
                        site=key.site,
                        node=key.node,
                        received_ns=now_ns,
                        payload=bytes(raw),
                    )
                )
        elif isinstance(record, Gap):
            # what will never come is accounted for: its holes close
            into.stored[key].update(record.ranges)

    def _snapshot(self, into: Taken, topic: NodeTopic, payload: bytes) -> None:
        header, jpeg = decode_snapshot(payload)
        node, spool, _ = parse_record_id(header.record)
        if header.record != topic.tail or node != topic.node or spool != header.spool:
            raise MessageRefusedError(
                "forged", f"snapshot of {header.record!r} came for {topic.tail!r} of {topic.node!r}"
            )
        self._check_node(topic)
        key = SpoolKey(topic.node, header.spool, topic.site)
        into.stored.setdefault(key, SeqSet()).add(header.seq)
        into.records += 1
        camera = self.directory.cameras.get(header.camera)
        if camera is None or camera.node != topic.node:
            raise MessageRefusedError(
                "unknown_camera", f"camera {header.camera!r} does not hang on {topic.node!r}"
            )
        into.pictures.append(Picture(key, header, jpeg))

    def _heartbeat(self, into: Taken, topic: NodeTopic, payload: bytes) -> None:
        self._check_node(topic)
        beat = messages.decode(payload, messages.Heartbeat)
        for line in lines_of_heartbeat(beat, site=topic.site, node=topic.node):
            into.lines.append(line.encode())
            into.origins.append(None)
