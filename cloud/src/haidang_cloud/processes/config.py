"""The centre's configuration: one YAML file, every mistake in it told at once."""

from pathlib import Path
from typing import Annotated, Any

import yaml
from msgspec import Meta, Struct, inspect
from msgspec.structs import replace

from haidang_cloud.broker import BrokerSettings
from haidang_cloud.errors import CloudConfigError
from haidang_cloud.state.database import State, open_state
from haidang_cloud.timeseries import Influx, InfluxSettings, SqliteSeries, TimeSeries
from haidang_protocols.catalogue.reader import Reader
from haidang_protocols.wire.names import NAME_PATTERN

Name = Annotated[str, Meta(pattern=NAME_PATTERN)]
Port = Annotated[int, Meta(ge=1, le=65535)]
Origin = Annotated[
    str, Meta(pattern="^https?://[^/?#]+$", description="an address such as https://ioc.tinh.vn")
]


class InfluxConfig(Struct, frozen=True, kw_only=True, tag_field="kind", tag="influx"):
    """A real InfluxDB 2; the token stands in a file of its own."""

    url: str
    org: str
    token_file: str
    timeout_s: Annotated[float, Meta(gt=0, le=600)] = 30.0
    gzip: bool = False


class SqliteConfig(Struct, frozen=True, kw_only=True, tag_field="kind", tag="sqlite"):
    """The embedded default."""

    path: str


class BrokerConfig(Struct, frozen=True, kw_only=True):
    """The broker; `plain` for one on the same machine only.

    A process is who its certificate says: `{process}` in `cert` and `key` becomes its name, such as
    `ingest.w1` or `worker.w1`, so that one file serves them all and none takes another's session.
    """

    host: str = "127.0.0.1"
    port: Port = 8883
    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    plain: bool = False


class ApiConfig(Struct, frozen=True, kw_only=True):
    """Where the API listens.

    Attributes:
        origin: its address as people type it.
        proxies: addresses of proxies whose word on who asks is believed.
    """

    host: str = "127.0.0.1"
    port: Port = 8080
    origin: Origin = "http://127.0.0.1:8080"
    proxies: tuple[str, ...] = ()


class ConsoleConfig(Struct, frozen=True, kw_only=True):
    """Where the console listens; `origin` and `proxies` as with the API.

    Attributes:
        language: what somebody reads who has not chosen yet.
        desk: the file that tells where a demo's desk is; with it, people may break things.
    """

    host: str = "127.0.0.1"
    port: Port = 8081
    origin: Origin = "http://127.0.0.1:8081"
    proxies: tuple[str, ...] = ()
    language: Annotated[str, Meta(pattern="^(vi|en)$", description="vi or en")] = "vi"
    desk: str | None = None


class CloudConfig(Struct, frozen=True, kw_only=True):
    """What a process of the centre must know; paths are relative to the file."""

    centre: Name
    state: str
    timeseries: InfluxConfig | SqliteConfig
    lake: str
    blobs: str
    broker: BrokerConfig = BrokerConfig()
    api: ApiConfig = ApiConfig()
    console: ConsoleConfig = ConsoleConfig()
    catalogue: str | None = None
    snapshot_days: Annotated[int, Meta(ge=1, le=3650)] = 30
    audit_head: str | None = None
    datasources: str | None = None
    broker_roles: tuple[str, ...] = ()


def load_config(path: Path) -> CloudConfig:
    """Read the configuration; raises `CloudConfigError` with every mistake."""
    try:
        text = path.read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except OSError as error:
        raise CloudConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CloudConfigError(f"{path}: no YAML: {error}") from error
    if root is None:
        raise CloudConfigError(f"{path}: is empty")
    reader = Reader(path.name)
    config: Any = reader.read(root, inspect.type_info(CloudConfig), "")
    if reader.problems:
        lines = "\n  ".join(str(problem) for problem in sorted(reader.problems))
        raise CloudConfigError(f"the configuration has mistakes:\n  {lines}")
    return _anchored(config, path.parent.resolve())


def _anchored(config: CloudConfig, base: Path) -> CloudConfig:
    """Relative paths begin where the file is, whatever the working folder."""

    def at(path: str | None) -> str | None:
        return None if path is None else str(base / path)

    state = config.state
    if state.startswith("sqlite:///") and not state.startswith("sqlite:////"):
        state = f"sqlite:///{base / state.removeprefix('sqlite:///')}"
    series = config.timeseries
    if isinstance(series, SqliteConfig):
        series = replace(series, path=str(at(series.path)))
    else:
        series = replace(series, token_file=str(at(series.token_file)))
    broker = config.broker
    return replace(
        config,
        state=state,
        timeseries=series,
        lake=str(at(config.lake)),
        blobs=str(at(config.blobs)),
        catalogue=at(config.catalogue),
        audit_head=at(config.audit_head),
        datasources=at(config.datasources),
        console=replace(config.console, desk=at(config.console.desk)),
        broker=replace(broker, ca=at(broker.ca), cert=at(broker.cert), key=at(broker.key)),
    )


def state_of(config: CloudConfig, *, wait_s: float = 30.0, away: bool = False) -> State:
    """The database, waited for while it comes up; with `away` it may come later."""
    return open_state(config.state, wait_s=wait_s, away=away)


def series_of(config: CloudConfig) -> TimeSeries:
    """The time series."""
    chosen = config.timeseries
    if isinstance(chosen, SqliteConfig):
        return SqliteSeries(Path(chosen.path))
    return Influx(
        InfluxSettings(
            url=chosen.url,
            org=chosen.org,
            token=read_secret(Path(chosen.token_file)),
            timeout_s=chosen.timeout_s,
            gzip=chosen.gzip,
        )
    )


def broker_of(config: CloudConfig, *, process: str) -> BrokerSettings:
    """The broker and the certificate of a process."""
    given = config.broker

    def path(text: str | None) -> Path | None:
        return None if text is None else Path(text.replace("{process}", process))

    return BrokerSettings(
        host=given.host,
        port=given.port,
        ca=path(given.ca),
        cert=path(given.cert),
        key=path(given.key),
        plain=given.plain,
    )


def read_secret(path: Path) -> str:
    """A secret from its file."""
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise CloudConfigError(f"secret {path}: cannot be read: {error.strerror}") from error
    if not secret:
        raise CloudConfigError(f"secret {path}: is empty")
    return secret
