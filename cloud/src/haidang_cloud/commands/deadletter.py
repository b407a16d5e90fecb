"""`haidang cloud deadletter`: list, show and replay what could not be taken."""

import argparse
from pathlib import Path

from haidang_protocols.command import Command
from haidang_protocols.errors import UserError

ACTIONS = ("list", "show", "replay")


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=ACTIONS, help="what to do with them")
    parser.add_argument("--config", type=Path, required=True, help="the centre's YAML file")
    parser.add_argument("--reason", help="only letters of this reason, such as unknown_camera")
    parser.add_argument("--id", type=int, dest="number", help="only this letter")
    parser.add_argument("--by", metavar="LOGIN", help="who replays; stands in the audit log")


def _run(arguments: argparse.Namespace) -> int:
    from haidang_cloud.processes import deadletter

    wanted = deadletter.Wanted(reason=arguments.reason, number=arguments.number)
    if arguments.action == "list":
        return deadletter.list_letters(arguments.config, wanted)
    if arguments.action == "show":
        return deadletter.show(arguments.config, wanted)
    if arguments.by is None:
        raise UserError("replay needs --by LOGIN: who does it stands in the audit log")
    return deadletter.replay_letters(arguments.config, wanted, by=arguments.by)


DEADLETTER = Command(
    help="list, show and replay records and messages that could not be taken",
    configure=_configure,
    run=_run,
    examples="  haidang cloud deadletter list --config centre.yaml\n"
    "  haidang cloud deadletter show --config centre.yaml --id 7\n"
    "  haidang cloud deadletter replay --config centre.yaml --reason unknown_camera --by an",
)
