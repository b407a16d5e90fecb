"""Tells that something may have come, or changed, without asking all the time where it can."""

import time
from types import TracebackType

import psycopg
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from haidang_cloud.errors import StateUnavailableError
from haidang_cloud.state.database import State

CHANNEL = "haidang_bell"
POLL_S = 0.05


def ring(state: State, connection: sa.Connection) -> None:
    """Wake whoever waits, once the transaction is committed."""
    if state.postgres:
        connection.execute(sa.select(sa.func.pg_notify(CHANNEL, "")))


class Bell:
    """PostgreSQL: LISTEN on a connection of its own. SQLite: a short sleep.

    It listens from the start on, so nothing that comes between a look and the next wait is missed.
    """

    def __init__(self, state: State) -> None:
        """Prepare; the connection is made at the first wait."""
        self._state = state
        self._connection: psycopg.Connection | None = None

    def wait(self, timeout_s: float) -> None:
        """Return when there may be news, at the latest after `timeout_s`.

        Raises `StateUnavailableError` when the database is gone.
        """
        if not self._state.postgres:
            time.sleep(min(timeout_s, POLL_S))
            return
        try:
            if self._connection is None:
                self._connection = self._listen()
                return
            for _ in self._connection.notifies(timeout=timeout_s, stop_after=1):
                pass
        except (psycopg.OperationalError, OperationalError) as error:
            self.close()
            raise StateUnavailableError(f"the database went away: {error}") from error

    def _listen(self) -> psycopg.Connection:
        url = self._state.engine.url.set(drivername="postgresql")
        connection = psycopg.connect(
            url.render_as_string(hide_password=False), autocommit=True, connect_timeout=5
        )
        connection.execute(f"LISTEN {CHANNEL}")
        return connection

    def close(self) -> None:
        """Stop listening."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __enter__(self) -> "Bell":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
