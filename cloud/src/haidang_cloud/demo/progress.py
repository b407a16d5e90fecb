"""Tells somebody at a terminal how the set-up goes, and runs its commands."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from haidang_cloud.demo.children import LEASH, Child
from haidang_cloud.demo.words import Words
from haidang_protocols.errors import UserError

COMMAND_S = 180.0
POLL_S = 0.05


class Progress:
    """Writes to the standard output; a step's line is finished when the step is."""

    def __init__(self, words: Words) -> None:
        """Speak in these words."""
        self.words = words
        self.begun_s = time.monotonic()

    def say(self, text: str = "") -> None:
        """A line, at once."""
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    @contextmanager
    def step(self, key: str, **values: object) -> Iterator[None]:
        """Something that takes a while."""
        text = self.words(key, **values)
        if sys.stdout.isatty():
            sys.stdout.write(f"  … {text}")
            sys.stdout.flush()
        begun_s = time.monotonic()
        yield
        took = self.words("took", seconds=f"{time.monotonic() - begun_s:.1f}")
        back = "\r\033[K" if sys.stdout.isatty() else ""
        self.say(f"{back}  ✓ {text} ({took})")

    def run(self, *command: str, stdin: str = "") -> str:
        """Run a command to its end and give what it wrote; raises `UserError` when it fails."""
        leash = [sys.executable, "-I", "-S", str(LEASH), str(os.getpid())]
        done = subprocess.run(  # noqa: S603  # our own commands, no shell
            [*leash, *command],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
            start_new_session=True,  # Ctrl-C is for us: we end what we run
        )
        if done.returncode != 0:
            said = done.stderr.strip() or done.stdout.strip()
            what = " ".join(("haidang", *command[1:4]))
            raise UserError(self.words("failed", what=what, why=said[-1500:]))
        return done.stdout

    def wait(self, ready: Callable[[], bool], *children: Child, timeout_s: float = 90.0) -> None:
        """Poll until `ready`; raises `UserError` when a child dies or it takes too long."""
        until_s = time.monotonic() + timeout_s
        while not ready():
            for child in children:
                if not child.alive:
                    why = child.last_words()
                    raise UserError(self.words("failed", what=child.name, why=why))
            if time.monotonic() > until_s:
                names = ", ".join(child.name for child in children)
                why = children[-1].last_words()
                raise UserError(
                    self.words("not_up", name=names, seconds=f"{timeout_s:.0f}", why=why)
                )
            time.sleep(POLL_S)
