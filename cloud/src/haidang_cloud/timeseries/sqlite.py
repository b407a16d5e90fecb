"""The time series in one SQLite file: the embedded default, and readable by other processes."""

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from haidang_cloud.errors import StoreMisconfiguredError, StoreUnavailableError
from haidang_cloud.timeseries import lines as protocol
from haidang_cloud.timeseries.base import FieldValue, Point, Refusal

BUSY_TIMEOUT_S = 10.0
_T = TypeVar("_T")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS bucket (name TEXT PRIMARY KEY, retention_s INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS point (
    bucket TEXT NOT NULL, measurement TEXT NOT NULL, t INTEGER NOT NULL, tags TEXT NOT NULL,
    fields TEXT NOT NULL, PRIMARY KEY (bucket, measurement, t, tags)
) WITHOUT ROWID;
"""
_FIELDS = msgspec.json.Decoder(dict[str, FieldValue])
_TAGS = msgspec.json.Decoder(dict[str, str])


class SqliteSeries:
    """See the module; one connection a thread."""

    def __init__(self, path: Path) -> None:
        """Open or make the file; raises `StoreUnavailableError`."""
        self._path = path
        self._local = threading.local()
        self._open: list[sqlite3.Connection] = []
        path.parent.mkdir(parents=True, exist_ok=True)
        self._run(lambda connection: connection.executescript(_SCHEMA))

    def ensure(self, bucket: str, *, retention_s: int = 0) -> None:
        """See `TimeSeries`."""
        self._execute("INSERT OR IGNORE INTO bucket VALUES (?, ?)", (bucket, retention_s))

    def drop(self, bucket: str) -> None:
        """See `TimeSeries`."""
        self._execute("DELETE FROM point WHERE bucket = ?", (bucket,))
        self._execute("DELETE FROM bucket WHERE name = ?", (bucket,))

    def read_token(self, bucket: str) -> str:
        """See `TimeSeries`: a file has no one to check a token."""
        self._check(bucket)
        return ""

    def write(self, bucket: str, lines: Sequence[bytes]) -> list[Refusal]:
        """See `TimeSeries`."""
        self._check(bucket)
        refused: list[Refusal] = []
        rows = []
        for index, line in enumerate(lines):
            try:
                point = protocol.parse(line.decode())
            except (protocol.LineRefusedError, UnicodeDecodeError) as error:
                refused.append(Refusal(index, f"line: {error}"))
                continue
            tags = msgspec.json.encode(point.tags, order="sorted").decode()
            fields = msgspec.json.encode(point.fields).decode()
            rows.append((bucket, point.measurement, point.t, tags, fields))

        def store(connection: sqlite3.Connection) -> None:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                "INSERT INTO point VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
                "fields = json_patch(fields, excluded.fields)",
                rows,
            )
            connection.execute("COMMIT")

        if rows:
            self._run(store)
        return refused

    def read(
        self,
        bucket: str,
        measurement: str,
        *,
        from_ns: int = 0,
        to_ns: int = 2**62,
        tags: Mapping[str, str] | None = None,
    ) -> Iterator[Point]:
        """See `TimeSeries`."""
        self._check(bucket)
        sql = (
            "SELECT t, tags, fields FROM point WHERE bucket = ? AND measurement = ? "
            "AND t >= ? AND t <= ? ORDER BY tags, t"
        )
        for t, tagged, fields in self._execute(sql, (bucket, measurement, from_ns, to_ns)):
            named = _TAGS.decode(tagged)
            if all(named.get(key) == value for key, value in (tags or {}).items()):
                yield Point(measurement=measurement, tags=named, t=t, fields=_FIELDS.decode(fields))

    def count(self, bucket: str, measurement: str, field: str) -> int:
        """See `TimeSeries`."""
        self._check(bucket)
        sql = (
            "SELECT count(*) FROM point WHERE bucket = ? AND measurement = ? "
            "AND json_extract(fields, ?) IS NOT NULL"
        )
        ((found,),) = self._execute(sql, (bucket, measurement, f"$.{field}"))
        return int(found)

    def close(self) -> None:
        """See `TimeSeries`."""
        for connection in self._open:
            connection.close()
        self._open.clear()

    def _check(self, bucket: str) -> None:
        if not self._execute("SELECT 1 FROM bucket WHERE name = ?", (bucket,)):
            raise StoreMisconfiguredError(f"{self._path} has no bucket {bucket!r}")

    def _execute(self, sql: str, values: tuple[object, ...]) -> list[Any]:
        return self._run(lambda connection: connection.execute(sql, values).fetchall())

    def _run(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        try:
            connection = self._connection()
            try:
                return work(connection)
            except sqlite3.Error:
                if connection.in_transaction:
                    connection.rollback()
                raise
        except sqlite3.Error as error:
            raise StoreUnavailableError(f"{self._path}: {error}") from error

    def _connection(self) -> sqlite3.Connection:
        found: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if found is None:
            found = sqlite3.connect(
                self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )
            found.execute("PRAGMA journal_mode = WAL")
            found.execute("PRAGMA synchronous = FULL")
            self._local.connection = found
            self._open.append(found)
        return found
