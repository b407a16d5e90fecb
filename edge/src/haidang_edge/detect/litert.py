"""Runs a model by LiteRT, or by the older tflite-runtime where only that is installed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from haidang_edge.detect import decoders
from haidang_edge.detect.detections import CLASS, Detections
from haidang_edge.detect.errors import ModelError
from haidang_edge.detect.manifest import Colour, DecoderKind, InputType, ModelInput
from haidang_edge.detect.store import Model

RUNTIMES = ("ai_edge_litert.interpreter", "tflite_runtime.interpreter")
YOLOX_EXTRA = 5
"""Columns of a YOLOX row before its classes: the box and the objectness."""

Pixels = NDArray[np.uint8]
Feed = Callable[[Pixels], None]


class Decode(Protocol):
    """A decoder with all bound to it that stays from picture to picture."""

    def __call__(
        self, outputs: Sequence[decoders.Array], *, covers: tuple[float, float]
    ) -> Detections:
        """The boxes in a model's outputs."""


class _Interpreter(Protocol):
    """What is used of the runtime, which has no types of its own."""

    def get_input_details(self) -> list[dict[str, Any]]: ...
    def get_output_details(self) -> list[dict[str, Any]]: ...
    def get_signature_list(self) -> dict[str, Any]: ...
    def get_signature_runner(self, signature_key: str) -> Any: ...  # noqa: ANN401
    def get_tensor(self, tensor_index: int) -> NDArray[Any]: ...
    def set_tensor(self, tensor_index: int, value: NDArray[Any]) -> None: ...
    def tensor(self, tensor_index: int) -> Callable[[], NDArray[Any]]: ...
    def allocate_tensors(self) -> None: ...
    def invoke(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tensor:
    """An output and how its numbers become real ones; scale 0 for those that are."""

    index: int
    scale: float
    zero: int


class LitertEngine:
    """A model in LiteRT's interpreter; see `Engine`."""

    def __init__(self, model: Model, *, interpreter: _Interpreter, min_score: float) -> None:
        """Check that the model fits its manifest, and run it once; raises `ModelError`."""
        self._name, self._labels = model.name, len(model.labels)
        self._interpreter = interpreter
        try:
            self._feed = _feed(interpreter, model.manifest.input)
            self._outputs = [_tensor(d) for d in interpreter.get_output_details()]
            self._decode = _decode(model, _described(interpreter), min_score)
        except ModelError as error:
            raise ModelError(f"model {model.name}: {error}") from error
        given = model.manifest.input
        # the first run plans memory and kernels: it is slow, and had better fail now than later
        self.infer(np.zeros((given.height, given.width, 3), np.uint8))

    def infer(self, pixels: Pixels, *, covers: tuple[float, float] = (1.0, 1.0)) -> Detections:
        """See `Engine`."""
        self._feed(pixels)
        self._interpreter.invoke()
        seen = self._decode([self._read(t) for t in self._outputs], covers=covers)
        if len(seen):
            self._check_classes(seen[:, CLASS])
        return seen

    def close(self) -> None:
        """See `Engine`."""
        del self._interpreter, self._feed

    def _check_classes(self, classes: NDArray[np.float32]) -> None:
        """An SSD does not say how many classes it knows; only what it sees tells."""
        least, most = classes.min(), classes.max()
        if least < 0 or most >= self._labels:
            raise ModelError(
                f"model {self._name} sees class {least if least < 0 else most:.0f}, but its "
                f"{self._labels} labels count from 0; see labels and label_offset in its manifest"
            )

    def _read(self, tensor: _Tensor) -> decoders.Array:
        raw = self._interpreter.get_tensor(tensor.index)
        if not tensor.scale:
            return raw
        return (raw.astype(np.float32) - tensor.zero) * np.float32(tensor.scale)


def open_litert(model: Model, *, threads: int, min_score: float) -> LitertEngine:
    """Load `model`; raises `ModelError`."""
    runtime = _runtime()
    try:
        interpreter: _Interpreter = runtime.Interpreter(
            model_path=str(model.path), num_threads=threads
        )
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"model {model.name}: cannot be loaded: {error}") from error
    return LitertEngine(model, interpreter=interpreter, min_score=min_score)


