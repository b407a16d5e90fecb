"""LiteRT's interpreter at its boundary: outputs that a test gives, and what it was fed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


@dataclass(frozen=True, kw_only=True)
class FakeOutput:
    """An output: its name, what it gives, how it is quantised, its name in the signature."""

    name: str
    values: NDArray[Any]
    quantization: tuple[float, int] = (0.0, 0)
    signature: str = ""


class FakeInterpreter:
    """Gives `outputs` whatever it is shown; `fed` is the last picture it was shown."""

    def __init__(
        self, outputs: Sequence[FakeOutput], *, shape: Sequence[int], dtype: DTypeLike = np.uint8
    ) -> None:
        self._outputs = outputs
        self.fed = np.zeros(shape, dtype)
        self.invoked = 0

    def allocate_tensors(self) -> None:
        """Nothing to do."""

    def get_input_details(self) -> list[dict[str, Any]]:
        return [{"index": 99, "shape": np.array(self.fed.shape), "dtype": self.fed.dtype.type}]

    def get_output_details(self) -> list[dict[str, Any]]:
        return [
            {
                "name": output.name,
                "index": number,
                "shape": np.array([], np.int32),  # as a custom op has it before it ran
                "dtype": output.values.dtype.type,
                "quantization": output.quantization,
            }
            for number, output in enumerate(self._outputs)
        ]

    def get_signature_list(self) -> dict[str, Any]:
        return {"serving_default": {}} if any(o.signature for o in self._outputs) else {}

    def get_signature_runner(self, signature_key: str) -> "FakeInterpreter._Runner":  # noqa: ARG002
        return self._Runner(self._outputs)

    def get_tensor(self, tensor_index: int) -> NDArray[Any]:
        return self._outputs[tensor_index].values.copy()

    def set_tensor(self, tensor_index: int, value: NDArray[Any]) -> None:  # noqa: ARG002
        if value.shape != self.fed.shape or value.dtype != self.fed.dtype:
            raise ValueError(f"got {value.shape} {value.dtype}")
        self.fed = value.copy()

    def tensor(self, tensor_index: int) -> Callable[[], NDArray[Any]]:  # noqa: ARG002
        return lambda: self.fed

    def invoke(self) -> None:
        self.invoked += 1

    class _Runner:
        def __init__(self, outputs: Sequence[FakeOutput]) -> None:
            self._outputs = outputs

        def get_output_details(self) -> dict[str, Any]:
            return {o.signature: {"name": o.name} for o in self._outputs}
