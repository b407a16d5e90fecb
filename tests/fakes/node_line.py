"""The line as processes: a broker, ingest workers, made-up nodes; each can be killed at any time.

Where the databases are is the test's choice; the rest stands in one folder.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from fakes.node_accounts import Account, Notes, account
from fakes.node_process import NodeSettings
from haidang_cloud.errors import StateUnavailableError
from haidang_cloud.processes.config import CloudConfig, load_config, series_of, state_of
from haidang_cloud.state import State, ledger
from haidang_protocols.catalogue import Catalogue, load_texts
from servers import start

CATALOGUE = """
centre: {id: c, name: {vi: Trung tâm}, time_zone: Asia/Ho_Chi_Minh}
places:
  - {id: city, name: {vi: Thành phố}, kind: city}
  - {id: gate, name: {vi: Cổng}, kind: spot, parent: city}
scopes:
  - {id: centre, kind: centre, name: {vi: Toàn trung tâm}}
  - {id: city, kind: locality, name: {vi: Thành phố}, places: [city]}
sites:
  - {id: gate, name: {vi: Cổng}, place: gate}
nodes:
  - {id: n1, site: gate}
  - {id: n2, site: gate}
models:
  - {name: ssd, classes: [person, car]}
cameras:
"""
_CAMERA = """
  - id: {camera}
    node: {node}
    name: {{vi: {camera}}}
    place: gate
    source: clip.mp4
    model: ssd
    zones: [{{id: yard, name: {{vi: Sân}}, polygon: [[0, 0], [1, 0], [1, 1]]}}]
    rules: [{{id: night, kind: intrusion, name: {{vi: Đêm}}, zone: yard, classes: [person],
              severity: critical, alarm: true}}]
"""
CAMERAS = {"n1": ("n1-east", "n1-west"), "n2": ("n2-east", "n2-west")}
STOP_TIMEOUT_S = 30.0


def catalogue_text() -> str:
    """Two nodes with two cameras each."""
    return CATALOGUE + "".join(
        _CAMERA.format(camera=camera, node=node)
        for node, cameras in CAMERAS.items()
        for camera in cameras
    )


def catalogue() -> Catalogue:
    """The same, loaded and checked."""
    return load_texts({"line.yaml": catalogue_text()})


@dataclass
class Child:
    """A process of ours that a test kills, stops and starts again."""

    command: list[str]
    log: Path
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _begin: int = field(default=0, init=False)

    def start(self) -> None:
        """Start; it comes up in its own time."""
        tests = str(Path(__file__).resolve().parents[1])
        paths = [tests, *filter(None, [os.environ.get("PYTHONPATH")])]
        self._begin = self.log.stat().st_size if self.log.is_file() else 0
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
                start_new_session=True,
            )

    def signal(self, number: int) -> None:
        """Send a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(STOP_TIMEOUT_S)
            self.process = None

    def revive(self) -> None:
        """Start it where it does not run."""
        if self.process is None:
            self.start()

    def stop(self) -> None:
        """SIGTERM; it must end well."""
        assert self.process is not None
        self.process.terminate()
        code = self.process.wait(STOP_TIMEOUT_S)
        self.process = None
        assert code == 0, f"{self.command[0]} ended with {code}: {self.tail()}"

    def check(self) -> None:
        """It must still run."""
        if self.process is not None and self.process.poll() is not None:
            raise AssertionError(f"{self.command} ended by itself: {self.tail()}")

    def said(self, words: str) -> bool:
        """Whether its log has these words, in this life."""
        return words in self.log.read_bytes()[self._begin :].decode(errors="replace")

    def tail(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-3000:]


