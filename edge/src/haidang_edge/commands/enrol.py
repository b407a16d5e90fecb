"""`haidang node enrol`: a token against the node's certificate; later, its renewal."""

import argparse
import sys
from pathlib import Path

from haidang_protocols.command.model import Command
from haidang_protocols.errors import UserError

DEFAULT_FOLDER = Path("/var/lib/haidang/tls")
SERIAL_NUMBER = Path("/proc/device-tree/serial-number")


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", default="", help="the enrolment service: https://HOST[:PORT]")
    parser.add_argument("--token", default="", help="the token, or - to read it from the input")
    parser.add_argument(
        "--dir",
        type=Path,
        default=DEFAULT_FOLDER,
        help="where the key and certificates live (default: %(default)s)",
    )
    parser.add_argument("--renew", action="store_true", help="renew the certificate if it is time")
    parser.add_argument("--force", action="store_true", help="with --renew: though it is not time")
    parser.add_argument(
        "--write", type=Path, metavar="NODE_YAML", help="put centre, site, node and broker there"
    )


def _run(arguments: argparse.Namespace) -> int:
    # heavy: only when it is used
    import time
    from datetime import UTC, datetime

    from haidang_edge.enrol import KeyFolder, enrol, renew
    from haidang_edge.enrol.visit import due

    folder = KeyFolder(arguments.dir)
    now = datetime.now(UTC)
    if arguments.renew:
        held = folder.held()
        if not (arguments.force or due(held, now=now)):
            until = held.certificate.not_valid_after_utc.date().isoformat()
            sys.stdout.write(f"nothing to do: the certificate is valid until {until}\n")
            return 0
        held = renew(folder, now=now, sleep=time.sleep, url=arguments.url)
    else:
        held = enrol(
            folder,
            url=_given(arguments.url, "--url"),
            token=_token(arguments.token),
            hardware=_hardware(),
            now=now,
            sleep=time.sleep,
        )
    until = held.certificate.not_valid_after_utc.date().isoformat()
    _tell(arguments.dir, arguments.write, until=until)
    return 0


def _given(value: str, name: str) -> str:
    if not value:
        raise UserError(f"{name} is missing: the centre gave it with the token")
    return value


def _token(given: str) -> str:
    return sys.stdin.readline() if given == "-" else _given(given, "--token")


def _hardware() -> str:
    """The board's serial number, where it has one."""
    if not SERIAL_NUMBER.exists():
        return ""
    return SERIAL_NUMBER.read_text(encoding="ascii", errors="replace").strip("\0\n ")[:64]


def _tell(folder: Path, write: Path | None, *, until: str) -> None:
    from haidang_edge.enrol import KeyFolder
    from haidang_edge.enrol.nodefile import put, text_of

    state = KeyFolder(folder).state()
    if state is None:
        raise UserError(f"{folder}: nothing is remembered of the enrolment; enrol again")
    sys.stderr.write(
        f"{state.node} (site {state.site}, centre {state.centre}) has its certificate, valid "
        f"until {until}; it renews itself when haidang-renew.timer runs\n"
    )
    text = text_of(state, folder)
    if write is None:
        sys.stdout.write(text)
    else:
        sys.stdout.write(f"{write}: {put(write, text)}\n")


ENROL = Command(
    help="get this node's certificate with a token, or renew it; the key never leaves the node",
    configure=_configure,
    run=_run,
    examples="  haidang node enrol --url https://centre.example --token abcdefg-…\n"
    "  haidang node enrol --url https://centre.example --token - --write /etc/haidang/node.yaml\n"
    "  haidang node enrol --renew",
)
