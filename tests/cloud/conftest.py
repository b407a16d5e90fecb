"""The centre's databases, both kinds; brokers, and a worker that tells nodes."""

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from fakes.province import province
from fakes.relay import Relay
from fakes.teller import Worker, plain
from haidang_cloud.state import State, open_state
from haidang_cloud.timeseries import Influx, InfluxSettings, SqliteSeries, TimeSeries
from haidang_protocols.catalogue import Catalogue, load, load_texts
from haidang_protocols.catalogue.loader import read_texts
from servers import start
from servers.secure import SecureBroker, secure_broker

MINIMAL = Path(__file__).resolve().parents[2] / "catalog" / "minimal"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def state_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database, of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'state.sqlite'}"
    make: Callable[[], str] = request.getfixturevalue("new_database")
    return make()


@pytest.fixture
def new_database(postgres: start.Postgres) -> Callable[[], str]:
    """Makes an empty PostgreSQL database and gives its address."""

    def make() -> str:
        name = f"t{secrets.token_hex(6)}"
        plain = postgres.url.replace("+psycopg", "")
        with psycopg.connect(plain, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return postgres.url.rpartition("/")[0] + f"/{name}"

    return make


@pytest.fixture
def state(state_url: str) -> Iterator[State]:
    """An empty database with its schema."""
    opened = open_state(state_url)
    yield opened
    opened.close()


@pytest.fixture(params=["sqlite", pytest.param("influx", marks=pytest.mark.influx)])
def series(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TimeSeries]:
    """Empty time series, of each kind."""
    opened: TimeSeries
    if request.param == "sqlite":
        opened = SqliteSeries(tmp_path / "series.sqlite")
    else:
        server: start.Influx = request.getfixturevalue("influx")
        server.empty()
        opened = Influx(InfluxSettings(url=server.url, org=server.org, token=server.token))
    yield opened
    opened.close()


@pytest.fixture
def bucket(series: TimeSeries) -> Iterator[str]:
    """A bucket of one's own."""
    name = f"test-{secrets.token_hex(6)}"
    series.ensure(name)
    yield name
    series.drop(name)


@pytest.fixture(scope="session")
def minimal() -> Catalogue:
    """The smallest centre that works."""
    return load(MINIMAL)


@pytest.fixture(scope="session")
def two_nodes() -> Catalogue:
    """The smallest centre with a second node, which has no camera."""
    texts = read_texts(MINIMAL)
    name, text = texts.popitem()
    text = text.replace(
        "  - {id: gate-1, site: gate}", "  - {id: gate-1, site: gate}\n  - {id: gate-2, site: gate}"
    )
    return load_texts({name: text})


@pytest.fixture
def small(tmp_path: Path) -> Iterator[State]:
    """An empty database of the quicker kind."""
    state = open_state(f"sqlite:///{tmp_path / 'state.sqlite'}")
    yield state
    state.close()


@pytest.fixture
def worker(small: State, broker: start.Server) -> Iterator[Worker]:
    """The part of a worker that tells nodes, on a plain broker."""
    made = Worker(small, plain(broker.port))
    yield made
    made.close()


@pytest.fixture
def relay(broker: start.Server) -> Iterator[Relay]:
    """A line to the broker that can be cut."""
    made = Relay(broker.port)
    yield made
    made.close()


@pytest.fixture
def secure(tmp_path: Path, mosquitto_program: Path) -> Iterator[SecureBroker]:
    """A broker of the small province that asks everybody for a certificate."""
    made = secure_broker(mosquitto_program, tmp_path / "secure", province())
    made.start()
    yield made
    made.stop()
