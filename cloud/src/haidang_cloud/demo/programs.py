"""Finds what the demo starts: our own command, and the broker."""

import os
import platform
import shutil
import sys
from pathlib import Path

from haidang_cloud.demo.words import Words
from haidang_protocols.errors import UserError

_BESIDES = ("/usr/sbin", "/usr/local/sbin", "~/.local/bin")
"""Where a broker lives that an ordinary user's PATH may not name; `make demo` uses the last."""


def haidang() -> str:
    """The `haidang` command of this installation."""
    beside = Path(sys.executable).with_name("haidang")
    found = str(beside) if beside.is_file() else shutil.which("haidang")
    if found is None:
        raise UserError(f"there is no command `haidang` beside {sys.executable} nor in PATH")
    return found


def spoken() -> str:
    """The `haidang` command as somebody types it here."""
    path = Path(haidang())
    found = shutil.which("haidang")
    if found is not None and Path(found).resolve() == path.resolve():
        return "haidang"
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def environment() -> dict[str, str]:
    """Of all that the demo starts: what is said to us is UTF-8, whatever the terminal speaks."""
    return os.environ | {"PYTHONUTF8": "1"}


def mosquitto(words: Words, *, folders: tuple[str, ...] | None = None) -> str:
    """The broker's program; raises `UserError` saying how to get it."""
    if platform.system() != "Linux":
        raise UserError(words("no_linux", system=platform.system()))
    if folders is None:
        folders = (os.environ.get("PATH", ""), *map(os.path.expanduser, _BESIDES))
    found = shutil.which("mosquitto", path=os.pathsep.join(folders))
    if found is None:
        raise UserError(words("no_broker"))
    return found
