"""`haidang cloud rebuild`: make the time series again from the lake."""

import argparse
from pathlib import Path

from haidang_protocols.command import Command


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, required=True, help="the centre's YAML file")
    parser.add_argument("--yes", action="store_true", help="do it; without, only tell what it is")


def _run(arguments: argparse.Namespace) -> int:
    from haidang_cloud.processes import rebuild

    return rebuild.run(arguments.config, yes=arguments.yes)


REBUILD = Command(
    help="make the time series again from the lake, all but the health of nodes and cameras, "
    "which is not in it; ingest may run meanwhile",
    configure=_configure,
    run=_run,
    examples="  haidang cloud rebuild --config centre.yaml\n"
    "  haidang cloud rebuild --config centre.yaml --yes",
)
