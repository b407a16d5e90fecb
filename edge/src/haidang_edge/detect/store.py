"""The models on this machine: a folder each, with the manifest and the file that it vouches for."""

import hashlib
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from haidang_edge.detect import recipes
from haidang_edge.detect.errors import ModelError
from haidang_edge.detect.manifest import GAP, Manifest, read_manifest

MANIFEST = "manifest.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model whose file is what its manifest says.

    Attributes:
        labels: by class number; `???` where nothing bears it.
    """

    manifest: Manifest
    path: Path
    labels: tuple[str, ...]

    @property
    def name(self) -> str:
        """Its name, as a catalogue says it."""
        return self.manifest.name

    @property
    def known(self) -> str:
        """The labels that it has, as a person reads them."""
        return ", ".join(label for label in self.labels if label != GAP)

    def missing(self, classes: Iterable[str]) -> list[str]:
        """Those of `classes` that the model does not know."""
        return sorted(set(classes) - (set(self.labels) - {GAP}))


class ModelStore:
    """A folder of models."""

    def __init__(self, folder: Path) -> None:
        """The folder need not be there yet."""
        self.folder = folder

    def list(self) -> tuple[str, ...]:
        """The names of the models that are there, whole or not."""
        return tuple(sorted(path.parent.name for path in self.folder.glob(f"[!.]*/{MANIFEST}")))

    def manifest(self, name: str) -> Manifest:
        """The manifest of a model; raises `ModelError`."""
        path = self.folder / name / MANIFEST
        if name not in self.list():
            known = ", ".join(self.list()) or "none yet"
            raise ModelError(f"model {name!r} is not in {self.folder}; there are: {known}")
        manifest = _read(path)
        if manifest.name != name:
            raise ModelError(f"{path}: the name in it is {manifest.name!r}, its folder is {name!r}")
        return manifest

    def load(self, name: str) -> Model:
        """A model, its file checked against its manifest; raises `ModelError`."""
        return _checked(self.manifest(name), self.folder / name)

    def verify(self) -> dict[str, ModelError | None]:
        """Every model with what is wrong with it, or None."""
        return {name: self._fault(name) for name in self.list()}

    def _fault(self, name: str) -> ModelError | None:
        try:
            self.load(name)
        except ModelError as error:
            return error
        return None

    def add(self, file: Path, *, manifest: Path | None = None, replace: bool = False) -> Model:
        """Copy a model in, whole or not at all; the same one again changes nothing.

        Args:
            file: the model; its name does not matter.
            manifest: not needed for a file that Haidang knows by its SHA-256.
            replace: another model of that name makes room.

        Raises:
            ModelError: it does not fit its manifest, cannot be read or written, or its name is
                taken.
        """
        try:
            text, read = _papers(file, manifest)
            place = self.folder / read.name
            if place.exists() and not replace:
                return self._same(place, text, read)
            self.folder.mkdir(parents=True, exist_ok=True)
            return self._put(file, text, read)
        except OSError as error:
            raise ModelError(f"{error.filename or file}: {error.strerror}") from error

    def _same(self, place: Path, text: str, manifest: Manifest) -> Model:
        """The model that stands in `place`, if it is the one that was to be added."""
        if (place / MANIFEST).read_text(encoding="utf-8") != text:
            raise ModelError(
                f"model {manifest.name}: {place} holds another one of that name; "
                "use --replace to put this one in its place"
            )
        return self.load(manifest.name)

    def _put(self, file: Path, text: str, manifest: Manifest) -> Model:
        fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=self.folder))
        try:
            shutil.copyfile(file, fresh / manifest.file)
            (fresh / MANIFEST).write_text(text, encoding="utf-8")
            _checked(manifest, fresh)  # the copy, not what it was made from
            fresh.chmod(0o755)
            for path in (fresh / manifest.file, fresh / MANIFEST, fresh):
                _sync(path)
            self._swap(fresh, self.folder / manifest.name)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        return self.load(manifest.name)

    def _swap(self, fresh: Path, place: Path) -> None:
        """Put `fresh` in its place; what stood there is moved aside first, then removed."""
        aside = Path(tempfile.mkdtemp(prefix=".old-", dir=self.folder)) / place.name
        if place.exists():
            place.rename(aside)
        try:
            fresh.rename(place)
        except OSError:
            if aside.exists():
                aside.rename(place)
            raise
        finally:
            shutil.rmtree(aside.parent, ignore_errors=True)
        _sync(self.folder)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _papers(file: Path, manifest: Path | None) -> tuple[str, Manifest]:
    """The text of the manifest for `file`, and what it says."""
    if manifest is not None:
        return manifest.read_text(encoding="utf-8"), _read(manifest)
    found = sha256_of(file)
    text = recipes.find(found)
    if text is None:
        known = ", ".join(recipes.names())
        raise ModelError(
            f"{file}: no model that Haidang knows (SHA-256 {found}); "
            f"give --manifest; known without one: {known}"
        )
    return text, read_manifest(text, file=MANIFEST)


def _read(path: Path) -> Manifest:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ModelError(f"{path}: is not UTF-8: {error.reason} at byte {error.start}") from error
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}") from error
    return read_manifest(text, file=str(path))


def _checked(manifest: Manifest, folder: Path) -> Model:
    """The model in `folder`, or `ModelError`: no file, another hash, no labels."""
    path = folder / manifest.file
    try:
        found = sha256_of(path)
    except OSError as error:
        raise ModelError(f"model {manifest.name}: {path}: {error.strerror}") from error
    if found != manifest.sha256:
        raise ModelError(
            f"model {manifest.name}: {manifest.file} has SHA-256 {found}, "
            f"but its manifest vouches for {manifest.sha256}"
        )
    labels = manifest.classes or _labels_inside(path, manifest)
    return Model(manifest=manifest, path=path, labels=labels)


def _labels_inside(path: Path, manifest: Manifest) -> tuple[str, ...]:
    """The labels in a text file that a model's file carries at its end as a zip archive."""
    where = f"model {manifest.name}: labels {manifest.labels!r}"
    try:
        with zipfile.ZipFile(path) as archive:
            text = archive.read(manifest.labels).decode()
    except zipfile.BadZipFile as error:
        raise ModelError(f"{where}: {manifest.file} carries no files") from error
    except KeyError as error:
        raise ModelError(f"{where}: is not in {manifest.file}") from error
    except UnicodeDecodeError as error:
        raise ModelError(f"{where}: is not UTF-8") from error
    labels = tuple(line.strip() or GAP for line in text.splitlines())
    if not set(labels) - {GAP}:
        raise ModelError(f"{where}: holds no label")
    return labels


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
