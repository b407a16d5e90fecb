"""`haidang cloud ingest`: one worker of the shared group."""

import gc
from pathlib import Path

from haidang_cloud.blobs import Blobs
from haidang_cloud.ingest import Directory, IngestWorker, WorkerSettings
from haidang_cloud.ingest.writer import Stores
from haidang_cloud.lake import Archive
from haidang_cloud.lake.archive import folder_of
from haidang_cloud.processes import running
from haidang_cloud.processes.catalogue import InForce
from haidang_cloud.processes.config import broker_of, load_config, series_of, state_of
from haidang_cloud.processes.kept import KeptVersion
from haidang_protocols.wire.names import check_name

DAY_NS = 86_400 * 10**9
GARBAGE_AFTER = 20_000
"""Objects more than before: a batch makes thousands, and all of them go with it."""


def run(config_path: Path, *, worker: str, verbose: bool = False) -> int:
    """Run until SIGTERM."""
    running.log_to_stderr(verbose=verbose)
    running.few_arenas()
    config = load_config(config_path)
    check_name(worker, what="worker")
    kept = KeptVersion(config)
    state = state_of(config, away=kept.read() is not None)
    series = series_of(config)
    in_force = InForce(state, config, Directory, kept=kept)
    archive = Archive(folder_of(Path(config.lake), config.centre), worker=worker)
    stores = Stores(
        centre=config.centre,
        state=state,
        series=series,
        archive=archive,
        blobs=Blobs(Path(config.blobs), state, centre=config.centre),
        keep_pictures_ns=config.snapshot_days * DAY_NS,
    )
    settings = WorkerSettings(name=worker, broker=broker_of(config, process=f"ingest.{worker}"))
    ingest = IngestWorker(settings, stores, in_force.current)
    running.on_signal(ingest.stop)
    _settle()
    try:
        ingest.run()
    finally:
        gc.unfreeze()
        archive.close()
        in_force.close()
        series.close()
        state.close()
    return 0


def _settle() -> None:
    """What start-up made stays: to look through it again and again costs more than the records."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_AFTER, 10, 10)
