"""One decoded picture; what is costly is made only when somebody asks for it."""

import numpy as np
from av import VideoFrame
from av.video.plane import VideoPlane
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

LUMA_WIDTH = 80
"""A point is the mean of 16 × 16 of a 720p picture: no noise; what is less, no model sees."""
PAD = 114
"""The grey that letterboxed models were trained with."""


class Scaler:
    """Brings pictures to one size and keeps swscale's tables for the next. One thread at a time."""

    def __init__(self, *, width: int, height: int, letterbox: bool = False) -> None:
        """For a model that takes `width` × `height`, filled by stretching or with grey added."""
        self.width, self.height, self.letterbox = width, height, letterbox
        self._colour, self._grey, self._whole = (VideoReformatter() for _ in range(3))

    def size(self, frame: VideoFrame) -> tuple[int, int]:
        """Width and height that the picture takes in the model's input."""
        if not self.letterbox:
            return self.width, self.height
        ratio = min(self.width / frame.width, self.height / frame.height)
        return max(int(frame.width * ratio), 1), max(int(frame.height * ratio), 1)

    def colour(self, frame: VideoFrame, into: Pixels | None) -> Pixels:
        """The picture as RGB at the model's size, written to `into` when given."""
        out = np.empty((self.height, self.width, 3), np.uint8) if into is None else into
        width, height = self.size(frame)
        # one thread: a pool of them costs a third more than it gives at such sizes
        scaled = self._colour.reformat(
            frame, width, height, "rgb24", interpolation=Interpolation.FAST_BILINEAR, threads=1
        )
        out[:height, :width] = rows_of(scaled.planes[0], rows=height, row_bytes=width * 3).reshape(
            height, width, 3
        )
        out[height:] = PAD
        out[:height, width:] = PAD
        return out

    def grey(self, frame: VideoFrame) -> Pixels:
        """The picture's brightness, at most `LUMA_WIDTH` wide; area averaging quietens noise."""
        width = min(LUMA_WIDTH, frame.width)
        height = max(round(frame.height * width / frame.width), 1)
        scaled = self._grey.reformat(
            frame, width, height, "gray", interpolation=Interpolation.AREA, threads=1
        )
        return rows_of(scaled.planes[0], rows=height, row_bytes=width).copy()

    def whole(self, frame: VideoFrame) -> Pixels:
        """The picture as RGB at its own size."""
        rgb = self._whole.reformat(
            frame, format="rgb24", interpolation=Interpolation.BILINEAR, threads=1
        )
        rows = rows_of(rgb.planes[0], rows=frame.height, row_bytes=frame.width * 3)
        return rows.reshape(frame.height, frame.width, 3).copy()


class Frame:
    """A picture from a camera. Immutable to its user; not for use by two threads at once.

    Attributes:
        mono_ns: CLOCK_BOOTTIME when it was decoded.
        pts_s: the stream's own time, seconds from its first picture; None where it has none.
        width: of the source's picture; `height` likewise.
        covers: share of `pixels`' width and height that the picture takes, from the top left.
    """

    __slots__ = (
        "_frame",
        "_luma",
        "_pixels",
        "_scaler",
        "covers",
        "height",
        "mono_ns",
        "pts_s",
        "width",
    )

    def __init__(
        self, frame: VideoFrame, *, scaler: Scaler, mono_ns: int, pts_s: float | None
    ) -> None:
        """Wrap what was decoded; nothing is copied yet."""
        self._frame, self._scaler = frame, scaler
        self.mono_ns, self.pts_s = mono_ns, pts_s
        self.width, self.height = frame.width, frame.height
        width, height = scaler.size(frame)
        self.covers = (width / scaler.width, height / scaler.height)
        self._pixels: Pixels | None = None
        self._luma: Pixels | None = None

    @property
    def pixels(self) -> Pixels:
        """uint8 RGB (height, width, 3) at the model's size, C-contiguous; made at first use."""
        if self._pixels is None:
            self._pixels = self._scaler.colour(self._frame, None)
        return self._pixels

    def write_pixels(self, into: Pixels) -> None:
        """Write what `pixels` would be straight into `into`: a slot of shared memory, say."""
        self._scaler.colour(self._frame, into)

    @property
    def luma(self) -> Pixels:
        """uint8 (h, w) small grey picture for the gate; made at first use."""
        if self._luma is None:
            self._luma = self._scaler.grey(self._frame)
        return self._luma

    def picture(self) -> Pixels:
        """The whole picture as RGB (height, width, 3); made anew at each call."""
        return self._scaler.whole(self._frame)


def rows_of(plane: VideoPlane, *, rows: int, row_bytes: int) -> Pixels:
    """The first `rows` of a plane without the padding at their ends; no copy."""
    stride = plane.line_size
    flat = np.frombuffer(memoryview(plane), np.uint8, count=rows * stride)
    return flat.reshape(rows, stride)[:, :row_bytes]
