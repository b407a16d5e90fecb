"""`haidang catalog apply`: bring a checked catalogue into force."""

import argparse
import sys
from pathlib import Path

from haidang_protocols.command import Command


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("catalogue", type=Path, help="folder of *.yaml files, or one file")
    parser.add_argument("--config", type=Path, required=True, help="the centre's YAML file")
    parser.add_argument("--by", required=True, metavar="LOGIN", help="who brings it into force")
    parser.add_argument("--why", required=True, metavar="TEXT", help="why; stands in the audit log")


def _run(arguments: argparse.Namespace) -> int:
    from haidang_cloud.processes import apply

    applied = apply.run(arguments.config, arguments.catalogue, by=arguments.by, why=arguments.why)
    said = "is in force" if applied.fresh else "was in force already"
    sys.stdout.write(f"version {applied.number} {said}\n")
    for line in applied.done:
        sys.stdout.write(f"  {line}\n")
    return 0


CATALOG_APPLY = Command(
    help="check a catalogue and bring it into force: version, people, buckets, broker roles",
    configure=_configure,
    run=_run,
    examples="  haidang catalog apply catalog/minimal --config centre.yaml --by an "
    '--why "first version"',
)
