"""What the catalogue declares for this node, checked; the last good one is kept beside the spool.

A bad catalogue is refused with its reason and changes nothing: the last good one stays in force,
over a restart too. Who brings a catalogue writes its number into `VERSION` beside it, after the
files themselves: the node never says that it runs what it has not read.
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
from haidang_protocols.catalogue.loader import CatalogueRefusedError, load_texts, read_texts
from haidang_protocols.catalogue.model import Camera, Catalogue
from haidang_protocols.errors import UserError
from haidang_protocols.wire.reasons import Reason, because

log = logging.getLogger(__name__)

FILE = "catalogue.json"
VERSION = "VERSION"
Inspect = Callable[[Question], Facts]


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """A catalogue that is good for this node, and the models that it needs, by name.

    `version` is its number at the centre, 0 when nobody told.
    """

    catalogue: Catalogue
    cameras: tuple[Camera, ...]
    models: dict[str, ModelFacts]
    version: int = 0

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


class UnfitError(NodeConfigError):
    """A catalogue that is good, but not for this node."""

    def __init__(self, why: Reason) -> None:
        """Say what does not fit."""
        super().__init__(str(why))
        self.because = why


class _Kept(msgspec.Struct, frozen=True):
    texts: dict[str, str]
    version: int = 0


class Declarations:
    """Reads, judges and keeps catalogues; `current` is in force, `reason` why a newer one is not.

    Used by the main thread at the start and by one thread that reads anew; all attributes are
    replaced whole. `because` says the same as `reason` to programs.
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
        self.because: Reason | None = None
        try:
            found = _read(self._path)
            self._judged = _digest(found)
            self.current = self._judge(found)
        except UserError as error:
            self.current = self._last_good(error)
            self.reason, self.because = str(error), _because(error)
            log.error("the last good catalogue stays in force: %s", error)  # noqa: TRY400
        else:
            self._keep(found)

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
            found = _read(self._path)
            digest = _digest(found)
            if digest == self._judged and not even_if_same:
                return False
            self._judged = digest
            self.current = self._judge(found)
        except UserError as error:
            changed = self.reason != str(error)
            self.reason, self.because = str(error), _because(error)
            if changed:
                log.error("the catalogue is refused: %s", error)  # noqa: TRY400  # a person's mistake
            return changed
        self.reason, self.because = "", None
        self._keep(found)
        log.info("the catalogue is in force: %d cameras", len(self.current.cameras))
        return True

    def _judge(self, found: _Kept) -> Declared:
        catalogue = load_texts(found.texts)
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
            raise UnfitError(because("catalogue.unfit", why="\n  ".join(facts.problems)))
        return Declared(
            catalogue=catalogue, cameras=cameras, models=facts.models, version=found.version
        )

    def _cameras(self, catalogue: Catalogue) -> tuple[Camera, ...]:
        config, path = self._config, str(self._path)
        theirs = catalogue.centre.id
        if theirs != config.centre:
            raise UnfitError(
                because("catalogue.centre", path=path, theirs=theirs, ours=config.centre)
            )
        node = catalogue.node(config.node)
        if node is None:
            known = ", ".join(n.id for n in catalogue.nodes) or "none"
            raise UnfitError(because("catalogue.no_node", path=path, node=config.node, known=known))
        if node.site != config.site:
            why = because(
                "catalogue.site", path=path, node=node.id, theirs=node.site, ours=config.site
            )
            raise UnfitError(why)
        return catalogue.cameras_of(config.node)

    def _last_good(self, error: UserError) -> Declared:
        try:
            kept = msgspec.json.decode(self._kept.read_bytes(), type=_Kept)
        except (OSError, msgspec.MsgspecError):
            raise error from None
        return self._judge(kept)

    def _keep(self, found: _Kept) -> None:
        try:
            self._files.replace(self._kept, msgspec.json.encode(found))
        except OSError as error:
            log.warning("%s: cannot be kept: %s", self._kept, error.strerror)


def _because(error: UserError) -> Reason:
    if isinstance(error, UnfitError):
        return error.because
    if not isinstance(error, CatalogueRefusedError):
        return because("catalogue.refused", why=str(error))
    first, n = error.problems[0], len(error.problems)
    of = first.mistake.values if first.mistake else {}
    code = first.mistake.code if first.mistake else ""
    said = {**of, "n": n, "where": first.where, "what": first.message, "mistake": code}
    return Reason(code="catalogue.mistakes", values=said)


def _stamp(path: Path) -> list[tuple[str, int, int]]:
    """Cheap to take, and different after any change that an editor makes."""
    files = [*sorted(path.rglob("*.yaml")), path / VERSION] if path.is_dir() else [path]
    stamps: list[tuple[str, int, int]] = []
    for file in files:
        try:
            stat = file.stat()
        except OSError:
            continue
        stamps.append((str(file), stat.st_mtime_ns, stat.st_size))
    return stamps


def _read(path: Path) -> _Kept:
    # the number first: what comes meanwhile is taken for older than it is, never for newer
    version = _version(path)
    return _Kept(read_texts(path), version)


def _version(path: Path) -> int:
    """The number that stands beside a catalogue's files; 0 without one that can be read."""
    try:
        told = (path / VERSION).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return 0
    return int(told) if told.isdigit() and len(told) < 10 else 0


def _digest(found: _Kept) -> str:
    told = [sorted(found.texts.items()), found.version]
    return hashlib.sha256(msgspec.json.encode(told)).hexdigest()
