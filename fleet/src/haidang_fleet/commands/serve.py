"""`haidang fleet serve`: the enrolment service."""

import argparse
import logging
import sys

from haidang_fleet.commands import arguments as shared
from haidang_protocols.command.model import Command


def _run(arguments: argparse.Namespace) -> int:
    # heavy: only when it is used
    from haidang_fleet.office import open_office
    from haidang_fleet.service.server import serve

    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    return serve(open_office(arguments.config))


SERVE = Command(
    help="run the enrolment service: tokens against certificates, renewal, revocation list",
    configure=shared.config,
    run=_run,
    examples="  haidang fleet serve --config fleet.yaml",
)
