"""What a node keeps of catalogues beside its spool: what was in force last, what was sent last."""

import logging
from pathlib import Path
from typing import TypeVar

import msgspec

from haidang_edge.spool import Files, SystemFiles
from haidang_protocols.catalogue.model import Catalogue
from haidang_protocols.catalogue.part import NodePart
from haidang_protocols.wire.errors import UNREADABLE

log = logging.getLogger(__name__)

GOOD, SENT = "catalogue.json", "sent.json"


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A catalogue from somewhere; `sent` by the centre."""

    catalogue: Catalogue
    version: int = 0
    sent: bool = False


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """What the centre sent last, and the hash of the text that it signed."""

    part: NodePart
    sha256: str

    def found(self) -> Found:
        """As what counts."""
        return Found(catalogue=self.part.catalogue, version=self.part.version, sent=True)


_T = TypeVar("_T", Found, Sent)


class KeptFiles:
    """Both files; one that cannot be read is left out, one that cannot be written is told."""

    def __init__(self, folder: Path, files: Files | None = None) -> None:
        """Use the spool's folder."""
        self._folder = folder
        self._files: Files = files or SystemFiles()

    def good(self) -> Found | None:
        """What was in force last."""
        return self._read(GOOD, Found)

    def sent(self) -> Sent | None:
        """What the centre sent last, whether it fitted or not."""
        return self._read(SENT, Sent)

    def put(self, what: Found | Sent) -> None:
        """Keep what is in force now, or what was sent now."""
        path = self._folder / (GOOD if isinstance(what, Found) else SENT)
        try:
            self._files.replace(path, msgspec.json.encode(what))
        except OSError as error:
            log.warning("%s: cannot be kept: %s", path, error.strerror)

    def line(self, node: str) -> str:
        """What is kept, in a line for a person: version, the node's cameras, where it came from."""
        good, sent = self.good(), self.sent()
        told = "none has been in force yet"
        if good is not None:
            number = f"version {good.version}" if good.version else "without a number"
            source = "the centre" if good.sent else "files"
            told = f"{number}, from {source}, cameras: {len(good.catalogue.cameras_of(node))}"
        if sent is not None and (good is None or sent.part.version > good.version):
            told += f"; the centre sent version {sent.part.version}, which is not"
        return f"catalogue: {told}"

    def _read(self, name: str, kind: type[_T]) -> _T | None:
        path = self._folder / name
        try:
            return msgspec.json.decode(path.read_bytes(), type=kind)
        except FileNotFoundError:
            return None
        except (OSError, *UNREADABLE) as error:
            log.warning("%s is left out: %s", path, error)
            return None
