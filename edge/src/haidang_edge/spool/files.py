"""The file boundary of the spool: all that touches the disk goes through these few calls.

A test puts a shim here that forgets what was never synced, which SIGKILL cannot show.
"""

import os
from pathlib import Path
from typing import Protocol

ZEROS = bytes(1 << 20)


class Files(Protocol):
    """What the spool asks of a file system; every call may raise OSError."""

    def create(self, path: Path, size: int) -> int:
        """A new file of `size` zero bytes, synced; returns its descriptor."""

    def open(self, path: Path) -> int:
        """An existing file, for reading and writing."""

    def read(self, fd: int, offset: int, size: int) -> bytes:
        """At most `size` bytes from `offset`."""

    def write(self, fd: int, offset: int, data: bytes) -> None:
        """All of `data`, or OSError: a short write is never taken for a whole one."""

    def sync(self, fd: int) -> None:
        """Return only when the data are on the disk (fdatasync)."""

    def close(self, fd: int) -> None:
        """Close a descriptor."""

    def replace(self, path: Path, data: bytes) -> None:
        """Put `data` at `path` whole or not at all, synced."""

    def remove(self, path: Path) -> None:
        """Remove a file; none there is well."""

    def sync_folder(self, folder: Path) -> None:
        """Make names that came or went in `folder` durable."""


class SystemFiles:
    """The operating system's files."""

    def create(self, path: Path, size: int) -> int:
        """See `Files`. Real zeros: a later fdatasync then has no metadata to write."""
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            for offset in range(0, size, len(ZEROS)):
                self.write(fd, offset, ZEROS[: min(len(ZEROS), size - offset)])
            os.fsync(fd)
        except OSError:
            os.close(fd)
            path.unlink(missing_ok=True)
            raise
        return fd

    def open(self, path: Path) -> int:
        """See `Files`."""
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def read(self, fd: int, offset: int, size: int) -> bytes:
        """See `Files`."""
        return os.pread(fd, size, offset)

    def write(self, fd: int, offset: int, data: bytes) -> None:
        """See `Files`."""
        view = memoryview(data)
        while view:
            # a full disk shows first as a short write, which raises nothing: ask again for the rest
            done = os.pwrite(fd, view, offset)
            view = view[done:]
            offset += done

    def sync(self, fd: int) -> None:
        """See `Files`."""
        os.fdatasync(fd)

    def close(self, fd: int) -> None:
        """See `Files`."""
        os.close(fd)

    def replace(self, path: Path, data: bytes) -> None:
        """See `Files`."""
        fresh = path.with_suffix(path.suffix + ".new")
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            self.write(fd, 0, data)
            os.fsync(fd)
        finally:
            os.close(fd)
        fresh.rename(path)
        self.sync_folder(path.parent)

    def remove(self, path: Path) -> None:
        """See `Files`."""
        path.unlink(missing_ok=True)

    def sync_folder(self, folder: Path) -> None:
        """See `Files`."""
        fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
