"""The demo as somebody starts it: a process of its own, asked at its desk, ended by a signal."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from servers import start

READY_S = 150.0
NOBODY = 65534
HAIDANG = str(Path(sys.executable).with_name("haidang"))


def children_of(pid: int) -> list[int]:
    """The processes that a process started, and those that they started."""
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in path.read_text().split():
            found += [int(child), *children_of(int(child))]
    return found


def lives(pid: int) -> bool:
    """Whether a process runs; one that is dead and not yet fetched does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in ("Z", "X")


def _called(pid: int) -> str:
    """Its number and the words of its command line, without options and folders."""
    words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    plain = [Path(words[0]).name, *(w for w in words[1:] if re.fullmatch(r"[a-z]+", w))]
    return " ".join((str(pid), *plain))


def _held_mb(pid: int, *kinds: str) -> float:
    """MB of these kinds of its memory, as the kernel calls them."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    kilobytes = (re.search(rf"^{kind}:\s+(\d+)", text, re.MULTILINE) for kind in kinds)
    return sum(int(found.group(1)) for found in kilobytes if found) / 1024


def _ordinary(folder: Path) -> list[str]:
    """What runs a command as nobody, to whom the folder is given: one who may read all, as root's
    own installation, and change nothing else. Nothing where we are not root anyway.
    """
    if os.geteuid() != 0:
        return []
    folder.mkdir()
    os.chown(folder, NOBODY, NOBODY)
    right = "+dac_read_search"
    who = (f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    return ["setpriv", *who, f"--inh-caps={right}", f"--ambient-caps={right}", "--"]


class Demo:
    """`haidang demo` in a folder that is kept."""

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        ordinary: bool = False,
    ) -> None:
        """Start it, by an ordinary user if wanted; it is ready after `await_ready`."""
        self.folder, self.log = folder / "demo", folder / "demo.log"
        command = [HAIDANG, "demo", "--lang", "en", "--port", "0", "--keep", str(self.folder)]
        user = _ordinary(self.folder) if ordinary else []
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*user, *command, *arguments],
                stdout=log,
                stderr=log,
                env=os.environ | (environment or {}),
            )

    @property
    def said(self) -> str:
        """All that it printed."""
        return self.log.read_text()

    def await_said(self, text: str, *, timeout_s: float) -> str:
        """Wait until it has printed something that fits; raises when it ends instead."""

        def there() -> bool:
            if re.search(text, self.said) is None and self.process.poll() is not None:
                raise RuntimeError(f"the demo ended: {self.said}")
            return re.search(text, self.said) is not None

        start.wait_until(there, what=f"the demo saying {text!r}", timeout_s=timeout_s)
        found = re.search(text, self.said)
        return found.group(0) if found else ""

    def await_ready(self) -> None:
        """Wait until everything answers."""
        self.await_said("Ctrl-C ends everything", timeout_s=READY_S)

    @property
    def set_up_s(self) -> float:
        """How long everything took until it was ready."""
        found = re.search(r"Ready after ([\d.]+) s", self.said)
        return float(found.group(1)) if found else float("nan")

    def await_first_alarm(self) -> str:
        """Wait for it; what the demo says of it."""
        return self.await_said(r"The first alarm: .*", timeout_s=120)

    def ask(self, method: str, path: str, *, token: str | None = None) -> tuple[int, Any]:
        """A request to the desk: status and answer."""
        desk = json.loads((self.folder / "desk.json").read_text())
        request = urllib.request.Request(desk["url"] + path, method=method)
        request.add_header("Authorization", f"Bearer {token or desk['token']}")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return int(answer.status), json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    def account(self) -> dict[str, Any]:
        """The account now."""
        status, told = self.ask("GET", "/api/account")
        assert status == 200, told
        account: dict[str, Any] = told
        return account

    def press(self, fault: str, *, for_s: int | None = None) -> None:
        """Break something."""
        path = f"/api/faults/{fault}" + ("" if for_s is None else f"/{for_s}")
        status, told = self.ask("POST", path)
        assert status == 200, told

    def await_over(self) -> None:
        """Wait until nothing is broken any more."""

        def over() -> bool:
            _, faults = self.ask("GET", "/api/faults")
            return all(fault["left_s"] == 0 for fault in faults)

        start.wait_until(over, what="the end of all faults", timeout_s=120)

    def await_account(self, *, timeout_s: float = 90.0, **wanted: int) -> dict[str, Any]:
        """Wait until the account is open and has these figures."""
        deadline = time.monotonic() + timeout_s
        while True:
            account = self.account()
            if account["spooled"] and all(account[name] == n for name, n in wanted.items()):
                return account
            if time.monotonic() > deadline:
                raise TimeoutError(f"the account stays at {account}, wanted {wanted}")
            time.sleep(0.3)

    def pids(self) -> list[int]:
        """All its processes."""
        return [self.process.pid, *children_of(self.process.pid)]

    def owners(self) -> set[int]:
        """Whose its processes are."""
        return {Path(f"/proc/{pid}").stat().st_uid for pid in self.pids()}

    def memory(self) -> dict[str, float]:
        """MB of each process by what it is, what is shared counted by its share (PSS)."""
        return self._memory("Pss")

    def own_memory(self) -> dict[str, float]:
        """The same without pages of files: those are the system's, and a process's share of them
        changes with whoever else runs the same programs.
        """
        return self._memory("Pss_Anon", "Pss_Shmem")

    def _memory(self, *kinds: str) -> dict[str, float]:
        found: dict[str, float] = {}
        for pid in self.pids():
            with contextlib.suppress(OSError):
                found[_called(pid)] = _held_mb(pid, *kinds)
        return found

    def pid_of(self, *words: str) -> int:
        """The process whose command line has all of these words."""
        for pid in self.pids()[1:]:
            line = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
            if set(words) <= set(line):
                return pid
        raise LookupError(f"no process of the demo is {words}")

    def end(self, number: int = signal.SIGINT) -> int:
        """Send a signal and wait; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(60)

    def close(self) -> None:
        """End it, whatever state it is in."""
        if self.process.poll() is None:
            pids = self.pids()
            self.process.kill()
            self.process.wait(10)
            for pid in filter(lives, pids):
                os.kill(pid, signal.SIGKILL)
