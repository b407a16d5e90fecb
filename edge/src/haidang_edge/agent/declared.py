"""What the catalogue declares for this node, checked; the last good one is kept beside the spool.

It comes by files, or from the centre; the higher number counts, and what the centre sent where both
have the same. A bad catalogue is refused with its reason and changes nothing: the last good one
stays in force, over a restart too. Who brings files writes their number into `VERSION` beside them,
after the files themselves: the node never says that it runs what it has not read.
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
from haidang_protocols.catalogue.loader import CatalogueRefusedError, load
from haidang_protocols.catalogue.model import Camera, Catalogue, Centre, Text
from haidang_protocols.catalogue.part import NodePart
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


class _Found(msgspec.Struct, frozen=True, kw_only=True):
    """A catalogue from somewhere; `sent` by the centre."""

    catalogue: Catalogue
    version: int = 0
    sent: bool = False


class Declarations:
    """Reads, judges and keeps catalogues; `current` is in force, `reason` why a newer one is not.

    Used by the main thread at the start and afterwards by one thread at a time; all attributes are
    replaced whole. `because` says the same as `reason` to programs.
    """

    def __init__(self, config: NodeConfig, inspect: Inspect, *, files: Files | None = None) -> None:
        """Load what counts, or the last good one; a node that has no files may have neither yet.

        Raises `UserError` when there are files that cannot be used, and no last good one.
        """
        self._config, self._inspect = config, inspect
        self._path = None if config.catalogue is None else Path(config.catalogue)
        self._kept = Path(config.spool.folder) / FILE
        self._files: Files = files or SystemFiles()
        self._judged = self._in_force = ""
        self._stamp = self._stamps()
        self.reason = ""
        self.because: Reason | None = None
        last_good = self._last_good()
        self._sent = last_good if last_good is not None and last_good.sent else None
        self.current = self._nothing()
        try:
            self._take_newest()
        except UserError as error:
            if last_good is None:
                raise
            self.current = self._judge(last_good)
            self._in_force = _digest(last_good)
            self.refuse(error)
        if not self._in_force:
            self.because = because("catalogue.awaited")
            self.reason = str(self.because)
            log.warning("%s", self.reason)

    @property
    def source_folder(self) -> str:
        """Where a camera's relative file begins: at the catalogue's files, or beside the spool."""
        if self._path is None:
            return str(Path(self._config.spool.folder).parent)
        return str(self._path if self._path.is_dir() else self._path.parent)

    @property
    def refused(self) -> bool:
        """Whether what counts is not in force."""
        return self._judged != self._in_force

    def touched(self) -> bool:
        """Whether the files changed since the last time that this was asked."""
        before, self._stamp = self._stamp, self._stamps()
        return before != self._stamp

    def read_anew(self, *, even_if_same: bool = False) -> bool:
        """Judge what counts as it stands now; whether `current` or `reason` may have changed."""
        try:
            return self._take_newest(even_if_same=even_if_same)
        except UserError as error:
            return self.refuse(error)

    def knows(self, part: NodePart) -> bool:
        """Whether the centre sent just this before."""
        return self._sent is not None and _digest(self._sent) == _digest(_of(part))

    def offer(self, part: NodePart) -> bool:
        """Take what the centre sent; whether `current` or `reason` may have changed."""
        if self._sent is not None and part.version < self._sent.version:
            # signed once is signed for ever: an old one must not come back by whoever kept it
            ours, theirs = self._sent.version, part.version
            return self.refuse(UnfitError(because("catalogue.older", theirs=theirs, ours=ours)))
        self._sent = _of(part)
        return self.read_anew()

    def refuse(self, error: UserError) -> bool:
        """Say why something is not in force; whether that is news."""
        news = self.reason != str(error)
        self.reason, self.because = str(error), _because(error)
        if news:
            log.error("the catalogue is refused: %s", error)
        return news

    # --- what counts ------------------------------------------------------------------------

    def _take_newest(self, *, even_if_same: bool = False) -> bool:
        found = self._newest()
        if found is None:
            return False
        digest = _digest(found)
        if digest == self._judged and not even_if_same:
            return self._settle()
        self._judged = digest
        self.current = self._judge(found)
        self._in_force = digest
        self.reason, self.because = "", None
        self._keep(found)
        cameras, number = len(self.current.cameras), found.version
        log.info("the catalogue is in force: version %d, %d cameras", number, cameras)
        return True

    def _settle(self) -> bool:
        """Nothing new counts: what was said of something that is gone again no longer holds."""
        if self.refused or not self.reason:
            return False
        self.reason, self.because = "", None
        return True

    def _newest(self) -> _Found | None:
        """What counts, from the files or from the centre; raises `UserError`."""
        if self._path is None:
            return self._sent
        try:
            files = _read(self._path)
        except UserError as error:
            if self._sent is None:
                raise
            log.warning("the files do not count, what the centre sent does: %s", error)
            return self._sent
        if self._sent is not None and self._sent.version >= files.version:
            return self._sent
        return files

    def _stamps(self) -> list[tuple[str, int, int]]:
        return [] if self._path is None else _stamp(self._path)

    def _nothing(self) -> Declared:
        """What a node runs until the centre has sent it something."""
        centre = Centre(id=self._config.centre, name=Text(vi=self._config.centre), time_zone="UTC")
        return Declared(
            catalogue=Catalogue(centre=centre, places=(), scopes=()), cameras=(), models={}
        )

    def _judge(self, found: _Found) -> Declared:
        catalogue = found.catalogue
        cameras = self._cameras(catalogue, "of the centre" if found.sent else str(self._path))
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

    def _cameras(self, catalogue: Catalogue, path: str) -> tuple[Camera, ...]:
        config = self._config
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

    def _last_good(self) -> _Found | None:
        try:
            return msgspec.json.decode(self._kept.read_bytes(), type=_Found)
        except (OSError, msgspec.MsgspecError):
            return None

    def _keep(self, found: _Found) -> None:
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


def _read(path: Path) -> _Found:
    # the number first: what comes meanwhile is taken for older than it is, never for newer
    version = _version(path)
    return _Found(catalogue=load(path), version=version)


def _of(part: NodePart) -> _Found:
    return _Found(catalogue=part.catalogue, version=part.version, sent=True)


def _version(path: Path) -> int:
    """The number that stands beside a catalogue's files; 0 without one that can be read."""
    try:
        told = (path / VERSION).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return 0
    return int(told) if told.isdigit() and len(told) < 10 else 0


def _digest(found: _Found) -> str:
    return hashlib.sha256(msgspec.json.encode(found)).hexdigest()
