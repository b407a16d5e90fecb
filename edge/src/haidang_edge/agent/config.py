"""`node.yaml`: what a node must know of itself, strict, every mistake told at once."""

import ipaddress
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import yaml
from msgspec import Meta, Struct, inspect
from msgspec.structs import replace

from haidang_edge.errors import NodeConfigError
from haidang_edge.publish import BrokerSettings, Identity
from haidang_edge.spool import SpoolSettings
from haidang_protocols.catalogue.problems import Problem
from haidang_protocols.catalogue.reader import Reader
from haidang_protocols.wire.names import NAME_PATTERN, NAME_RULE, RESERVED

ENROLMENT_WRITES = ("centre", "site", "node", "broker")
Name = Annotated[str, Meta(pattern=NAME_PATTERN, description=NAME_RULE)]


class SpoolPart(Struct, frozen=True, kw_only=True):
    """Where records wait, and how much room they may take."""

    folder: str
    quota_mb: Annotated[int, Meta(ge=4, le=1 << 20)] = 1024


class BrokerPart(Struct, frozen=True, kw_only=True):
    """The broker; `haidang node enrol` makes the files. `plain` is for loopback only."""

    host: str
    port: Annotated[int, Meta(ge=1, le=65535)] = 8883
    ca: str | None = None
    cert: str | None = None
    key: str | None = None
    plain: bool = False


class NodeConfig(Struct, frozen=True, kw_only=True):
    """A node's configuration; relative paths begin where the file is.

    Attributes:
        centre, site, node: the node's place on the wire.
        catalogue: folder or file that declares the node's cameras, until the centre sends more.
        models: folder of models (`haidang node models`).
        trust_wall: take the wall clock for synchronised: on a machine whose host keeps the time.
        loop_files: a camera that is a file begins again at its end, as a camera never ends.
    """

    centre: Name
    site: Name
    node: Name
    catalogue: str | None = None
    models: str
    spool: SpoolPart
    broker: BrokerPart
    trust_wall: bool = False
    loop_files: bool = True

    def identity(self) -> Identity:
        """Who the node is on the wire."""
        return Identity(centre=self.centre, site=self.site, node=self.node)

    def spool_settings(self) -> SpoolSettings:
        """The spool, in bytes."""
        return SpoolSettings(
            folder=Path(self.spool.folder), quota_bytes=self.spool.quota_mb * 1_000_000
        )

    def broker_settings(self) -> BrokerSettings:
        """The broker, with paths."""
        given = self.broker
        return BrokerSettings(
            host=given.host,
            port=given.port,
            ca=None if given.ca is None else Path(given.ca),
            cert=None if given.cert is None else Path(given.cert),
            key=None if given.key is None else Path(given.key),
            plain=given.plain,
        )


def load_config(path: Path) -> NodeConfig:
    """Read `node.yaml`; raises `NodeConfigError` with every mistake in it."""
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except OSError as error:
        raise NodeConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise NodeConfigError(f"{path}: no YAML: {error}") from error
    if root is None:
        raise NodeConfigError(f"{path}: is empty")
    reader = Reader(path.name)
    config: Any = reader.read(root, inspect.type_info(NodeConfig), "")
    problems = list(reader.problems)
    if not problems:
        config = _anchored(config, path.parent.resolve())
        problems += [
            Problem(file=path.name, line=_line(reader, field), field=field, value=value, message=m)
            for field, value, m in _findings(config)
        ]
    if problems:
        lines = "\n  ".join(str(problem) for problem in sorted(problems))
        raise NodeConfigError(
            f"the node's configuration has mistakes:\n  {lines}{_advice(path, problems)}"
        )
    read: NodeConfig = config
    return read


def _advice(path: Path, problems: list[Problem]) -> str:
    """What to do when all is missing that enrolment writes: the node was not enrolled yet."""
    missing = {problem.field for problem in problems if problem.message == "is missing"}
    if not missing >= set(ENROLMENT_WRITES):
        return ""
    return (
        f"\nthis node is not enrolled yet: `haidang node enrol --url … --token - --write {path}` "
        f"puts {', '.join(ENROLMENT_WRITES)} there"
    )


def _line(reader: Reader, field: str) -> int:
    return reader.lines.get(field) or reader.lines.get(field.split(".", maxsplit=1)[0], 1)


def _anchored(config: NodeConfig, base: Path) -> NodeConfig:
    def at(path: str | None) -> str | None:
        return None if path is None else str(base / path)

    broker = config.broker
    return replace(
        config,
        catalogue=at(config.catalogue),
        models=str(at(config.models)),
        spool=replace(config.spool, folder=str(at(config.spool.folder))),
        broker=replace(broker, ca=at(broker.ca), cert=at(broker.cert), key=at(broker.key)),
    )


def _findings(config: NodeConfig) -> Iterator[tuple[str, str, str]]:
    """Mistakes between fields and in the world: field, value, message."""
    for field in ("centre", "site", "node"):
        if getattr(config, field) in RESERVED:
            words = ", ".join(sorted(RESERVED))
            yield field, repr(getattr(config, field)), f"is a reserved word; reserved are {words}"
    broker = config.broker
    if broker.plain:
        if not _loopback(broker.host):
            yield "broker.plain", "true", "is allowed on loopback only; give ca, cert and key"
        return
    for field in ("ca", "cert", "key"):
        path = getattr(broker, field)
        if path is None:
            yield f"broker.{field}", "", "is missing; `haidang node enrol` makes it"
        elif not Path(path).is_file():
            yield f"broker.{field}", repr(path), "is no file; `haidang node enrol` makes it"


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
