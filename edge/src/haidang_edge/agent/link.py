"""The way of a picture from a camera to its model and of boxes back: a shared slot and a socket.

The slot is memory without a name (memfd), so whoever dies leaves nothing behind. The camera writes
its picture straight into it, asks in eight bytes, and has the answer before it writes again.
"""

import mmap
import os
import socket
import struct
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from haidang_edge.capture import Frame
from haidang_edge.detect import Detections
from haidang_edge.detect.detections import COLUMNS
from haidang_protocols.wire.reasons import Reason, because

Pixels = NDArray[np.uint8]
Infer = Callable[[Pixels, tuple[float, float]], Detections]

ANSWER_S = 10
"""An engine that needs longer hangs; the supervisor replaces it, and the camera gets another."""

_ASK = struct.Struct("<ff")
_TIMEVAL = struct.Struct("@ll")
_HEAD = b"rows"
_HEAD_BYTES = len(_HEAD)
"""Before the boxes, so that no box at all is not taken for the end; keeps them aligned."""
_ROWS_MAX = 2000


class LinkLostError(Exception):
    """The other end is gone or silent; another link will come."""

    def __init__(self, why: Reason) -> None:
        """Say which of the two."""
        super().__init__(str(why))
        self.why = why


def slot_bytes(*, width: int, height: int) -> int:
    """The size of a slot for a model's input."""
    return width * height * 3


class _End:
    """What both ends hold."""

    def __init__(self, socket_fd: int, memory_fd: int, *, width: int, height: int) -> None:
        """Own both descriptors; the memory's is closed once it is mapped."""
        memory = mmap.mmap(memory_fd, slot_bytes(width=width, height=height))
        os.close(memory_fd)
        self.pixels: Pixels = np.frombuffer(memory, np.uint8).reshape(height, width, 3)
        self.socket = socket.socket(fileno=socket_fd)

    def close(self) -> None:
        """Let the other end see it; the memory goes with its last user."""
        self.socket.close()


class Asking(_End):
    """The camera's end."""

    def __init__(self, socket_fd: int, memory_fd: int, *, width: int, height: int) -> None:
        """See `_End`; an answer is waited for by the kernel, which is cheaper than by Python."""
        super().__init__(socket_fd, memory_fd, width=width, height=height)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _TIMEVAL.pack(ANSWER_S, 0))
        self._answer = bytearray(_HEAD_BYTES + _ROWS_MAX * COLUMNS * 4)

    def infer(self, frame: Frame) -> Detections:
        """What the model sees in `frame`; raises `LinkLostError`."""
        frame.write_pixels(self.pixels)
        try:
            self.socket.send(_ASK.pack(*frame.covers))
            got = self.socket.recv_into(self._answer)
        except OSError as error:
            raise LinkLostError(because("model.mute", why=str(error.strerror))) from error
        if not got:
            raise LinkLostError(because("model.gone"))
        numbers = np.frombuffer(self._answer, np.float32, (got - _HEAD_BYTES) // 4, _HEAD_BYTES)
        return numbers.reshape(-1, COLUMNS).copy()


class Answering(_End):
    """The engine's end."""

    def answer(self, infer: Infer) -> bool:
        """Take one question and answer it; False when the camera is gone."""
        try:
            asked = self.socket.recv(_ASK.size)
            if len(asked) < _ASK.size:
                return False
            found = infer(self.pixels, _ASK.unpack(asked))[:_ROWS_MAX]
            self.socket.send(_HEAD + found.astype(np.float32, copy=False).tobytes())
        except (ConnectionError, BrokenPipeError):
            return False
        return True
