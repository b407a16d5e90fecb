"""The pages are true: every block marked `sh` is run as it stands, with real servers.

Only what a reader would fill in is filled in: addresses, ports, folders, the node's token.
"""

import contextlib
import getpass
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from fakes.grafana import Grafana
from fakes.province import SPOOL, alarm_of, payload_of
from haidang_cloud.cases import CaseShelf
from haidang_cloud.state import open_state, outbox
from haidang_cloud.state.outbox import Alarm
from haidang_protocols.wire.messages import CaseState
from pages import PAGES, blocks, script, text_of
from servers import start
from servers.find import REPOSITORY
from servers.start import free_port, wait_until

GUIDES = "docs/guides/"
FLEET = "fleet/README.md"
TECHNICIAN = GUIDES + "technician.md"
CASE = f"alert-gate-1-{SPOOL}-1"
PATIENCE_S = 180.0

_SHIMS = {
    # a service manager's two verbs, for one broker
    "systemctl": """#!/bin/bash
if [ "$1" = reload ]; then exec kill -HUP "$(cat {folder}/pid)"; fi
{mosquitto} -c {folder}/broker/mosquitto.conf &
echo $! > {folder}/pid
until true 2>/dev/null < /dev/tcp/127.0.0.1/{port}; do sleep 0.1; done
""",
    "sudo": '#!/bin/bash\n[ "$1" = -u ] && shift 2\nexec "$@"\n',
}


def filled(text: str, gaps: Mapping[str, str]) -> str:
    """The text with what a reader fills in; each gap must be there."""
    for said, is_here in gaps.items():
        assert said in text, said
        text = text.replace(said, is_here)
    return text


def run(text: str, folder: Path) -> str:
    """Run a script in a folder with nothing but our programs; returns what it said."""
    log = folder / "guide.log"
    path = [str(folder / "bin"), str(Path(sys.executable).parent), "/usr/bin", "/bin", "/usr/sbin"]
    home = os.environ.get("HOME", "/")
    with log.open("wb") as out:
        shell = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=folder,
            env={"HOME": home, "LANG": "C.UTF-8", "PATH": os.pathsep.join(path)},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        ended = shell.wait(PATIENCE_S)
    finally:
        with contextlib.suppress(ProcessLookupError):  # nothing was left behind
            os.killpg(shell.pid, signal.SIGKILL)
    logs = {one.name: one.read_text(errors="replace")[-1500:] for one in folder.glob("*.log")}
    assert ended == 0, logs
    return log.read_text()


def a_centre(folder: Path, request: pytest.FixtureRequest) -> None:
    """The operator's and the guard's guide: from an empty folder to an alarm's end."""
    broker: start.Server = request.getfixturevalue("broker")
    state = open_state(f"sqlite:///{folder / 'state.sqlite'}")
    alarm = Alarm(
        centre="demo",
        record_id=f"gate-1.{SPOOL}.1",
        site="gate",
        node="gate-1",
        received_ns=1,
        payload=payload_of(alarm_of("e1", time.time_ns(), camera="gate-east")),
    )
    outbox.add(state, [alarm])
    api = f"http://127.0.0.1:{free_port()}"
    gaps = {
        "~/haidang ": f"{REPOSITORY} ",
        "1883": str(broker.port),
        "http://127.0.0.1:8080": api,
        "port: 8080": f"port: {api.rpartition(':')[2]}",
        "8081": str(free_port()),
        "/var/tmp/haidang-demo.head": str(folder / "audit.head"),
        # the guide's reader looks at cases when there are some
        "CASE=": f"until $ME {api}/api/v1/cases | grep -q alert-; do sleep 0.1; done\nCASE=",
    }
    said = run(filled(script(GUIDES + "operator.md") + script(GUIDES + "guard.md"), gaps), folder)
    found = CaseShelf(state, "demo").read(CASE)
    assert found is not None
    assert (found.state, found.by, found.note) == (CaseState.FALSE_ALARM, "an", "con mèo")
    for words in ("no mistakes", "whole; the last is", '"token":"hd_'):
        assert words in said
    for name in ("ingest", "worker", "console"):
        log = folder / f"{name}.log"
        wait_until(lambda log=log: "is up" in log.read_text(), what=str(log))  # type: ignore[misc]
    state.close()


