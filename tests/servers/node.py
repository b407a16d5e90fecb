"""A real agent in a folder of its own: written, started, asked, and ended by a test or a bench."""

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from fakes.centre import Centre
from haidang_edge.detect import ModelStore
from haidang_protocols.catalogue import load_texts
from haidang_protocols.catalogue.part import encode_part, parts
from haidang_protocols.wire import messages, topics
from haidang_protocols.wire.desired import Desired
from haidang_protocols.wire.topics import NodeLeaf
from servers import start

CATALOGUE = Path(__file__).resolve().parents[2] / "catalog" / "minimal" / "centre.yaml"
WHERE = ("demo", "gate", "gate-1")
RUN = """
import sys, logging
from pathlib import Path
from haidang_edge.agent.keepers import Limits
from haidang_edge.agent.config import load_config
from haidang_edge.agent.supervisor import Supervisor
logging.basicConfig(level=logging.INFO)
limits = Limits(quiet_s=float(sys.argv[2]))
sys.exit(Supervisor(load_config(Path(sys.argv[1])), limits=limits).run())
"""
ANSWER_S = 2.0


def text_of(*cameras: Mapping[str, Any], **others: Any) -> str:
    """The smallest catalogue with other cameras; each says what differs from the one there."""
    catalogue: Any = yaml.safe_load(CATALOGUE.read_text())
    basic = catalogue["cameras"][0]
    catalogue |= {"cameras": [basic | dict(camera) for camera in cameras]} | others
    return yaml.safe_dump(catalogue, allow_unicode=True)


class AgentNode:
    """The node `gate-1` of the smallest catalogue, with cameras of the test's choice."""

    def __init__(
        self,
        folder: Path,
        *,
        port: int,
        model: Path,
        cameras: Sequence[Mapping[str, Any]],
        quiet_s: float = 10.0,
        files: bool = True,
    ) -> None:
        """Write all its files; `cameras` say what differs from the catalogue's one camera.

        Without `files` the node has no catalogue until it is sent one.
        """
        self.folder, self.quiet_s = folder, quiet_s
        self.centre = Centre(port, centre=WHERE[0], site=WHERE[1], node=WHERE[2])
        self.process: subprocess.Popen[bytes] | None = None
        ModelStore(folder / "models").add(model)
        config: dict[str, Any] = {
            "centre": WHERE[0],
            "site": WHERE[1],
            "node": WHERE[2],
            "models": "models",
            "spool": {"folder": "spool", "quota_mb": 64},
            "broker": {"host": "127.0.0.1", "port": port, "plain": True},
            "trust_wall": True,
        }
        if files:
            config["catalogue"] = "centre.yaml"
            self.declare(*cameras)
        (folder / "node.yaml").write_text(yaml.safe_dump(config))

    def declare(self, *cameras: Mapping[str, Any], **parts: Any) -> None:
        """Write the catalogue, whole at once."""
        self.write_catalogue(text_of(*cameras, **parts))

    def desire(self, version: int, *cameras: Mapping[str, Any]) -> None:
        """Send what the centre wants the node to run; the broker keeps it."""
        whole = load_texts({"centre.yaml": text_of(*cameras)})
        (part,) = parts(whole, version)
        topic = topics.node_topic(*WHERE, NodeLeaf.DESIRED)
        self.centre.say(topic, messages.encode(Desired(body=encode_part(part))), retain=True)

    def write_catalogue(self, text: str) -> None:
        """Write any text as the catalogue, whole at once."""
        fresh = self.folder / "centre.new"
        fresh.write_text(text)
        fresh.rename(self.folder / "centre.yaml")

    @property
    def command(self) -> list[str]:
        """How it is started: as by `haidang node agent`, but with limits of the test's choice."""
        return [sys.executable, "-c", RUN, str(self.folder / "node.yaml"), str(self.quiet_s)]

    def start(self, *, heard: bool = True) -> None:
        """Start the agent; it is up when it answers, for which it needs the broker."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log)
        if heard:
            start.wait_until(self.answers, what="the agent", timeout_s=60)

    @property
    def log(self) -> Path:
        """What the agent and its children wrote."""
        return self.folder / "agent.log"

    @property
    def pid(self) -> int:
        """The supervisor's process id."""
        if self.process is None:
            raise RuntimeError("the agent is not running")
        return self.process.pid

    def ask(self, verb: str, **arguments: Any) -> messages.Reply | None:
        """The reply to a command, None when there was none in time."""
        number = f"{verb}-{time.monotonic_ns()}"
        command = messages.NodeCommand(id=number, arguments=arguments)
        topic = topics.node_topic(*WHERE, NodeLeaf.COMMAND, verb)
        self.centre.say(topic, messages.encode(command))
        deadline = time.monotonic() + ANSWER_S
        while time.monotonic() < deadline:
            for payload in reversed(self.centre.heard(NodeLeaf.REPLY)):
                reply = messages.decode(payload, messages.Reply)
                if reply.id == number:
                    return reply
            time.sleep(0.02)
        return None

    def answers(self) -> bool:
        """Whether it answers; raises when it has ended instead."""
        if self.process is not None and self.process.poll() is not None:
            raise RuntimeError(f"the agent ended: {self.log.read_text()[-3000:]}")
        return self.ask("status") is not None

    def status(self) -> dict[str, Any]:
        """Birth, heartbeat and children as they are now."""
        for _ in range(10):
            reply = self.ask("status")
            if reply is not None:
                return reply.result
        raise TimeoutError("the agent does not answer")

    def cameras(self) -> dict[str, dict[str, Any]]:
        """Health by camera id."""
        return {camera["id"]: camera for camera in self.status()["heartbeat"].get("cameras", [])}

    def pids(self) -> dict[str, int | None]:
        """Process id by child's name."""
        return {name: child["pid"] for name, child in self.status()["children"].items()}

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        if self.process is None:
            return 0
        self.process.terminate()
        code = self.process.wait(30)
        self.process = None
        return code

    def close(self) -> None:
        """End everything."""
        try:
            self.stop()
        finally:
            self.centre.close()
