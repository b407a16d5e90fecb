"""The account: what a node's spool settled, held against all that the centre keeps.

Every record must be exactly once in the ledger, in the lake and in the time series, byte for byte;
what is not there must be named by a gap record. A shortfall is listed, never counted away.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from fakes.node_process import Note
from haidang_cloud.ingest import Directory
from haidang_cloud.lake import Lake, Roller, Row, archive
from haidang_cloud.processes.config import CloudConfig
from haidang_cloud.state import State, deadletter, ledger
from haidang_cloud.state.tables import blob, outbox
from haidang_cloud.timeseries import Point, TimeSeries
from haidang_cloud.timeseries.base import private_bucket
from haidang_cloud.timeseries.lines import lines_of, parse
from haidang_edge.spool import segment
from haidang_protocols.catalogue import Catalogue
from haidang_protocols.wire.records import (
    Gap,
    Record,
    RecordClass,
    decode_batch,
    decode_record,
    encode_record,
)
from haidang_protocols.wire.seqset import SeqSet
from haidang_protocols.wire.snapshot import decode_snapshot

MEASUREMENTS = ("event", "observation", "crossing", "gap")
_NOTE = msgspec.json.Decoder(Note)


@dataclass(frozen=True, slots=True)
class Notes:
    """What a node says that it did, over all its lives."""

    made: Mapping[int, Note]
    settled: frozenset[int]
    drained: int

    @classmethod
    def read(cls, path: Path) -> "Notes":
        """A line that a kill cut off is none; a sequence that was used again counts the last."""
        made: dict[int, Note] = {}
        settled: set[int] = set()
        drained = 0
        text = path.read_bytes() if path.is_file() else b""
        for line in text.split(b"\n")[:-1]:
            note = _NOTE.decode(line)
            if note.seq:
                made[note.seq] = note
            settled.update(note.settled)
            drained += note.drained
        return cls(made, frozenset(settled), drained)

    @classmethod
    def of_spool(cls, folder: Path) -> "Notes":
        """What stands in a spool's segments: all that a node ever spooled, while none is full."""
        made: dict[int, Note] = {}
        for path in folder.glob("*.seg"):
            data = path.read_bytes()
            head = segment.read_header(data)
            if head is None:
                continue
            for frame in segment.frames(data):
                payload = data[frame.offset : frame.offset + frame.size]
                if head[0] is RecordClass.SNAPSHOT:
                    digest = hashlib.sha256(decode_snapshot(payload)[1]).hexdigest()
                    made[frame.seq] = Note(seq=frame.seq, cls=head[0], sha256=digest)
                else:
                    made[frame.seq] = Note(seq=frame.seq, cls=head[0], raw=payload.decode())
        return cls(made, frozenset(made), 0)


@dataclass(slots=True)
class Account:
    """What was found; the lists are shortfalls and must be empty.

    Attributes:
        in_gaps: what a gap record names; a kill may cut off records that were not settled.
        dropped: what was settled and is named by a gap: only a full disk or a quota may do that.
    """

    settled: int = 0
    stored: int = 0
    in_gaps: frozenset[int] = frozenset()
    redelivered: int = 0
    lost: list[int] = field(default_factory=list)
    dropped: list[int] = field(default_factory=list)
    doubled: list[int] = field(default_factory=list)
    changed: list[int] = field(default_factory=list)
    unexplained: list[int] = field(default_factory=list)
    series: list[str] = field(default_factory=list)
    pictures: list[int] = field(default_factory=list)
    outbox: list[str] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)

    def faults(self) -> dict[str, list[Any]]:
        """The lists that are not empty, each cut short."""
        lists: dict[str, list[Any]] = {
            "lost": self.lost,
            "dropped": self.dropped,
            "doubled": self.doubled,
            "changed": self.changed,
            "unexplained": self.unexplained,
            "series": self.series,
            "pictures": self.pictures,
            "outbox": self.outbox,
            "dead": self.dead,
        }
        return {name: found[:20] for name, found in lists.items() if found}

    def gaps_of(self, notes: "Notes", cls: RecordClass) -> int:
        """How many records of a class a gap record names."""
        return sum(notes.made[seq].cls is cls for seq in self.in_gaps if seq in notes.made)

    def __str__(self) -> str:
        return (
            f"{self.settled} settled, {self.stored} stored, {len(self.in_gaps)} in gaps, "
            f"{self.redelivered} came more than once, {len(self.lost)} lost"
        )


def account(
    notes: Notes,
    *,
    node: str,
    config: CloudConfig,
    catalogue: Catalogue,
    state: State,
    series: TimeSeries,
) -> Account:
    """Roll the archive, then compare everything with everything."""
    lake = Lake(
        Path(config.lake), state, centre=config.centre, time_zone=catalogue.centre.time_zone
    )
    Roller(lake, holder="account").roll()
    rows = [row for row in lake.rows() if row.node == node]
    found = Account(settled=len(notes.settled))
    letters = [x for x in deadletter.find(state, config.centre) if x.node == node]
    found.dead = [f"{letter.reason}: {letter.message}" for letter in letters]
    refused = {letter.seq for letter in letters}
    stored = _ledger(state, config.centre, node)
    _records(found, notes, rows, stored, refused)
    _pictures(found, notes, state, Path(config.blobs))
    _series(found, rows, stored, series, config.centre, catalogue)
    _outbox(found, rows, state, node)
    found.redelivered = _archived(lake.archive_folder, node) - len(rows)
    return found


