"""What the catalogue declares for this node, checked; the last good one is kept beside the spool.

It comes by files, or from the centre; the higher number counts, and what the centre sent where both
have the same. A bad catalogue is refused with its reason and changes nothing: the last good one
stays in force, over a restart too. What the centre sent is kept as it comes, good or not, so that
no older one is taken after it. Where nothing fits, the node runs no camera and says why: whoever
can mend it must be able to reach it. Who brings files writes their number into `VERSION` beside
them, after the files themselves: the node never says that it runs what it has not read.
"""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from haidang_edge.agent.config import NodeConfig
from haidang_edge.agent.facts import Facts, ModelFacts, Question
from haidang_edge.agent.kept import Found, KeptFiles, Sent
from haidang_edge.errors import NodeConfigError
from haidang_edge.spool import Files
from haidang_protocols.catalogue.loader import CatalogueRefusedError, load
from haidang_protocols.catalogue.model import Camera, Catalogue, Centre, Text
from haidang_protocols.catalogue.part import NodePart
from haidang_protocols.errors import UserError
from haidang_protocols.wire.reasons import Reason, because

log = logging.getLogger(__name__)

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

    def __init__(self, *why: Reason) -> None:
        """Say what does not fit; programs get the first."""
        super().__init__("\n  ".join(map(str, why)))
        self.because = why[0]


