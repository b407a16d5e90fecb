"""A centre's fleet as it is run: authority, broker with generated files, enrolment service."""

import contextlib
import getpass
import io
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from haidang_fleet.broker import Control, Rights
from haidang_fleet.office import Office, admin_of, open_office
from haidang_protocols.command import main
from servers import start

CONFIG = """
folder: state
name: Haidang test
broker:
  host: localhost
  port: {broker}
  names: [127.0.0.1]
  bind: 127.0.0.1
  folder: broker
  user: "{user}"
  reload: {reload}
service:
  host: 127.0.0.1
  port: {service}
  names: [localhost, 127.0.0.1]
"""


@dataclass(frozen=True)
class Told:
    """What a command wrote, and its exit code."""

    code: int
    out: str
    err: str


def haidang(*words: str | Path, stdin: str = "") -> Told:
    """Run `haidang …` in this process."""
    out, err = io.StringIO(), io.StringIO()
    given = io.TextIOWrapper(io.BytesIO(stdin.encode()))
    before, sys.stdin = sys.stdin, given
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main([str(word) for word in words])
    finally:
        sys.stdin = before
    return Told(code, out.getvalue(), err.getvalue())


@dataclass
class Fleet:
    """Everything below one folder; `broker` and `service` can be killed and started again."""

    folder: Path
    catalogue: Path
    broker: start.Server
    service: start.Server

    @property
    def config(self) -> Path:
        return self.folder / "fleet.yaml"

    @property
    def url(self) -> str:
        return f"https://localhost:{self.service.port}"

    @property
    def office(self) -> Office:
        return open_office(self.config)

    def run(self, *words: str | Path, stdin: str = "") -> Told:
        """`haidang fleet …` on this fleet."""
        return haidang("fleet", *words, "--config", self.config, stdin=stdin)

    def token(self, node: str, *more: str) -> str:
        told = self.run("token", node, "--catalogue", self.catalogue, "--by", "an", *more)
        assert told.code == 0, told.err
        return told.out.strip()

    def enrol(self, token: str, folder: Path, *more: str | Path) -> Told:
        return haidang("node", "enrol", "--url", self.url, "--token", token, "--dir", folder, *more)

    def rights(self) -> Rights:
        with Control.connect(admin_of(self.office.config)) as control:
            return control.rights()

    def stop(self) -> None:
        self.service.stop()
        self.broker.stop()


def make_fleet(program: Path, folder: Path, catalogue: Path) -> Fleet:
    """Set a fleet up by its own commands; starts nothing."""
    folder.mkdir(parents=True)
    broker_port, service_port = start.free_port(), start.free_port()
    pid = folder / "broker.pid"
    user = getpass.getuser() if os.geteuid() == 0 else ""
    (folder / "fleet.yaml").write_text(
        CONFIG.format(
            broker=broker_port,
            service=service_port,
            user=user,
            reload=["sh", "-c", f"kill -HUP $(cat {pid})"],
        )
    )
    conf = folder / "broker" / "mosquitto.conf"
    haidang_program = Path(sys.executable).with_name("haidang")
    # exec: the process id that the shell notes is the broker's
    broker = start.Server(
        ["sh", "-c", f"echo $$ > {pid}; exec {program} -c {conf}"],
        broker_port,
        folder / "broker.log",
    )
    service = start.Server(
        [str(haidang_program), "fleet", "serve", "--config", str(folder / "fleet.yaml")],
        service_port,
        folder / "service.log",
    )
    fleet = Fleet(folder, catalogue, broker, service)
    for words in (
        ("ca", "make", "--by", "an"),
        ("broker", "config", "--by", "an", "--catalogue", str(catalogue)),
    ):
        told = fleet.run(*words)
        assert told.code == 0, told.err
    return fleet
