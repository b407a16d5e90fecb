"""The compose files: what they promise, and the same processes with the same settings running."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from haidang_edge.agent.config import load_config
from haidang_edge.publish import BrokerSettings, Hooks, Identity, Publisher
from haidang_edge.spool import ClockFixes, NodeClock, Spool, SpoolSettings
from haidang_fleet.broker.files import find_plugin
from haidang_protocols.wire import messages, topics
from haidang_protocols.wire.records import Event, Phase, RecordClass, RuleKind, encode_record
from haidang_protocols.wire.topics import Severity
from servers import start
from servers.compose import Composed, VariableMissingError, interpolate, variables
from servers.find import REPOSITORY
from servers.fleet import haidang
from servers.speaker import Speaker

CLOUD = REPOSITORY / "docker-compose.cloud.yml"
EDGE = REPOSITORY / "docker-compose.edge.yml"
FILES = (CLOUD, EDGE)
GIVEN = {
    "HAIDANG_CENTRE": "demo",
    "HAIDANG_SITE": "gate",
    "HAIDANG_NODE": "gate-1",
    "HAIDANG_HOST": "localhost",
    "HAIDANG_SITE_HOST": "gate.example",
    "HAIDANG_CATALOGUE": str(REPOSITORY / "catalog" / "minimal"),
    "HAIDANG_MODELS": "/models",
    "HAIDANG_SITE_BROKER": "/site-broker",
    "HAIDANG_SECRETS": "/secrets",
}
BIN = Path(sys.executable).parent


# --- what the files promise -----------------------------------------------------------------


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_the_parser_of_docker_compose_takes_the_file(path: Path, compose_parser: Path) -> None:
    told = subprocess.run(
        [compose_parser, str(path)],
        env={**os.environ, **GIVEN},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_a_variable_that_is_not_set_is_told_by_its_name(path: Path, compose_parser: Path) -> None:
    given = {**os.environ, **GIVEN}
    missing = "HAIDANG_CENTRE"
    given.pop(missing)
    told = subprocess.run(
        [compose_parser, str(path)], env=given, capture_output=True, text=True, check=False
    )
    assert told.returncode != 0
    assert missing in told.stderr


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_every_service_is_pinned_healthy_and_closed(path: Path) -> None:
    document = Composed(path, GIVEN)
    for name, service in document.services.items():
        image, _, tag = service["image"].rpartition(":")
        assert image, name
        assert re.fullmatch(r"\d+\.\d+(\.\d+)?(-[a-z]+)?", tag), f"{name}: {service['image']}"
        once = service.get("restart") == "no"
        healthcheck = service["healthcheck"]
        assert healthcheck.get("test") or (once and healthcheck == {"disable": True}), name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["user"].split(":")[0] not in ("0", "root"), name
        assert "privileged" not in service


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_nothing_starts_before_what_it_needs_is_healthy(path: Path) -> None:
    services = Composed(path, GIVEN).services
    for name, service in services.items():
        for needed, how in service.get("depends_on", {}).items():
            once = services[needed].get("restart") == "no"
            want = "service_completed_successfully" if once else "service_healthy"
            assert how["condition"] == want, f"{name} waits for {needed}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_no_secret_has_a_default_and_none_stands_in_the_environment(path: Path) -> None:
    text = path.read_text()
    assert {name for name, kinds in variables(text).items() if "" in kinds} == set()
    for name in [n for n, kinds in variables(text).items() if "?" in kinds]:
        with pytest.raises(VariableMissingError, match=name):
            interpolate(text, {key: value for key, value in GIVEN.items() if key != name})
    for name, service in Composed(path, GIVEN).services.items():
        for key, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|TOKEN|SECRET|KEY", key):
                assert str(value).startswith("/run/secrets/"), f"{name}: {key}"
        for secret in service.get("secrets", ()):
            assert Composed(path, GIVEN).document["secrets"][secret]["file"], name


def test_the_edge_configuration_is_one_that_the_agent_reads(tmp_path: Path) -> None:
    told = yaml.safe_load(Composed(EDGE, GIVEN).config("node"))
    for name in ("ca", "cert", "key"):
        (tmp_path / name).write_text("")
        told["broker"][name] = name
    (tmp_path / "models").mkdir()
    told.update(models="models")
    (tmp_path / "node.yaml").write_text(yaml.safe_dump(told))
    config = load_config(tmp_path / "node.yaml")
    assert config.identity() == Identity(centre="demo", site="gate", node="gate-1")
    assert config.broker_settings().host == "gate.example"


# --- the same processes without containers --------------------------------------------------


class Centre:
    """The cloud file's processes on this machine: paths, ports and host names are all that differ.

    Started by root, mosquitto would become another user: the container's is none, so that is said.
    """

    def __init__(self, folder: Path, *, stores: dict[str, Any]) -> None:
        self.folder = folder
        self.composed = Composed(CLOUD, {**GIVEN, "HAIDANG_SECRETS": str(folder / "secrets")})
        self.ports = {number: start.free_port() for number in (8883, 8444, 8080)}
        self.env = {
            **os.environ,
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}{os.pathsep}/usr/sbin",
            "PGPASSFILE": str(folder / "lib" / "centre" / "pgpass"),
            "HAIDANG_CENTRE": GIVEN["HAIDANG_CENTRE"],
            "HAIDANG_CATALOGUE": str(folder / "etc" / "catalogue"),
            "HAIDANG_FLEET_CONFIG": str(folder / "etc" / "fleet.yaml"),
            "HAIDANG_STATE": str(folder / "lib"),
            "HAIDANG_POSTGRES_PASSWORD_FILE": str(folder / "secrets" / "postgres_password"),
        }
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self._write(stores)

    def local(self, text: str) -> str:
        """A text of the file with this machine's paths, ports and names."""
        for there, here in (
            ("/usr/lib/mosquitto_dynamic_security.so", find_plugin()),
            ("/var/lib/haidang", str(self.folder / "lib")),
            ("/etc/haidang", str(self.folder / "etc")),
            ("/run/secrets", str(self.folder / "secrets")),
            ("/usr/local/bin/haidang-broker", str(self.folder / "etc" / "broker.sh")),
            ("host: broker", "host: localhost"),
            ("host: 0.0.0.0", "host: 127.0.0.1"),
            (":22B3", f":{self.ports[8883]:04X}"),
            *((str(there), str(here)) for there, here in self.ports.items()),
        ):
            text = text.replace(there, here)
        return text

    def _write(self, stores: dict[str, Any]) -> None:
        for name in ("etc", "secrets", "lib/centre", "lib/fleet", "lib/broker/data"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "secrets" / "postgres_password").write_text("not-a-default")
        shutil.copytree(GIVEN["HAIDANG_CATALOGUE"], self.folder / "etc" / "catalogue")
        (self.folder / "etc" / "broker.sh").write_text(self.composed.config("run-broker"))
        centre = yaml.safe_load(self.local(self.composed.config("centre")))
        centre.update(stores)
        (self.folder / "etc" / "centre.yaml").write_text(yaml.safe_dump(centre))
        fleet = yaml.safe_load(self.local(self.composed.config("fleet")))
        if os.geteuid() == 0:
            fleet["broker"]["user"] = "root"
        (self.folder / "etc" / "fleet.yaml").write_text(yaml.safe_dump(fleet))

    def once(self, service: str, *words: str) -> str:
        """Run a service that ends by itself; `words` take its command's place."""
        told = self.composed.words(service, image_entrypoint=("haidang",))
        if words:
            told = ["haidang", *words]
        if told[0] == "haidang-prepare":
            told = ["sh", str(REPOSITORY / "cloud" / "compose" / "prepare.sh")]
        done = subprocess.run(
            [self.local(word) for word in told],
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{service}: {done.stdout}{done.stderr}"
        return done.stdout

    def up(self, *services: str) -> None:
        """Start services at once, and wait until the health check of each says so."""
        for service in services:
            words = self.composed.words(service, image_entrypoint=("haidang",))
            log = self.folder / f"{service}.log"
            with log.open("ab") as out:
                self.running[service] = subprocess.Popen(
                    [self.local(word) for word in words],
                    stdout=out,
                    stderr=out,
                    env=self.env,
                )
        for service in services:
            start.wait_until(
                lambda service=service: self.healthy(service),  # type: ignore[misc]
                what=f"{service} healthy, see {self.folder}/{service}.log",
                timeout_s=120,
            )

    def healthy(self, service: str) -> bool:
        kind, *words = self.composed.services[service]["healthcheck"]["test"]
        told = [self.local(word) for word in words]
        command = ["sh", "-c", *told] if kind == "CMD-SHELL" else told
        done = subprocess.run(command, env=self.env, capture_output=True, check=False)
        return done.returncode == 0

    def down(self) -> None:
        for process in reversed(self.running.values()):
            process.terminate()
        for process in self.running.values():
            process.wait(30)


@pytest.fixture(params=["embedded", "real"])
def centre(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Centre]:
    made = Centre(tmp_path / "c", stores=request.getfixturevalue(request.param))
    yield made
    made.down()


def alarm() -> Event:
    """What the smallest catalogue's one rule says when somebody walks in at night."""
    return Event(
        t=time.time_ns(),
        boot="0123abcd",
        mono=1,
        synced=True,
        camera="gate-east",
        rule="night-intrusion",
        type=RuleKind.INTRUSION,
        phase=Phase.BEGIN,
        event="e1",
        severity=Severity.CRITICAL,
        alarm=True,
    )


class Node:
    """The node's own sender over the certificate that it enrolled for."""

    def __init__(self, folder: Path) -> None:
        told: dict[str, Any] = yaml.safe_load((folder / "node.yaml").read_text())
        self.spool = Spool(SpoolSettings(folder=folder / "spool", segment_bytes=1 << 20))
        clock = NodeClock(folder, trust_wall=True)
        broker: dict[str, Any] = told["broker"]
        self.publisher = Publisher(
            self.spool,
            identity=Identity(centre=told["centre"], site=told["site"], node=told["node"]),
            broker=BrokerSettings(
                host=broker["host"],
                port=broker["port"],
                ca=Path(broker["ca"]),
                cert=Path(broker["cert"]),
                key=Path(broker["key"]),
            ),
            clock=clock,
            fixes=ClockFixes(folder),
            hooks=Hooks(
                birth=lambda: messages.Birth(
                    spool=self.spool.id,
                    next_seq=self.spool.next_seq,
                    agent="test",
                    clock=clock.state(),
                ),
                heartbeat=lambda: messages.Heartbeat(at=clock.state().wall, clock=clock.state()),
            ),
        )
        self.publisher.start()

    def close(self) -> None:
        self.publisher.stop()
        self.spool.close()


def speaker(centre: Centre, cn: str) -> Speaker:
    home = centre.folder / "lib" / "fleet" / "services" / cn
    files = {"ca": home / "ca.pem", "cert": home / "cert.pem", "key": home / "key.pem"}
    return Speaker(centre.ports[8883], ca=files["ca"], cert=files["cert"], key=files["key"]).up()


@pytest.mark.broker
@pytest.mark.slow
def test_the_files_own_processes_carry_a_record_and_an_alarm(
    centre: Centre, tmp_path: Path
) -> None:
    centre.once("prepare")
    centre.up("broker")
    centre.once("rights")
    centre.up("ingest", "worker", "api", "enrolment")

    # the desk: a guard's certificate, a node's token; the node enrols
    config, catalogue = "/etc/haidang/fleet.yaml", "/etc/haidang/catalogue"
    desk = ("--config", config, "--by", "an")
    post = ("--centre", "demo", "--scope", "city", "--name", "post")
    centre.once("desk", "fleet", "service", "staff", *post, *desk)
    token = centre.once("desk", "fleet", "token", "gate-1", "--catalogue", catalogue, *desk)
    where = ("--url", f"https://localhost:{centre.ports[8444]}", "--dir", tmp_path / "keys")
    told = haidang(
        "node", "enrol", *where, "--token", token.strip(), "--write", tmp_path / "node.yaml"
    )
    assert told.code == 0, told.err

    # a record is stored: only the watermark empties the spool; an alarm reaches the guard
    guard = speaker(centre, "demo.staff.city.post")
    assert guard.subscribe([topics.case_filter("demo", "city")]) == [0]
    node = Node(tmp_path)
    try:
        seqs = [node.spool.append(RecordClass.ALARM, encode_record(alarm()))]
        node.spool.wait(seqs[-1])
        start.wait_until(lambda: node.spool.depth() == 0, what="the centre's word that it stored")
        start.wait_until(lambda: guard.got, what="the case at the guard post", timeout_s=60)
        case = messages.decode(guard.got[0][1], messages.CaseMessage)
        assert (case.scope, case.camera, case.rule) == ("city", "gate-east", "night-intrusion")

        # revoked: the broker reads the list again by itself
        centre.once("desk", "fleet", "revoke", "gate-1", "--why", "stolen", *desk)
        start.wait_until(lambda: not node.publisher.connected, what="the node cut off")
    finally:
        node.close()
        guard.close()
    # a second start changes nothing that is good
    again = centre.once("prepare")
    assert "nothing to do" in again
    assert "kept" in again
