"""`haidang fleet service`: certificates for the centre's processes and for staff."""

import argparse
import sys
from pathlib import Path

from haidang_fleet.commands import arguments as shared
from haidang_protocols.command.model import Command

KINDS = ("ingest", "worker", "console", "staff", "admin")


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", choices=KINDS)
    shared.config(parser)
    shared.actor(parser)
    parser.add_argument("--centre", default="", help="the centre's id (not for admin)")
    parser.add_argument("--name", required=True, help="the process's or the post's name")
    parser.add_argument("--scope", default="", help="a staff client's scope")
    parser.add_argument("--out", type=Path, help="folder for key.pem, cert.pem and ca.pem")
    parser.add_argument("--new", action="store_true", help="make it though there is a good one")
    parser.add_argument(
        "--offline", action="store_true", help="do not tell the broker: it does not run yet"
    )


def _run(arguments: argparse.Namespace) -> int:
    # heavy: only when it is used
    from haidang_fleet.broker.identities import Identity, Kind
    from haidang_fleet.broker.live import admit_at
    from haidang_fleet.errors import BrokerUnavailableError
    from haidang_fleet.office import admin_of, fresh, keep, open_office

    office = open_office(arguments.config)
    identity = Identity(
        kind=Kind(arguments.kind),
        centre=arguments.centre,
        name=arguments.name,
        scope=arguments.scope,
    )
    folder = arguments.out or office.services / identity.cn
    if fresh(folder / "cert.pem") and not arguments.new:
        sys.stdout.write(f"{identity.cn}: {folder} holds a good certificate; nothing to do\n")
        return 0
    signed = office.desk.service(identity, by=arguments.by)
    keep(signed, folder, authority=office.desk.authority)
    until = signed.not_after.date().isoformat()
    sys.stdout.write(f"{identity.cn}: key and certificate in {folder}, valid until {until}\n")
    if not arguments.offline:
        try:
            admit_at(admin_of(office.config), identity)
        except BrokerUnavailableError as error:
            sys.stderr.write(
                f"The broker does not know {identity.cn} yet: {error}. "
                "`haidang fleet broker roles` will tell it.\n"
            )
    return 0


SERVICE = Command(
    help="make a certificate for a process of the centre, a member of staff, an administrator",
    configure=_configure,
    run=_run,
    examples="  haidang fleet service ingest --centre demo --name w1 --by an\n"
    "  haidang fleet service staff --centre demo --scope city --name gate-post --by an",
)
