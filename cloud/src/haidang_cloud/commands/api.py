"""`haidang cloud serve api`: the centre's HTTP API."""

import argparse
from pathlib import Path

from haidang_protocols.command import Command


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, required=True, help="the centre's YAML file")
    parser.add_argument("--verbose", action="store_true", help="log every step")


def _run(arguments: argparse.Namespace) -> int:
    from haidang_cloud.processes import api

    return api.run(arguments.config, verbose=arguments.verbose)


SERVE_API = Command(
    help="serve the centre's API over HTTP; without an administrator it prints a one-time link",
    configure=_configure,
    run=_run,
    examples="  haidang cloud serve api --config centre.yaml",
)
