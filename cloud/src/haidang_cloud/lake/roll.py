"""Rolls the archive into Parquet, each record exactly once, whatever dies in between.

What was rolled is kept as ranges per spool; files, ranges and place in the archive change in one
transaction, which asks whether the lease is still held: a roller that slept through its lease ends
with nothing done. A record that came twice, or that stands in two archives, is taken the first
time.
"""

import logging
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from haidang_cloud.lake import archive
from haidang_cloud.lake.dataset import Lake, Row
from haidang_cloud.state import leases
from haidang_cloud.state.ledger import decode_ranges, encode_ranges
from haidang_cloud.state.tables import archive_file, lake_rolled
from haidang_protocols.wire import topics
from haidang_protocols.wire.errors import MessageRefusedError
from haidang_protocols.wire.names import record_id
from haidang_protocols.wire.records import (
    Event,
    Gap,
    Observation,
    Record,
    decode_batch,
    decode_record,
)
from haidang_protocols.wire.seqset import SeqSet

log = logging.getLogger(__name__)

LEASE_NS = 300 * 10**9
ROWS_MAX = 50_000
"""Rows at once: some 100 MB while they are written."""

ARCHIVE_KEEP_NS = 6 * 3600 * 10**9


class _LeaseLostError(Exception):
    """Somebody else holds the lease."""


@dataclass(slots=True)
class _Round:
    """What one transaction will change."""

    rows: dict[str, list[Row]] = field(default_factory=dict)
    rolled: dict[tuple[str, str], SeqSet] = field(default_factory=dict)
    changed: set[tuple[str, str]] = field(default_factory=set)
    offsets: dict[str, int] = field(default_factory=dict)
    count: int = 0


class Roller:
    """Rolls one centre's archive; many may try, a lease lets one."""

    def __init__(
        self, lake: Lake, *, holder: str, now_ns: Callable[[], int] = time.time_ns
    ) -> None:
        """Roll for `lake` in the name of `holder`; no other life of it has the same lease."""
        self._lake, self._now_ns = lake, now_ns
        self._holder = f"{holder}:{secrets.token_hex(4)}"
        self._state = lake.state
        self._lease = f"roll:{lake.centre}"

    def roll(self) -> int:
        """Roll all that is in the archive; returns how many records, 0 when somebody else does."""
        total = 0
        while True:
            now = self._now_ns()
            if not leases.take(self._state, self._lease, self._holder, now_ns=now, for_ns=LEASE_NS):
                return total
            try:
                done, more = self._round()
            except _LeaseLostError:
                log.warning("somebody else rolls meanwhile: this round is dropped")
                return total
            total += done
            if not more:
                leases.give_back(self._state, self._lease, self._holder)
                return total

    def _round(self) -> tuple[int, bool]:
        work = _Round(rolled=self._rolled())
        offsets = self._offsets()
        more = False
        for path in sorted(self._lake.archive_folder.glob(f"*{archive.SUFFIX}")):
            begin = offsets.get(path.name, 0)
            if path.stat().st_size <= begin:
                continue
            for message in archive.read(path, begin):
                self._take(work, path, message)
                work.offsets[path.name] = message.end
                if work.count >= ROWS_MAX:
                    more = True
                    break
            if more:
                break
        if work.offsets:
            self._commit(work)
        return work.count, more

    def _take(self, work: _Round, path: Path, message: archive.Message) -> None:
        for row in _rows_of(message, path.name):
            key = (row.node, row.spool)
            seqs = work.rolled.setdefault(key, SeqSet())
            if row.seq in seqs:
                continue
            seqs.add(row.seq)
            work.changed.add(key)
            work.rows.setdefault(self._lake.day_of(row.t), []).append(row)
            work.count += 1

    def _commit(self, work: _Round) -> None:
        written = [self._lake.write(day, rows) for day, rows in sorted(work.rows.items())]
        centre = self._lake.centre
        with self._state.write() as connection:
            if not leases.held(self._state, connection, self._lease, self._holder):
                raise _LeaseLostError
            self._lake.add(connection, written, self._now_ns())
            for node, spool in sorted(work.changed):
                adding = self._state.insert(lake_rolled).values(
                    centre=centre,
                    node=node,
                    spool=spool,
                    ranges=encode_ranges(work.rolled[node, spool]),
                )
                connection.execute(
                    adding.on_conflict_do_update(
                        index_elements=["centre", "node", "spool"],
                        set_={"ranges": adding.excluded.ranges},
                    )
                )
            for name, offset in work.offsets.items():
                put = self._state.insert(archive_file).values(
                    centre=centre, name=name, offset=offset
                )
                connection.execute(
                    put.on_conflict_do_update(
                        index_elements=["centre", "name"], set_={"offset": put.excluded.offset}
                    )
                )

    def _rolled(self) -> dict[tuple[str, str], SeqSet]:
        wanted = sa.select(lake_rolled).where(lake_rolled.c.centre == self._lake.centre)
        with self._state.read() as connection:
            return {
                (row.node, row.spool): decode_ranges(row.ranges)
                for row in connection.execute(wanted)
            }

    def _offsets(self) -> dict[str, int]:
        wanted = sa.select(archive_file).where(archive_file.c.centre == self._lake.centre)
        with self._state.read() as connection:
            return {row.name: row.offset for row in connection.execute(wanted)}

    def waiting(self) -> Iterator[Row]:
        """The records that are in the archive only; one that came twice comes twice."""
        offsets = self._offsets()
        for path in sorted(self._lake.archive_folder.glob(f"*{archive.SUFFIX}")):
            for message in archive.read(path, offsets.get(path.name, 0)):
                yield from _rows_of(message, path.name)

    def clean(self) -> int:
        """Remove archive files whose whole messages are rolled and that nobody writes to."""
        offsets, gone = self._offsets(), 0
        old = self._now_ns() - ARCHIVE_KEEP_NS
        for path in self._lake.archive_folder.glob(f"*{archive.SUFFIX}"):
            if path.stat().st_mtime_ns >= old:
                continue
            # a torn tail is no message: nothing of it was ever promised
            rolled = next(archive.read(path, offsets.get(path.name, 0)), None) is None
            if rolled and archive.remove(path):
                gone += 1
        return gone


