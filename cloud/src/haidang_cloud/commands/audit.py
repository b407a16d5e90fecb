"""`haidang cloud audit verify`: is the audit log what was written?"""

import argparse
from pathlib import Path

from haidang_protocols.command import Command


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, required=True, help="the centre's YAML file")


def _run(arguments: argparse.Namespace) -> int:
    from haidang_cloud.processes import audit

    return audit.run(arguments.config)


AUDIT_VERIFY = Command(
    help="check the audit log's chain of hashes, and its anchors where there are some",
    configure=_configure,
    run=_run,
    examples="  haidang cloud audit verify --config centre.yaml",
)
