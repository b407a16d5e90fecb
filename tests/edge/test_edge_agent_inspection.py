"""What a catalogue needs of this machine, and what each process loads to find it out."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from haidang_edge.agent.facts import Question
from haidang_edge.agent.inspection import facts_of
from haidang_edge.detect import ModelStore
from haidang_protocols.catalogue.loader import load
from servers.node import CATALOGUE

MODEL = "ssd-mobilenet-v1-coco"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, data_dir: Path) -> Path:
    folder = tmp_path_factory.mktemp("models")
    ModelStore(folder).add(data_dir / "models" / "ssd_mobilenet_v1_coco_quant.tflite")
    return folder


def question(models: Path, *, hashes: dict[str, str] | None = None, **camera: Any) -> Question:
    rule = camera.pop("rule", {})
    basic = load(CATALOGUE).cameras[0]
    changed = replace(basic, rules=(replace(basic.rules[0], **rule),), **camera)
    return Question(models=str(models), cameras=(changed,), source_folder="/", hashes=hashes or {})


@pytest.mark.data
def test_a_model_that_fits_is_told_with_its_size_and_labels(models: Path) -> None:
    facts = facts_of(question(models))
    assert facts.problems == ()
    model = facts.models[MODEL]
    assert (model.width, model.height, model.labels[0]) == (300, 300, "person")


@pytest.mark.data
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model": "yolox"}, f"model yolox is not on this node; there are: {MODEL}"),
        ({"rule": {"classes": ("unicorn",)}}, "rule night-intrusion: .*unicorn"),
        ({"rule": {"release": ("ghost",)}}, "ghost"),
        ({"rule": {"min_score": 0.1}}, "min_score is 0.1; .*none below 0.3"),
        ({"hashes": {MODEL: "0" * 64}}, "asks for SHA-256 0000"),
        ({"source": "rtsp://user:${NOT_SET_ANYWHERE}@cam/1"}, "NOT_SET_ANYWHERE is not set"),
        ({"source": "gopher://cam"}, "gopher:// is not known"),
    ],
)
def test_what_does_not_fit_is_told_in_words(
    models: Path, change: dict[str, Any], said: str
) -> None:
    facts = facts_of(question(models, **change))
    assert len(facts.problems) == 1
    assert re.search(said, str(facts.problems[0]))


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("supervisor", ("numpy", "av", "ai_edge_litert", "tflite_runtime")),
        ("warm", ("ai_edge_litert", "tflite_runtime", "paho")),
    ],
)
def test_a_process_loads_no_more_than_it_needs(module: str, absent: tuple[str, ...]) -> None:
    code = (
        f"import sys, haidang_edge.agent.{module}\n"
        f"print([name for name in {absent!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