def _ledger(state: State, centre: str, node: str) -> SeqSet:
    known = [seqs for key, seqs in ledger.read(state, centre).items() if key.node == node]
    assert len(known) <= 1, f"node {node} has {len(known)} spools"
    return known[0] if known else SeqSet()


def _records(
    found: Account, notes: Notes, rows: list[Row], stored: SeqSet, refused: set[int]
) -> None:
    """The lake and the ledger against the notes; what was refused is kept with its letter."""
    times = Counter(row.seq for row in rows)
    in_gaps = _in_gaps(rows)
    pictures = {s for s, note in notes.made.items() if note.cls is RecordClass.SNAPSHOT}
    found.stored = len(times)
    found.in_gaps = frozenset(in_gaps)
    found.doubled = [seq for seq, count in times.items() if count > 1]
    for seq in sorted(notes.settled):
        # a gap closes its holes in the ledger too: that a picture came is looked up by itself
        picture = seq in pictures and seq in stored and seq not in in_gaps
        there = seq in times or seq in refused or picture
        if not there:
            (found.dropped if seq in in_gaps else found.lost).append(seq)
        elif there and seq not in stored:
            # the ledger's word trims the spool: what it does not name would be sent for ever
            found.unexplained.append(seq)
    for row in rows:
        note = notes.made.get(row.seq)
        if row.kind != "gap" and (note is None or not _same(note.raw, row.raw)):
            found.changed.append(row.seq)
    explained = set(times) | in_gaps | pictures | refused
    for first, last in stored.ranges():
        found.unexplained += [seq for seq in range(first, last + 1) if seq not in explained]


def _in_gaps(rows: list[Row]) -> set[int]:
    seqs: set[int] = set()
    for row in rows:
        record = decode_record(row.raw.encode())
        if isinstance(record, Gap):
            seqs.update(seq for a, b in record.ranges for seq in range(a, b + 1))
    return seqs


def _same(made: str, came: str) -> bool:
    """Byte for byte; a record made before the clock was set may have its time corrected."""
    if made == came or '"synced":false' not in made:
        return made == came
    given, got = decode_record(made.encode()), decode_record(came.encode())
    return encode_record(msgspec.structs.replace(got, t=given.t, synced=False)) == made.encode()


def _pictures(found: Account, notes: Notes, state: State, folder: Path) -> None:
    """Every settled picture that no gap names has its row and its file, byte for byte."""
    with state.read() as connection:
        kept = set(connection.execute(sa.select(blob.c.sha256)).scalars())
    for seq, note in notes.made.items():
        if note.cls is RecordClass.SNAPSHOT and seq in notes.settled and seq not in found.in_gaps:
            path = folder / note.sha256[:2] / note.sha256
            there = note.sha256 in kept and path.is_file()
            if not there or hashlib.sha256(path.read_bytes()).hexdigest() != note.sha256:
                found.pictures.append(seq)


def _series(
    found: Account,
    rows: list[Row],
    stored: SeqSet,
    series: TimeSeries,
    centre: str,
    catalogue: Catalogue,
) -> None:
    """What the ledger calls stored has its points, and there are none but of the lake's records.

    A worker that is stopped between archive and ledger leaves a record in the lake that was never
    called stored: its points may be there.
    """
    directory = Directory(catalogue, 0)
    wanted: Counter[str] = Counter()
    allowed: Counter[str] = Counter()
    node = rows[0].node if rows else ""
    for row in rows:
        record: Record = decode_record(row.raw.encode())
        lines = lines_of(
            record,
            site=row.site,
            node=row.node,
            record_id=row.record,
            known=directory.knows,
            labels=directory.labels,
        )
        keys = [_key(parse(line)) for line in lines]
        allowed.update(keys)
        if row.seq in stored:
            wanted.update(keys)
    have: Counter[str] = Counter()
    for measurement in MEASUREMENTS:
        have.update(
            _key(p) for p in series.read(private_bucket(centre), measurement, tags={"node": node})
        )
    found.series += [f"missing {key}" for key in (wanted - have)]
    found.series += [f"too many {key}" for key in (have - allowed)]


def _key(point: Point) -> str:
    # a number is a number: InfluxDB's JSON does not tell 1 from 1.0
    fields = {k: float(v) if isinstance(v, int | float) else v for k, v in point.fields.items()}
    return f"{point.measurement} {sorted(point.tags.items())} {sorted(fields.items())} {point.t}"


def _outbox(found: Account, rows: Iterable[Row], state: State, node: str) -> None:
    """Each alarm is in the outbox, and nothing else."""
    wanted = {row.record for row in rows if row.alarm}
    with state.read() as connection:
        there = connection.execute(
            sa.select(outbox.c.record_id).where(outbox.c.node == node)
        ).scalars()
        have = Counter(there)
    found.outbox += [f"missing {record}" for record in wanted - have.keys()]
    found.outbox += [f"too many {record}" for record in have.keys() - wanted]
    found.outbox += [f"twice {record}" for record, count in have.items() if count > 1]


def _archived(folder: Path, node: str) -> int:
    """How many records of a node came and were archived, each delivery counted."""
    total = 0
    for path in folder.glob(f"*{archive.SUFFIX}"):
        for message in archive.read(path):
            batch = decode_batch(message.payload)
            total += len(batch.seqs) if batch.node == node else 0
    return total
