"""`haidang cloud serve console`: the console of one centre."""

import logging
from pathlib import Path

from haidang_cloud.blobs import Blobs
from haidang_cloud.console import Hub, Parts, Ruling, make_app
from haidang_cloud.people import Accounts
from haidang_cloud.processes import running
from haidang_cloud.processes.catalogue import InForce
from haidang_cloud.processes.config import (
    broker_of,
    load_config,
    series_of,
    state_of,
)
from haidang_cloud.processes.serving import serve
from haidang_cloud.timeseries.projection import ensure_buckets
from haidang_protocols.wire.names import check_name

log = logging.getLogger(__name__)

GRACE_S = 3


def run(config_path: Path, *, name: str, verbose: bool = False) -> int:
    """Serve until SIGTERM."""
    running.log_to_stderr(verbose=verbose)
    running.few_arenas()
    config = load_config(config_path)
    check_name(name, what="console")
    state = state_of(config)
    series = series_of(config)
    in_force = InForce(state, config, Ruling)
    ensure_buckets(series, in_force.current().catalogue)
    accounts = Accounts(state, config.centre)
    blobs = Blobs(Path(config.blobs), state, centre=config.centre)
    hub = Hub(
        centre=config.centre,
        name=name,
        state=state,
        series=series,
        accounts=accounts,
        blobs=blobs,
        broker=broker_of(config, process=f"console.{name}"),
    )
    parts = Parts(
        centre=config.centre,
        origin=config.console.origin,
        language=config.console.language,
        state=state,
        series=series,
        accounts=accounts,
        blobs=blobs,
        ruling=in_force.current,
        hub=hub,
        faults=None if config.console.desk is None else Path(config.console.desk),
    )
    app = make_app(parts)
    hub.start()
    log.info("console %s is up at %s", name, config.console.origin)
    try:
        serve(app, config.console, grace_s=GRACE_S)
    finally:
        hub.close()
        in_force.close()
        series.close()
        state.close()
    return 0
