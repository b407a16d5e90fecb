"""The demo's folder: where everything is, and the configuration files that are written into it."""

import contextlib
import errno
import fcntl
import getpass
import json
import os
import shlex
import shutil
import socket
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import yaml

from haidang_cloud.demo.servers import DATA_SOURCES, Servers
from haidang_cloud.demo.words import Words
from haidang_protocols.errors import UserError

CENTRE, SITE, NODE = "demo", "vung-tau", "vung-tau-1"
GUEST = "khach"
MARK = "demo.json"
DESK = "desk.json"
LOCK = "demo.lock"
PREFIX = "haidang-demo-"
PASSING = "passing"
PORT_MAX = 65535
SPOOL_MB = 32
MB = 1_000_000
FREE_MB = 150
"""What some hours of demo take, its spool filled while the link is cut."""
LOW_MB = 30
"""A disk with less is full within minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where the demo's processes listen, all on loopback."""

    console: int
    api: int
    broker: int
    enrolment: int


def free_ports(console: int, words: Words) -> Ports:
    """The console's port as asked for (0: any), the others as they are free.

    Raises `UserError` when it cannot be had.
    """
    if not 0 <= console <= PORT_MAX:
        raise UserError(words("port_bad", port=console, most=PORT_MAX))
    with socket.socket() as wanted:
        # as a server does it: a port that was left a moment ago is free
        wanted.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            wanted.bind(("127.0.0.1", console))
        except OSError as error:
            why = "port_denied" if error.errno == errno.EACCES else "port_taken"
            raise UserError(words(why, port=console)) from error
        found = [wanted.getsockname()[1]]
        others = [socket.socket() for _ in range(3)]
        try:
            for other in others:
                other.bind(("127.0.0.1", 0))
                found.append(other.getsockname()[1])
        finally:
            for other in others:
                other.close()
    return Ports(console=found[0], api=found[1], broker=found[2], enrolment=found[3])


class Home:
    """The folder; `again` says that an earlier demo has set it up."""

    def __init__(self, folder: Path) -> None:
        """Name what is in it."""
        self.folder = folder
        self.logs, self.catalogue = folder / "logs", folder / "catalogue"
        self.centre_file, self.fleet_file = folder / "centre.yaml", folder / "fleet.yaml"
        self.node, self.models = folder / "node", folder / "models"
        self.node_file, self.tls = self.node / "node.yaml", self.node / "tls"
        self.unset_clock = self.node / "clock.unset"
        self.data_sources = folder / DATA_SOURCES
        self.broker_conf = folder / "broker" / "mosquitto.conf"
        self.desk_file = folder / DESK
        self.again = (folder / MARK).exists()

    def write_configs(
        self, ports: Ports, servers: Servers, *, language: str, haidang: str, console: bool
    ) -> None:
        """The centre's and the fleet's configuration, for these ports and servers."""
        for folder in (self.logs, self.node, self.models):
            folder.mkdir(parents=True, exist_ok=True)
        _write(self.fleet_file, _fleet(ports))
        centre = _centre(ports, self.roles_command(haidang), language=language, console=console)
        _write(self.centre_file, centre | servers.config())

    def roles_command(self, haidang: str) -> list[str]:
        """What brings the broker's rights to a catalogue."""
        return [haidang, "fleet", "broker", "roles", "--config", str(self.fleet_file)]

    def write_node(self) -> None:
        """The node's configuration, before it is enrolled."""
        _write(
            self.node_file,
            {
                "models": str(self.models),
                "spool": {"folder": "spool", "quota_mb": SPOOL_MB},
            },
        )

    def lead_node_to(self, port: int) -> None:
        """Let the enrolled node reach the broker by another port: that of the cord."""
        config: dict[str, Any] = yaml.safe_load(self.node_file.read_text(encoding="utf-8"))
        config["broker"]["port"] = port
        _write(self.node_file, config)

    def free_mb(self) -> int:
        """What is left on its disk."""
        return shutil.disk_usage(self.folder).free // MB

    def mark(self, made: Mapping[str, str]) -> None:
        """It is set up with these options: the next demo in this folder goes on from here."""
        text = json.dumps({"v": 1, "made": dict(made)}, ensure_ascii=False)
        _replace(self.folder / MARK, text + "\n")

    def require(self, given: Mapping[str, str], words: Words) -> None:
        """Raise `UserError` where it was set up with other options: half of either is no demo."""
        if not self.again:
            return
        mark = json.loads((self.folder / MARK).read_text(encoding="utf-8"))
        made: dict[str, str] = mark.get("made", given)
        if made != given:
            options = typed(made)
            how = words("made_with", options=options) if made else words("made_plain")
            raise UserError(words("keep_made", folder=self.folder, made=how))


