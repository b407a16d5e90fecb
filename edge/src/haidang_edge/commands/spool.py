"""`haidang node spool`: what is in a node's spool, also while the node is at work."""

import argparse
import sys
import time
from pathlib import Path

from haidang_protocols.command.model import Command


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, required=True, help="the node's node.yaml")
    parser.add_argument("--json", action="store_true", help="one line of JSON, with every record")
    parser.add_argument(
        "--follow",
        type=float,
        metavar="SECONDS",
        help="look again and again; with --json each line tells what is new in it",
    )


def _run(arguments: argparse.Namespace) -> int:
    import msgspec  # `--help` stays quick

    from haidang_edge.agent.config import load_config
    from haidang_edge.agent.kept import KeptFiles
    from haidang_edge.spool.reader import SpoolReader
    from haidang_protocols.errors import UserError

    if arguments.follow is not None and not arguments.follow > 0:
        raise UserError(f"--follow {arguments.follow:g}: allowed are seconds above 0")
    config = load_config(arguments.config)
    folder = Path(config.spool.folder)
    reader, kept = SpoolReader(folder), KeptFiles(folder)
    while True:
        look = reader.look()
        if arguments.json:
            sys.stdout.write(msgspec.json.encode(look).decode() + "\n")
        else:
            count = sum(last - first + 1 for first, last in look.present)
            sys.stdout.write(
                f"spool {look.spool or 'none yet'}: highest {look.highest}, {count} on the disk"
                f"{_stored(count, look.waiting)}\n  {kept.line(config.node)}\n"
            )
        sys.stdout.flush()
        if arguments.follow is None:
            return 0
        time.sleep(arguments.follow)


def _stored(count: int, waiting: int) -> str:
    if not count:
        return ""
    if not waiting:
        return ", all of them stored at the centre"
    return f", at most {waiting} of them not yet stored (what is stored is noted once a minute)"


SPOOL = Command(
    help="look at the node's spool: what is on the disk, what waits to be stored, which catalogue",
    configure=_configure,
    run=_run,
    examples="  haidang node spool --config /etc/haidang/node.yaml\n"
    "  haidang node spool --config /etc/haidang/node.yaml --json --follow 2",
)
