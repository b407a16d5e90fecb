"""`haidang node rehearse`: a node whose clock can be unset, for demonstrations and drills."""

import argparse
import logging
from pathlib import Path

from haidang_protocols.command.model import Command


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, required=True, help="the node's node.yaml")
    parser.add_argument(
        "--unset-clock",
        type=Path,
        required=True,
        metavar="FILE",
        help="while FILE is there, the node's clock stands as if it had never been set (1970)",
    )


def _run(arguments: argparse.Namespace) -> int:
    from haidang_edge.agent.config import load_config  # `--help` stays quick
    from haidang_edge.agent.process import LOG_FORMAT
    from haidang_edge.agent.supervisor import run
    from haidang_edge.spool.rehearsal import RehearsedTime

    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    source = RehearsedTime(arguments.unset_clock)
    return run(load_config(arguments.config), time_source=source)


REHEARSE = Command(
    help="run this node for a drill: as `node agent`, but its clock can be unset by a file",
    configure=_configure,
    run=_run,
    examples="  haidang node rehearse --config node.yaml --unset-clock clock.unset\n"
    "  touch clock.unset    # the clock is in 1970; rm clock.unset sets it again",
)
