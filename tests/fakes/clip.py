"""Clips drawn on the spot: a bright square walks over a grey ground, to the right and back."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
WIDTH, HEIGHT, FPS, SQUARE = 320, 180, 10, 40


def walking(number: int) -> Picture:
    """Picture `number` (RGB): the square has gone on 8 points; left of it red, right of it blue."""
    picture = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
    left = (number * 8) % (WIDTH - SQUARE)
    picture[70 : 70 + SQUARE, left : left + SQUARE] = (230, 230, 230)
    picture[:20, : WIDTH // 2] = (200, 20, 20)
    picture[:20, WIDTH // 2 :] = (20, 20, 200)
    return picture


def still(_: int) -> Picture:
    """The same picture always."""
    return walking(0)


def write_clip(
    path: Path, *, frames: int, fps: int = FPS, draw: Callable[[int], Picture] = walking
) -> Path:
    """An H.264 clip without B-frames, a key picture every second, as cameras send it."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height = draw(0).shape[1::-1]
        stream.pix_fmt = "yuv420p"
        stream.options = {"tune": "zerolatency", "preset": "ultrafast", "g": str(fps)}
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(draw(number), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
