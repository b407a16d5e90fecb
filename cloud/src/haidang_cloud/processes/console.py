"""`haidang cloud serve console`: the console of one centre."""

import logging
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from haidang_cloud.blobs import Blobs
from haidang_cloud.console import Hub, Parts, Ruling, make_app
from haidang_cloud.people import Accounts
from haidang_cloud.processes import running
from haidang_cloud.processes.catalogue import InForce
from haidang_cloud.processes.config import (
    CloudConfig,
    broker_of,
    load_config,
    series_of,
    state_of,
)
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
    server = uvicorn.Server(_settings(config, make_app(parts)))
    # it catches signals while it serves, and passes them on to this handler when it has ended
    running.on_signal(lambda: None)
    hub.start()
    log.info("console %s is up at %s", name, config.console.origin)
    try:
        server.run()
    finally:
        hub.close()
        in_force.close()
        series.close()
        state.close()
    return 0


def _settings(config: CloudConfig, app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=config.console.host,
        port=config.console.port,
        log_config=None,
        server_header=False,
        proxy_headers=bool(config.console.proxies),
        forwarded_allow_ips=list(config.console.proxies),
        timeout_graceful_shutdown=GRACE_S,
        # every viewer would cost its own compression of the same update
        ws_per_message_deflate=False,
    )
