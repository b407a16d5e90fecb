"""`haidang catalog check` and `show`."""

import argparse
import sys
from pathlib import Path

import msgspec

from haidang_protocols.catalogue.loader import load
from haidang_protocols.catalogue.model import Catalogue
from haidang_protocols.command.model import Command
from haidang_protocols.errors import UserError


def _path(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("catalogue", type=Path, help="folder of *.yaml files, or one file")


def _check(arguments: argparse.Namespace) -> int:
    catalogue = load(arguments.catalogue)
    sys.stdout.write(f"{arguments.catalogue}: no mistakes\n{_summary(catalogue)}\n")
    return 0


def _show_arguments(parser: argparse.ArgumentParser) -> None:
    _path(parser)
    parser.add_argument("--node", help="only what this node gets to see")
    parser.add_argument("--json", action="store_true", help="the whole, as JSON")


def _show(arguments: argparse.Namespace) -> int:
    catalogue = load(arguments.catalogue)
    shown: object = catalogue
    if arguments.node is not None:
        if catalogue.node(arguments.node) is None:
            known = ", ".join(n.id for n in catalogue.nodes) or "none"
            raise UserError(f"--node {arguments.node!r}: there is no such node; known: {known}")
        shown = catalogue.cameras_of(arguments.node)
    if arguments.json or arguments.node is not None:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(shown), indent=2).decode() + "\n")
        return 0
    sys.stdout.write(_summary(catalogue) + "\n")
    for camera in catalogue.cameras:
        rules = ", ".join(rule.id for rule in camera.rules) or "no rules"
        scope = catalogue.scopes_over(camera.place)[0].id
        sys.stdout.write(f"  {camera.id:<20} {camera.node:<16} {scope:<16} {rules}\n")
    return 0


def _summary(catalogue: Catalogue) -> str:
    counts = {
        "places": len(catalogue.places),
        "scopes": len(catalogue.scopes),
        "people": len(catalogue.people),
        "nodes": len(catalogue.nodes),
        "cameras": len(catalogue.cameras),
        "rules": sum(len(c.rules) for c in catalogue.cameras),
    }
    said = ", ".join(f"{count} {noun}" for noun, count in counts.items())
    return f"centre {catalogue.centre.id} ({catalogue.centre.name.vi}): {said}"


CHECK = Command(
    help="read a catalogue and tell every mistake in it",
    configure=_path,
    run=_check,
    examples="  haidang catalog check catalog/minimal",
)
SHOW = Command(
    help="show what a catalogue declares",
    configure=_show_arguments,
    run=_show,
    examples="  haidang catalog show catalog/minimal\n"
    "  haidang catalog show catalog/minimal --node gate-1\n"
    "  haidang catalog show catalog/minimal --json",
)
