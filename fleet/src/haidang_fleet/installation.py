"""Writes what a broker starts with: its configuration, certificates, first rights, first list."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from haidang_fleet import files
from haidang_fleet.broker import files as broker
from haidang_fleet.broker.files import Bridge, ListenerSettings
from haidang_fleet.broker.identities import Identity, Kind, rights_of
from haidang_fleet.broker.roles import Rights, wanted, wanted_at
from haidang_fleet.enrolment import authority as ca
from haidang_fleet.errors import RefusedError
from haidang_fleet.office import ADMIN_CN, ADMIN_NAME, Office, fresh, keep
from haidang_protocols.catalogue import Catalogue


def write_broker(office: Office, *, by: str, catalogue: Catalogue | None) -> Iterator[str]:
    """Write the centre's broker's folder; tells what it wrote.

    Rights that the broker has kept are its own to change: they are written once.
    """
    config = office.config.broker
    folder = Path(config.folder)
    names = tuple(dict.fromkeys((config.host, config.public_host or config.host, *config.names)))
    yield from _admin(office, by=by)
    yield from _server(office, folder, names=names, by=by)
    settings = ListenerSettings(
        folder=Path(config.seen_as),
        data=Path(config.data),
        port=config.port,
        bind=config.bind,
        plugin=config.plugin,
        user=config.user,
    )
    files.write(folder / broker.CONF_FILE, broker.mosquitto_conf(settings).encode())
    yield f"written {folder / broker.CONF_FILE}"
    if (folder / broker.RIGHTS_FILE).exists():
        yield f"kept    {folder / broker.RIGHTS_FILE}: the broker changes it while it runs"
    else:
        none = Rights(roles={}, clients={})
        rights = none if catalogue is None else wanted(catalogue, office.desk.certified())
        text = broker.rights_json(rights, admins=(ADMIN_NAME,))
        files.write(folder / broker.RIGHTS_FILE, text.encode(), mode=files.PRIVATE)
        yield f"written {folder / broker.RIGHTS_FILE}"
    _belongs_to(config.user, folder)


def _admin(office: Office, *, by: str) -> Iterator[str]:
    home = office.services / ADMIN_CN
    if not fresh(home / "cert.pem"):
        signed = office.desk.service(Identity(kind=Kind.ADMIN, name=ADMIN_NAME), by=by)
        keep(signed, home, authority=office.desk.authority)
        yield f"written {home}"


def _server(office: Office, folder: Path, *, names: tuple[str, ...], by: str) -> Iterator[str]:
    """Certificate, authority and the first revocation list of a broker."""
    desk = office.desk
    (folder / "data").mkdir(parents=True, exist_ok=True)
    certificate = folder / broker.CERT_FILE
    if not (fresh(certificate) and ca.names_of(certificate.read_text(encoding="ascii")) == names):
        signed = desk.server(names, by=by)
        files.write(folder / broker.KEY_FILE, signed.key, mode=files.PRIVATE)
        files.write(certificate, signed.certificate.encode("ascii"))
        yield f"written {certificate} for {', '.join(names)}"
    files.write(folder / broker.CA_FILE, ca.pem(desk.authority.certificate).encode("ascii"))
    if not (folder / broker.CRL_FILE).exists():
        files.write(folder / broker.CRL_FILE, desk.crl())
        yield f"written {folder / broker.CRL_FILE}"


def _belongs_to(user: str, folder: Path) -> None:
    """The broker reads its key and writes its rights as whom it becomes."""
    if not user or os.geteuid() != 0:
        return
    for path in (folder, *folder.iterdir()):
        shutil.chown(path, user=user)


def write_site(
    office: Office,
    catalogue: Catalogue,
    site: str,
    *,
    out: Path,
    seen_as: Path,
    plugin: str,
    by: str,
) -> Iterator[str]:
    """Write the folder of a site's own broker: with its bridge it speaks for the site's nodes."""
    address = next((s for s in office.config.sites if s.site == site), None)
    if address is None:
        known = ", ".join(s.site for s in office.config.sites) or "none"
        raise RefusedError(
            "bad_request",
            f"site {site!r} has no broker of its own in the configuration (sites: {known}); name "
            "its host there, so that its nodes are told of it",
        )
    us = Identity(kind=Kind.SITE, centre=catalogue.centre.id, name=site)
    lines = rights_of(us, catalogue)
    yield from _server(office, out, names=(address.host,), by=by)
    if not fresh(out / broker.BRIDGE_CERT_FILE):
        signed = office.desk.service(us, by=by)
        files.write(out / broker.BRIDGE_KEY_FILE, signed.key, mode=files.PRIVATE)
        files.write(out / broker.BRIDGE_CERT_FILE, signed.certificate.encode("ascii"))
        yield f"written {out / broker.BRIDGE_CERT_FILE}: {us.cn}"
    host = office.config.broker.public_host or office.config.broker.host
    bridge = Bridge(name=us.cn, host=host, port=office.config.broker.port, lines=lines)
    settings = ListenerSettings(
        folder=seen_as, data=seen_as / "data", port=address.port, plugin=plugin
    )
    conf = broker.mosquitto_conf(settings, bridge=bridge)
    files.write(out / broker.CONF_FILE, conf.encode())
    yield f"written {out / broker.CONF_FILE}"
    rights = wanted_at(site, catalogue, office.desk.certified())
    text = broker.rights_json(rights).encode()
    files.write(out / broker.RIGHTS_FILE, text, mode=files.PRIVATE)
    yield f"written {out / broker.RIGHTS_FILE}"
    yield "`haidang fleet broker roles` lets it in at the centre"
