"""Real servers for the ingest bench, and its arms: Haidang's workers, Telegraf, influxd alone."""

import http.client
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import yaml

from bench import measure
from bench.ingest import load
from haidang_cloud.state import ledger, open_state
from haidang_cloud.timeseries import Influx, InfluxSettings
from haidang_cloud.timeseries.base import private_bucket
from haidang_cloud.timeseries.lines import LineMaker
from servers import find, start

HERE = Path(__file__).resolve().parent
HAIDANG = Path(sys.executable).parent / "haidang"
BROKER = (
    "listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nmax_inflight_messages 0\n"
    "max_queued_messages 0\nset_tcp_nodelay true\nlog_type error\nlog_type warning\n"
)
BATCH = 5000
FIRST_POLL_S, POLL_S, POLL_MAX_S = 0.5, 0.1, 1.0
LIMIT_S = 180.0
STALLED_S = 20.0
TRIES = 3
SETTLE_S = 0.5
SAMPLE_S = 0.25
HOLD_S, WINDOW_S = 0.002, 0.1
AHEAD = 15_000
HOUR_NS = 3600 * 10**9


class StalledError(Exception):
    """Nothing more arrives though not all has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of one arm; CPU is microseconds a record."""

    rate: float
    cpu_us: float = 0.0
    store_us: float = 0.0
    broker_us: float = 0.0
    postgres_us: float = 0.0
    pss_mb: float = 0.0
    bucket: str = ""


@dataclass(frozen=True, slots=True)
class Store:
    """Where the points go: influxd, or what stands in for it."""

    url: str
    pid: int
    series: Influx


