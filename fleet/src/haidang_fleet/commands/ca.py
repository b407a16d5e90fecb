"""`haidang fleet ca`: the authority that signs all certificates of the centre."""

import argparse
import sys
from pathlib import Path

from haidang_fleet.commands import arguments as shared
from haidang_protocols.command.model import Command


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("make", "show", "journal"))
    shared.config(parser)
    parser.add_argument("--by", metavar="NAME", default="", help="who makes it")


def _run(arguments: argparse.Namespace) -> int:
    # heavy: only when it is used
    from haidang_fleet.config import load_config
    from haidang_fleet.enrolment.authority import Authority
    from haidang_fleet.enrolment.desk import utc_now
    from haidang_fleet.office import registry_of

    config = load_config(arguments.config)
    folder = Path(config.folder)
    if arguments.action == "journal":
        with registry_of(config).transaction() as ledger:
            for line in ledger.journal():
                told = f"{line.at.isoformat()}  {line.actor:<16} {line.action:<12} {line.subject}"
                sys.stdout.write(f"{told}  {line.detail}\n")
        return 0
    if arguments.action == "make":
        registry = registry_of(config)
        with registry.transaction() as ledger:
            ledger.note(arguments.by, "authority", config.name, "made", at=utc_now())
            authority = Authority.make(folder, name=config.name, now=utc_now())
    else:
        authority = Authority.load(folder)
    certificate = authority.certificate
    sys.stdout.write(
        f"{certificate.subject.rfc4514_string()}\n"
        f"  fingerprint  {authority.fingerprint.hex()}\n"
        f"  valid until  {certificate.not_valid_after_utc.date().isoformat()}\n"
        f"  folder       {folder}\n"
    )
    if arguments.action == "make":
        sys.stdout.write(
            f"Keep a copy of {folder}/ca.key where the centre's machines cannot reach it: "
            "who has it can be any node.\n"
        )
    return 0


CA = Command(
    help="make the authority that signs certificates, show it, or read the journal",
    configure=_configure,
    run=_run,
    examples="  haidang fleet ca make --by an\n  haidang fleet ca show\n  haidang fleet ca journal",
)