def _runtime() -> Any:  # noqa: ANN401  # a module without types
    for name in RUNTIMES:
        try:
            return import_module(name)
        except ImportError:
            continue
    raise ModelError("there is no runtime for models: install ai-edge-litert")


def _tensor(details: dict[str, Any]) -> _Tensor:
    scale, zero = details["quantization"]
    real = np.issubdtype(details["dtype"], np.floating)
    return _Tensor(index=details["index"], scale=0.0 if real else float(scale), zero=int(zero))


def _described(interpreter: _Interpreter) -> list[decoders.Output]:
    """The outputs with the shapes that they have now; before, a custom op's was not known."""
    names = _signature_names(interpreter)
    return [
        decoders.Output(
            name=details["name"],
            signature=names.get(details["name"], ""),
            shape=interpreter.get_tensor(details["index"]).shape,
        )
        for details in interpreter.get_output_details()
    ]


def _signature_names(interpreter: _Interpreter) -> dict[str, str]:
    """A tensor's name → its name in the model's only signature."""
    signatures = interpreter.get_signature_list()
    if len(signatures) != 1:
        return {}
    runner = interpreter.get_signature_runner(next(iter(signatures)))
    return {details["name"]: name for name, details in runner.get_output_details().items()}


def _feed(interpreter: _Interpreter, given: ModelInput) -> Feed:
    """What writes a picture into the model; first, whether its manifest tells the truth."""
    inputs = interpreter.get_input_details()
    if len(inputs) != 1:
        raise ModelError(f"it takes {len(inputs)} inputs; it must take one picture")
    shape, wanted = inputs[0]["shape"].tolist(), [1, given.height, given.width, 3]
    if shape != wanted:
        raise ModelError(f"it takes {shape}, but its manifest says {wanted}")
    dtype = np.dtype(inputs[0]["dtype"]).name
    if dtype != given.dtype.value:
        raise ModelError(f"it takes {dtype}, but its manifest says {given.dtype}")
    feeds: dict[InputType, Callable[[_Interpreter, int, Pixels], None]] = {
        InputType.UINT8: _feed_uint8,
        InputType.INT8: _feed_int8,
        InputType.FLOAT32: partial(_feed_float32, scale=given.scale, offset=given.offset),
    }
    feed = partial(feeds[given.dtype], interpreter, inputs[0]["index"])
    if given.colour is Colour.BGR:
        return lambda pixels: feed(pixels[..., ::-1])
    return feed


def _feed_uint8(interpreter: _Interpreter, index: int, pixels: Pixels) -> None:
    interpreter.set_tensor(index, pixels[np.newaxis])


def _feed_int8(interpreter: _Interpreter, index: int, pixels: Pixels) -> None:
    less_128 = (pixels ^ np.uint8(0x80)).view(np.int8)
    interpreter.set_tensor(index, less_128[np.newaxis])


def _feed_float32(
    interpreter: _Interpreter, index: int, pixels: Pixels, *, scale: float, offset: float
) -> None:
    # straight into the model's memory; the view must be gone before the model runs
    room: NDArray[np.float32] = interpreter.tensor(index)()[0]
    np.copyto(room, pixels)
    if scale != 1.0:
        room *= np.float32(scale)
    if offset != 0.0:
        room += np.float32(offset)


def _decode(model: Model, outputs: list[decoders.Output], min_score: float) -> Decode:
    """The decoder that the manifest names; `ModelError` for outputs that are not its kind."""
    manifest = model.manifest
    if manifest.decoder is DecoderKind.SSD:
        return partial(
            decoders.ssd,
            layout=decoders.ssd_layout(outputs),
            min_score=min_score,
            label_offset=manifest.label_offset,
        )
    width, height = manifest.input.width, manifest.input.height
    wanted = (1, decoders.yolox_rows(width, height), YOLOX_EXTRA + len(model.labels))
    if [output.shape for output in outputs] != [wanted]:
        found = ", ".join(str(list(output.shape)) for output in outputs)
        raise ModelError(
            f"it gives {found}; a yolox of {width} × {height} with {len(model.labels)} labels "
            f"gives {list(wanted)}"
        )
    return partial(
        decoders.yolox,
        width=width,
        height=height,
        min_score=min_score,
        nms_iou=manifest.nms_iou,
    )
