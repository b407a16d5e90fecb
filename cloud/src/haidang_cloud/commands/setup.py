"""`haidang cloud setup`: brings a centre up and says what is still missing."""

import argparse
from pathlib import Path

from haidang_protocols.command import Command


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, required=True, help="the centre's YAML file")


def _run(arguments: argparse.Namespace) -> int:
    from haidang_cloud.processes import ready

    return ready.run(arguments.config)


SETUP = Command(
    help="bring the database up to date, say what is ready and what is missing",
    configure=_configure,
    run=_run,
    examples="  haidang cloud setup --config centre.yaml",
)
