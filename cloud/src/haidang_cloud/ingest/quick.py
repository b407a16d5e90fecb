"""The quick way for nearly all that comes: a whole envelope of valid, new records in their place.

What it takes becomes exactly what the judge makes of it record by record. Where anything is out of
the ordinary it does nothing and says so; the judge then looks at each record by itself.
"""

from collections.abc import Callable, Sequence
from itertools import repeat

import msgspec
from msgspec import Struct

from haidang_cloud.ingest.directory import Directory
from haidang_cloud.ingest.taken import Came, Taken
from haidang_cloud.lake.archive import Header, frame
from haidang_cloud.state.ledger import SpoolKey
from haidang_cloud.timeseries.projection import RECORDS
from haidang_protocols.wire.errors import UNREADABLE
from haidang_protocols.wire.names import is_name, is_spool_id
from haidang_protocols.wire.records import (
    BATCH_VERSION,
    MESSAGE_BYTES_MAX,
    NUL,
    Event,
    Observation,
    Seq,
    TimeNs,
)
from haidang_protocols.wire.seqset import SeqSet
from haidang_protocols.wire.topics import NodeTopic

FUTURE_NS = 300 * 10**9
MATCHED_KEPT = 65_536


class _QuickEvent(Event, tag="event", frozen=True, kw_only=True, gc=False):
    """An event whose names are looked up: to match them would be half of the decoding.

    The collector need not see them: nothing in a record can lead back to it.
    """

    camera: str
    rule: str


class _QuickObservation(Observation, tag="observation", frozen=True, kw_only=True, gc=False):
    """An observation whose camera's name is looked up."""

    camera: str


class Quick(Struct, frozen=True, kw_only=True):
    """An envelope of events and observations with nothing out of the ordinary in it."""

    v: int
    spool: str
    centre: str
    site: str
    node: str
    seqs: list[Seq]
    records: list[_QuickEvent | _QuickObservation]
    sent: TimeNs = 0


_DECODER = msgspec.json.Decoder(Quick)
_names: set[str] = set()
_spools: set[str] = set()
"""What was matched before."""


def read(payload: bytes) -> Quick | None:
    """A whole envelope at once, where all in it is valid and its sequences have no hole.

    A camera's name is valid if the catalogue has it, which the caller looks up.
    """
    # to look for one character first is far quicker than to look for six
    if len(payload) > MESSAGE_BYTES_MAX or (b"\\" in payload and NUL in payload):
        return None
    try:
        batch = _DECODER.decode(payload)
    except UNREADABLE:
        return None
    seqs = batch.seqs
    dense = bool(seqs) and seqs == list(range(seqs[0], seqs[0] + len(seqs)))
    if batch.v != BATCH_VERSION or not dense or len(seqs) != len(batch.records):
        return None
    rules = {record.rule for record in batch.records if isinstance(record, _QuickEvent)}
    if rules <= _names and batch.spool in _spools:
        return batch
    return batch if _match(rules, batch.spool) else None


def _match(names: set[str], spool: str) -> bool:
    if not is_spool_id(spool) or not all(is_name(name) for name in names):
        return False
    for kept in (_names, _spools):
        if len(kept) > MATCHED_KEPT:
            kept.clear()
    _names.update(names)
    _spools.add(spool)
    return True


def take(
    into: Taken,
    topic: NodeTopic,
    text: str,
    payload: bytes,
    *,
    directory: Directory,
    known: Callable[[SpoolKey], SeqSet],
    now_ns: int,
) -> bool:
    """Take a message of records (`text` is its topic as it came); False when nothing was done."""
    batch = read(payload)
    if batch is None or not _in_place(batch, topic, directory, now_ns):
        return False
    key = SpoolKey(topic.node, batch.spool, topic.site)
    first, last = batch.seqs[0], batch.seqs[-1]
    stored = into.stored.get(key)
    if not known(key).disjoint(first, last):
        return False
    if stored is None:
        into.stored[key] = SeqSet([(first, last)])
    elif stored.disjoint(first, last):
        stored.add(first, last)
    else:
        return False
    into.records += len(batch.seqs)
    into.frames.append(frame(Header(text, now_ns, directory.number), payload))
    _records(into, batch, Came(key, text, payload), directory, now_ns)
    return True


def _in_place(batch: Quick, topic: NodeTopic, directory: Directory, now_ns: int) -> bool:
    """Whether sender, cameras and times are what they should be."""
    node, cameras, latest = topic.node, directory.cameras, now_ns + FUTURE_NS
    if (batch.centre, batch.site, batch.node) != (topic.centre, topic.site, node):
        return False
    if directory.sites.get(node) != topic.site:
        return False
    for record in batch.records:
        camera = cameras.get(record.camera)
        if camera is None or camera.node != node or record.t > latest:
            return False
    return True


def _records(into: Taken, batch: Quick, came: Came, directory: Directory, now_ns: int) -> None:
    site, node, maker = batch.site, batch.node, directory.maker
    ids = [f"{node}.{batch.spool}.{seq}" for seq in batch.seqs]
    events = [record for record in batch.records if isinstance(record, _QuickEvent)]
    if len(events) == len(ids):
        into.lines += [line.encode() for line in maker.events(events, ids, site, node)]
        into.origins += zip(repeat(came), batch.seqs)
    else:
        for seq, identity, record in zip(batch.seqs, ids, batch.records, strict=True):
            lines = maker.lines(record, site=site, node=node, record_id=identity)
            into.lines += [line.encode() for line in lines]
            into.origins += [(came, seq)] * len(lines)
    _windows(into, events, directory)
    for seq, record in zip(batch.seqs, batch.records, strict=True):
        if isinstance(record, _QuickEvent) and record.alarm:
            into.alarm(came, seq, centre=directory.centre, now_ns=now_ns)


def _windows(into: Taken, events: Sequence[_QuickEvent], directory: Directory) -> None:
    times: dict[str, list[int]] = {}
    for event in events:
        times.setdefault(directory.cameras[event.camera].place, []).append(event.t)
    for place, ts in times.items():
        into.window(RECORDS, place, min(ts))
        into.window(RECORDS, place, max(ts))
