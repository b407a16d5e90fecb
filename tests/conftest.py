"""Fixtures that every package's tests share: real servers and real data.

A server that is missing skips its tests with a plain reason; with HAIDANG_REQUIRE=1 it fails them,
so that a full run can have skipped nothing.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from servers import find, start


def _need(found: Path | None, sentence: str) -> Path:
    if found is not None:
        return found
    if os.environ.get("HAIDANG_REQUIRE") == "1":
        pytest.fail(f"required, but {sentence}")
    pytest.skip(sentence)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Real pictures, clips and models."""
    return _need(
        find.data(), "no real test data: set HAIDANG_TEST_DATA to the folder that holds them"
    )


@pytest.fixture(scope="session")
def mosquitto_program() -> Path:
    """The mosquitto program."""
    return _need(find.program("mosquitto"), "mosquitto is not installed (apt install mosquitto)")


@pytest.fixture(scope="session")
def compose_parser() -> Path:
    """The parser of docker compose."""
    return _need(find.program("compose-go"), "compose-go is not there and could not be built")


@pytest.fixture
def broker(mosquitto_program: Path, tmp_path: Path) -> Iterator[start.Server]:
    """A plain broker on loopback."""
    server = start.mosquitto(mosquitto_program, tmp_path / "broker")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def new_broker(mosquitto_program: Path, tmp_path: Path) -> Iterator[Callable[..., start.Server]]:
    """Makes brokers with configurations of one's own; all end with the test."""
    made: list[start.Server] = []

    def make(lines: str = "", port: int | None = None) -> start.Server:
        folder = tmp_path / f"broker-{len(made)}"
        server = start.mosquitto(mosquitto_program, folder, lines=lines, port=port)
        made.append(server)
        server.start()
        return server

    yield make
    for server in made:
        server.stop()


@pytest.fixture(scope="session")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[start.Influx]:
    """A real InfluxDB 2 for the whole run: use buckets of your own."""
    program = _need(find.program("influxd"), "influxd is not installed and could not be built")
    server = start.influxd(program, tmp_path_factory.mktemp("influx"))
    yield server
    server.server.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[start.Postgres]:
    """A private PostgreSQL for the whole run: use databases of your own."""
    folder = _need(find.postgres_bin(), "PostgreSQL 15 is not installed (apt install postgresql)")
    # not below pytest's own folder: its user must get in, and another run shuts that folder again
    home = Path(tempfile.mkdtemp(prefix="haidang-postgres-"))
    server = start.postgres(folder, home / "pg")
    yield server
    server.server.stop()
    start.remove(home)
