"""What the centre's stores hold, looked at from outside and only as far as is new."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa

from haidang_cloud.demo.account import Refused, Stored
from haidang_cloud.lake import Lake, Roller
from haidang_cloud.processes.config import CloudConfig
from haidang_cloud.state import ledger
from haidang_cloud.state.database import State
from haidang_cloud.state.tables import blob, dead_letter
from haidang_cloud.timeseries import TimeSeries
from haidang_cloud.timeseries.base import private_bucket
from haidang_protocols.wire.records import Gap, decode_record
from haidang_protocols.wire.seqset import SeqSet

OVERLAP_NS = 600 * 10**9
"""Events and pictures are looked at again so far back: records come late."""

TWICE_NS = 6 * 3600 * 10**9
"""An event that comes again with another time within so long is found out."""

_COLUMNS = ["spool", "seq", "kind"]
_GAP = "gap"


class StoreLook:
    """One centre's stores; raises what they raise while they are not there."""

    def __init__(
        self, config: CloudConfig, state: State, series: TimeSeries, *, time_zone: str
    ) -> None:
        """Look at these."""
        self._state, self._series, self._centre = state, series, config.centre
        self._lake = Lake(Path(config.lake), state, centre=config.centre, time_zone=time_zone)
        self._roller = Roller(self._lake, holder="account")
        self._files: dict[str, _File] = {}
        self._events: dict[str, _Place] = {}
        self._twice: set[tuple[str, int]] = set()
        self._newest_ns = 0
        self._pictures_ns = 0

    def look(self, spool: str) -> Stored:
        """What is stored of `spool` now."""
        # the archive first: what is rolled meanwhile stands in a file by then
        waiting = [row for row in self._roller.waiting() if row.spool == spool]
        files = self._rolled()
        records, rows = SeqSet(), 0
        gaps: dict[str, SeqSet] = {}
        for file in files:
            rows += file.rows[spool]
            records.update(file.seqs.get(spool, ()))
            for reason, lost in file.gaps.get(spool, {}).items():
                gaps.setdefault(reason, SeqSet()).update(lost)
        doubled = rows - len(records)
        for row in waiting:
            records.add(row.seq)
            if row.kind == _GAP:
                _note_gap(gaps, row.raw)
        letters, refused = self._letters(spool)
        return Stored(
            ledger=self._ledger(spool),
            records=records,
            letters=letters,
            gaps=gaps,
            pictures=self._pictures(),
            doubled=doubled + self._doubled_events(),
            refused=refused,
        )

    def _rolled(self) -> list["_File"]:
        names = [str(file.file) for file in self._lake.files()]
        for gone in self._files.keys() - set(names):
            del self._files[gone]
        for name in names:
            if name not in self._files:
                self._files[name] = self._read(name)
        return list(self._files.values())

    def _read(self, name: str) -> "_File":
        found = _File()
        for row in self._lake.columns(name, _COLUMNS):
            found.add(row["spool"], row["seq"], gap=row["kind"] == _GAP)
        if found.gaps:
            # whole records are many times larger than all else
            for row in self._lake.columns(name, ["spool", "kind", "raw"]):
                if row["kind"] == _GAP:
                    found.note(row["spool"], row["raw"])
        return found

    def _ledger(self, spool: str) -> SeqSet:
        known = ledger.read_spools(self._state, self._centre, [spool])
        return next(iter(known.values()), SeqSet())

    def _pictures(self) -> frozenset[str]:
        wanted = sa.select(blob.c.record, blob.c.created_ns).where(
            blob.c.centre == self._centre, blob.c.created_ns > self._pictures_ns - OVERLAP_NS
        )
        with self._state.read() as connection:
            found = connection.execute(wanted).all()
        self._pictures_ns = max((row.created_ns for row in found), default=self._pictures_ns)
        return frozenset(row.record for row in found)

    def _letters(self, spool: str) -> tuple[SeqSet, tuple[Refused, ...]]:
        wanted = sa.select(
            dead_letter.c.spool, dead_letter.c.seq, dead_letter.c.reason, dead_letter.c.message
        ).where(dead_letter.c.centre == self._centre, dead_letter.c.replayed_ns.is_(None))
        with self._state.read() as connection:
            rows = connection.execute(wanted.order_by(dead_letter.c.id)).all()
        seqs = SeqSet((row.seq, row.seq) for row in rows if row.spool == spool and row.seq)
        counts = Counter(row.reason for row in rows)
        words = {row.reason: row.message for row in rows}
        refused = (
            Refused(reason=reason, count=count, example=words[reason])
            for reason, count in sorted(counts.items())
        )
        return seqs, tuple(refused)

    def _doubled_events(self) -> int:
        """Events of one id that stand at more than one place of the time series."""
        since_ns = max(0, self._newest_ns - OVERLAP_NS)
        for point in self._series.read(private_bucket(self._centre), "event", from_ns=since_ns):
            place = _Place(point.t, hash((point.t, tuple(sorted(point.tags.items())))))
            record = str(point.fields["id"])
            if self._events.setdefault(record, place) != place:
                self._twice.add((record, place.hash))
            self._newest_ns = max(self._newest_ns, point.t)
        # events come about in the order of their time: the first to go stand first
        while self._events:
            record = next(iter(self._events))
            if self._events[record].t >= self._newest_ns - TWICE_NS:
                break
            del self._events[record]
        return len(self._twice)


class _Place(NamedTuple):
    """Where an event stands in the time series: its time (ns), and its time and tags hashed."""

    t: int
    hash: int


class _File:
    """A Parquet file of the lake: it never changes, so it is read once."""

    def __init__(self) -> None:
        self.rows: Counter[str] = Counter()
        self.seqs: dict[str, SeqSet] = {}
        self.gaps: dict[str, dict[str, SeqSet]] = {}

    def add(self, spool: str, seq: int, *, gap: bool) -> None:
        """A record is there."""
        self.rows[spool] += 1
        self.seqs.setdefault(spool, SeqSet()).add(seq)
        if gap:
            self.gaps.setdefault(spool, {})

    def note(self, spool: str, raw: str) -> None:
        """What a gap record says."""
        _note_gap(self.gaps[spool], raw)


def _note_gap(gaps: dict[str, SeqSet], raw: str) -> None:
    gap = decode_record(raw.encode())
    if isinstance(gap, Gap):
        gaps.setdefault(gap.reason, SeqSet()).update(gap.ranges)
