"""`haidang cloud serve api`: the HTTP API of one centre."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from haidang_cloud.api import Parts, Ruling, make_app
from haidang_cloud.blobs import Blobs
from haidang_cloud.ingest import Directory
from haidang_cloud.ingest.replay import Replayed, replay
from haidang_cloud.people import Accounts
from haidang_cloud.processes import running
from haidang_cloud.processes.catalogue import InForce
from haidang_cloud.processes.config import CloudConfig, load_config, series_of, state_of
from haidang_cloud.processes.first import first_link
from haidang_cloud.processes.serving import serve
from haidang_cloud.processes.stores import stores_of
from haidang_cloud.state.database import State
from haidang_cloud.state.deadletter import Kept

log = logging.getLogger(__name__)

GRACE_S = 10


def run(config_path: Path, *, verbose: bool = False) -> int:
    """Serve until SIGTERM."""
    running.log_to_stderr(verbose=verbose)
    running.few_arenas()
    config = load_config(config_path)
    state = state_of(config)
    series = series_of(config)
    in_force = InForce(state, config, Ruling)
    accounts = Accounts(state, config.centre)
    parts = Parts(
        centre=config.centre,
        origin=config.api.origin,
        state=state,
        series=series,
        accounts=accounts,
        blobs=Blobs(Path(config.blobs), state, centre=config.centre),
        ruling=in_force.current,
        replay=_replaying(config, state, in_force),
    )
    link = first_link(config, accounts, in_force.current().catalogue)
    if link is not None:
        log.warning("no administrator yet; this link makes one, once, within a day: %s", link)
    try:
        serve(make_app(parts), config.api, grace_s=GRACE_S)
    finally:
        in_force.close()
        series.close()
        state.close()
    return 0


def _replaying(
    config: CloudConfig, state: State, in_force: InForce[Ruling]
) -> Callable[[Kept, str], Replayed]:
    """Replays one letter at a time: an archive has one writer."""
    one_by_one = threading.Lock()

    def run(letter: Kept, by: str) -> Replayed:
        ruling = in_force.current()
        directory = Directory(ruling.catalogue, ruling.number)
        with one_by_one, stores_of(config, state, worker="replay") as stores:
            (done,) = replay(stores, directory, [letter], by=by)
        return done

    return run