class Declarations:
    """Reads, judges and keeps catalogues; `current` is in force, `reason` why a newer one is not.

    Used by the main thread at the start and afterwards by one thread at a time; all attributes are
    replaced whole.
    """

    def __init__(self, config: NodeConfig, inspect: Inspect, *, files: Files | None = None) -> None:
        """Load what counts, or the last good one, or nothing.

        Raises `UserError` for files that cannot be used, where there is nothing else to go on with:
        then somebody sits before it.
        """
        self._config, self._inspect = config, inspect
        self._path = None if config.catalogue is None else Path(config.catalogue)
        self._kept = KeptFiles(Path(config.spool.folder), files)
        self._judged = self._in_force = ""
        self._stamp = self._stamps()
        self._unfit: UserError | None = None
        self._strange: UserError | None = None
        self._good, self._sent = self._ours()
        self.current = self._nothing()
        alone = self._good is None and self._sent is None
        try:
            self._take_newest()
        except UserError as error:
            if alone:
                raise
            self._fall_back()
            self._say(unfit=error)
        if not self._in_force and self._unfit is None:
            self._unfit = UnfitError(because("catalogue.awaited"))
            log.warning("%s", self._unfit)

    @property
    def reason(self) -> str:
        """Why what counts is not in force, or what came that is not believed; "" if all is well."""
        return str(self._unfit or self._strange or "")

    @property
    def because(self) -> Reason | None:
        """The same to programs."""
        error = self._unfit or self._strange
        return None if error is None else _because(error)

    @property
    def source_folder(self) -> str:
        """Where a camera's relative file begins: at the catalogue's files, or beside the spool."""
        if self._path is None:
            return str(Path(self._config.spool.folder).parent)
        return str(self._path if self._path.is_dir() else self._path.parent)

    @property
    def refused(self) -> bool:
        """Whether what counts is not in force."""
        return self._unfit is not None

    def touched(self) -> bool:
        """Whether the files changed since the last time that this was asked."""
        before, self._stamp = self._stamp, self._stamps()
        return before != self._stamp

    def read_anew(self, *, even_if_same: bool = False) -> bool:
        """Judge what counts as it stands now; whether `current` or `reason` may have changed."""
        try:
            return self._take_newest(even_if_same=even_if_same)
        except UserError as error:
            fell_back = not self._in_force and self._fall_back()
            return self._say(unfit=error) or fell_back

    def knows(self, sha256: str) -> bool:
        """Whether the text of that hash is what the centre sent last."""
        return self._sent is not None and self._sent.sha256 == sha256

    def offer(self, part: NodePart, sha256: str) -> bool:
        """Take what the centre sent; whether `current` or `reason` may have changed.

        The same number with another text is taken: a newer centre may say more of the same version.
        """
        if self._sent is not None and part.version < self._sent.part.version:
            # signed once is signed for ever: an old one must not come back by whoever kept it
            ours, theirs = self._sent.part.version, part.version
            return self.disbelieve(UnfitError(because("catalogue.older", theirs=theirs, ours=ours)))
        self._sent = Sent(part=part, sha256=sha256)
        self._kept.put(self._sent)
        return self.heard_again()

    def heard_again(self) -> bool:
        """What the centre sent last is what it says now: nothing strange is on the broker."""
        was, self._strange = self.reason, None
        return self.read_anew() or self.reason != was

    def disbelieve(self, error: UserError) -> bool:
        """Something came that changes nothing; whether `reason` has changed."""
        return self._say(strange=error)

    # --- what counts ------------------------------------------------------------------------

    def _take_newest(self, *, even_if_same: bool = False) -> bool:
        found = self._newest()
        if found is None:
            return False
        digest = _digest(found)
        if digest == self._judged and not even_if_same:
            return self._settle()
        self._judged = digest
        self._put_in_force(found, digest)
        self._unfit = None
        if found != self._good:
            self._good = found
            self._kept.put(found)
        return True

    def _put_in_force(self, found: Found, digest: str) -> None:
        self.current = self._judge(found)
        self._in_force = digest
        cameras, number = len(self.current.cameras), found.version
        log.info("the catalogue is in force: version %d, cameras: %d", number, cameras)

    def _fall_back(self) -> bool:
        """Put the last good one in force, if there is one and it still fits."""
        if self._good is None:
            return False
        try:
            self._put_in_force(self._good, _digest(self._good))
        except UserError:
            return False  # why what counts does not fit is told; this is tried again with it
        return True

    def _settle(self) -> bool:
        """Nothing new counts: a mistake in files that were put right again no longer holds."""
        if self._judged != self._in_force or self._unfit is None:
            return False
        self._unfit = None
        return True

    def _say(self, *, unfit: UserError | None = None, strange: UserError | None = None) -> bool:
        """Keep why something is not in force; whether `reason` has changed."""
        error = unfit or strange
        was = self.reason
        known = str(error) in (str(self._unfit), str(self._strange))
        self._unfit, self._strange = unfit or self._unfit, strange or self._strange
        if not known:
            log.error("the catalogue is refused: %s", error)
        return self.reason != was

    def _newest(self) -> Found | None:
        """What counts, from the files or from the centre; raises `UserError`.

        Without files, and before the centre has sent anything, the last good one.
        """
        sent = None if self._sent is None else self._sent.found()
        if self._path is None:
            return sent or self._good
        try:
            files = _read(self._path)
        except UserError as error:
            if sent is None:
                raise
            log.warning("the files do not count, what the centre sent does: %s", error)
            return sent
        if sent is not None and sent.version >= files.version:
            return sent
        return files

    def _stamps(self) -> list[tuple[str, int, int]]:
        return [] if self._path is None else _stamp(self._path)

    def _nothing(self) -> Declared:
        """What a node runs until the centre has sent it something."""
        centre = Centre(id=self._config.centre, name=Text(vi=self._config.centre), time_zone="UTC")
        return Declared(
            catalogue=Catalogue(centre=centre, places=(), scopes=()), cameras=(), models={}
        )

    def _judge(self, found: Found) -> Declared:
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
            raise UnfitError(*facts.problems)
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

    def _ours(self) -> tuple[Found | None, Sent | None]:
        """The last good one and what was sent last, as far as they are this node's."""
        good, sent = self._kept.good(), self._kept.sent()
        if good is not None and not self._is_ours(good.catalogue):
            good = None
        if sent is not None and not self._is_ours(sent.part.catalogue):
            # nor is its number one to beat: another centre counts for itself
            sent = None
        return good, sent

    def _is_ours(self, catalogue: Catalogue) -> bool:
        config = self._config
        return catalogue.centre.id == config.centre and catalogue.node(config.node) is not None


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


def _read(path: Path) -> Found:
    # the number first: what comes meanwhile is taken for older than it is, never for newer
    version = _version(path)
    return Found(catalogue=load(path), version=version)


def _version(path: Path) -> int:
    """The number that stands beside a catalogue's files; 0 without one that can be read."""
    try:
        told = (path / VERSION).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return 0
    return int(told) if told.isdigit() and len(told) < 10 else 0


def _digest(found: Found) -> str:
    return hashlib.sha256(msgspec.json.encode(found)).hexdigest()
