"""`haidang fleet broker`: the broker's configuration, its rights, a site's own broker."""

import argparse
import sys
from pathlib import Path

from haidang_fleet.commands import arguments as shared
from haidang_protocols.command.model import Command


def _configure(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    config = actions.add_parser("config", help="write the centre's broker's configuration")
    shared.config(config)
    shared.actor(config)
    shared.catalogue(config)
    roles = actions.add_parser(
        "roles", help="bring the running broker's rights to a catalogue (JSON on stdin)"
    )
    shared.config(roles)
    shared.catalogue(roles)
    roles.add_argument("--dry-run", action="store_true", help="tell what would change, no more")
    site = actions.add_parser("site", help="write a site's own broker's configuration")
    site.add_argument("site", help="the site's id; its address stands in the configuration")
    shared.config(site)
    shared.actor(site)
    shared.catalogue(site)
    site.add_argument("--out", type=Path, required=True, help="folder to be taken to the site")
    site.add_argument(
        "--seen-as",
        type=Path,
        default=Path("/etc/haidang/broker"),
        help="where that folder will be there (default: %(default)s)",
    )
    site.add_argument(
        "--plugin",
        default="/usr/lib/aarch64-linux-gnu/mosquitto_dynamic_security.so",
        help="the plugin's file there (default: %(default)s)",
    )


def _run(arguments: argparse.Namespace) -> int:
    if arguments.action == "config":
        return _config(arguments)
    return _roles(arguments) if arguments.action == "roles" else _site(arguments)


def _config(arguments: argparse.Namespace) -> int:
    # heavy: only when it is used
    from haidang_fleet.installation import write_broker
    from haidang_fleet.office import open_office

    office = open_office(arguments.config)
    catalogue = None if arguments.catalogue is None else shared.read_catalogue(arguments.catalogue)
    for line in write_broker(office, by=arguments.by, catalogue=catalogue):
        sys.stdout.write(line + "\n")
    return 0


def _roles(arguments: argparse.Namespace) -> int:
    # heavy: only when it is used
    from haidang_fleet.broker.control import Control
    from haidang_fleet.broker.roles import changes, wanted
    from haidang_fleet.office import admin_of, open_office

    catalogue = shared.read_catalogue(arguments.catalogue)
    office = open_office(arguments.config)
    want = wanted(catalogue, office.desk.certified())
    with Control.connect(admin_of(office.config)) as control:
        commands = changes(control.rights(), want, centre=catalogue.centre.id)
        if not arguments.dry_run:
            control.run(commands)
    for command in commands:
        name = command.get("username") or command.get("rolename")
        sys.stdout.write(f"{command['command']} {name}\n")
    done = "would change" if arguments.dry_run else "changed"
    sys.stdout.write(
        f"{len(commands)} {done}; {len(want.roles)} roles, {len(want.clients)} clients\n"
    )
    return 0


def _site(arguments: argparse.Namespace) -> int:
    # heavy: only when it is used
    from haidang_fleet.installation import write_site
    from haidang_fleet.office import open_office

    lines = write_site(
        open_office(arguments.config),
        shared.read_catalogue(arguments.catalogue),
        arguments.site,
        out=arguments.out,
        seen_as=arguments.seen_as,
        plugin=arguments.plugin,
        by=arguments.by,
    )
    for line in lines:
        sys.stdout.write(line + "\n")
    return 0


BROKER = Command(
    help="write the broker's configuration, bring its rights to a catalogue",
    configure=_configure,
    run=_run,
    examples="  haidang fleet broker config --by an --catalogue catalog/minimal\n"
    "  haidang catalog show catalog/minimal --json | haidang fleet broker roles\n"
    "  haidang fleet broker site gate --catalogue catalog/minimal --out gate-broker --by an",
)
