"""Real servers for the ingest bench, and its arms: Haidang's workers, Telegraf, influxd by itself."""

import http.client
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import yaml

from bench import measure
from bench.ingest import load
from haidang_cloud.state import ledger, open_state
from haidang_cloud.timeseries import Influx, InfluxSettings
from haidang_cloud.timeseries.base import private_bucket
from haidang_cloud.timeseries.lines import lines_of
from servers import find, start

HERE = Path(__file__).resolve().parent
HAIDANG = Path(sys.executable).parent / "haidang"
BROKER = (
    "listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nmax_inflight_messages 0\n"
    "max_queued_messages 0\nset_tcp_nodelay true\nlog_type error\nlog_type warning\n"
)
BATCH = 5000
POLL_S = 0.1
POLL_MAX_S = 1.0
FIRST_POLL_S = 0.5
LIMIT_S = 120.0
SETTLE_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of one arm; CPU is microseconds a record."""

    rate: float
    cpu_us: float = 0.0
    influxd_us: float = 0.0
    broker_us: float = 0.0
    postgres_us: float = 0.0
    pss_mb: float = 0.0
    bucket: str = ""


class Rig:
    """Broker, InfluxDB and PostgreSQL in a folder; every run gets a centre of its own."""

    def __init__(self, folder: Path) -> None:
        """Start the servers; raises `MissingError` where one is not here."""
        mosquitto = measure.program("mosquitto")
        influxd = measure.program("influxd")
        self.telegraf = measure.program("telegraf")
        bin_folder = measure.need(
            find.postgres_bin(), "PostgreSQL 15 is not here; `make bench` says why"
        )
        self._folder = folder
        self._numbers = itertools.count(1)
        port = start.free_port()
        self.broker = start.mosquitto(
            mosquitto, folder / "broker", lines=BROKER.format(port=port), port=port
        )
        self.broker.start()
        self.influx = start.influxd(influxd, folder / "influx")
        self.postgres = start.postgres(bin_folder, folder / "postgres")
        self.series = Influx(
            InfluxSettings(url=self.influx.url, org=self.influx.org, token=self.influx.token)
        )
        (folder / "token").write_text(self.influx.token)

    def close(self) -> None:
        """Stop the servers."""
        self.series.close()
        for server in (self.broker, self.influx.server, self.postgres.server):
            server.stop()

    # --- arms -------------------------------------------------------------------------------

    def haidang(
        self, *, n: int, k: int, workers: int = 1, state: str = "postgres", rate: float = 0.0
    ) -> Run:
        """Haidang's worker processes; checks that the ledger has every record."""
        centre = f"b{next(self._numbers)}"
        config = self._configure(centre, state)
        self.series.ensure(private_bucket(centre))
        commands = [
            [str(HAIDANG), "cloud", "ingest", "--config", str(config), "--worker", f"w{number}"]
            for number in range(1, workers + 1)
        ]
        with self._running(commands, os.environ.copy(), "is up") as pids:
            run = self._measure(pids, private_bucket(centre), centre, n=n, k=k, rate=rate)
        opened = open_state(self._state_url(centre, state))
        stored = sum(len(seqs) for seqs in ledger.read(opened, centre).values())
        opened.close()
        if stored != n:
            raise AssertionError(f"the ledger has {stored} of {n} records")
        return run

    def peer(self, *, n: int, k: int, encoding: str = "gzip") -> Run:
        """Telegraf, acknowledging after the write as well."""
        centre = f"b{next(self._numbers)}"
        bucket = f"telegraf-{centre}"
        self.series.ensure(bucket)
        env = {
            **os.environ,
            "INFLUX_URL": self.influx.url,
            "INFLUX_TOKEN": self.influx.token,
            "INFLUX_ORG": self.influx.org,
            "INFLUX_BUCKET": bucket,
            "MQTT_PORT": str(self.broker.port),
            "CENTRE": centre,
            "ENCODING": encoding,
        }
        command = [str(self.telegraf), "--config", str(HERE / "telegraf.conf")]
        with self._running([command], env, "Connected") as pids:
            run = self._measure(pids, bucket, centre, n=n, k=k)
        self._forget("telegraf")
        return run

    def ceiling(self, bodies: Sequence[bytes], *, n: int, connections: int = 1) -> Run:
        """What influxd takes of lines that stand ready."""
        bucket = f"ceiling-{next(self._numbers)}"
        self.series.ensure(bucket)
        path = "/api/v2/write?" + urllib.parse.urlencode(
            {"org": self.influx.org, "bucket": bucket, "precision": "ns"}
        )
        url = urllib.parse.urlsplit(self.influx.url)
        headers = {"Authorization": f"Token {self.influx.token}", "Content-Type": "text/plain"}

        def post(mine: Sequence[bytes]) -> None:
            connection = http.client.HTTPConnection(url.hostname or "", url.port)
            for body in mine:
                connection.request("POST", path, body, headers)
                answer = connection.getresponse()
                answer.read()
                if answer.status != 204:
                    raise AssertionError(f"influxd answered {answer.status}")
            connection.close()

        threads = [
            threading.Thread(target=post, args=(bodies[at::connections],))
            for at in range(connections)
        ]
        before_s, begun = measure.cpu_s(self.influx.server.pid), time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took_s = time.monotonic() - begun
        used_s = measure.cpu_s(self.influx.server.pid) - before_s
        return Run(rate=n / took_s, influxd_us=used_s / n * 1e6, bucket=bucket)

    # --- one run ----------------------------------------------------------------------------

    def _measure(
        self, pids: Sequence[int], bucket: str, centre: str, *, n: int, k: int, rate: float = 0.0
    ) -> Run:
        """Publish the load and wait until the bucket has it."""
        servers = (self.influx.server.pid, self.broker.pid, self.postgres.server.pid)
        with self._publisher(centre, n=n, k=k, rate=rate) as publisher:
            before = [measure.cpu_s(pid) for pid in (*pids, *servers)]
            begun = self._said(publisher)
            ended = self._wait(bucket, n, begun)
            time.sleep(SETTLE_S)
            after = [measure.cpu_s(pid) for pid in (*pids, *servers)]
            pss = sum(measure.pss_mb(pid) for pid in pids)
        used = [(a - b) / n * 1e6 for a, b in zip(after, before, strict=True)]
        influxd_us, broker_us, postgres_us = used[-3:]
        return Run(
            rate=n / (ended - begun),
            cpu_us=sum(used[:-3]),
            influxd_us=influxd_us,
            broker_us=broker_us,
            postgres_us=postgres_us,
            pss_mb=pss,
            bucket=bucket,
        )

    @contextmanager
    def _publisher(
        self, centre: str, *, n: int, k: int, rate: float
    ) -> Iterator["subprocess.Popen[str]"]:
        command = [sys.executable, str(HERE / "publisher.py"), "--port", str(self.broker.port)]
        command += ["--centre", centre, "--n", str(n), "--k", str(k), "--rate", str(rate)]
        command += ["--base-ns", str(self.base_ns())]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            yield process
            self._said(process)

    def base_ns(self) -> int:
        """Time of the first record: lately, and a whole multiple of the load's step."""
        return (time.time_ns() - 3600 * 10**9) // load.STEP_NS * load.STEP_NS

    def _said(self, process: "subprocess.Popen[str]") -> float:
        line = process.stdout.readline() if process.stdout else ""
        if not line:
            raise AssertionError("the publisher ended early")
        moment: float = json.loads(line)["t"]
        return moment

    def _wait(self, bucket: str, n: int, begun: float) -> float:
        """Ask rarely at first: counting takes the database's time."""
        time.sleep(FIRST_POLL_S)
        while (count := self.series.count(bucket, "event", "score")) < n:
            took_s = time.monotonic() - begun
            if took_s > LIMIT_S:
                raise AssertionError(f"{count} of {n} records after {LIMIT_S:g} s")
            left_s = took_s * (n - count) / max(count, 1)
            time.sleep(min(max(POLL_S, left_s / 2), POLL_MAX_S))
        return time.monotonic()

    @contextmanager
    def _running(
        self, commands: Sequence[Sequence[str]], env: dict[str, str], ready: str
    ) -> Iterator[list[int]]:
        """Programs that have said `ready` in their log; they end with the block."""
        running: list[subprocess.Popen[bytes]] = []
        try:
            for number, command in enumerate(commands):
                path = self._folder / f"arm-{number}.log"
                with path.open("wb") as log:
                    running.append(subprocess.Popen(command, env=env, stdout=log, stderr=log))
                start.wait_until(lambda at=path: ready in at.read_text(), what=command[0])
            time.sleep(SETTLE_S)
            yield [process.pid for process in running]
        finally:
            for process in running:
                process.send_signal(signal.SIGTERM)
            for process in running:
                process.wait(30)

    def _forget(self, client_id: str) -> None:
        """Make the broker drop a persistent session, lest it queues what comes later."""
        name = client_id.encode()
        head = b"\x00\x04MQTT\x04\x02\x00\x3c" + len(name).to_bytes(2, "big") + name
        with start.socket.create_connection(("127.0.0.1", self.broker.port)) as connection:
            connection.sendall(b"\x10" + load.length(len(head)) + head)
            connection.recv(4)
            connection.sendall(b"\xe0\x00")

    # --- the centre -------------------------------------------------------------------------

    def _configure(self, centre: str, state: str) -> Path:
        folder = self._folder / centre
        (folder / "catalog").mkdir(parents=True)
        (folder / "catalog" / "centre.yaml").write_text(load.catalogue(centre), encoding="utf-8")
        if state == "postgres":
            plain = self.postgres.url.replace("+psycopg", "")
            with psycopg.connect(plain, autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {centre}")
        config: dict[str, Any] = {
            "centre": centre,
            "state": self._state_url(centre, state),
            "timeseries": {
                "kind": "influx",
                "url": self.influx.url,
                "org": self.influx.org,
                "token_file": str(self._folder / "token"),
            },
            "lake": "lake",
            "blobs": "blobs",
            "broker": {"host": "127.0.0.1", "port": self.broker.port, "plain": True},
            "catalogue": "catalog",
        }
        path = folder / "centre.yaml"
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        return path

    def _state_url(self, centre: str, state: str) -> str:
        if state == "postgres":
            return self.postgres.url.rpartition("/")[0] + f"/{centre}"
        return f"sqlite:///{self._folder / centre / 'state.sqlite'}"


def bodies(n: int, *, base_ns: int) -> list[bytes]:
    """The load as line protocol, in batches, as a worker writes it."""
    lines = [
        line
        for one in load.sent(0, n, base_ns=base_ns)
        for line in lines_of(
            one.event,
            site=one.site,
            node=one.node,
            record_id=f"{one.node}.{one.spool}.{one.seq}",
        )
    ]
    return ["\n".join(lines[at : at + BATCH]).encode() for at in range(0, n, BATCH)]
