"""Starts real servers for tests, each on a free port in a folder of its own, and ends them."""

import contextlib
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0
INITDB_OPTIONS = ("-U", "haidang", "--auth=trust", "--encoding=UTF8", "--locale=C")


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(
    condition: Callable[[], Any], *, what: str, timeout_s: float = START_TIMEOUT_S
) -> None:
    """Poll until `condition` holds; raises TimeoutError naming `what`."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {timeout_s:g} s")
        time.sleep(0.02)


def listens(port: int) -> bool:
    """Whether something accepts connections on `port`."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass
class Server:
    """A server process that can be killed, stopped and started again on the same port."""

    command: list[str]
    port: int
    log: Path
    env: dict[str, str] | None = None
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> None:
        """Start, and wait until the port answers."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stdout=log, stderr=log, env=self.env, start_new_session=True
            )
        process = self.process

        def ready() -> bool:
            if process.poll() is not None:
                tail = self.log.read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{self.command[0]} ended with {process.returncode}: {tail}")
            return listens(self.port)

        wait_until(ready, what=f"{self.command[0]} on port {self.port}")

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        if self.process is None:
            raise RuntimeError(f"{self.command[0]} is not running")
        return self.process.pid

    def signal(self, number: int) -> None:
        """Send a signal to the server itself."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL: as a power cut, but for the page cache."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM, then SIGKILL should it not end."""
        self._end(signal.SIGTERM)

    def _end(self, number: int) -> None:
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)
        try:
            self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(STOP_TIMEOUT_S)
        self.process = None


def mosquitto(program: Path, folder: Path, *, lines: str = "", port: int | None = None) -> Server:
    """A broker; `lines` replaces its plain listener (then give its `port`)."""
    folder.mkdir(parents=True, exist_ok=True)
    chosen = port or free_port()
    plain = (
        f"listener {chosen} 127.0.0.1\nallow_anonymous true\npersistence false\n"
        "max_inflight_messages 1000\nmax_queued_messages 100000\nset_tcp_nodelay true\n"
        "max_packet_size 300000\n"
    )
    conf = folder / "mosquitto.conf"
    conf.write_text(lines or plain)
    return Server([str(program), "-c", str(conf)], chosen, folder / "mosquitto.log")


@dataclass(frozen=True)
class Influx:
    """A real InfluxDB 2 with one organisation and its all-access token."""

    server: Server
    url: str
    org: str
    token: str

    def empty(self) -> None:
        """Drop every bucket that somebody made: what another test stored is not this one's."""
        found = self._ask("GET", "buckets?limit=100")["buckets"]
        for bucket in found:
            if bucket["type"] == "user":
                self._ask("DELETE", f"buckets/{bucket['id']}")

    def _ask(self, verb: str, path: str) -> dict[str, Any]:
        headers = {"Authorization": f"Token {self.token}"}
        request = urllib.request.Request(f"{self.url}/api/v2/{path}", headers=headers, method=verb)
        with urllib.request.urlopen(request, timeout=30) as answer:
            told: dict[str, Any] = json.loads(answer.read() or b"{}")
        return told


def influxd(program: Path, folder: Path) -> Influx:
    """Start an InfluxDB and set it up."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = [
        str(program),
        f"--http-bind-address=127.0.0.1:{port}",
        f"--bolt-path={folder / 'influxd.bolt'}",
        f"--sqlite-path={folder / 'influxd.sqlite'}",
        f"--engine-path={folder / 'engine'}",
        "--reporting-disabled",
        "--log-level=error",
    ]
    server = Server(command, port, folder / "influxd.log")
    server.start()
    url = f"http://127.0.0.1:{port}"
    wait_until(lambda: _answers(f"{url}/health"), what="influxd health")
    setup = {
        "username": "admin",
        "password": "test-only-password",
        "org": "haidang",
        "bucket": "first",
    }
    request = urllib.request.Request(
        f"{url}/api/v2/setup",
        data=json.dumps(setup).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        token = json.load(answer)["auth"]["token"]
    return Influx(server, url, "haidang", token)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@dataclass(frozen=True)
class Postgres:
    """A private PostgreSQL cluster; `url` names its first database."""

    server: Server
    url: str


def postgres(bin_folder: Path, folder: Path) -> Postgres:
    """Start a private cluster on loopback; as root it runs as the user `postgres`."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    as_root = os.geteuid() == 0
    if as_root:
        owner = pwd.getpwnam("postgres")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        _open_way(folder)
    prefix = ["runuser", "-u", "postgres", "--"] if as_root else []
    cluster = folder / "cluster"
    subprocess.run(
        [*prefix, str(bin_folder / "initdb"), "-D", str(cluster), *INITDB_OPTIONS],
        check=True,
        capture_output=True,
        cwd="/",
    )
    command = [*prefix, str(bin_folder / "postgres"), "-D", str(cluster), "-p", str(port)]
    command += ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}"]
    log = folder.parent / f"{folder.name}.log"
    server = Server(command, port, log)
    server.start()
    ready = [str(bin_folder / "pg_isready"), "-h", "127.0.0.1", "-p", str(port), "-q"]
    # it listens before it lets anybody in
    wait_until(lambda: subprocess.run(ready, check=False).returncode == 0, what="PostgreSQL")
    url = f"postgresql+psycopg://haidang@127.0.0.1:{port}/postgres"
    return Postgres(server, url)


def _open_way(folder: Path) -> None:
    """Let another user pass through the private parents that pytest makes."""
    for parent in folder.parents:
        mode = parent.stat().st_mode
        if parent.owner() == "root" and str(parent).startswith("/tmp/") and not mode & 0o001:
            parent.chmod(mode | 0o011)


def remove(folder: Path) -> None:
    """Remove a server's folder, whoever owns it."""
    shutil.rmtree(folder, ignore_errors=True)
