"""Tells somebody at a terminal how the set-up goes, and runs its commands."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from haidang_cloud.demo import programs
from haidang_cloud.demo.children import Child
from haidang_cloud.demo.words import Words
from haidang_cloud.processes.leash import leashed
from haidang_protocols.errors import UserError

COMMAND_S = 180.0
LAST_WORDS = 1500
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
            # a line that wraps could not be taken back
            width = shutil.get_terminal_size().columns - 1
            sys.stdout.write(f"  … {text}"[:width])
            sys.stdout.flush()
        begun_s = time.monotonic()
        yield
        took = self.words("took", seconds=f"{time.monotonic() - begun_s:.1f}")
        back = "\r\033[K" if sys.stdout.isatty() else ""
        self.say(f"{back}  ✓ {text} ({took})")

    def run(self, *command: str, stdin: str = "", refused: str = "failed") -> str:
        """Run a command to its end and give what it wrote.

        Raises `UserError` when it fails: the words `refused`, with `what` it was and `why`.
        """
        done = self.outcome(*command, stdin=stdin, refused=refused)
        if done.returncode != 0:
            said = done.stderr.strip() or done.stdout.strip()
            why = said[-LAST_WORDS:].removeprefix("haidang: ")
            raise UserError(self.words(refused, what=_what(command), why=why))
        return done.stdout

    def outcome(
        self, *command: str, stdin: str = "", refused: str = "failed"
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end, however it ends; as `run` when it does not."""
        try:
            return subprocess.run(  # noqa: S603  # our own commands, no shell
                leashed(*command),
                input=stdin,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                env=programs.environment(),
                timeout=COMMAND_S,
                check=False,
                start_new_session=True,  # Ctrl-C is for us: we end what we run
            )
        except subprocess.TimeoutExpired as error:
            slow = self.words("slow", seconds=f"{COMMAND_S:.0f}")
            raise UserError(self.words(refused, what=_what(command), why=slow)) from error

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


def _what(command: tuple[str, ...]) -> str:
    """A command by its words, without options and folders."""
    return " ".join(("haidang", *command[1:4]))
