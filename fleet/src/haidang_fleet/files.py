"""Files that must be whole, durable, and private where they hold a secret."""

import os
from pathlib import Path

from haidang_fleet.errors import FleetConfigError

PRIVATE = 0o600
PUBLIC = 0o644


def write(path: Path, data: bytes, *, mode: int = PUBLIC) -> None:
    """Put `data` at `path` whole or not at all, fsynced; a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        os.fchmod(fd, mode)
        with os.fdopen(fd, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make names that came or went in `folder` durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def read(path: Path, *, what: str) -> bytes:
    """The bytes of a file that must be there; `what` names it in the error."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise FleetConfigError(f"{what} {path}: cannot be read: {error.strerror}") from error
