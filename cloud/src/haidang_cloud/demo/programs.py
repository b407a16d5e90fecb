"""Finds what the demo starts: our own command, and the broker."""

import os
import shutil
import sys
from pathlib import Path

from haidang_cloud.demo.words import Words
from haidang_protocols.errors import UserError

_BESIDES = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")
"""Where a broker lives that an ordinary user's PATH does not name."""


def haidang() -> str:
    """The `haidang` command of this installation."""
    beside = Path(sys.executable).with_name("haidang")
    found = str(beside) if beside.is_file() else shutil.which("haidang")
    if found is None:
        raise UserError(f"there is no command `haidang` beside {sys.executable} nor in PATH")
    return found


def mosquitto(words: Words) -> str:
    """The broker's program; raises `UserError` saying how to get it."""
    path = os.pathsep.join([os.environ.get("PATH", ""), *_BESIDES])
    found = shutil.which("mosquitto", path=path)
    if found is None:
        raise UserError(words("no_broker"))
    return found
