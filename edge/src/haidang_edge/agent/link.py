"""The way of a picture from a camera to its model and of boxes back: a shared slot and a socket.

The slot is memory without a name (memfd), so whoever dies leaves nothing behind. The camera writes
its picture straight into it, asks in eight bytes, and has the answer before it writes again.
"""

import mmap
import os
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from haidang_edge.capture import Frame
from haidang_edge.detect import Detections

Pixels = NDArray[np.uint8]
Infer = Callable[[Pixels, tuple[float, float]], Detections]

ANSWER_S = 10.0
"""An engine that needs longer hangs; the supervisor replaces it, and the camera gets another."""

_ASK = struct.Struct("<ff")
_ROW_BYTES = 24
_ROWS_MAX = 2000


class LinkLostError(Exception):
    """The other end is gone or silent; another link will come."""


def slot_bytes(*, width: int, height: int) -> int:
    """The size of a slot for a model's input."""
    return width * height * 3


@dataclass(slots=True)
class _End:
    """What both ends hold."""

    socket: socket.socket
    memory: mmap.mmap
    pixels: Pixels

    @classmethod
    def take(cls, socket_fd: int, memory_fd: int, *, width: int, height: int) -> Self:
        """Own both descriptors; the memory's is closed once it is mapped."""
        memory = mmap.mmap(memory_fd, slot_bytes(width=width, height=height))
        os.close(memory_fd)
        pixels = np.frombuffer(memory, np.uint8).reshape(height, width, 3)
        return cls(socket.socket(fileno=socket_fd), memory, pixels)

    def close(self) -> None:
        """Let the other end see it; the memory goes with its last user."""
        self.socket.close()


class Asking(_End):
    """The camera's end."""

    def infer(self, frame: Frame) -> Detections:
        """What the model sees in `frame`; raises `LinkLostError`."""
        frame.write_pixels(self.pixels)
        try:
            self.socket.settimeout(ANSWER_S)
            self.socket.send(_ASK.pack(*frame.covers))
            rows = self.socket.recv(_ROWS_MAX * _ROW_BYTES + 1)
        except OSError as error:
            raise LinkLostError(f"the model does not answer: {error}") from error
        if not rows:
            raise LinkLostError("the model is gone")
        return np.frombuffer(rows[1:], np.float32).reshape(-1, 6)


class Answering(_End):
    """The engine's end."""

    def answer(self, infer: Infer) -> bool:
        """Take one question and answer it; False when the camera is gone."""
        try:
            asked = self.socket.recv(_ASK.size)
            if len(asked) < _ASK.size:
                return False
            found = infer(self.pixels, _ASK.unpack(asked))[:_ROWS_MAX]
            self.socket.send(b"\1" + found.astype(np.float32, copy=False).tobytes())
        except (ConnectionError, BrokenPipeError):
            return False
        return True
