"""What the catalogue declares for this node, checked; the last good one is kept beside the spool.

A bad catalogue is refused with its reason and changes nothing: the last good one stays in force,
over a restart too.
"""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from haidang_edge.agent.config import NodeConfig
from haidang_edge.agent.facts import Facts, ModelFacts, Question
from haidang_edge.errors import NodeConfigError
from haidang_edge.spool import Files, SystemFiles
from haidang_protocols.catalogue.loader import load_texts, read_texts
from haidang_protocols.catalogue.model import Camera, Catalogue
from haidang_protocols.errors import UserError

log = logging.getLogger(__name__)

FILE = "catalogue.json"
Inspect = Callable[[Question], Facts]


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """A catalogue that is good for this node, and the models that it needs, by name."""

    catalogue: Catalogue
    cameras: tuple[Camera, ...]
    models: dict[str, ModelFacts]

    @property
    def time_zone(self) -> str:
        """The centre's."""
        return self.catalogue.centre.time_zone

    def camera(self, camera: str) -> Camera | None:
        """The camera of that id on this node."""
        return next((c for c in self.cameras if c.id == camera), None)

    def counted(self, camera: Camera) -> tuple[str, ...]:
        """The labels that observations of a camera count: those that the catalogue knows."""
        return next(m.classes for m in self.catalogue.models if m.name == camera.model)


class _Kept(msgspec.Struct, frozen=True):
    texts: dict[str, str]


class Declarations:
    """Reads, judges and keeps catalogues; `current` is in force, `reason` why a newer one is not.

    Used by the main thread at the start and by one thread that reads anew; both attributes are
    replaced whole.
    """

    def __init__(self, config: NodeConfig, inspect: Inspect, *, files: Files | None = None) -> None:
        """Load the catalogue, or the last good one; raises `UserError` when there is neither."""
        self._config, self._inspect = config, inspect
        self._path = Path(config.catalogue)
        self._kept = Path(config.spool.folder) / FILE
        self._files: Files = files or SystemFiles()
        self._judged = ""
        self._stamp = _stamp(self._path)
        self.reason = ""
        try:
            texts = read_texts(self._path)
            self._judged = _digest(texts)
            self.current = self._judge(texts)
        except UserError as error:
            self.current = self._last_good(error)
            self.reason = str(error)
            log.error("the last good catalogue stays in force: %s", error)  # noqa: TRY400
        else:
            self._keep(texts)

    @property
    def source_folder(self) -> str:
        """Where a camera's relative file begins: at the catalogue."""
        return str(self._path if self._path.is_dir() else self._path.parent)

    def touched(self) -> bool:
        """Whether the files changed since the last time that this was asked."""
        before, self._stamp = self._stamp, _stamp(self._path)
        return before != self._stamp

    def read_anew(self, *, even_if_same: bool = False) -> bool:
        """Judge the catalogue as it stands now; whether `current` or `reason` may have changed."""
        try:
            texts = read_texts(self._path)
            digest = _digest(texts)
            if digest == self._judged and not even_if_same:
                return False
            self._judged = digest
            self.current = self._judge(texts)
        except UserError as error:
            changed = self.reason != str(error)
            self.reason = str(error)
            if changed:
                log.error("the catalogue is refused: %s", error)  # noqa: TRY400  # a person's mistake
            return changed
        self.reason = ""
        self._keep(texts)
        log.info("the catalogue is in force: %d cameras", len(self.current.cameras))
        return True

    def _judge(self, texts: dict[str, str]) -> Declared:
        catalogue = load_texts(texts)
        cameras = self._cameras(catalogue)
        wanted = {camera.model for camera in cameras}
        facts = self._inspect(
            Question(
                models=self._config.models,
                cameras=cameras,
                source_folder=self.source_folder,
                hashes={
                    m.name: m.sha256 for m in catalogue.models if m.sha256 and m.name in wanted
                },
            )
        )
        if facts.problems:
            lines = "\n  ".join(facts.problems)
            raise NodeConfigError(f"the catalogue does not fit this node:\n  {lines}")
        return Declared(catalogue=catalogue, cameras=cameras, models=facts.models)

    def _cameras(self, catalogue: Catalogue) -> tuple[Camera, ...]:
        config, where = self._config, f"catalogue {self._path}"
        if catalogue.centre.id != config.centre:
            raise NodeConfigError(
                f"{where} is of centre {catalogue.centre.id!r}, this node is of {config.centre!r}"
            )
        node = catalogue.node(config.node)
        if node is None:
            known = ", ".join(n.id for n in catalogue.nodes) or "none"
            raise NodeConfigError(f"{where} has no node {config.node!r}; it has: {known}")
        if node.site != config.site:
            raise NodeConfigError(
                f"{where} puts node {config.node!r} at site {node.site!r}, "
                f"its configuration says {config.site!r}"
            )
        return catalogue.cameras_of(config.node)

    def _last_good(self, error: UserError) -> Declared:
        try:
            kept = msgspec.json.decode(self._kept.read_bytes(), type=_Kept)
        except (OSError, msgspec.MsgspecError):
            raise error from None
        return self._judge(kept.texts)

    def _keep(self, texts: dict[str, str]) -> None:
        try:
            self._files.replace(self._kept, msgspec.json.encode(_Kept(texts)))
        except OSError as error:
            log.warning("%s: cannot be kept: %s", self._kept, error.strerror)


def _stamp(path: Path) -> list[tuple[str, int, int]]:
    """Cheap to take, and different after any change that an editor makes."""
    files = sorted(path.rglob("*.yaml")) if path.is_dir() else [path]
    stamps: list[tuple[str, int, int]] = []
    for file in files:
        try:
            stat = file.stat()
        except OSError:
            continue
        stamps.append((str(file), stat.st_mtime_ns, stat.st_size))
    return stamps


def _digest(texts: dict[str, str]) -> str:
    return hashlib.sha256(msgspec.json.encode(sorted(texts.items()))).hexdigest()
