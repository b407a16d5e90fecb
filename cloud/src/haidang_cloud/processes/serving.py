"""Serves HTTP until somebody asks the process to end."""

import uvicorn
from starlette.types import ASGIApp

from haidang_cloud.processes import running
from haidang_cloud.processes.config import ApiConfig, ConsoleConfig


def serve(app: ASGIApp, at: ApiConfig | ConsoleConfig, *, grace_s: int) -> None:
    """Serve until SIGTERM; what is still asked then has `grace_s` to be answered."""
    settings = uvicorn.Config(
        app,
        host=at.host,
        port=at.port,
        log_config=None,
        server_header=False,
        proxy_headers=bool(at.proxies),
        forwarded_allow_ips=list(at.proxies),
        timeout_graceful_shutdown=grace_s,
        # every viewer would cost its own compression of the same update
        ws_per_message_deflate=False,
    )
    # it catches signals while it serves, and passes them on to this handler when it has ended
    running.on_signal(lambda: None)
    uvicorn.Server(settings).run()
