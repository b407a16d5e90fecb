"""From pixels to boxes: models with their manifests, engines that run them, decoders of outputs."""

from haidang_edge.detect.detections import Detections
from haidang_edge.detect.engine import Engine, open_engine
from haidang_edge.detect.errors import ModelError
from haidang_edge.detect.manifest import Manifest
from haidang_edge.detect.store import Model, ModelStore

__all__ = [
    "Detections",
    "Engine",
    "Manifest",
    "Model",
    "ModelError",
    "ModelStore",
    "open_engine",
]
