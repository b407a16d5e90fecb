"""Gets a known model: from its pinned address, or from a folder where there is no network.

What counts is its SHA-256: whatever comes from elsewhere, or half of it, does not become a model.
"""

import http.client
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from haidang_edge.detect import recipes
from haidang_edge.detect.errors import ModelError
from haidang_edge.detect.manifest import Manifest
from haidang_edge.detect.store import Model, ModelStore, sha256_of

BYTES_MAX = 256 << 20
CHUNK = 1 << 20
TIMEOUT_S = 30.0

Fetch = Callable[[str, Path], None]
"""Writes what is at an address into a file; raises `ModelError`."""


def download(url: str, into: Path) -> None:
    """By HTTP, at most `BYTES_MAX`; raises `ModelError` with what is in the way."""
    try:
        # a manifest's address is https
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:  # noqa: S310
            _write(answer, into)
    except urllib.error.HTTPError as error:
        with error:
            raise ModelError(f"{url}: answered {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise ModelError(
            f"{url}: {reason}; without a network, bring the file and use --from-dir"
        ) from error


def _write(answer: http.client.HTTPResponse, into: Path) -> None:
    taken = 0
    with into.open("wb") as file:
        while chunk := answer.read(CHUNK):
            taken += len(chunk)
            if taken > BYTES_MAX:
                raise OSError(f"it is larger than {BYTES_MAX} bytes")
            file.write(chunk)
    if answer.length:
        raise OSError(f"it broke off {answer.length} bytes before its end")


def pull(
    store: ModelStore, name: str, *, folder: Path | None = None, fetch: Fetch = download
) -> Model:
    """Put the known model `name` into `store`.

    Args:
        store: where it goes.
        name: as a catalogue says it.
        folder: take it from here, whatever its file is called; else it is fetched.
        fetch: for tests.

    Raises:
        ModelError: nobody knows it, it cannot be had, or it is not what it should be.
    """
    manifest = recipes.named(name)
    if manifest is None:
        known = ", ".join(recipes.names())
        raise ModelError(f"model {name!r} is not known; known are: {known}")
    shipped = recipes.shipped(name)
    if shipped is not None:
        return store.add(shipped)
    if folder is not None:
        return store.add(_found_in(folder, manifest))
    if not manifest.url:
        raise ModelError(f"model {name}: its manifest names no address; use --from-dir")
    with tempfile.TemporaryDirectory(prefix="haidang-model-") as place:
        file = Path(place) / manifest.file
        fetch(manifest.url, file)
        found = sha256_of(file)
        if found != manifest.sha256:
            raise ModelError(
                f"{manifest.url}: has SHA-256 {found}, but {name} is {manifest.sha256}; "
                "it is not taken"
            )
        return store.add(file)


def _found_in(folder: Path, manifest: Manifest) -> Path:
    """The file in a folder that is the model, by its SHA-256."""
    try:
        files = [path for path in sorted(folder.iterdir()) if path.is_file()]
    except OSError as error:
        raise ModelError(f"--from-dir {folder}: {error.strerror}") from error
    for path in files:
        if path.stat().st_size <= BYTES_MAX and sha256_of(path) == manifest.sha256:
            return path
    raise ModelError(
        f"--from-dir {folder}: none of its {len(files)} files is {manifest.name} "
        f"(SHA-256 {manifest.sha256})"
    )
