"""Stops a centre's databases for a while, without ending them: nobody else can write."""

import contextlib
import sqlite3

import sqlalchemy as sa

from haidang_cloud.processes.config import CloudConfig, SqliteConfig

WAIT_S = 10.0
_TABLES = "ledger, outbox, dead_letter"


class Locked:
    """SQLite files are locked whole, of PostgreSQL what ingest needs; InfluxDB knows no lock."""

    def __init__(self, config: CloudConfig) -> None:
        """Nothing is locked yet."""
        self._config = config
        self._held = contextlib.ExitStack()

    def lock(self) -> None:
        """Until `free`; from any thread."""
        if self._config.state.startswith("sqlite:///"):
            self._file(self._config.state.removeprefix("sqlite:///"))
        else:
            self._server(self._config.state)
        if isinstance(self._config.timeseries, SqliteConfig):
            self._file(self._config.timeseries.path)

    def free(self) -> None:
        """Let everybody write again."""
        self._held.close()

    def _file(self, path: str) -> None:
        held = sqlite3.connect(path, timeout=WAIT_S, isolation_level=None, check_same_thread=False)
        self._held.callback(held.close)
        held.execute("BEGIN EXCLUSIVE")

    def _server(self, url: str) -> None:
        engine = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"))
        self._held.callback(engine.dispose)
        held = self._held.enter_context(engine.connect())
        held.execute(sa.text(f"LOCK TABLE {_TABLES} IN ACCESS EXCLUSIVE MODE"))
