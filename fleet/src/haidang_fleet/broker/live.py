"""The running broker: admits, expels, and is made to read a new revocation list."""

import logging
import ssl
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from socket import create_connection

from haidang_fleet import files
from haidang_fleet.broker.control import AdminSettings, Control
from haidang_fleet.broker.identities import Identity, Kind, rights_of
from haidang_fleet.broker.roles import Rights, additions, client_of, role_of
from haidang_fleet.errors import BrokerUnavailableError

log = logging.getLogger(__name__)

IN_FORCE_TIMEOUT_S = 30.0
CONNECT_TIMEOUT_S = 5.0
OBJECTION_TIMEOUT_S = 1.0
_NEEDS_NO_CATALOGUE = frozenset({Kind.NODE, Kind.INGEST, Kind.WORKER, Kind.CONSOLE, Kind.ADMIN})


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSettings:
    """The administrator's way in, where the broker reads its list, and how it is told to.

    `reload` is a command; without one, whoever runs the broker watches the file.
    """

    admin: AdminSettings
    crl: Path
    reload: tuple[str, ...] = ()


def admit_at(admin: AdminSettings, identity: Identity) -> None:
    """Let an identity in at a broker; a role that needs the catalogue must be there already."""
    roles = {}
    if identity.kind in _NEEDS_NO_CATALOGUE:
        role = role_of(identity, rights_of(identity))
        roles[role.name] = role
    client = client_of(identity)
    want = Rights(roles=roles, clients={client.name: client})
    with Control.connect(admin) as control:
        found = control.rights_at(role=identity.role, client=identity.cn)
        control.run(additions(found, want))


class LiveBroker:
    """Each call opens a connection of its own, and may be repeated."""

    def __init__(self, settings: LiveSettings) -> None:
        """Connect to nothing yet."""
        self._settings = settings

    def admit(self, identity: Identity) -> None:
        """Make an identity's client, and its role where that needs no catalogue."""
        admit_at(self._settings.admin, identity)

    def expel(self, cn: str) -> None:
        """Delete a client: that ends its connection, and what comes back may do nothing."""
        with Control.connect(self._settings.admin) as control:
            control.run([{"command": "deleteClient", "username": cn}])

    def publish(self, crl: bytes) -> None:
        """Write the list, whole or not at all."""
        files.write(self._settings.crl, crl)

    def confirm(self, certificate: str, key: bytes) -> None:
        """Make the broker read the list; returns when it refuses a certificate that is in it."""
        if self._settings.reload:
            self._reload()
        deadline = time.monotonic() + IN_FORCE_TIMEOUT_S
        pause_s = 0.05
        while not self._refuses(certificate, key):
            if time.monotonic() > deadline:
                raise BrokerUnavailableError(
                    f"{self._settings.crl} is written, but after {IN_FORCE_TIMEOUT_S:g} s the "
                    "broker still does not go by it: make it reload (SIGHUP)"
                )
            time.sleep(pause_s)
            pause_s = min(1.0, pause_s * 2)

    def _reload(self) -> None:
        done = subprocess.run(  # noqa: S603  # the administrator's own configuration names it
            self._settings.reload, capture_output=True, text=True, check=False, timeout=30
        )
        if done.returncode:
            raise BrokerUnavailableError(
                f"{' '.join(self._settings.reload)}: ended with {done.returncode}: "
                f"{done.stderr.strip()}"
            )

    def _refuses(self, certificate: str, key: bytes) -> bool:
        """Whether the broker turns a certificate away as revoked.

        With TLS 1.3 a client hears of it only after its own side of the handshake is done; a broker
        that has no objection says nothing before it is spoken to.
        """
        admin = self._settings.admin
        context = _presenting(admin.ca, certificate, key)
        try:
            with (
                create_connection((admin.host, admin.port), CONNECT_TIMEOUT_S) as plain,
                context.wrap_socket(plain, server_hostname=admin.host) as secured,
            ):
                secured.settimeout(OBJECTION_TIMEOUT_S)
                secured.recv(1)
        except ssl.SSLError as error:
            return "CERTIFICATE_REVOKED" in (error.reason or "")
        except TimeoutError:
            return False
        except OSError as error:
            log.info("broker %s:%d: %s", admin.host, admin.port, error)
        return False


def _presenting(ca: Path, certificate: str, key: bytes) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(ca))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    # the ssl module reads certificates from files only
    with tempfile.NamedTemporaryFile() as both:
        both.write(certificate.encode("ascii") + key)
        both.flush()
        context.load_cert_chain(both.name)
    return context
