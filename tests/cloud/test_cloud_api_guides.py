"""The guides are true: their commands are run as they stand, on a real broker."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fakes.province import SPOOL, alarm_of, payload_of
from haidang_cloud.cases import CaseShelf
from haidang_cloud.state import open_state, outbox
from haidang_cloud.state.outbox import Alarm
from haidang_protocols.wire.messages import CaseState
from servers import start
from servers.start import free_port, wait_until

REPOSITORY = Path(__file__).resolve().parents[2]
CASE = f"alert-gate-1-{SPOOL}-1"


def commands_of(guide: str) -> str:
    text = (REPOSITORY / "docs" / "guides" / guide).read_text()
    return "\n".join(re.findall(r"^```sh\n(.*?)^```$", text, re.DOTALL | re.MULTILINE))


@pytest.mark.broker
def test_the_commands_of_the_guides_work_in_their_order(
    tmp_path: Path, broker: start.Server
) -> None:
    (tmp_path / "catalogue").symlink_to(REPOSITORY / "catalog" / "minimal")
    state = open_state(f"sqlite:///{tmp_path / 'state.sqlite'}")
    alarm = Alarm(
        centre="demo",
        record_id=f"gate-1.{SPOOL}.1",
        site="gate",
        node="gate-1",
        received_ns=1,
        payload=payload_of(alarm_of("e1", time.time_ns(), camera="gate-east")),
    )
    outbox.add(state, [alarm])
    script = commands_of("operator.md") + commands_of("guard.md")
    for said, is_here in {
        "8080": str(free_port()),
        "1883": str(broker.port),
        "/var/tmp/haidang-demo.head": str(tmp_path / "audit.head"),
    }.items():
        assert said in script
        script = script.replace(said, is_here)
    # the guide's reader looks at cases when there are some
    script = script.replace("CASE=", "until $ME $LIST | grep -q alert-; do sleep 0.1; done\nCASE=")
    address = re.search(r"http://127.0.0.1:\d+/api/v1/cases", script)
    assert address is not None
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    log = tmp_path / "guides.log"
    with log.open("wb") as out:
        shell = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=tmp_path,
            env={**os.environ, "PATH": path, "LIST": address[0]},
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        assert shell.wait(120) == 0, log.read_text()[-3000:]
    finally:
        os.killpg(shell.pid, signal.SIGKILL)
    found = CaseShelf(state, "demo").read(CASE)
    assert found is not None
    assert (found.state, found.by, found.note) == (CaseState.FALSE_ALARM, "an", "con mèo")
    said = log.read_text()
    assert "no mistakes" in said
    assert "whole; the last is" in said
    assert '"token":"hd_' in said
    wait_until(lambda: "worker w1 is up" in (tmp_path / "worker.log").read_text(), what="log")
    state.close()
