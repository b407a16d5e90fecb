"""An ingest worker in a thread, with the archive's files in a test's hand."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from haidang_cloud.blobs import Blobs
from haidang_cloud.ingest import Directory, IngestWorker, WorkerSettings
from haidang_cloud.ingest.writer import Stores
from haidang_cloud.lake import Archive, ArchiveFiles
from haidang_cloud.lake.archive import folder_of
from haidang_cloud.processes.config import CloudConfig, broker_of, series_of, state_of
from haidang_protocols.catalogue import Catalogue
from servers import start


@contextmanager
def worker_over(
    config: CloudConfig,
    catalogue: Catalogue,
    *,
    files: ArchiveFiles,
    port: int,
    name: str = "w1",
) -> Iterator[IngestWorker]:
    """What `haidang cloud ingest` puts together, over the archive's `files` and a broker's port."""
    state, series = state_of(config), series_of(config)
    archive = Archive(folder_of(Path(config.lake), config.centre), worker=name, files=files)
    stores = Stores(
        centre=config.centre,
        state=state,
        series=series,
        archive=archive,
        blobs=Blobs(Path(config.blobs), state, centre=config.centre),
        keep_pictures_ns=10**18,
    )
    directory = Directory(catalogue, 0)
    broker = replace(broker_of(config, process=f"ingest.{name}"), port=port)
    settings = WorkerSettings(name=name, broker=broker)
    worker = IngestWorker(settings, stores, lambda: directory)
    thread = threading.Thread(target=worker.run, name=f"ingest {name}")
    thread.start()
    try:
        start.wait_until(lambda: worker._connection.up, what="the worker is up")  # noqa: SLF001
        yield worker
    finally:
        worker.stop()
        thread.join()
        archive.close()
        series.close()
        state.close()
