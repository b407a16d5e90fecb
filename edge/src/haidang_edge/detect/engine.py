"""The seam to what runs a model: a table of back-ends, each imported only when it is asked for."""

from importlib import import_module
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from haidang_edge.detect.detections import Detections
from haidang_edge.detect.errors import ModelError
from haidang_edge.detect.store import Model

BACKENDS = {
    "litert": "haidang_edge.detect.litert:open_litert",
}


class Engine(Protocol):
    """A model that is loaded and warm; used by one thread at a time."""

    def infer(
        self, pixels: NDArray[np.uint8], *, covers: tuple[float, float] = (1.0, 1.0)
    ) -> Detections:
        """What is in `pixels`: uint8 RGB at the model's size.

        Args:
            pixels: (height, width, 3), C-contiguous.
            covers: share of the width and height that the picture takes, from the top left; less
                than 1 where it was letterboxed (`Frame.covers`).
        """

    def close(self) -> None:
        """Let the model go."""


class Opener(Protocol):
    """What a back-end's factory is."""

    def __call__(self, model: Model, *, threads: int, min_score: float) -> Engine:
        """Load `model`; raises `ModelError`."""


def open_engine(
    model: Model, *, backend: str = "litert", threads: int = 1, min_score: float | None = None
) -> Engine:
    """Load `model`; raises `ModelError` when it does not fit its manifest.

    Args:
        model: from a `ModelStore`.
        backend: one of `BACKENDS`.
        threads: more than one pays only on a machine that is idle.
        min_score: instead of the manifest's own.
    """
    if backend not in BACKENDS:
        raise ModelError(f"back-end {backend!r} is not one of: {', '.join(BACKENDS)}")
    least = model.manifest.min_score if min_score is None else min_score
    module, factory = BACKENDS[backend].split(":")
    opener: Opener = getattr(import_module(module), factory)
    return opener(model, threads=threads, min_score=least)
