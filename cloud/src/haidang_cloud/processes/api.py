"""`haidang cloud serve api`: the HTTP API of one centre."""

import logging
from pathlib import Path

import uvicorn

from haidang_cloud.api import Parts, Ruling, make_app
from haidang_cloud.blobs import Blobs
from haidang_cloud.people import Accounts
from haidang_cloud.processes import running
from haidang_cloud.processes.catalogue import InForce
from haidang_cloud.processes.config import load_config, series_of, state_of
from haidang_cloud.processes.first import first_link

log = logging.getLogger(__name__)

GRACE_S = 10


def run(config_path: Path, *, verbose: bool = False) -> int:
    """Serve until SIGTERM."""
    running.log_to_stderr(verbose=verbose)
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
    )
    link = first_link(config, accounts, in_force.current().catalogue)
    if link is not None:
        log.warning("no administrator yet; this link makes one, once, within a day: %s", link)
    server = uvicorn.Server(
        uvicorn.Config(
            make_app(parts),
            host=config.api.host,
            port=config.api.port,
            log_config=None,
            server_header=False,
            proxy_headers=bool(config.api.proxies),
            forwarded_allow_ips=list(config.api.proxies),
            timeout_graceful_shutdown=GRACE_S,
        )
    )
    # it catches signals while it serves, and passes them on to this handler when it has ended
    running.on_signal(lambda: None)
    try:
        server.run()
    finally:
        in_force.close()
        series.close()
        state.close()
    return 0