def _rows_of(message: archive.Message, file: str) -> Iterator[Row]:
    """The records of an archived message that were not refused on receipt."""
    topic = topics.parse(message.header.topic)
    if not isinstance(topic, topics.NodeTopic):
        return
    try:
        batch = decode_batch(message.payload)
    except MessageRefusedError as error:
        log.warning("archive %s at %d: %s", file, message.offset, error)
        return
    refused = set(message.header.refused)
    for seq, raw in zip(batch.seqs, batch.records, strict=True):
        if seq in refused:
            continue
        try:
            record = decode_record(raw)
        except MessageRefusedError as error:
            log.warning("archive %s at %d, record %d: %s", file, message.offset, seq, error)
            continue
        yield _row(record, bytes(raw).decode(), topic, batch.spool, seq, message, file)


def _row(
    record: Record,
    raw: str,
    topic: topics.NodeTopic,
    spool: str,
    seq: int,
    message: archive.Message,
    file: str,
) -> Row:
    event = record if isinstance(record, Event) else None
    kinds = {Event: "event", Observation: "observation", Gap: "gap"}
    return Row(
        record=record_id(topic.node, spool, seq),
        centre=topic.centre,
        site=topic.site,
        node=topic.node,
        spool=spool,
        seq=seq,
        kind=kinds[type(record)],
        camera="" if isinstance(record, Gap) else record.camera,
        type=event.type.value if event else "",
        zone=event.zone if event else "",
        cls=event.cls if event else "",
        severity=event.severity.value if event else "",
        alarm=bool(event and event.alarm),
        t=record.t,
        received=message.header.received_ns,
        synced=record.synced,
        catalogue=message.header.catalogue,
        delivery=f"{file}:{message.offset}",
        raw=raw,
    )
