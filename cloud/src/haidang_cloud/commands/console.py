"""`haidang cloud serve console`: the wall, in the browser."""

import argparse
from pathlib import Path

from haidang_protocols.command import Command


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, required=True, help="the centre's YAML file")
    parser.add_argument(
        "--name", default="c1", help="this console's name at the broker (default: c1)"
    )
    parser.add_argument("--verbose", action="store_true", help="log every step")


def _run(arguments: argparse.Namespace) -> int:
    from haidang_cloud.processes import console

    return console.run(arguments.config, name=arguments.name, verbose=arguments.verbose)


SERVE_CONSOLE = Command(
    help="serve the console: overview, alarms, cameras, nodes, boards, audit",
    configure=_configure,
    run=_run,
    examples="  haidang cloud serve console --config centre.yaml",
)
