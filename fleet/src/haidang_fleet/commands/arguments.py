"""Arguments that several commands share, and how a catalogue comes in."""

import argparse
import sys
from pathlib import Path

import msgspec

from haidang_protocols.catalogue import Catalogue, load
from haidang_protocols.errors import UserError
from haidang_protocols.wire.errors import UNREADABLE


def config(parser: argparse.ArgumentParser) -> None:
    """`--config`."""
    parser.add_argument(
        "--config",
        type=Path,
        default=Path("fleet.yaml"),
        help="the fleet's configuration (default: %(default)s)",
    )


def actor(parser: argparse.ArgumentParser) -> None:
    """`--by`: every action has a name."""
    parser.add_argument("--by", required=True, metavar="NAME", help="who does this")


def catalogue(parser: argparse.ArgumentParser, *, required: bool = False) -> None:
    """`--catalogue`."""
    parser.add_argument(
        "--catalogue", type=Path, required=required, help="folder of *.yaml files, or one file"
    )


def read_catalogue(path: Path | None) -> Catalogue:
    """The catalogue of `--catalogue`, or as JSON from the standard input."""
    if path is not None:
        return load(path)
    try:
        return msgspec.json.decode(sys.stdin.buffer.read(), type=Catalogue)
    except UNREADABLE as error:
        raise UserError(
            f"the standard input holds no catalogue as JSON: {error}; or give --catalogue PATH"
        ) from error
