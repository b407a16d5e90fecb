"""What is put on a node: generated samples are current, units name what there is, no secrets."""

import configparser
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from cryptography import x509

from haidang_fleet.broker import Identity, Kind
from haidang_fleet.broker.files import Bridge, ListenerSettings, mosquitto_conf
from haidang_fleet.broker.identities import rights_of
from haidang_protocols.catalogue import load
from haidang_protocols.command.registry import discover
from servers.find import REPOSITORY
from servers.fleet import Fleet

HOME = REPOSITORY / "firmware_configs" / "generic"
UNITS = sorted(HOME.glob("systemd/*.service"))
UPDATE = "HAIDANG_WRITE_SAMPLES"


def test_the_sample_of_a_sites_broker_is_what_is_written() -> None:
    catalogue = load(REPOSITORY / "catalog" / "minimal")
    us = Identity(kind=Kind.SITE, centre="demo", name="gate")
    folder = Path("/etc/haidang/broker")
    text = mosquitto_conf(
        ListenerSettings(
            folder=folder,
            data=folder / "data",
            plugin="/usr/lib/aarch64-linux-gnu/mosquitto_dynamic_security.so",
        ),
        bridge=Bridge(name=us.cn, host="centre.example", port=8883, lines=rights_of(us, catalogue)),
    )
    sample = HOME / "mosquitto" / "mosquitto.conf"
    if os.environ.get(UPDATE) == "1":
        sample.write_text(text)
    assert sample.read_text() == text, f"run with {UPDATE}=1 to write it again"


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_a_unit_runs_commands_that_there_are(unit: Path) -> None:
    commands = {" ".join(words) for words in discover()}
    for line in re.findall(r"^ExecStart=\S*/haidang (.+)$", unit.read_text(), re.MULTILINE):
        words = line.split()
        assert " ".join(words[:2]) in commands, line


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_systemd_understands_a_unit(unit: Path, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    text = re.sub(r"^(ExecStart|ExecStopPost)=\S+", r"\1=/bin/true", unit.read_text(), flags=re.M)
    (tmp_path / unit.name).write_text(text)
    told = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / unit.name)],
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in told.stderr.splitlines() if unit.name in line]
    assert not [line for line in ours if "Unknown" in line or "Failed to parse" in line], ours


def test_the_agent_is_watched_and_has_few_rights() -> None:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(HOME / "systemd" / "haidang-agent.service")
    service = parser["Service"]
    assert service["Type"] == "notify"
    assert int(service["WatchdogSec"]) > 0
    assert service["Restart"] == "always"
    assert service["User"] == "haidang"
    assert service["CapabilityBoundingSet"] == ""
    assert service["ProtectSystem"] == "strict"
    assert service["NoNewPrivileges"] == "yes"
    assert parser["Unit"]["StartLimitIntervalSec"] == "0"


def test_the_nodes_sample_lacks_only_what_enrolment_writes() -> None:
    told = yaml.safe_load((HOME / "node.yaml").read_text())
    assert set(told) == {"models", "spool"}


def test_nothing_here_is_secret() -> None:
    for path in HOME.parent.rglob("*"):
        if path.is_file():
            text = path.read_text()
            assert "PRIVATE KEY" not in text
            assert not re.search(r"(?i)(password|token|secret)\s*[=:]\s*\S", text), path


@pytest.mark.broker
def test_a_sites_broker_fetches_the_centres_list(fleet: Fleet, tmp_path: Path) -> None:
    for tool in ("curl", "openssl"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    folder = tmp_path / "broker"
    folder.mkdir()
    shutil.copy(fleet.folder / "state" / "ca.crt", folder / "ca.crt")

    def fetch() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(HOME / "bin" / "fetch-crl"), str(folder), fleet.url],
            capture_output=True,
            text=True,
            check=False,
        )

    assert fetch().returncode == 3, "the first list is new"
    assert fetch().returncode == 0, "the same again is not"
    assert fleet.enrol(fleet.token("gate-1"), tmp_path / "keys").code == 0
    assert fleet.run("revoke", "gate-1", "--by", "an", "--why", "stolen").code == 0
    assert fetch().returncode == 3
    before = (folder / "crl.pem").read_bytes()
    node = x509.load_pem_x509_certificate((tmp_path / "keys" / "current" / "node.crt").read_bytes())
    crl = x509.load_pem_x509_crl(before)
    assert crl.get_revoked_certificate_by_serial_number(node.serial_number) is not None

    # a list that the authority did not sign is left out; a centre that is away changes nothing
    (fleet.folder / "broker" / "crl.pem").write_bytes(b"nonsense")
    told = fetch()
    assert told.returncode == 1
    assert "is left out" in told.stderr
    fleet.service.stop()
    assert fetch().returncode == 1
    assert (folder / "crl.pem").read_bytes() == before
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []
