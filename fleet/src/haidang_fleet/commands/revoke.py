"""`haidang fleet revoke`: cut a node, a process or a member of staff off, for good."""

import argparse
import sys

from haidang_fleet.commands import arguments as shared
from haidang_protocols.command.model import Command


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="the node's id, or the name that its certificate carries")
    shared.config(parser)
    shared.actor(parser)
    parser.add_argument("--why", required=True, help="the reason, for the journal")


def _run(arguments: argparse.Namespace) -> int:
    # heavy: only when it is used
    from haidang_fleet.office import open_office

    desk = open_office(arguments.config).desk
    count = desk.revoke(arguments.name, by=arguments.by, why=arguments.why)
    sys.stdout.write(
        f"{arguments.name}: {count} certificate{'s' if count != 1 else ''} revoked, "
        "cut off from the broker\n"
    )
    return 0


REVOKE = Command(
    help="end every certificate of a name and cut it off from the broker at once",
    configure=_configure,
    run=_run,
    examples="  haidang fleet revoke gate-1 --by an --why 'stolen from the pole'",
)
