"""The fleet's configuration: one YAML file, every mistake in it told at once."""

from pathlib import Path
from typing import Annotated, Any

import yaml
from msgspec import Meta, Struct, inspect
from msgspec.structs import replace

from haidang_fleet.errors import FleetConfigError
from haidang_protocols.catalogue.reader import Reader
from haidang_protocols.wire.names import NAME_PATTERN

Port = Annotated[int, Meta(ge=1, le=65535)]
Host = Annotated[str, Meta(min_length=1, max_length=253)]
Name = Annotated[str, Meta(pattern=NAME_PATTERN)]


class BrokerConfig(Struct, frozen=True, kw_only=True):
    """The centre's broker.

    Attributes:
        host, port: where it is reached, by nodes too unless `public_host` says otherwise.
        names: further names and addresses in its certificate.
        folder: where its configuration and certificates are written.
        seen_as: that folder as mosquitto sees it, when it runs in a container.
        data: its memory, as mosquitto sees it.
        bind: the address that it listens on; empty is all.
        plugin: the dynamic-security plugin; empty is looked for.
        user: whom mosquitto becomes when started as root.
        reload: a command that makes it read the revocation list again; empty when something beside
            it watches that file.
    """

    host: Host = "localhost"
    port: Port = 8883
    public_host: str = ""
    names: tuple[Host, ...] = ()
    folder: str = "broker"
    seen_as: str = ""
    data: str = ""
    bind: str = ""
    plugin: str = ""
    user: str = ""
    reload: tuple[str, ...] = ()


class SiteBroker(Struct, frozen=True, kw_only=True):
    """A site's own broker: its nodes are told to speak to it."""

    site: Name
    host: Host
    port: Port = 8883


class ServiceConfig(Struct, frozen=True, kw_only=True):
    """Where the enrolment service listens; `names` are in its certificate."""

    host: str = "127.0.0.1"
    port: Port = 8444
    names: Annotated[tuple[Host, ...], Meta(min_length=1)] = ("localhost",)


class FleetConfig(Struct, frozen=True, kw_only=True):
    """What the fleet's commands must know; paths are relative to the file.

    `folder` holds the authority, the registry and the certificates of services.
    """

    folder: str
    name: Annotated[str, Meta(min_length=1, max_length=64)] = "Haidang"
    broker: BrokerConfig = BrokerConfig()
    service: ServiceConfig = ServiceConfig()
    sites: tuple[SiteBroker, ...] = ()

    def broker_for(self, site: str) -> tuple[str, int]:
        """Host and port that nodes of a site are told."""
        for own in self.sites:
            if own.site == site:
                return own.host, own.port
        return self.broker.public_host or self.broker.host, self.broker.port


def load_config(path: Path) -> FleetConfig:
    """Read the configuration; raises `FleetConfigError` with every mistake."""
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except OSError as error:
        raise FleetConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise FleetConfigError(f"{path}: no YAML: {error}") from error
    if root is None:
        raise FleetConfigError(f"{path}: is empty")
    reader = Reader(path.name)
    config: Any = reader.read(root, inspect.type_info(FleetConfig), "")
    if reader.problems:
        lines = "\n  ".join(str(problem) for problem in sorted(reader.problems))
        raise FleetConfigError(f"the configuration has mistakes:\n  {lines}")
    return _anchored(config, path.parent.resolve())


def _anchored(config: FleetConfig, base: Path) -> FleetConfig:
    """Relative paths begin where the file is, whatever the working folder."""
    folder = base / config.broker.folder
    broker = replace(
        config.broker,
        folder=str(folder),
        seen_as=config.broker.seen_as or str(folder),
        data=config.broker.data or str(folder / "data"),
    )
    return replace(config, folder=str(base / config.folder), broker=broker)