class Line:
    """See the module; `close` ends whatever still runs."""

    def __init__(
        self,
        folder: Path,
        broker: start.Server,
        *,
        state: str,
        timeseries: dict[str, Any],
        workers: int = 2,
        lake: Path | None = None,
        declared: str | None = None,
        broker_part: dict[str, Any] | None = None,
    ) -> None:
        """`declared`, `broker_part`: another catalogue, a broker that asks for certificates."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.broker = folder, broker
        text = declared or catalogue_text()
        self.catalogue = load_texts({"line.yaml": text})
        (folder / "line.yaml").write_text(text)
        settings = {
            "centre": self.catalogue.centre.id,
            "state": state,
            "timeseries": timeseries,
            "lake": str(lake or folder / "lake"),
            "blobs": str(folder / "blobs"),
            "broker": broker_part or {"port": broker.port, "plain": True},
            "catalogue": "line.yaml",
        }
        # JSON is YAML
        self.config_path = folder / "centre.yaml"
        self.config_path.write_bytes(msgspec.json.encode(settings))
        self.workers = [self.worker(f"w{n + 1}") for n in range(workers)]
        self.desks: list[Child] = []
        self.nodes: dict[str, Child] = {}
        self.settings: dict[str, NodeSettings] = {}
        self._state: State | None = None

    @property
    def config(self) -> CloudConfig:
        """The centre's configuration."""
        return load_config(self.config_path)

    def worker(self, name: str) -> Child:
        """An ingest worker by that name, not started."""
        return self._process("ingest", name)

    def desk(self, name: str = "d1") -> Child:
        """A worker that makes cases of alarms, not started."""
        child = self._process("worker", name)
        self.desks.append(child)
        return child

    def _process(self, kind: str, name: str) -> Child:
        haidang = Path(sys.executable).with_name("haidang")
        command = [str(haidang), "cloud", kind, "--config", str(self.config_path)]
        return Child([*command, "--worker", name], self.folder / f"{name}.log")

    def node(self, name: str = "n1", **options: Any) -> Child:
        """A node by that name, not started; the same folder again after each start."""
        folder = Path(options.pop("folder", self.folder / name))
        settings = NodeSettings(
            folder=str(folder),
            notes=str(self.notes_path(name)),
            port=options.pop("port", self.broker.port),
            centre="c",
            site="gate",
            node=name,
            cameras=CAMERAS[name],
            **options,
        )
        self.settings[name] = settings
        path = self.folder / f"{name}.json"
        path.write_bytes(msgspec.json.encode(settings))
        program = Path(__file__).with_name("node_process.py")
        child = Child([sys.executable, str(program), str(path)], self.folder / f"{name}.log")
        self.nodes[name] = child
        return child

    def notes_path(self, node: str) -> Path:
        """What a node says that it did."""
        return self.folder / f"{node}.notes"

    def notes(self, node: str) -> Notes:
        """The same, read."""
        return Notes.read(self.notes_path(node))

    def start(self) -> None:
        """Workers, then nodes; returns when something of each node is stored."""
        for child in self.children():
            child.start()
        wait_for(lambda: all(self.stored(name) for name in self.nodes), "the line runs")

    def stored(self, node: str = "n1") -> int:
        """How many records of a node the ledger has; 0 while the database is away."""
        if self._state is None:
            self._state = state_of(self.config)
        try:
            known = ledger.read(self._state, self.catalogue.centre.id)
        except StateUnavailableError:
            return 0
        return sum(len(seqs) for key, seqs in known.items() if key.node == node)

    def finish(self, *, timeout_s: float = 60.0) -> None:
        """No new records; wait until each node says that its spool is empty."""

        def up() -> bool:
            for child in self.children():
                child.check()
            return all(child.said("is up") for child in self.children())

        def drained() -> bool:
            return up() and all(self.notes(name).drained > before[name] for name in self.nodes)

        try:
            wait_for(up, "every process is up", timeout_s=timeout_s)
            before = {name: self.notes(name).drained for name in self.nodes}
            for node in self.nodes.values():
                node.signal(signal.SIGUSR1)
            wait_for(drained, "every spool is empty", timeout_s=timeout_s)
        except TimeoutError as error:
            logs = "\n".join(f"--- {c.log}\n{c.tail()}" for c in self.children())
            raise AssertionError(f"{error}\n{logs}") from error

    def children(self) -> list[Child]:
        """All that are processes of ours."""
        return [*self.workers, *self.desks, *self.nodes.values()]

    def stop(self) -> None:
        """End nodes and workers as a service manager does; each must end well."""
        for child in (*self.nodes.values(), *self.workers, *self.desks):
            if child.process is not None:
                child.stop()

    def close(self) -> None:
        """End what is left of a test that failed."""
        for child in self.children():
            child.kill()
        if self._state is not None:
            self._state.close()

    def account(self, node: str = "n1", *, notes: Notes | None = None) -> Account:
        """Holds what the spool settled against ledger, lake, time series, pictures, outbox."""
        config = self.config
        state, series = state_of(config), series_of(config)
        try:
            return account(
                notes or self.notes(node),
                node=node,
                config=config,
                catalogue=self.catalogue,
                state=state,
                series=series,
            )
        finally:
            series.close()
            state.close()


def wait_for(condition: Callable[[], Any], what: str, timeout_s: float = 30.0) -> None:
    """Poll slowly: the machine has better things to do."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {timeout_s:g} s")
        time.sleep(0.05)


def kill_whole(server: start.Server) -> None:
    """SIGKILL a server and all that it has forked: some children outlive their parent for long."""
    for pid in reversed(_family(server.pid)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    server.kill()


def _family(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return [pid]
    return [pid, *(found for child in children for found in _family(int(child)))]


def revive(server: start.Server, *, timeout_s: float = 60.0) -> None:
    """Start a killed server; one that finds its own traces not yet gone is started again."""
    deadline = time.monotonic() + timeout_s
    while server.process is None or server.process.poll() is not None:
        try:
            server.start()
        except RuntimeError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.3)
