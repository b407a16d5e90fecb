"""`haidang catalog apply` and `export`: a checked catalogue into force, and out again as files."""

import argparse
import sys
from pathlib import Path

from haidang_protocols.command import Command


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("catalogue", type=Path, help="folder of *.yaml files, or one file")
    parser.add_argument("--config", type=Path, required=True, help="the centre's YAML file")
    parser.add_argument("--by", required=True, metavar="LOGIN", help="who brings it into force")
    parser.add_argument("--why", required=True, metavar="TEXT", help="why; stands in the audit log")
    parser.add_argument(
        "--even-if-it-empties",
        action="store_true",
        help="though a node loses all its cameras, or nobody may let people in any more",
    )


def _run(arguments: argparse.Namespace) -> int:
    from haidang_cloud.processes import apply

    applied = apply.run(
        arguments.config,
        arguments.catalogue,
        by=arguments.by,
        why=arguments.why,
        even_if_it_empties=arguments.even_if_it_empties,
    )
    said = "is in force" if applied.fresh else "was in force already"
    sys.stdout.write(f"version {applied.number} {said}: {applied.changes}\n")
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


def _configure_export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, required=True, help="the centre's YAML file")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where to")
    parser.add_argument(
        "--number", type=int, metavar="N", help="an earlier version (default: the one in force)"
    )


def _run_export(arguments: argparse.Namespace) -> int:
    from haidang_cloud.processes import export

    version = export.run(arguments.config, arguments.out, number=arguments.number)
    sys.stdout.write(
        f"version {version.number}, published by {version.by} ({version.why}): "
        f"{len(version.texts)} files in {arguments.out}\n"
    )
    return 0


CATALOG_EXPORT = Command(
    help="write a published version as files: for the desk, or for a node",
    configure=_configure_export,
    run=_run_export,
    examples="  haidang catalog export --config centre.yaml --out catalogue\n"
    "  haidang catalog export --config centre.yaml --out before --number 3",
)