def a_fleet(folder: Path, request: pytest.FixtureRequest) -> None:
    """The fleet's page and the technician's guide: an authority, a node, another, none."""
    mosquitto: Path = request.getfixturevalue("mosquitto_program")
    broker, service = free_port(), free_port()
    (folder / "catalog").mkdir()
    (folder / "catalog" / "my-centre").symlink_to(REPOSITORY / "catalog" / "minimal")
    (folder / "bin").mkdir()
    for name, text in _SHIMS.items():
        shim = folder / "bin" / name
        shim.write_text(
            text.replace("{folder}", str(folder))
            .replace("{mosquitto}", str(mosquitto))
            .replace("{port}", str(broker))
        )
        shim.chmod(0o755)
    user = getpass.getuser() if os.geteuid() == 0 else '""'
    [config] = [block.text for block in blocks(text_of(FLEET)) if block.info == "yaml"]
    gaps = {
        "/var/lib/haidang/fleet": "state",
        "host: broker.example": f"host: localhost\n  port: {broker}\n  bind: 127.0.0.1",
        "/etc/mosquitto/haidang": "broker",
        "user: mosquitto": f"user: {user}",
        "host: 0.0.0.0": f"host: 127.0.0.1\n  port: {service}",
        "centre.example": "localhost",
    }
    (folder / "fleet.yaml").write_text(filled(config, gaps))
    token, enrol, replace, revoke = (
        block.text.strip() for block in blocks(text_of(TECHNICIAN)) if block.info == "sh"
    )
    [look] = re.findall(r"`(openssl x509 [^`]+)`", text_of(TECHNICIAN))

    def enrolled(device: str) -> str:
        gaps = {
            "https://CENTRE:8444": f"https://localhost:{service}",
            "node enrol": f"node enrol --dir {device}",
        }
        return f"{filled(enrol, gaps)} < token"

    listens = f"until true 2>/dev/null < /dev/tcp/127.0.0.1/{service}; do sleep 0.1; done"
    lines = [
        script(FLEET),
        listens,
        f"{token} | tee token",
        enrolled("one"),
        look.replace("/var/lib/haidang/tls", "one"),
        f"{replace} | tee token",
        enrolled("two"),
        revoke,
        "haidang fleet ca journal",
    ]
    said = run("\n".join(lines), folder)
    assert "CN = gate-1" in said or "CN=gate-1" in said
    assert "gate-1: 1 certificate revoked, cut off from the broker" in said
    assert "stolen from the pole" in said.partition("cut off from the broker")[2]


def the_boards(folder: Path, _request: pytest.FixtureRequest) -> None:
    """The guide to boards: seen, done, and nothing left to do."""
    (folder / "catalog").symlink_to(REPOSITORY / "catalog")
    source = '{"url": "http://influxdb:8086", "bucket": "b", "database": "b", "token": "t"}'
    (folder / "datasources.json").write_text(f'{{"centre": {source}, "city": {source}}}')
    (folder / "user").write_text("admin\n")
    (folder / "password").write_text("admin-secret\n")
    grafana = Grafana()
    text = filled(script(GUIDES + "boards.md"), {"https://grafana.example": grafana.url})
    try:
        run(text, folder)
        run(text.replace(" || true", ""), folder)
    finally:
        grafana.close()


def a_first_change(folder: Path, _request: pytest.FixtureRequest) -> None:
    """The developer's guide, in the clone itself: nothing in it changes anything."""
    (folder / ".venv").symlink_to(Path(sys.executable).parent.parent)
    for name in ("tests", "catalog", "pyproject.toml", "docs", "protocols", "edge"):
        (folder / name).symlink_to(REPOSITORY / name)
    said = run(script(GUIDES + "developer.md"), folder)
    assert "passed" in said
    assert "no mistakes" in said


SCENARIOS: Mapping[str, Callable[[Path, pytest.FixtureRequest], None]] = {
    GUIDES + "operator.md": a_centre,
    GUIDES + "guard.md": a_centre,
    FLEET: a_fleet,
    TECHNICIAN: a_fleet,
    GUIDES + "boards.md": the_boards,
    GUIDES + "developer.md": a_first_change,
}
TRANSLATED = {page: page.replace("/vi/", "/") for page in PAGES if "/vi/" in page}
"""A page in Vietnamese and its pair: their blocks are the same, byte for byte."""


def test_every_page_with_blocks_that_run_has_a_scenario() -> None:
    wanted = {page for page in PAGES if page.endswith(".md") and script(page)}
    assert wanted - set(TRANSLATED) == set(SCENARIOS)
    for page in wanted & set(TRANSLATED):
        assert script(page) == script(TRANSLATED[page])


@pytest.mark.broker
@pytest.mark.parametrize(
    "scenario", dict.fromkeys(SCENARIOS.values()), ids=lambda scenario: scenario.__name__
)
def test_the_blocks_of_the_pages_work_in_their_order(
    scenario: Callable[[Path, pytest.FixtureRequest], None],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    scenario(tmp_path, request)
