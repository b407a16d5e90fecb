"""Opens the database, brings its schema up to date, and gives transactions."""

import importlib.resources
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from haidang_cloud.errors import CloudConfigError, StateUnavailableError

BUSY_TIMEOUT_MS = 10_000
_SCHEMA_LOCK = 0x4861_6964


class State:
    """A database; `write` and `read` give connections, errors of absence are one kind."""

    def __init__(self, engine: sa.Engine) -> None:
        """Wrap an engine; its schema is brought up to date before it is first used."""
        self.engine = engine
        self.postgres = engine.dialect.name == "postgresql"
        self._upgraded = False
        self._upgrading = threading.Lock()

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """One transaction: all of it or nothing."""
        with translated(), self._ready().begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection that locks nobody out: each statement sees what is committed."""
        with (
            translated(),
            self._ready().connect().execution_options(isolation_level="AUTOCOMMIT") as connection,
        ):
            yield connection

    def insert(self, table: sa.Table) -> Any:  # noqa: ANN401  # two dialects' inserts, one use
        """An INSERT that knows ON CONFLICT."""
        return (postgresql if self.postgres else sqlite).insert(table)

    def close(self) -> None:
        """Let all connections go."""
        self.engine.dispose()

    def upgrade(self) -> None:
        """Bring the schema to this version; raises `StateUnavailableError` while it cannot be."""
        with translated():
            self._ready()

    def _ready(self) -> sa.Engine:
        if not self._upgraded:
            with self._upgrading:
                if not self._upgraded:
                    _upgrade(self.engine, postgres=self.postgres)
                    self._upgraded = True
        return self.engine


@contextmanager
def translated() -> Iterator[None]:
    """Turn a driver's word for "not there" into `StateUnavailableError`."""
    try:
        yield
    except (OperationalError, PoolTimeoutError) as error:
        raise StateUnavailableError(f"the database does not answer: {_short(error)}") from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise StateUnavailableError(f"the database went away: {_short(error)}") from error
        raise


def _short(error: Exception) -> str:
    origin = getattr(error, "orig", None) or error
    return str(origin).strip().splitlines()[0] if str(origin).strip() else type(origin).__name__


def open_state(url: str, *, wait_s: float = 0.0, away: bool = False) -> State:
    """Open `sqlite:///file` or `postgresql+psycopg://…` and bring its schema up to date.

    Raises `CloudConfigError` for an address that is none, `StateUnavailableError` when the server
    does not answer within `wait_s`; not so with `away`: then the first use that reaches it does.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise CloudConfigError(
            f"state: {url!r} is no address; give sqlite:///FILE or postgresql+psycopg://…"
        ) from error
    if parsed.get_backend_name() == "sqlite":
        engine = _sqlite(parsed)
    elif parsed.get_backend_name() == "postgresql":
        engine = sa.create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            pool_pre_ping=True,
            pool_size=8,
            connect_args={"connect_timeout": 5},
        )
    else:
        raise CloudConfigError(
            f"state: {parsed.get_backend_name()!r} is not known; allowed: sqlite, postgresql"
        )
    state = State(engine)
    deadline = time.monotonic() + wait_s
    while True:
        try:
            state.upgrade()
        except StateUnavailableError:
            if away:
                return state
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.5)
        else:
            return state


def _sqlite(url: sa.URL) -> sa.Engine:
    if url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(url)

    @sa.event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:  # noqa: ANN401  # driver objects
        # the driver must not begin transactions by itself: `begin` below says IMMEDIATE
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout = {BUSY_TIMEOUT_MS}",
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _upgrade(engine: sa.Engine, *, postgres: bool) -> None:
    """Two processes at once do it one after the other."""
    folder = importlib.resources.files("haidang_cloud.state") / "migrations"
    config = Config()
    config.set_main_option("script_location", str(folder))
    with engine.begin() as connection:
        if postgres:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_SCHEMA_LOCK)))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
