"""`haidang node agent`: the node itself."""

import argparse
import logging
from pathlib import Path

from haidang_protocols.command.model import Command


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config",
        type=Path,
        required=True,
        help="the node's node.yaml; where it names no catalogue, the node waits for the centre to "
        "send its cameras, and keeps them",
    )


def _run(arguments: argparse.Namespace) -> int:
    from haidang_edge.agent.config import load_config  # `--help` stays quick
    from haidang_edge.agent.process import LOG_FORMAT
    from haidang_edge.agent.supervisor import run

    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    return run(load_config(arguments.config))


AGENT = Command(
    help="run this node: its cameras become events, and events reach the centre",
    configure=_configure,
    run=_run,
    examples="  haidang node agent --config /etc/haidang/node.yaml",
)
