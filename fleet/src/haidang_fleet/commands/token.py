"""`haidang fleet token`: what a technician needs to enrol one node, once."""

import argparse
import sys

from haidang_fleet.commands import arguments as shared
from haidang_protocols.command.model import Command
from haidang_protocols.errors import UserError

HOURS_MAX = 24 * 14


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("node", help="the node's id in the catalogue")
    shared.config(parser)
    shared.catalogue(parser)
    shared.actor(parser)
    parser.add_argument(
        "--hours", type=float, default=24.0, help="how long it may be used (default: %(default)s)"
    )
    parser.add_argument(
        "--replace",
        action="store_true",
        help="new hardware takes the node's place: its present certificate ends when it is used",
    )


def _run(arguments: argparse.Namespace) -> int:
    # heavy: only when it is used
    from haidang_fleet.broker.identities import Identity
    from haidang_fleet.office import open_office

    catalogue = shared.read_catalogue(arguments.catalogue)
    node = catalogue.node(arguments.node)
    if node is None:
        known = ", ".join(n.id for n in catalogue.nodes) or "none"
        raise UserError(f"node {arguments.node!r} is not in the catalogue; known: {known}")
    if not 0 < arguments.hours <= HOURS_MAX:
        raise UserError(f"--hours {arguments.hours:g}: allowed is more than 0 up to {HOURS_MAX}")
    office = open_office(arguments.config)
    identity = Identity.node(catalogue.centre.id, node.site, node.id)
    token = office.desk.token(
        identity, hours=arguments.hours, by=arguments.by, replaces=arguments.replace
    )
    service = office.config.service
    # the token alone goes to the standard output, so that it can be piped into a QR code
    sys.stdout.write(f"{token}\n")
    sys.stderr.write(
        f"Once, within {arguments.hours:g} h, for {node.id} (site {node.site}). On the node:\n"
        f"  haidang node enrol --url https://{service.names[0]}:{service.port} "
        f"--token {token}\n"
    )
    return 0


TOKEN = Command(
    help="make a token with which one node of the catalogue can enrol, once",
    configure=_configure,
    run=_run,
    examples="  haidang fleet token gate-1 --catalogue catalog/minimal --by an\n"
    "  haidang fleet token gate-1 --catalogue catalog/minimal --by an --replace",
)