def typed(options: Mapping[str, str]) -> str:
    """Options as somebody types them."""
    return " ".join(f"{option} {shlex.quote(value)}" for option, value in options.items())


def shipped_catalogue() -> dict[str, str]:
    """The demo's own catalogue, text by file name."""
    with as_file(files("haidang_cloud.demo") / "catalogue") as folder:
        return {p.name: p.read_text(encoding="utf-8") for p in sorted(folder.glob("*.yaml"))}


class Lodging:
    """A folder that is ours alone: kept when a person named it, else removed at the end."""

    def __init__(self, keep: Path | None, words: Words) -> None:
        """Make it; raises `UserError` when it cannot be ours."""
        self._kept = keep is not None
        if keep is None:
            place = Path(tempfile.gettempdir())
            _sweep(place)
            _room(place, words)
            folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        else:
            folder = keep.expanduser().resolve()
            _settle(folder, words)
            _room(folder, words)
        self.home = Home(folder)
        lock = _locked(folder)
        if lock is None:
            raise UserError(words("keep_busy", folder=folder))
        self._lock = lock
        if not self._kept:
            (folder / PASSING).touch()
        elif not self.home.again:
            _clear(folder)

    def close(self) -> None:
        """Let it go."""
        os.close(self._lock)
        if not self._kept:
            shutil.rmtree(self.home.folder, ignore_errors=True)


def _locked(folder: Path) -> int | None:
    """The lock of a demo's folder, None where a demo is at work in it."""
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def _sweep(place: Path) -> None:
    """Remove what demos left that were killed: a folder that was to go with them, and is free."""
    for mark in place.glob(f"{PREFIX}*/{PASSING}"):
        with contextlib.suppress(OSError):  # another user's
            lock = _locked(mark.parent)
            if lock is not None:
                shutil.rmtree(mark.parent, ignore_errors=True)
                os.close(lock)


def _settle(folder: Path, words: Words) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        ours = (folder / LOCK).exists()
        if not ours and any(folder.iterdir()):
            raise UserError(words("keep_other", folder=folder))
    except OSError as error:
        raise UserError(words("keep_bad", folder=folder, why=error.strerror)) from error


def _room(folder: Path, words: Words) -> None:
    free_mb = shutil.disk_usage(folder).free // MB
    if free_mb < FREE_MB:
        raise UserError(words("disk_full", folder=folder, free=free_mb, needed=FREE_MB))


def _clear(folder: Path) -> None:
    """A set-up that was cut off is begun anew: half an authority serves nobody."""
    for path in folder.iterdir():
        if path.name == LOCK:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _fleet(ports: Ports) -> dict[str, Any]:
    return {
        "folder": "fleet",
        "name": "Haidang demo",
        "broker": {
            "host": "localhost",
            "port": ports.broker,
            "names": ["127.0.0.1"],
            "bind": "127.0.0.1",
            "folder": "broker",
            # started by root it would become `mosquitto`, who may not read a folder of ours
            "user": getpass.getuser() if os.geteuid() == 0 else "",
        },
        "service": {
            "host": "127.0.0.1",
            "port": ports.enrolment,
            "names": ["localhost", "127.0.0.1"],
        },
    }


def _centre(ports: Ports, roles: list[str], *, language: str, console: bool) -> dict[str, Any]:
    config: dict[str, Any] = {
        "centre": CENTRE,
        "lake": "lake",
        "blobs": "blobs",
        "audit_head": "audit.head",
        "broker": {
            "host": "localhost",
            "port": ports.broker,
            "ca": f"fleet/services/{CENTRE}.{{process}}/ca.pem",
            "cert": f"fleet/services/{CENTRE}.{{process}}/cert.pem",
            "key": f"fleet/services/{CENTRE}.{{process}}/key.pem",
        },
        "api": {"port": ports.api, "origin": f"http://127.0.0.1:{ports.api}"},
        "broker_roles": roles,
    }
    if console:
        config["console"] = {
            "port": ports.console,
            "origin": f"http://127.0.0.1:{ports.console}",
            "language": language,
            "desk": DESK,
        }
    return config


def _write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    _replace(path, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


def _replace(path: Path, text: str) -> None:
    fresh = path.with_name(f".{path.name}.new")
    fresh.touch(mode=0o600)  # an address may hold a password
    fresh.write_text(text, encoding="utf-8")
    fresh.rename(path)
