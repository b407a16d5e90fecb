"""Opens what the commands and the service work with, from one configuration."""

from dataclasses import dataclass
from pathlib import Path

from haidang_fleet import files
from haidang_fleet.broker import files as broker_files
from haidang_fleet.broker.control import AdminSettings
from haidang_fleet.broker.live import LiveBroker, LiveSettings
from haidang_fleet.config import FleetConfig, load_config
from haidang_fleet.enrolment import authority as ca
from haidang_fleet.enrolment.authority import Authority
from haidang_fleet.enrolment.desk import Desk, Signed, utc_now
from haidang_fleet.enrolment.registry import Registry

ADMIN_NAME = "serve"
ADMIN_CN = "fleet.admin.serve"
SERVICE_NAME = "enrolment"

_REGISTRY_FILE = "fleet.db"
_RENEW_BELOW = 1 / 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """The configuration with the desk that it describes."""

    config: FleetConfig
    desk: Desk

    @property
    def services(self) -> Path:
        """Where certificates of services are kept, a folder each."""
        return Path(self.config.folder) / "services"


def registry_of(config: FleetConfig) -> Registry:
    """The registry."""
    return Registry(Path(config.folder) / _REGISTRY_FILE)


def admin_of(config: FleetConfig) -> AdminSettings:
    """The administrator's way to the broker."""
    home = Path(config.folder) / "services" / ADMIN_CN
    return AdminSettings(
        host=config.broker.host,
        port=config.broker.port,
        ca=Path(config.folder) / ca.CA_FILE,
        cert=home / "cert.pem",
        key=home / "key.pem",
    )


def open_office(path: Path) -> Office:
    """Read the configuration and open the authority; connects to nothing."""
    config = load_config(path)
    settings = LiveSettings(
        admin=admin_of(config),
        crl=Path(config.broker.folder) / broker_files.CRL_FILE,
        reload=config.broker.reload,
    )
    desk = Desk(
        Authority.load(Path(config.folder)), registry_of(config), LiveBroker(settings), now=utc_now
    )
    return Office(config=config, desk=desk)


def keep(signed: Signed, folder: Path, *, authority: Authority) -> None:
    """Write key (0600), certificate and authority into a folder of their own."""
    files.write(folder / "key.pem", signed.key, mode=files.PRIVATE)
    files.write(folder / "cert.pem", signed.certificate.encode("ascii"))
    files.write(folder / "ca.pem", ca.pem(authority.certificate).encode("ascii"))


def fresh(path: Path) -> bool:
    """Whether a certificate is there and has more than a third of its life before it."""
    if not path.exists():
        return False
    certificate = ca.read_certificate(path.read_text(encoding="ascii"))
    # server certificates are backdated to the authority's first day: their life is what is meant
    left = (certificate.not_valid_after_utc - utc_now()).days
    return left > ca.SERVICE_DAYS * _RENEW_BELOW
