"""A file boundary that can cut the power: what was never synced is gone, as SIGKILL cannot show."""

import random
import threading
from pathlib import Path

from haidang_edge.spool.files import SystemFiles


class PowerFiles(SystemFiles):
    """Real files, beside a copy of what each held at its last sync.

    `cut` puts every file back to its synced state plus a random part of what was written after it,
    and forgets names that no folder sync made durable.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._paths: dict[int, Path] = {}
        self._synced: dict[Path, bytes] = {}
        self._unsynced: dict[Path, list[tuple[int, bytes]]] = {}
        self.syncs = 0

    def create(self, path: Path, size: int) -> int:
        fd = super().create(path, size)
        with self._guard:
            self._paths[fd] = path
            self._synced[path] = bytes(size)
            self._unsynced[path] = []
        return fd

    def open(self, path: Path) -> int:
        fd = super().open(path)
        with self._guard:
            self._paths[fd] = path
            self._synced[path] = path.read_bytes()
            self._unsynced[path] = []
        return fd

    def write(self, fd: int, offset: int, data: bytes) -> None:
        super().write(fd, offset, data)
        with self._guard:
            path = self._paths.get(fd)
            if path is not None and path in self._unsynced:
                self._unsynced[path].append((offset, bytes(data)))

    def sync(self, fd: int) -> None:
        super().sync(fd)
        with self._guard:
            path = self._paths[fd]
            held = bytearray(self._synced[path])
            for offset, data in self._unsynced[path]:
                held[offset : offset + len(data)] = data
            self._synced[path] = bytes(held)
            self._unsynced[path] = []
            self.syncs += 1

    def close(self, fd: int) -> None:
        super().close(fd)
        with self._guard:
            self._paths.pop(fd, None)

    def remove(self, path: Path) -> None:
        super().remove(path)
        with self._guard:
            self._synced.pop(path, None)
            self._unsynced.pop(path, None)

    def cut(self, into: Path, rnd: random.Random) -> None:
        """Write to `into` what a disk would hold if the power went now."""
        into.mkdir(parents=True)
        with self._guard:
            for path, held in self._synced.items():
                disk = bytearray(held)
                for offset, data in self._unsynced[path]:
                    # any part of an unsynced write may have reached the disk
                    part = rnd.randrange(len(data) + 1)
                    disk[offset : offset + part] = data[:part]
                (into / path.name).write_bytes(bytes(disk))
            for path in Path(next(iter(self._synced))).parent.glob("*.json"):
                (into / path.name).write_bytes(path.read_bytes())
