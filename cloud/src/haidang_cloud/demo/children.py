"""The demo's child processes: started on a leash, started again when they die, ended together.

A child is killed by the kernel when the thread that started it ends, so that only the demo's main
thread starts any.
"""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from haidang_cloud.demo import programs
from haidang_cloud.processes.leash import leashed

RESTART_S = 1.0
STOP_S = 12.0
LAST_WORDS = 1000


@dataclass(slots=True)
class Child:
    """A process that is meant to run.

    Attributes:
        name: for people and for its log's name.
        on_line: is given each line that it prints; without it they go to the log.
        due_s: monotonic; not started again before.
        lives: how often it was started.
    """

    name: str
    command: tuple[str, ...]
    log: Path
    on_line: Callable[[str], None] | None = None
    due_s: float = 0.0
    lives: int = 0
    process: subprocess.Popen[str] | None = field(default=None, repr=False)
    reader: threading.Thread | None = field(default=None, repr=False)

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Start it; for the main thread."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603  # our own commands, no shell
                leashed(*self.command),
                stdin=subprocess.DEVNULL,
                stdout=log if self.on_line is None else subprocess.PIPE,
                stderr=log,
                encoding="utf-8",
                errors="replace",
                env=programs.environment(),
                start_new_session=True,
            )
        self.lives += 1
        if self.on_line is not None:
            self.reader = threading.Thread(
                target=self._read, args=(self.process, self.on_line), name=self.name, daemon=True
            )
            self.reader.start()

    @staticmethod
    def _read(process: "subprocess.Popen[str]", on_line: Callable[[str], None]) -> None:
        if process.stdout is not None:
            for line in process.stdout:
                on_line(line)

    def signal(self, number: int) -> None:
        """Send a signal to all of its group."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)

    def wait(self, timeout_s: float) -> bool:
        """Whether it ended within the time."""
        if self.process is None:
            return True
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        if self.reader is not None:
            self.reader.join()
        if self.process.stdout is not None:
            self.process.stdout.close()
        return True

    def last_words(self) -> str:
        """The end of its log: all of a sentence that it refused something with."""
        try:
            text = self.log.read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return ""
        _, said, sentence = f"\n{text}".rpartition("\nhaidang: ")
        return (sentence if said else text.rpartition("\n")[2])[-LAST_WORDS:]


class Crew:
    """All children, in the order in which they were started."""

    def __init__(self, logs: Path, *, on_restart: Callable[[Child, str], None]) -> None:
        """Logs go to a folder; `on_restart` is told who died, and how."""
        self._logs, self._on_restart = logs, on_restart
        self._children: dict[str, Child] = {}

    @property
    def children(self) -> tuple[Child, ...]:
        """Who is meant to run."""
        return tuple(self._children.values())

    def start(
        self, name: str, *command: str, on_line: Callable[[str], None] | None = None
    ) -> Child:
        """Start a child that is kept alive from now on."""
        child = Child(name, command, self._logs / f"{name}.log", on_line=on_line)
        self._children[name] = child
        child.start()
        return child

    def tend(self) -> None:
        """Start again who died and is due."""
        now_s = time.monotonic()
        for child in list(self._children.values()):
            if child.process is None or child.alive:
                continue
            if not child.due_s:
                child.due_s = now_s + RESTART_S
            if now_s >= child.due_s:
                self._on_restart(child, _how(child.process.returncode))
                child.wait(0)
                child.due_s = 0.0
                child.start()

    def kill(self, name: str, *, down_s: float) -> None:
        """SIGKILL; it is started again after `down_s`. For any thread."""
        child = self._children[name]
        child.due_s = time.monotonic() + down_s
        child.signal(signal.SIGKILL)

    def retire(self, name: str) -> None:
        """End a child that is needed no more."""
        _end([self._children.pop(name)])

    def stop(self) -> None:
        """End all; the first, which the others speak through, when they have ended."""
        children = list(self._children.values())
        self._children.clear()
        for group in (children[1:], children[:1]):
            _end(group)


def _end(children: Sequence[Child]) -> None:
    for child in children:
        child.signal(signal.SIGTERM)
    until_s = time.monotonic() + STOP_S
    for child in children:
        if not child.wait(max(0.1, until_s - time.monotonic())):
            child.signal(signal.SIGKILL)
            child.wait(STOP_S)


def _how(code: int) -> str:
    if code >= 0:
        return f"code {code}"
    return signal.Signals(-code).name
