"""A centre on SQLite with a broker and a real console process, for a browser to look at."""

import contextlib
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import httpx
import yaml
from argon2 import PasswordHasher

from fakes import wall
from fakes.versions import publish
from haidang_cloud.blobs import Blobs
from haidang_cloud.people import Accounts
from haidang_cloud.state import open_state
from haidang_cloud.timeseries import SqliteSeries
from servers import start

STOP_S = 20.0


class Centre:
    """See the module; what is stored is at hand, the console can be stopped and started again."""

    def __init__(self, folder: Path, broker: int, *, cameras: int = 2, placed: bool = True) -> None:
        self.folder, self.broker = folder, broker
        self.port = start.free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        self.log = folder / "console.log"
        self._process: subprocess.Popen[bytes] | None = None
        text = wall.text(cameras, placed=placed)
        self.catalogue = wall.coast(cameras, placed=placed)
        self.state = open_state(f"sqlite:///{folder / 'state.sqlite'}")
        self.series = SqliteSeries(folder / "series.sqlite")
        self.blobs = Blobs(folder / "blobs", self.state, centre=wall.CENTRE)
        self.accounts = Accounts(
            self.state,
            wall.CENTRE,
            hasher=PasswordHasher(time_cost=1, memory_cost=8, parallelism=1),
        )
        now_ns = time.time_ns()
        publish(self.state, text, by="lan", now_ns=now_ns)
        self.coast = wall.Coast(self.catalogue, self.state, self.series, self.blobs)
        self.coast.people(self.accounts)
        self.nodes = wall.Nodes(self.catalogue, broker)
        (folder / "centre.yaml").write_text(yaml.safe_dump(self._config()))

    def _config(self) -> dict[str, object]:
        return {
            "centre": wall.CENTRE,
            "state": "sqlite:///state.sqlite",
            "timeseries": {"kind": "sqlite", "path": "series.sqlite"},
            "lake": "lake",
            "blobs": "blobs",
            "broker": {"port": self.broker, "plain": True},
            "console": {"port": self.port, "origin": self.origin},
        }

    def serve(self) -> None:
        """Start the console, and wait until it answers."""
        command = [str(Path(sys.executable).with_name("haidang")), "cloud", "serve", "console"]
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [*command, "--config", str(self.folder / "centre.yaml")], stdout=log, stderr=log
            )
        self._process = process

        def ready() -> bool:
            if process.poll() is not None:
                raise RuntimeError(f"the console ended: {self.log.read_text()[-2000:]}")
            try:
                with urllib.request.urlopen(f"{self.origin}/readyz", timeout=2) as answer:
                    return bool(answer.status == 200)
            except (urllib.error.URLError, OSError):
                return False

        start.wait_until(ready, what="the console", timeout_s=60)

    @property
    def pid(self) -> int:
        """The console's process id."""
        if self._process is None:
            raise RuntimeError("the console does not run")
        return self._process.pid

    def stop(self) -> int:
        """Ask the console to end, and say with what it did."""
        if self._process is None:
            return 0
        self._process.terminate()
        try:
            return self._process.wait(STOP_S)
        finally:
            self._process.kill()
            self._process.wait()
            self._process = None

    @contextlib.contextmanager
    def client(self, login: str) -> Iterator[httpx.Client]:
        """Somebody who is logged in, without a browser."""
        ours = {"Origin": self.origin}
        with httpx.Client(base_url=self.origin, headers=ours, timeout=30) as client:
            asked = {"login": login, "password": wall.PASSWORD}
            assert client.post("/login", json=asked).status_code == 200
            yield client

    def close(self) -> None:
        self.stop()
        self.nodes.close()
        self.series.close()
        self.state.close()
