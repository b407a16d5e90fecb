"""The Parquet side of the lake: immutable files by the centre's day, found by the manifest."""

import os
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from haidang_cloud.errors import LakeError
from haidang_cloud.lake.archive import folder_of
from haidang_cloud.state.database import State
from haidang_cloud.state.tables import lake_file

CAMERA_RECORD = "camera_record"
RETIRED_KEEP_NS = 3600 * 10**9
JOINED_ROWS_MAX = 100_000
"""A file of this many rows is never joined with others: what is joined must fit in memory."""

ROWS_AT_ONCE = 5000
_SCHEMA = pa.schema(
    [
        ("record", pa.string()),
        ("centre", pa.string()),
        ("site", pa.string()),
        ("node", pa.string()),
        ("spool", pa.string()),
        ("seq", pa.int64()),
        ("kind", pa.string()),
        ("camera", pa.string()),
        ("type", pa.string()),
        ("zone", pa.string()),
        ("cls", pa.string()),
        ("severity", pa.string()),
        ("alarm", pa.bool_()),
        ("t", pa.timestamp("ns", tz="UTC")),
        ("received", pa.timestamp("ns", tz="UTC")),
        ("synced", pa.bool_()),
        ("catalogue", pa.int32()),
        ("delivery", pa.string()),
        ("raw", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One record in the lake; `t` and `received` in nanoseconds since 1970 UTC."""

    record: str
    centre: str
    site: str
    node: str
    spool: str
    seq: int
    kind: str
    camera: str
    type: str
    zone: str
    cls: str
    severity: str
    alarm: bool
    t: int
    received: int
    synced: bool
    catalogue: int
    delivery: str
    raw: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A Parquet file that is on the disk and not in the manifest yet."""

    file: str
    partition: str
    rows: int
    bytes: int
    min_t: int
    max_t: int


class Lake:
    """A centre's lake folder with its manifest."""

    def __init__(self, folder: Path, state: State, *, centre: str, time_zone: str) -> None:
        """Look at the centre's part of `folder`; a day is a day in `time_zone`."""
        self.folder, self.state, self.centre = folder / centre, state, centre
        self.archive_folder = folder_of(folder, centre)
        self._zone = ZoneInfo(time_zone)

    def day_of(self, t_ns: int) -> str:
        """The centre's day of a time."""
        moment = datetime.fromtimestamp(t_ns // 10**9, tz=UTC).astimezone(self._zone)
        return moment.date().isoformat()

    def write(self, partition: str, rows: Sequence[Row]) -> Written:
        """Write rows, ordered by time, to a new file and sync it; the manifest is not touched."""
        ordered = sorted(rows, key=lambda row: (row.t, row.node, row.seq))
        columns = {name: [getattr(row, name) for row in ordered] for name in _SCHEMA.names}
        return self._store(partition, pa.table(columns, schema=_SCHEMA))

    def _store(self, partition: str, table: pa.Table) -> Written:
        folder = self.folder / CAMERA_RECORD / f"day={partition}"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{secrets.token_hex(8)}.parquet"
        try:
            with path.open("xb") as file:
                pq.write_table(table, file, compression="zstd")
                file.flush()
                os.fsync(file.fileno())
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            path.unlink(missing_ok=True)
            raise LakeError(f"lake {path}: {error.strerror or error}") from error
        times = table.column("t").cast(pa.int64())
        return Written(
            file=str(path.relative_to(self.folder)),
            partition=partition,
            rows=table.num_rows,
            bytes=path.stat().st_size,
            min_t=times[0].as_py(),
            max_t=times[-1].as_py(),
        )

    def add(self, connection: sa.Connection, written: Sequence[Written], now_ns: int) -> None:
        """Put files into the manifest, within a transaction."""
        if written:
            connection.execute(
                lake_file.insert(),
                [
                    {
                        "centre": self.centre,
                        "dataset": CAMERA_RECORD,
                        "file": one.file,
                        "partition": one.partition,
                        "rows": one.rows,
                        "bytes": one.bytes,
                        "min_t": one.min_t,
                        "max_t": one.max_t,
                        "added_ns": now_ns,
                    }
                    for one in written
                ],
            )

    def files(self, *, partition: str | None = None) -> list[Any]:
        """The manifest's rows that are in force, by day and first time."""
        wanted = sa.select(lake_file).where(
            lake_file.c.centre == self.centre,
            lake_file.c.dataset == CAMERA_RECORD,
            lake_file.c.retired_ns.is_(None),
        )
        if partition is not None:
            wanted = wanted.where(lake_file.c.partition == partition)
        with self.state.read() as connection:
            return list(
                connection.execute(wanted.order_by(lake_file.c.partition, lake_file.c.min_t))
            )

    def days(self) -> list[str]:
        """The days that there is something of."""
        return sorted({file.partition for file in self.files()})

    def rows(self) -> Iterator[Row]:
        """Every record, by day and file; a record that is joined meanwhile may come twice."""
        for day in self.days():
            # day by day: files that were joined are kept for an hour only
            for file in self.files(partition=day):
                yield from self._rows_in(self.folder / file.file)

    def _rows_in(self, path: Path) -> Iterator[Row]:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=ROWS_AT_ONCE):
                table = pa.Table.from_batches([batch])
                for name in ("t", "received"):
                    at = table.schema.get_field_index(name)
                    table = table.set_column(at, name, table.column(name).cast(pa.int64()))
                for row in table.to_pylist():
                    yield Row(**row)

    def columns(self, file: str, names: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Some columns of one file of the manifest, row by row and few rows at once."""
        with pq.ParquetFile(self.folder / file) as opened:
            for batch in opened.iter_batches(batch_size=ROWS_AT_ONCE, columns=list(names)):
                yield from batch.to_pylist()

    def compact(self, *, now_ns: int, most: int = 8) -> int:
        """Join the small files of each day that has more than `most`; returns how many went."""
        gone = 0
        for day in self.days():
            small = [f for f in self.files(partition=day) if f.rows < JOINED_ROWS_MAX]
            if len(small) > most:
                gone += sum(self._join(day, group, now_ns) for group in _groups(small))
        return gone

    def _join(self, day: str, files: Sequence[Any], now_ns: int) -> int:
        tables = [pq.read_table(self.folder / f.file, schema=_SCHEMA) for f in files]
        joined = pa.concat_tables(tables).sort_by([("t", "ascending"), ("record", "ascending")])
        written = self._store(day, joined)
        with self.state.write() as connection:
            gone = connection.execute(
                lake_file.update()
                .where(
                    lake_file.c.centre == self.centre,
                    lake_file.c.dataset == CAMERA_RECORD,
                    lake_file.c.file.in_([f.file for f in files]),
                    lake_file.c.retired_ns.is_(None),
                )
                .values(retired_ns=now_ns)
            ).rowcount
            if gone == len(files):
                self.add(connection, [written], now_ns)
                return gone
            connection.rollback()
        # somebody else joined them at the same time: theirs stands
        (self.folder / written.file).unlink(missing_ok=True)
        return 0

    def clean(self, *, now_ns: int) -> int:
        """Remove files retired an hour ago, and those that never came into the manifest."""
        old = now_ns - RETIRED_KEEP_NS
        with self.state.read() as connection:
            known = {
                row.file: row.retired_ns
                for row in connection.execute(
                    sa.select(lake_file.c.file, lake_file.c.retired_ns).where(
                        lake_file.c.centre == self.centre
                    )
                )
            }
        gone = []
        for path in (self.folder / CAMERA_RECORD).glob("day=*/*.parquet"):
            name = str(path.relative_to(self.folder))
            retired = known.get(name)
            orphan = name not in known and path.stat().st_mtime_ns < old
            if orphan or (retired is not None and retired < old):
                path.unlink(missing_ok=True)
                gone.append(name)
        if gone:
            with self.state.write() as connection:
                connection.execute(
                    lake_file.delete().where(
                        lake_file.c.centre == self.centre, lake_file.c.file.in_(gone)
                    )
                )
        return len(gone)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """One SELECT by DuckDB over `camera_record`, as the manifest has it now.

        The query sees this dataset's folder and nothing else; raises `LakeError` for SQL that is
        none.
        """
        files = [str(self.folder / file.file) for file in self.files()]
        with duckdb.connect(":memory:") as engine:
            folder = str(self.folder / CAMERA_RECORD).replace("'", "''")
            engine.execute(f"SET allowed_directories = ['{folder}']")
            engine.execute("SET enable_external_access = false")
            engine.execute("SET TimeZone = 'UTC'")
            if files:
                engine.from_parquet(files).create_view(CAMERA_RECORD)
            else:
                engine.from_arrow(_SCHEMA.empty_table()).create_view(CAMERA_RECORD)
            engine.execute("SET lock_configuration = true")
            try:
                statements = engine.extract_statements(sql)
                if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                    raise LakeError("the lake answers one SELECT at a time")
                return engine.execute(statements[0]).fetchall()
            except duckdb.Error as error:
                raise LakeError(f"query: {error}") from error


def _groups(files: Sequence[Any]) -> Iterator[list[Any]]:
    """Files in order, as many at a time as may be joined; one alone is left as it is."""
    group: list[Any] = []
    for file in files:
        if sum(f.rows for f in group) + file.rows > JOINED_ROWS_MAX:
            if len(group) > 1:
                yield group
            group = []
        group.append(file)
    if len(group) > 1:
        yield group
