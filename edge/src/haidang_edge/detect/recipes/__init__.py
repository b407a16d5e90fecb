"""Manifests of models that Haidang knows by their SHA-256, so that nobody has to write one.

A model whose file stands beside its manifest is shipped: its name alone is enough.
"""

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from haidang_edge.detect.manifest import Manifest, read_manifest


def find(sha256: str) -> str | None:
    """The text of the manifest for the file of that SHA-256."""
    return next((text for text, manifest in _all() if manifest.sha256 == sha256), None)


def names() -> tuple[str, ...]:
    """The models that need no manifest."""
    return tuple(manifest.name for _, manifest in _all())


def named(name: str) -> Manifest | None:
    """The manifest of the known model of that name."""
    return next((manifest for _, manifest in _all() if manifest.name == name), None)


def shipped(name: str) -> Path | None:
    """The file of the model of that name, where Haidang brings it along."""
    for _, manifest in _all():
        path = Path(str(files(__package__) / manifest.file))
        if manifest.name == name and path.is_file():
            return path
    return None


def _all() -> Iterator[tuple[str, Manifest]]:
    folder = files(__package__)
    for entry in sorted(folder.iterdir(), key=lambda e: e.name):
        if entry.name.endswith(".yaml"):
            text = entry.read_text(encoding="utf-8")
            yield text, read_manifest(text, file=entry.name)
