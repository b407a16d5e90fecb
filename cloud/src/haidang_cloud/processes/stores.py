"""What a process stores records into."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from haidang_cloud.blobs import Blobs
from haidang_cloud.ingest.writer import Stores
from haidang_cloud.lake import Archive
from haidang_cloud.lake.archive import folder_of
from haidang_cloud.processes.config import CloudConfig, series_of
from haidang_cloud.state import State

DAY_NS = 86_400 * 10**9


@contextmanager
def stores_of(config: CloudConfig, state: State, *, worker: str) -> Iterator[Stores]:
    """All of them; the archive is `worker`'s own."""
    series = series_of(config)
    archive = Archive(folder_of(Path(config.lake), config.centre), worker=worker)
    try:
        yield Stores(
            centre=config.centre,
            state=state,
            series=series,
            archive=archive,
            blobs=Blobs(Path(config.blobs), state, centre=config.centre),
            keep_pictures_ns=config.snapshot_days * DAY_NS,
        )
    finally:
        archive.close()
        series.close()
