"""The engine: what it feeds, what it refuses, and that its table of back-ends is true."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from fakes.litert import FakeInterpreter, FakeOutput
from haidang_edge.detect import Manifest, Model, ModelError, ModelStore, open_engine
from haidang_edge.detect.engine import BACKENDS
from haidang_edge.detect.litert import LitertEngine
from haidang_edge.detect.manifest import Colour, DecoderKind, InputType, ModelInput

LABELS = ("person", "car", "dog")


def model(**options: Any) -> Model:
    given = {"width": 32, "height": 32} | options
    manifest = Manifest(
        name="m",
        file="m.tflite",
        sha256="0" * 64,
        decoder=DecoderKind.SSD,
        input=ModelInput(**given),
        classes=LABELS,
        licence="Apache-2.0",
        source="here",
    )
    return Model(manifest=manifest, path=Path("m.tflite"), labels=LABELS)


def ssd_outputs(cls: float = 1.0) -> list[FakeOutput]:
    values = {
        "StatefulPartitionedCall:3": np.array([[[0.1, 0.2, 0.3, 0.4]]], np.float32),
        "StatefulPartitionedCall:1": np.array([[0.8]], np.float32),
        "StatefulPartitionedCall:0": np.array([1.0], np.float32),
        "StatefulPartitionedCall:2": np.array([[cls]], np.float32),
    }
    return [FakeOutput(name=name, values=value) for name, value in values.items()]


def picture() -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 256, (32, 32, 3), np.uint8)


def fed(**options: Any) -> NDArray[Any]:
    """What the interpreter is given for `picture`."""
    dtype = options.get("dtype", InputType.UINT8).value
    interpreter = FakeInterpreter(ssd_outputs(), shape=(1, 32, 32, 3), dtype=dtype)
    engine = LitertEngine(model(**options), interpreter=interpreter, min_score=0.3)
    engine.infer(picture())
    given: NDArray[Any] = interpreter.fed[0]
    return given


def test_it_is_warm_before_the_first_picture_and_reads_outputs_in_any_order() -> None:
    interpreter = FakeInterpreter(ssd_outputs(), shape=(1, 32, 32, 3))
    engine = LitertEngine(model(), interpreter=interpreter, min_score=0.3)
    assert interpreter.invoked == 1
    assert engine.infer(picture()) == pytest.approx(np.array([[0.2, 0.1, 0.4, 0.3, 0.8, 1]]))


def test_a_model_of_bytes_gets_the_picture_as_it_is() -> None:
    assert np.array_equal(fed(), picture())
    assert np.array_equal(fed(colour=Colour.BGR), picture()[..., ::-1])


def test_a_model_of_signed_bytes_gets_it_less_128() -> None:
    assert np.array_equal(fed(dtype=InputType.INT8), picture().astype(int) - 128)


def test_a_model_of_real_numbers_gets_them_scaled() -> None:
    plain = fed(dtype=InputType.FLOAT32, colour=Colour.BGR)
    assert np.array_equal(plain, picture()[..., ::-1].astype(np.float32))
    scaled = fed(dtype=InputType.FLOAT32, scale=1 / 127.5, offset=-1.0)
    assert scaled == pytest.approx(picture() / 127.5 - 1, abs=1e-6)


def test_quantised_outputs_become_real_numbers() -> None:
    rows = np.zeros((1, 21, 8), np.int8)
    rows[0, 3] = (16, 16, 8, 4, 100, 0, 90, 0)
    rows = (rows.astype(int) - 20).astype(np.int8)
    manifest = msgspec.structs.replace(model().manifest, decoder=DecoderKind.YOLOX)
    output = FakeOutput(name="out", values=rows, quantization=(0.01, -20))
    interpreter = FakeInterpreter([output], shape=(1, 32, 32, 3))
    engine = LitertEngine(
        Model(manifest=manifest, path=Path("m"), labels=LABELS),
        interpreter=interpreter,
        min_score=0.3,
    )
    (seen,) = engine.infer(picture())
    assert seen[4:] == pytest.approx([0.9, 1])
    assert seen[2] - seen[0] == pytest.approx(0.08 / 32)


def test_a_class_without_a_label_is_a_clear_error() -> None:
    engine_of = FakeInterpreter(ssd_outputs(cls=7.0), shape=(1, 32, 32, 3))
    with pytest.raises(ModelError, match="model m sees class 7, but its 3 labels count from 0"):
        LitertEngine(model(), interpreter=engine_of, min_score=0.3)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"width": 64}, r"it takes \[1, 32, 32, 3\], but its manifest says \[1, 32, 64, 3\]"),
        ({"dtype": InputType.INT8}, "it takes uint8, but its manifest says int8"),
    ],
)
def test_an_input_that_does_not_fit_its_manifest_is_a_clear_error(
    options: dict[str, Any], said: str
) -> None:
    interpreter = FakeInterpreter(ssd_outputs(), shape=(1, 32, 32, 3))
    with pytest.raises(ModelError, match=f"model m: {said}"):
        LitertEngine(model(**options), interpreter=interpreter, min_score=0.3)


def test_every_backend_names_a_factory_that_is_there() -> None:
    for named in BACKENDS.values():
        module, factory = named.split(":")
        path = Path(*module.split(".")).with_suffix(".py")
        source = (Path(__file__).parents[2] / "edge" / "src" / path).read_text(encoding="utf-8")
        assert f"def {factory}(" in source


def test_an_unknown_backend_is_a_clear_error() -> None:
    with pytest.raises(ModelError, match="back-end 'abacus' is not one of: litert"):
        open_engine(model(), backend="abacus")


def test_a_file_that_is_no_model_is_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(b"no model" * 100)
    broken = Model(manifest=model().manifest, path=path, labels=LABELS)
    with pytest.raises(ModelError, match="model m: cannot be loaded"):
        open_engine(broken)


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("yolox-nano-coco", {"classes": LABELS}, "gives .*85.*with 3 labels gives .*8"),
        ("yolox-nano-coco", {"decoder": DecoderKind.SSD}, "are no SSD post-process"),
        ("ssd-mobilenet-v1-coco", {"decoder": DecoderKind.YOLOX}, "a yolox of 300 × 300"),
    ],
)
def test_real_outputs_that_do_not_fit_the_manifest_are_a_clear_error(
    data_dir: Path, tmp_path: Path, name: str, change: dict[str, object], said: str
) -> None:
    file = "yolox_nano_float" if name.startswith("yolox") else "ssd_mobilenet_v1_coco_quant"
    real = ModelStore(tmp_path).add(data_dir / "models" / f"{file}.tflite")
    manifest = msgspec.structs.replace(real.manifest, **change)
    labels = manifest.classes or real.labels
    with pytest.raises(ModelError, match=f"model {name}: .*{said}"):
        open_engine(Model(manifest=manifest, path=real.path, labels=labels))
