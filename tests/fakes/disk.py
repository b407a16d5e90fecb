"""Disks that fail: whose power goes, whose sync takes as long as a test wants, a small one."""

import errno
import random
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fakes.power import PowerFiles
from haidang_cloud.lake import SystemArchiveFiles


class Sync:
    """The moment of a sync, in a test's hand: let through, held back, or never again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open = threading.Event()
        self._open.set()
        self.waiting = threading.Event()

    def hold(self) -> None:
        """No sync returns until `release`; those that were under way have returned."""
        with self._lock:
            self._open.clear()

    def release(self) -> None:
        """Let them through."""
        self._open.set()

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Wait for leave, then sync with nobody in between."""
        while True:
            if not self._open.is_set():
                self.waiting.set()
            self._open.wait()
            with self._lock:
                if self._open.is_set():
                    yield
                    return


class HeldFiles(PowerFiles):
    """The spool's files: whose power can go, whose syncs can be held."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = Sync()

    def sync(self, fd: int) -> None:
        with self.gate.passing():
            super().sync(fd)

    def die(self, into: Path, rnd: random.Random) -> None:
        """The power goes: nothing is durable any more, and `into` holds what was."""
        self.gate.hold()
        self.cut(into, rnd)


class HeldArchive(SystemArchiveFiles):
    """The archive's files, likewise; a file whose name was not yet durable may be gone."""

    def __init__(self) -> None:
        self.gate = Sync()
        self.fails = False
        self._guard = threading.Lock()
        self._paths: dict[int, Path] = {}
        self._written: dict[Path, bytearray] = {}
        self._synced: dict[Path, int] = {}

    def create(self, path: Path) -> int:
        fd = super().create(path)
        with self._guard:
            self._paths[fd] = path
            self._written[path], self._synced[path] = bytearray(), 0
        return fd

    def append(self, fd: int, data: bytes) -> None:
        super().append(fd, data)
        with self._guard:
            self._written[self._paths[fd]] += data

    def sync(self, fd: int) -> None:
        with self.gate.passing():
            if self.fails:
                raise OSError(errno.EIO, "no power")
            super().sync(fd)
            with self._guard:
                path = self._paths[fd]
                self._synced[path] = len(self._written[path])

    def truncate(self, fd: int, size: int) -> None:
        super().truncate(fd, size)
        with self._guard:
            path = self._paths[fd]
            del self._written[path][size:]
            self._synced[path] = min(self._synced[path], size)

    def die(self, into: Path, rnd: random.Random) -> None:
        """The power goes: `into` holds what was synced, and a part of what was not."""
        self.gate.hold()
        into.mkdir(parents=True)
        with self._guard:
            for path, written in self._written.items():
                synced = self._synced[path]
                kept = rnd.randrange(synced, len(written) + 1)
                if kept:
                    (into / path.name).write_bytes(bytes(written[:kept]))


@contextmanager
def small_disk(folder: Path, *, size: str) -> Iterator[Path]:
    """A disk of its own of that size; raises PermissionError where nothing may be mounted."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        raise PermissionError(f"no disk can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def grow(folder: Path, *, size: str) -> None:
    """More room on a small disk that is in use."""
    subprocess.run(["mount", "-o", f"remount,size={size}", str(folder)], check=True)
