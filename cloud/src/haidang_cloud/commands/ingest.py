"""`haidang cloud ingest`: one worker of the group that stores what nodes send."""

import argparse
from pathlib import Path

from haidang_protocols.command import Command


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, required=True, help="the centre's YAML file")
    parser.add_argument(
        "--worker", default="w1", help="this worker's name in the group, each its own (w1)"
    )
    parser.add_argument("--verbose", action="store_true", help="log every step")


def _run(arguments: argparse.Namespace) -> int:
    from haidang_cloud.processes import ingest

    return ingest.run(arguments.config, worker=arguments.worker, verbose=arguments.verbose)


INGEST = Command(
    help="store what nodes send: archive, time series, ledger, watermark",
    configure=_configure,
    run=_run,
    examples="  haidang cloud ingest --config centre.yaml\n"
    "  haidang cloud ingest --config centre.yaml --worker w2",
)
