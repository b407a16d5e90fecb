"""`haidang cloud worker`: cases, projections, lake, retention."""

import argparse
from pathlib import Path

from haidang_protocols.command import Command


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, required=True, help="the centre's YAML file")
    parser.add_argument(
        "--worker",
        default="w1",
        help="this worker's name, each its own: answers wait for it at the broker (w1)",
    )
    parser.add_argument("--verbose", action="store_true", help="log every step")


def _run(arguments: argparse.Namespace) -> int:
    from haidang_cloud.processes import worker

    return worker.run(arguments.config, worker=arguments.worker, verbose=arguments.verbose)


WORKER = Command(
    help="raise cases, take answers, keep projections, lake and retention",
    configure=_configure,
    run=_run,
    examples="  haidang cloud worker --config centre.yaml\n"
    "  haidang cloud worker --config centre.yaml --worker w2",
)
