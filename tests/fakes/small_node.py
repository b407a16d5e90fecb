"""The smallest node's files, and what it is told of models: for tests of its agent's parts."""

from pathlib import Path
from typing import Any

import yaml

from haidang_edge.agent.facts import ModelFacts
from haidang_protocols.wire.reasons import because

NODE: dict[str, Any] = {
    "centre": "demo",
    "site": "gate",
    "node": "gate-1",
    "models": "models",
    "spool": {"folder": "spool"},
    "broker": {"host": "127.0.0.1", "plain": True},
}
"""`node.yaml` of the node in the smallest catalogue, which waits for the centre."""

MODEL = ModelFacts(
    name="ssd-mobilenet-v1-coco",
    sha256="0" * 64,
    labels=("person",),
    width=300,
    height=300,
    letterbox=False,
)
ABSENT = because("model.absent", model="x", known="none yet")


def written(folder: Path, config: Any) -> Path:
    """The file; a text is written as it is."""
    path = folder / "node.yaml"
    path.write_text(config if isinstance(config, str) else yaml.safe_dump(config, sort_keys=False))
    return path
