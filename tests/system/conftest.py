"""Servers of a test's own: what it kills nobody else stands on."""

import os
import secrets
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from fakes.node_line import Line
from servers import find, start
from system.browser.chromium import WIDE, Browser, demand

FIGURE = "figure"


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Callable[[object], None]:
    """Says a figure at the end of the run, whether the test passes or not."""

    def say(figure: object) -> None:
        # a test's properties reach the summary from another process too
        request.node.user_properties.append((FIGURE, f"{request.node.name}: {figure}"))

    return say


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The figures that tests told."""
    reports = [
        one
        for outcome in ("passed", "failed")
        for one in terminalreporter.getreports(outcome)
        if one.when == "call"
    ]
    lines = [text for one in reports for name, text in one.user_properties if name == FIGURE]
    if lines:
        terminalreporter.section("figures")
        for line in lines:
            terminalreporter.line(line)


@pytest.fixture
def embedded(tmp_path: Path) -> dict[str, Any]:
    """The embedded default: SQLite for both databases."""
    return {
        "state": f"sqlite:///{tmp_path / 'state.sqlite'}",
        "timeseries": {"kind": "sqlite", "path": str(tmp_path / "series.sqlite")},
    }


def need(found: Path | None, sentence: str) -> Path:
    """As the project's own fixtures do it: missing is a failure where everything is required."""
    if found is not None:
        return found
    if os.environ.get("HAIDANG_REQUIRE") == "1":
        pytest.fail(f"required, but {sentence}")
    pytest.skip(sentence)


def fresh_database(server: start.Postgres) -> str:
    """The address of a new, empty database."""
    name = f"t{secrets.token_hex(6)}"
    with psycopg.connect(server.url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return server.url.rpartition("/")[0] + f"/{name}"


def influx_settings(server: start.Influx, folder: Path) -> dict[str, Any]:
    """How a centre's configuration names a real InfluxDB."""
    token = folder / "influx.token"
    token.write_text(server.token)
    return {
        "kind": "influx",
        "url": server.url,
        "org": server.org,
        "token_file": str(token),
        "timeout_s": 10.0,
    }


@pytest.fixture
def real(tmp_path: Path, request: pytest.FixtureRequest) -> dict[str, Any]:
    """PostgreSQL and InfluxDB."""
    postgres: start.Postgres = request.getfixturevalue("postgres")
    influx: start.Influx = request.getfixturevalue("influx")
    influx.empty()
    return {
        "state": fresh_database(postgres),
        "timeseries": influx_settings(influx, tmp_path),
    }


@pytest.fixture
def own_servers(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """PostgreSQL and InfluxDB that nobody else stands on: `servers` to kill, `settings` to use."""
    program = need(find.program("influxd"), "influxd is not installed and could not be built")
    folder = need(find.postgres_bin(), "PostgreSQL 15 is not installed (apt install postgresql)")
    # not below pytest's folder: another run closes it to the user `postgres` while this one kills
    home = Path(tempfile.mkdtemp(prefix="haidang-pg-"))
    postgres = start.postgres(folder, home / "pg")
    influx = start.influxd(program, tmp_path / "influx")
    yield {
        "servers": {"postgres": postgres.server, "influx": influx.server},
        "settings": {"state": postgres.url, "timeseries": influx_settings(influx, tmp_path)},
    }
    influx.server.stop()
    postgres.server.stop()
    start.remove(home)


@pytest.fixture
def new_line(tmp_path: Path, broker: start.Server) -> Iterator[Callable[..., Line]]:
    """Makes lines of processes; what is left of them ends with the test."""
    made: list[Line] = []

    def make(**options: Any) -> Line:
        line = Line(tmp_path / f"line-{len(made)}", options.pop("broker", broker), **options)
        made.append(line)
        return line

    yield make
    for line in made:
        line.close()


@pytest.fixture(scope="module")
def window() -> Iterator[Browser]:
    """One browser for all."""
    demand()
    opened = Browser()
    yield opened
    opened.close()


@pytest.fixture
def browser(window: Browser) -> Iterator[Browser]:
    """The window, with nobody logged in and no complaint left over."""
    window.forget()
    window.resize(WIDE)
    window.offline(off=False)
    window.errors()
    yield window
    window.open("about:blank")