class Rig:
    """Broker, InfluxDB and PostgreSQL in a folder; every run gets a centre of its own."""

    def __init__(self, folder: Path) -> None:
        """Start the servers; raises `MissingError` where one is not here."""
        mosquitto = measure.program("mosquitto")
        influxd = measure.program("influxd")
        self._telegraf = measure.program("telegraf")
        bin_folder = measure.need(
            find.postgres_bin(), "PostgreSQL 15 is not here; `make bench` says why"
        )
        self._folder = folder
        self._numbers = itertools.count(1)
        port = start.free_port()
        lines = BROKER.format(port=port)
        self._broker = start.mosquitto(mosquitto, folder / "broker", lines=lines, port=port)
        self._broker.start()
        self._influx = start.influxd(influxd, folder / "influx")
        self._postgres = start.postgres(bin_folder, folder / "postgres")
        (folder / "token").write_text(self._influx.token)
        self._store = self._store_at(self._influx.url, self._influx.server.pid)

    def close(self) -> None:
        """Stop the servers."""
        self._store.series.close()
        for server in (self._broker, self._influx.server, self._postgres.server):
            server.stop()

    # --- arms -------------------------------------------------------------------------------

    def haidang(
        self,
        *,
        n: int,
        k: int,
        workers: int = 1,
        state: str = "postgres",
        void: bool = False,
        share: float = 1.0,
    ) -> Run:
        """Haidang's worker processes; in the end the ledger must have every record.

        With a `share` below 1 each process gets no more than that of a core.

        While the database sits on one batch for five seconds, a worker with a full queue lets go of
        what is no alarm: a node sends it again, this load does not. Such a run says nothing.
        """
        for _ in range(TRIES):
            try:
                return self._haidang(n=n, k=k, workers=workers, state=state, void=void, share=share)
            except StalledError as error:
                print(f"  a run is thrown away, the machine is too busy: {error}")
        raise AssertionError(f"no run of {TRIES} came to its end")

    def _haidang(
        self, *, n: int, k: int, workers: int, state: str, void: bool, share: float
    ) -> Run:
        centre = f"b{next(self._numbers)}"
        bucket = private_bucket(centre)
        with self._void() if void else nullcontext(self._store) as store:
            config = self._configure(centre, state, store)
            store.series.ensure(bucket)
            with (
                self._running(_workers(config, workers), os.environ, "is up") as pids,
                _held(pids, share) if share < 1.0 else nullcontext(),
            ):
                run = self._measure(pids, store, bucket, centre, n=n, k=k)
        with self._ledger(centre, state) as stored:
            if stored() != n:
                raise AssertionError(f"the ledger has {stored()} of {n} records")
        return run

    def peer(self, *, n: int, k: int) -> Run:
        """Telegraf, acknowledging after the write as well."""
        centre = f"b{next(self._numbers)}"
        bucket = f"telegraf-{centre}"
        self._store.series.ensure(bucket)
        env = {
            **os.environ,
            "INFLUX_URL": self._influx.url,
            "INFLUX_TOKEN": self._influx.token,
            "INFLUX_ORG": self._influx.org,
            "INFLUX_BUCKET": bucket,
            "MQTT_PORT": str(self._broker.port),
            "CENTRE": centre,
        }
        command = [str(self._telegraf), "--config", str(HERE / "telegraf.conf")]
        with self._running([command], env, "Connected") as pids:
            run = self._measure(pids, self._store, bucket, centre, n=n, k=k)
        self._forget("telegraf")
        return run

    def ceiling(self, bodies: Sequence[bytes], *, n: int, connections: int = 1) -> Run:
        """What influxd takes of lines that stand ready."""
        bucket = f"ceiling-{next(self._numbers)}"
        self._store.series.ensure(bucket)
        path = "/api/v2/write?" + urllib.parse.urlencode(
            {"org": self._influx.org, "bucket": bucket, "precision": "ns"}
        )
        threads = [
            threading.Thread(target=self._post, args=(path, bodies[at::connections]))
            for at in range(connections)
        ]
        before_s, begun = measure.cpu_s(self._store.pid), time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took_s = time.monotonic() - begun
        used_s = measure.cpu_s(self._store.pid) - before_s
        if (count := self._store.series.count(bucket, "event", "score")) != n:
            raise AssertionError(f"influxd has {count} of {n} points")
        return Run(rate=n / took_s, store_us=used_s / n * 1e6, bucket=bucket)

    def _post(self, path: str, bodies: Sequence[bytes]) -> None:
        url = urllib.parse.urlsplit(self._influx.url)
        headers = {"Authorization": f"Token {self._influx.token}", "Content-Type": "text/plain"}
        connection = http.client.HTTPConnection(url.hostname or "", url.port)
        for body in bodies:
            connection.request("POST", path, body, headers)
            connection.getresponse().read()
        connection.close()

    def memory(self, *, n: int, k: int) -> list[tuple[float, float]]:
        """One worker over many records: pairs of records stored so far and its resident MB.

        The load never goes further ahead than the worker's queue holds.
        """
        centre = f"b{next(self._numbers)}"
        config = self._configure(centre, "postgres", self._store)
        found: list[tuple[float, float]] = []
        with (
            self._running(_workers(config, 1), os.environ, "is up") as (pid,),
            self._publisher(centre, n=n, k=k, paced=True) as publisher,
            self._ledger(centre, "postgres") as stored,
        ):
            moved, before = _said(publisher), 0
            while (now := stored()) < n:
                if now > before:
                    moved, before = time.monotonic(), now
                    found.append((now, measure.rss_mb(pid)))
                if time.monotonic() - moved > LIMIT_S:
                    raise AssertionError(f"nothing was stored for {LIMIT_S:g} s after {now}")
                _permit(publisher, min(now + AHEAD, n))
                time.sleep(SAMPLE_S)
        return found

    def values(self, bucket: str, fields: Sequence[str]) -> dict[str, Any]:
        """What a bucket holds: sums and counts of fields, first and last time, tags."""
        query = self._store.series.query
        found: dict[str, Any] = {}
        for position, field in enumerate(fields):
            how = "count" if field in load.TEXTS else "sum"
            wanted = f"{how}({field}), count({field})"
            (one,) = query(bucket, f"SELECT {wanted} FROM event")  # noqa: S608  # our own names
            found[str(position)] = tuple(round(value, 4) for value in one["values"][0][1:])
        for end in ("first", "last"):
            (one,) = query(bucket, f"SELECT {end}(score) FROM event")  # noqa: S608  # our own
            found[end] = one["values"][0][0]
        (one,) = query(bucket, "SHOW TAG KEYS FROM event")
        found["tags"] = {row[0] for row in one["values"]}
        return found

    # --- one run ----------------------------------------------------------------------------

    def _measure(
        self, pids: Sequence[int], store: Store, bucket: str, centre: str, *, n: int, k: int
    ) -> Run:
        """Publish the load and wait until the bucket has it."""
        watched = (*pids, store.pid, self._broker.pid, self._postgres.server.pid)
        with self._publisher(centre, n=n, k=k) as publisher:
            before = [measure.cpu_s(pid) for pid in watched]
            begun = _said(publisher)
            ended = _wait(store, bucket, n, begun)
            time.sleep(SETTLE_S)
            after = [measure.cpu_s(pid) for pid in watched]
            pss = sum(measure.pss_mb(pid) for pid in pids)
        used = [(a - b) / n * 1e6 for a, b in zip(after, before, strict=True)]
        store_us, broker_us, postgres_us = used[-3:]
        return Run(
            rate=n / (ended - begun),
            cpu_us=sum(used[:-3]),
            store_us=store_us,
            broker_us=broker_us,
            postgres_us=postgres_us,
            pss_mb=pss,
            bucket=bucket,
        )

    @contextmanager
    def _publisher(
        self, centre: str, *, n: int, k: int, paced: bool = False
    ) -> Iterator["subprocess.Popen[str]"]:
        """A publisher that is about to begin; the block ends after its last message."""
        command = [sys.executable, str(HERE / "publisher.py"), "--port", str(self._broker.port)]
        command += ["--centre", centre, "--n", str(n), "--k", str(k), "--base-ns", str(base_ns())]
        command += ["--paced"] if paced else []
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
            yield process
            _said(process)

    @contextmanager
    def _running(
        self, commands: Sequence[Sequence[str]], env: Mapping[str, str], ready: str
    ) -> Iterator[list[int]]:
        """Programs that have said `ready` in their log; they end with the block."""
        running: list[subprocess.Popen[bytes]] = []
        try:
            for number, command in enumerate(commands):
                path = self._folder / f"arm-{number}.log"
                with path.open("wb") as log:
                    running.append(subprocess.Popen(command, env=env, stdout=log, stderr=log))
                start.wait_until(partial(_says, path, ready), what=command[0])
            time.sleep(SETTLE_S)
            yield [process.pid for process in running]
        finally:
            for process in running:
                process.send_signal(signal.SIGTERM)
            for process in running:
                process.wait(30)

    @contextmanager
    def _void(self) -> Iterator[Store]:
        """A database that takes lines and forgets them."""
        port = start.free_port()
        command = [sys.executable, str(HERE / "void.py"), "--port", str(port)]
        server = start.Server(command, port, self._folder / "void.log")
        server.start()
        store = self._store_at(f"http://127.0.0.1:{port}", server.pid)
        try:
            yield store
        finally:
            store.series.close()
            server.stop()

    def _store_at(self, url: str, pid: int) -> Store:
        settings = InfluxSettings(url=url, org=self._influx.org, token=self._influx.token)
        return Store(url, pid, Influx(settings))

    def _forget(self, client_id: str) -> None:
        """Make the broker drop a persistent session, lest it queues what comes later."""
        name = client_id.encode()
        head = b"\x00\x04MQTT\x04\x02\x00\x3c" + len(name).to_bytes(2, "big") + name
        with socket.create_connection(("127.0.0.1", self._broker.port)) as connection:
            connection.sendall(b"\x10" + load.length(len(head)) + head)
            connection.recv(4)
            connection.sendall(b"\xe0\x00")

    # --- the centre -------------------------------------------------------------------------

    def _configure(self, centre: str, state: str, store: Store) -> Path:
        folder = self._folder / centre
        (folder / "catalog").mkdir(parents=True)
        (folder / "catalog" / "centre.yaml").write_text(load.catalogue(centre), encoding="utf-8")
        if state == "postgres":
            plain = self._postgres.url.replace("+psycopg", "")
            with psycopg.connect(plain, autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {centre}")
        config = {
            "centre": centre,
            "state": self._state_url(centre, state),
            "timeseries": {
                "kind": "influx",
                "url": store.url,
                "org": self._influx.org,
                "token_file": str(self._folder / "token"),
            },
            "lake": "lake",
            "blobs": "blobs",
            "broker": {"host": "127.0.0.1", "port": self._broker.port, "plain": True},
            "catalogue": "catalog",
        }
        path = folder / "centre.yaml"
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        return path

    def _state_url(self, centre: str, state: str) -> str:
        if state == "postgres":
            return self._postgres.url.rpartition("/")[0] + f"/{centre}"
        return f"sqlite:///{self._folder / centre / 'state.sqlite'}"

    @contextmanager
    def _ledger(self, centre: str, state: str) -> Iterator[Callable[[], int]]:
        """Tells how many records the ledger has."""
        opened = open_state(self._state_url(centre, state))
        try:
            yield lambda: sum(len(seqs) for seqs in ledger.read(opened, centre).values())
        finally:
            opened.close()


@contextmanager
def _held(pids: Sequence[int], share: float) -> Iterator[None]:
    """Let no process have more than a share of a core while the block runs."""
    over = threading.Event()
    threads = [threading.Thread(target=_hold, args=(pid, share, over)) for pid in pids]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _hold(pid: int, share: float, over: threading.Event) -> None:
    """Stop a process whenever it is ahead of its share; every window counts for itself."""
    clock = ~pid << 3 | 2  # Linux's number for the CPU time of a process
    begun_s = used_s = 0.0
    while not over.wait(HOLD_S):
        now_s, cpu_s = time.monotonic(), time.clock_gettime(clock)
        if now_s - begun_s > WINDOW_S:
            begun_s, used_s = now_s, cpu_s
        ahead = cpu_s - used_s > share * (now_s - begun_s)
        os.kill(pid, signal.SIGSTOP if ahead else signal.SIGCONT)
    os.kill(pid, signal.SIGCONT)


def _workers(config: Path, count: int) -> list[list[str]]:
    return [
        [str(HAIDANG), "cloud", "ingest", "--config", str(config), "--worker", f"w{number}"]
        for number in range(1, count + 1)
    ]


def _permit(publisher: "subprocess.Popen[str]", record: int) -> None:
    """Let the load go as far as that record."""
    if publisher.stdin is not None and publisher.poll() is None:
        publisher.stdin.write(f"{record}\n")
        publisher.stdin.flush()


def _says(log: Path, word: str) -> bool:
    return word in log.read_text(errors="replace")


def _said(process: "subprocess.Popen[str]") -> float:
    """When the publisher said its next word."""
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        raise AssertionError("the publisher ended early")
    moment: float = json.loads(line)["t"]
    return moment


def _wait(store: Store, bucket: str, n: int, begun: float) -> float:
    """When the bucket has all; asks rarely at first, for counting takes the database's time."""
    time.sleep(FIRST_POLL_S)
    before, since = -1, begun
    while (count := store.series.count(bucket, "event", "score")) < n:
        now = time.monotonic()
        if count != before:
            before, since = count, now
        if now - since > STALLED_S or now - begun > LIMIT_S:
            raise StalledError(f"{count} of {n} records after {now - begun:.0f} s")
        left_s = (now - begun) * (n - count) / max(count, 1)
        time.sleep(min(max(POLL_S, left_s / 2), POLL_MAX_S))
    return time.monotonic()


def base_ns() -> int:
    """Time of a load's first record: lately, and a whole multiple of its step."""
    return (time.time_ns() - HOUR_NS) // load.STEP_NS * load.STEP_NS


def bodies(n: int) -> list[bytes]:
    """The load as line protocol, in batches, as a worker writes it."""
    maker = LineMaker(known=lambda _camera, _zone: True, labels=lambda _camera, _label: True)
    lines = [
        maker.event(one.event, one.site, one.node, f"{one.node}.{one.spool}.{one.seq}")
        for one in load.sent(0, n, base_ns=base_ns())
    ]
    return ["\n".join(lines[at : at + BATCH]).encode() for at in range(0, n, BATCH)]
