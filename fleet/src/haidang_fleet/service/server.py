"""Runs the enrolment service over TLS 1.3, and keeps the broker's revocation list young."""

import logging
import ssl
import threading
from pathlib import Path

import uvicorn

from haidang_fleet.enrolment.desk import Desk
from haidang_fleet.errors import BrokerUnavailableError, FleetConfigError
from haidang_fleet.office import SERVICE_NAME, Office, fresh, keep
from haidang_fleet.service.app import make_app

log = logging.getLogger(__name__)

REFRESH_S = 86_400.0
RETRY_S = 60.0
ACTOR = "serve"


def serve(office: Office) -> int:
    """Run until SIGTERM."""
    home = certificate_of_service(office)
    service = office.config.service
    config = uvicorn.Config(
        make_app(office.desk, office.config),
        host=service.host,
        port=service.port,
        ssl_certfile=home / "cert.pem",
        ssl_keyfile=home / "key.pem",
        log_config=None,
        access_log=False,
        server_header=False,
    )
    config.load()
    if config.ssl is None:
        raise FleetConfigError("the service has no certificate")
    config.ssl.minimum_version = ssl.TLSVersion.TLSv1_3
    stop = threading.Event()
    refreshing = threading.Thread(
        target=keep_young, args=(office.desk, stop), name="crl", daemon=True
    )
    refreshing.start()
    log.info("enrolment listens on https://%s:%d", service.host, service.port)
    try:
        uvicorn.Server(config).run()
    finally:
        stop.set()
        refreshing.join()
    return 0


def certificate_of_service(office: Office) -> Path:
    """The service's own certificate, made when it is not there or grows old."""
    home = office.services / SERVICE_NAME
    if not fresh(home / "cert.pem"):
        signed = office.desk.server(office.config.service.names, by=ACTOR)
        keep(signed, home, authority=office.desk.authority)
    return home


def keep_young(desk: Desk, stop: threading.Event) -> None:
    """A list past its date would lock everybody out: it is made again at the start and daily."""
    wait_s = 0.0
    while not stop.wait(wait_s):
        try:
            desk.refresh()
        except BrokerUnavailableError as error:
            log.error("the revocation list is not refreshed: %s", error)  # noqa: TRY400  # its sentence says all
            wait_s = RETRY_S
        else:
            wait_s = REFRESH_S
