"""`haidang cloud ingest`: one worker of the shared group."""

import gc
from pathlib import Path

from haidang_cloud.ingest import Directory, IngestWorker, WorkerSettings
from haidang_cloud.processes import running
from haidang_cloud.processes.catalogue import InForce
from haidang_cloud.processes.config import broker_of, load_config, state_of
from haidang_cloud.processes.kept import KeptVersion
from haidang_cloud.processes.stores import stores_of
from haidang_protocols.wire.names import check_name

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
    in_force = InForce(state, config, Directory, kept=kept)
    settings = WorkerSettings(name=worker, broker=broker_of(config, process=f"ingest.{worker}"))
    try:
        with stores_of(config, state, worker=worker) as stores:
            ingest = IngestWorker(settings, stores, in_force.current)
            running.on_signal(ingest.stop)
            _settle()
            ingest.run()
    finally:
        gc.unfreeze()
        in_force.close()
        state.close()
    return 0


def _settle() -> None:
    """What start-up made stays: to look through it again and again costs more than the records."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_AFTER, 10, 10)
