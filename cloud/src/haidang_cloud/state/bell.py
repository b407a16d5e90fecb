"""Tells that something may have come, or changed, without asking all the time where it can."""

import sqlite3
import time
from types import TracebackType

import psycopg
import sqlalchemy as sa

from haidang_cloud.errors import StateUnavailableError
from haidang_cloud.state.database import State

CHANNEL = "haidang_bell"
POLL_S = 0.05


def ring(state: State, connection: sa.Connection) -> None:
    """Wake whoever waits, once the transaction is committed."""
    if state.postgres:
        connection.exec_driver_sql(f"NOTIFY {CHANNEL}")


class Bell:
    """PostgreSQL: LISTEN on a connection of its own. SQLite: a glance at the file's data version.

    It listens from the first wait on, which returns at once: nothing that comes between a look and
    the next wait is missed.
    """

    def __init__(self, state: State) -> None:
        """Prepare; the connection is made at the first wait."""
        self._state = state
        self._listening: psycopg.Connection | None = None
        self._glancing: sqlite3.Connection | None = None
        self._version = 0

    def wait(self, timeout_s: float) -> None:
        """Return when there may be news, at the latest after `timeout_s`.

        Raises `StateUnavailableError` when the database is gone.
        """
        try:
            if self._state.postgres:
                self._listen(timeout_s)
            else:
                self._glance(timeout_s)
        except (psycopg.OperationalError, sqlite3.Error) as error:
            self.close()
            raise StateUnavailableError(f"the database went away: {error}") from error

    def _listen(self, timeout_s: float) -> None:
        if self._listening is not None:
            for _ in self._listening.notifies(timeout=timeout_s, stop_after=1):
                pass
            return
        url = self._state.engine.url.set(drivername="postgresql")
        self._listening = psycopg.connect(
            url.render_as_string(hide_password=False), autocommit=True, connect_timeout=5
        )
        self._listening.execute(f"LISTEN {CHANNEL}")

    def _glance(self, timeout_s: float) -> None:
        """Any change of the file by anybody else changes its version; to ask costs microseconds."""
        if self._glancing is None:
            path = str(self._state.engine.url.database)
            self._glancing = sqlite3.connect(path, check_same_thread=False)
        deadline_s = time.monotonic() + timeout_s
        while True:
            (version,) = self._glancing.execute("PRAGMA data_version").fetchone()
            if version != self._version:
                self._version = version
                return
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                return
            time.sleep(min(left_s, POLL_S))

    def close(self) -> None:
        """Stop listening."""
        if self._listening is not None:
            self._listening.close()
            self._listening = None
        if self._glancing is not None:
            self._glancing.close()
            self._glancing = None
            self._version = 0

    def __enter__(self) -> "Bell":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
