"""An ingest worker in a thread of the test, with everything that it stores into at hand."""

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fakes.gates import GatedFiles
from fakes.sender import SPOOL, Sender
from haidang_cloud.blobs import Blobs
from haidang_cloud.broker import BrokerSettings
from haidang_cloud.ingest import Directory, IngestWorker, WorkerSettings
from haidang_cloud.ingest.writer import Stores
from haidang_cloud.lake import Archive, Lake, Roller
from haidang_cloud.state import State, deadletter, ledger, outbox
from haidang_cloud.state.ledger import SpoolKey
from haidang_cloud.state.outbox import Alarm
from haidang_cloud.timeseries import TimeSeries
from haidang_cloud.timeseries.base import private_bucket
from haidang_protocols.catalogue import Catalogue
from haidang_protocols.wire.seqset import SeqSet
from servers import start

DAY_NS = 86_400 * 10**9


class Room:
    """The stores of a centre, and workers on them; `directory` may be swapped while they run."""

    def __init__(
        self, folder: Path, port: int, state: State, series: TimeSeries, catalogue: Catalogue
    ) -> None:
        self.port, self.state, self.series = port, state, series
        self.centre = catalogue.centre.id
        self.directory = Directory(catalogue, 1)
        self.lake = Lake(folder / "lake", state, centre=self.centre, time_zone="Asia/Ho_Chi_Minh")
        self.blobs = Blobs(folder / "blobs", state, centre=self.centre)
        self.files = GatedFiles()
        self.bucket = private_bucket(self.centre)
        self.workers: list[IngestWorker] = []
        self.errors: list[BaseException] = []
        self.server: object = None
        self._threads: list[threading.Thread] = []
        self._archives: list[Archive] = []

    def stores(self, name: str) -> Stores:
        """What a worker of that name stores into."""
        archive = Archive(self.lake.archive_folder, worker=name, files=self.files)
        self._archives.append(archive)
        return Stores(
            centre=self.centre,
            state=self.state,
            series=self.series,
            archive=archive,
            blobs=self.blobs,
            keep_pictures_ns=30 * DAY_NS,
        )

    def work(self, name: str = "w1", *, slow_s: float = 5.0, **options: Any) -> IngestWorker:
        """Start a worker and wait until it listens; broker settings as options."""
        ear = Sender(self.port, centre=self.centre)
        broker = BrokerSettings(host="127.0.0.1", port=self.port, plain=True, **options)
        worker = IngestWorker(
            WorkerSettings(name=name, broker=broker, slow_s=slow_s),
            self.stores(name),
            lambda: self.directory,
        )
        thread = threading.Thread(target=self._run, args=(worker,), name=f"worker {name}")
        self.workers.append(worker)
        self._threads.append(thread)
        thread.start()
        until(lambda: ear.ingest and (name, True) in ear.ingest[-2:], f"worker {name} up")
        ear.close()
        return worker

    def _run(self, worker: IngestWorker) -> None:
        try:
            worker.run()
        except Exception as error:
            logging.getLogger(__name__).exception("worker")
            self.errors.append(error)

    def leave(self, worker: IngestWorker) -> None:
        """Stop one worker and wait for its end."""
        worker.stop()
        thread = self._threads[self.workers.index(worker)]
        thread.join(60)
        assert not thread.is_alive()

    def close(self) -> None:
        """Stop all."""
        for worker in self.workers:
            worker.stop()
        for thread in self._threads:
            thread.join(60)
        for archive in self._archives:
            archive.close()

    # --- what is stored ---------------------------------------------------------------------

    def ledger(self, node: str = "gate-1", spool: str = SPOOL, site: str = "gate") -> SeqSet:
        """What the ledger has of a spool."""
        return ledger.read(self.state, self.centre).get(SpoolKey(node, spool, site), SeqSet())

    def points(self, measurement: str = "event", field: str = "id") -> int:
        """How many points the private bucket has."""
        return self.series.count(self.bucket, measurement, field)

    def letters(self) -> list[deadletter.Kept]:
        """The dead letters."""
        return deadletter.find(self.state, self.centre)

    def alarms(self) -> list[Alarm]:
        """What waits in the outbox."""
        with self.state.read() as connection:
            return outbox.waiting(connection, self.centre, limit=100_000)

    @contextmanager
    def takes_alarms(self) -> Iterator[None]:
        """Meanwhile somebody takes alarms from the outbox, as a worker does."""
        enough = threading.Event()

        def take() -> None:
            while not enough.wait(0.02):
                with self.state.write() as connection:
                    ids = [one.id for one in outbox.waiting(connection, self.centre)]
                    outbox.consumed(connection, ids, time.time_ns())

        taker = threading.Thread(target=take, name="taker")
        taker.start()
        try:
            yield
        finally:
            enough.set()
            taker.join()

    def rolled(self) -> list[int]:
        """The sequences in the lake, rolled up to now; one that is there twice is here twice."""
        Roller(self.lake, holder=secrets.token_hex(4)).roll()
        return sorted(row.seq for row in self.lake.rows())


def until(condition: Callable[[], Any], what: str, timeout_s: float = 30.0) -> None:
    """Wait, with a deadline that only a failure reaches."""
    start.wait_until(condition, what=what, timeout_s=timeout_s)
