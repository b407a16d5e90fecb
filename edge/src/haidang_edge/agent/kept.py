"""Tells which catalogue a node keeps beside its spool, also while the node is at work."""

from pathlib import Path
from typing import TypeVar

import msgspec

from haidang_edge.agent.declared import GOOD, SENT
from haidang_protocols.wire.errors import UNREADABLE


class _Camera(msgspec.Struct, frozen=True):
    node: str


class _Catalogue(msgspec.Struct, frozen=True):
    cameras: tuple[_Camera, ...] = ()


class _Good(msgspec.Struct, frozen=True):
    catalogue: _Catalogue
    version: int = 0
    sent: bool = False


class _Part(msgspec.Struct, frozen=True):
    version: int


class _Sent(msgspec.Struct, frozen=True):
    part: _Part


_T = TypeVar("_T", _Good, _Sent)


def kept(folder: Path, node: str) -> str:
    """What was in force last, in a line: its version, the node's cameras, where it came from."""
    good, sent = _read(folder / GOOD, _Good), _read(folder / SENT, _Sent)
    told = "none has been in force yet"
    if good is not None:
        number = f"version {good.version}" if good.version else "without a number"
        cameras = sum(camera.node == node for camera in good.catalogue.cameras)
        told = f"{number}, {'from the centre' if good.sent else 'from files'}, cameras: {cameras}"
    if sent is not None and (good is None or sent.part.version > good.version):
        told += f"; the centre sent version {sent.part.version}, which is not"
    return f"catalogue: {told}"


def _read(path: Path, kind: type[_T]) -> _T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, *UNREADABLE):
        return None
