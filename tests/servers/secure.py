"""A broker as a centre runs it: TLS 1.3, a certificate for everybody, rights from the catalogue.

Certificates are named by their CN: a node's id (`gate-1`), `{centre}.ingest.w1` and
`.w2`, `{centre}.worker.1`, `{centre}.console.main`, `{centre}.staff.{scope}.guard`,
`{centre}.site.{site}`, `fleet.admin.serve`. All these exist from the start; `issue` makes more.
"""

import getpass
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from haidang_fleet.broker import Control, Identity, Kind
from haidang_fleet.broker.control import AdminSettings
from haidang_fleet.broker.files import (
    CA_FILE,
    CERT_FILE,
    CONF_FILE,
    CRL_FILE,
    KEY_FILE,
    RIGHTS_FILE,
    ListenerSettings,
    mosquitto_conf,
    rights_json,
)
from haidang_fleet.broker.roles import Rights, wanted
from haidang_fleet.enrolment.authority import Authority, key_pem, new_key, pem
from haidang_protocols.catalogue import Catalogue
from servers import start

ADMIN = "fleet.admin.serve"


def usual_identities(catalogue: Catalogue) -> tuple[Identity, ...]:
    """Nodes, two ingest workers, a worker, a console, a guard per scope, each site's broker."""
    centre = catalogue.centre.id
    services = (
        (Kind.INGEST, "w1"),
        (Kind.INGEST, "w2"),
        (Kind.WORKER, "1"),
        (Kind.CONSOLE, "main"),
    )
    return (
        *(Identity.node(centre, n.site, n.id) for n in catalogue.nodes),
        *(Identity(kind=kind, centre=centre, name=name) for kind, name in services),
        *(
            Identity(kind=Kind.STAFF, centre=centre, scope=s.id, name="guard")
            for s in catalogue.scopes
        ),
        *(Identity(kind=Kind.SITE, centre=centre, name=s.id) for s in catalogue.sites),
    )


@dataclass
class SecureBroker:
    """A mosquitto with its authority; `server` can be killed, stopped and started again."""

    server: start.Server
    authority: Authority
    folder: Path
    identities: dict[str, Identity] = field(default_factory=dict)

    @property
    def port(self) -> int:
        return self.server.port

    @property
    def ca(self) -> Path:
        return self.folder / CA_FILE

    def cert(self, name: str) -> Path:
        return self.folder / "clients" / f"{name}.crt"

    def key(self, name: str) -> Path:
        return self.folder / "clients" / f"{name}.key"

    def start(self) -> None:
        self.server.start()

    def kill(self) -> None:
        """SIGKILL."""
        self.server.kill()

    def restart(self) -> None:
        self.server.stop()
        self.server.start()

    def stop(self) -> None:
        self.server.stop()

    def issue(self, cn: str) -> None:
        """A certificate of the authority for any name, known to the broker or not."""
        key = new_key()
        certificate = self.authority.sign_client(
            key.public_key(), cn=cn, now=datetime.now(UTC), days=1
        )
        self.cert(cn).parent.mkdir(exist_ok=True)
        self.cert(cn).write_text(pem(certificate))
        self.key(cn).write_bytes(key_pem(key))
        self.key(cn).chmod(0o600)

    @property
    def admin(self) -> AdminSettings:
        return AdminSettings(
            host="127.0.0.1",
            port=self.port,
            ca=self.ca,
            cert=self.cert(ADMIN),
            key=self.key(ADMIN),
        )

    def rights(self) -> Rights:
        """What the running broker holds."""
        with Control.connect(self.admin) as control:
            return control.rights()


def secure_broker(
    program: Path, folder: Path, catalogues: Catalogue | Iterable[Catalogue]
) -> SecureBroker:
    """Make (not start) a broker for one centre or several, with all usual certificates."""
    chosen = (catalogues,) if isinstance(catalogues, Catalogue) else tuple(catalogues)
    folder.mkdir(parents=True)
    data = folder / "data"
    data.mkdir()
    now = datetime.now(UTC)
    authority = Authority.make(folder / "authority", name="Haidang test", now=now)
    key = new_key()
    names = ("localhost", "127.0.0.1")
    certificate = authority.sign_server(key.public_key(), names=names, now=now, days=1)
    (folder / CA_FILE).write_text(pem(authority.certificate))
    (folder / CERT_FILE).write_text(pem(certificate))
    (folder / KEY_FILE).write_bytes(key_pem(key))
    (folder / CRL_FILE).write_bytes(authority.crl((), number=1, now=now))
    identities = {i.cn: i for catalogue in chosen for i in usual_identities(catalogue)}
    parts = [wanted(catalogue, identities.values()) for catalogue in chosen]
    rights = Rights(
        roles={n: r for part in parts for n, r in part.roles.items()},
        clients={n: c for part in parts for n, c in part.clients.items()},
    )
    (folder / RIGHTS_FILE).write_text(rights_json(rights, admins=("serve",)))
    port = start.free_port()
    settings = ListenerSettings(
        folder=folder,
        data=data,
        port=port,
        bind="127.0.0.1",
        # started by root it would become `mosquitto`, who may not read a test's folder
        user=getpass.getuser() if os.geteuid() == 0 else "",
    )
    (folder / CONF_FILE).write_text(mosquitto_conf(settings))
    command = [str(program), "-c", str(folder / CONF_FILE)]
    server = start.Server(command, port, folder / "mosquitto.log")
    broker = SecureBroker(server, authority, folder, identities)
    for name in (*identities, ADMIN):
        broker.issue(name)
    return broker
