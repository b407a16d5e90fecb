"""The archive: raw messages as they came, appended and synced before anything else is promised.

    frame  length u32 | crc32 u32 | header length u32 | header (JSON) | payload

A worker never writes to a file that another life of it began: a torn tail stays where it is, and
readers stop there. While it writes to a file it holds a lock on it, which ends with the process:
whoever tidies up removes no file that is held.
"""

import contextlib
import fcntl
import os
import secrets
import struct
import threading
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec

from haidang_cloud.errors import LakeError

FRAME = struct.Struct("<III")
FRAME_BYTES_MAX = 4 << 20
"""Larger than any message with its header: a length beyond it was never written."""

FILE_BYTES_MAX = 64 << 20
SUFFIX = ".archive"


class Header(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is kept beside a message; `refused` are sequences that are not to be taken from it.

    They went to the dead letter, or another message brought them before.
    """

    topic: str
    received_ns: int
    catalogue: int = 0
    refused: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """A message of the archive, and where it ends."""

    header: Header
    payload: bytes
    offset: int
    end: int


class ArchiveFiles(Protocol):
    """What the archive asks of a file system; every call may raise OSError."""

    def create(self, path: Path) -> int:
        """A new, empty file whose name is durable."""

    def append(self, fd: int, data: bytes) -> None:
        """All of `data` at the end, or OSError."""

    def sync(self, fd: int) -> None:
        """Return only when the data are on the disk."""

    def truncate(self, fd: int, size: int) -> None:
        """Cut back to `size` bytes."""

    def close(self, fd: int) -> None:
        """Close a descriptor."""


class SystemArchiveFiles:
    """The operating system's files."""

    def create(self, path: Path) -> int:
        """See `ArchiveFiles`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(fd, fcntl.LOCK_SH)
            _sync_folder(path.parent)
        except OSError:
            os.close(fd)
            path.unlink(missing_ok=True)
            raise
        return fd

    def append(self, fd: int, data: bytes) -> None:
        """See `ArchiveFiles`."""
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]

    def sync(self, fd: int) -> None:
        """See `ArchiveFiles`."""
        os.fdatasync(fd)

    def truncate(self, fd: int, size: int) -> None:
        """See `ArchiveFiles`."""
        os.ftruncate(fd, size)

    def close(self, fd: int) -> None:
        """See `ArchiveFiles`."""
        os.close(fd)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


_HEADER_ENCODER = msgspec.json.Encoder()
_HEADER_DECODER = msgspec.json.Decoder(Header)


def frame(header: Header, payload: bytes) -> bytes:
    """A message as it is written."""
    head = _HEADER_ENCODER.encode(header)
    crc = zlib.crc32(payload, zlib.crc32(head))
    return b"".join((FRAME.pack(len(head) + len(payload), crc, len(head)), head, payload))


class Archive:
    """One worker's archive; `append` returns when the messages are on the disk."""

    def __init__(
        self,
        folder: Path,
        *,
        worker: str,
        files: ArchiveFiles | None = None,
        file_bytes: int = FILE_BYTES_MAX,
    ) -> None:
        """Write below `folder`; the first file is made with the first message."""
        self._folder, self._worker = folder, worker
        self._files: ArchiveFiles = files or SystemArchiveFiles()
        self._file_bytes = file_bytes
        self._life = secrets.token_hex(6)
        self._number = 0
        self._fd: int | None = None
        self._size = 0
        self._lock = threading.Lock()

    def append(self, frames: Sequence[bytes]) -> None:
        """Write and sync; raises `LakeError`, and then nothing of it counts."""
        with self._lock:
            try:
                self._append(b"".join(frames))
            except OSError as error:
                raise LakeError(f"archive {self._folder}: {error.strerror or error}") from error

    def _append(self, data: bytes) -> None:
        if self._fd is None or self._size >= self._file_bytes:
            self._abandon()
            name = f"{self._worker}-{self._life}-{self._number:06d}{SUFFIX}"
            self._number += 1
            self._fd, self._size = self._files.create(self._folder / name), 0
        try:
            self._files.append(self._fd, data)
        except OSError:
            # the file serves again when there is room; only a half-written frame must go, since it
            # would hide what comes after it
            self._cut_back(self._fd)
            raise
        try:
            self._files.sync(self._fd)
        except OSError:
            # what the kernel could not write it may have forgotten: nothing more goes in here
            self._cut_back(self._fd)
            self._abandon()
            raise
        self._size += len(data)

    def _cut_back(self, fd: int) -> None:
        try:
            self._files.truncate(fd, self._size)
        except OSError:
            self._abandon()

    def _abandon(self) -> None:
        if self._fd is not None:
            self._files.close(self._fd)
            self._fd = None

    def close(self) -> None:
        """End the file."""
        with self._lock:
            self._abandon()


def folder_of(lake: Path, centre: str) -> Path:
    """Where a centre's archive is: two centres may share a lake's folder, never a file in it."""
    return lake / centre / "archive"


def remove(path: Path) -> bool:
    """Remove a file, unless a worker still writes to it."""
    with path.open("rb") as file:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
            return True
        return False


def read(path: Path, offset: int = 0) -> Iterator[Message]:
    """The whole messages of a file from `offset` on, up to the first that is not."""
    with path.open("rb") as file:
        file.seek(offset)
        while len(head := file.read(FRAME.size)) == FRAME.size:
            size, crc, header_size = FRAME.unpack(head)
            if size > FRAME_BYTES_MAX:
                return
            body = file.read(size)
            if len(body) < size or zlib.crc32(body) != crc or not 0 < header_size <= size:
                return
            header = _HEADER_DECODER.decode(body[:header_size])
            end = offset + FRAME.size + size
            yield Message(header, body[header_size:], offset, end)
            offset = end
