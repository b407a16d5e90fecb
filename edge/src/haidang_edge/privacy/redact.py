"""Default-deny redaction: pixelate the crop, put back what is released, encode; or no picture.

Pixels are replaced before anything is encoded, scaled or written, so no later step can bring them
back. Any failure is a `RedactionFailedError`: there is no way to an unredacted picture.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from haidang_protocols.errors import HaidangError
from haidang_protocols.wire.records import Box
from haidang_protocols.wire.snapshot import SNAPSHOT_BYTES_MAX

Pixels = NDArray[np.uint8]

BLOCK_MIN_PX = 16
BLOCKS_ACROSS = 8
"""A person as wide as the crop is shown in so many blocks at most: no face survives that."""

PAD = 0.25
CROP_MIN_PX = 64
SIDE_MAX_PX = 960
JPEG_BYTES_MAX = SNAPSHOT_BYTES_MAX - 4096
QUALITIES = (4, 8, 14, 22, 31)
"""MJPEG quantiser scales, best first; 31 is the coarsest there is."""


class RedactionFailedError(HaidangError):
    """A picture could not be made safe, or not made small enough; it does not leave."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A redacted JPEG, and which share of the camera's picture it shows."""

    jpeg: bytes
    crop: Box


def crop_around(box: Box, *, width: int, height: int) -> Box:
    """An event's box with some of its surroundings, within a picture of `width` × `height`."""
    x0, y0, x1, y1 = box
    side = max((x1 - x0) * width, (y1 - y0) * height)
    half_x = max((x1 - x0) * width / 2 + PAD * side, CROP_MIN_PX / 2) / width
    half_y = max((y1 - y0) * height / 2 + PAD * side, CROP_MIN_PX / 2) / height
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    return (max(x - half_x, 0), max(y - half_y, 0), min(x + half_x, 1), min(y + half_y, 1))


def redact(
    picture: Pixels, *, crop: Box, released: Iterable[Box] = (), withheld: Iterable[Box] = ()
) -> Snapshot:
    """The crop of a picture, unrecognisable but for the released boxes.

    Args:
        picture: uint8 RGB (height, width, 3), as the camera gave it; it is not changed.
        crop: what to show, in shares of the picture.
        released: boxes, found in this very picture, that may be seen.
        withheld: other boxes found in it: where one overlaps a released box, it stays hidden.

    Raises:
        RedactionFailedError: no safe picture of at most `JPEG_BYTES_MAX` could be made.
    """
    withheld = tuple(withheld)
    try:
        x0, y0, x1, y1 = _inner(crop, picture)
        region = picture[y0:y1, x0:x1]
        shown = _hidden(region, _block(picture, crop, withheld))
        visible = np.zeros(picture.shape[:2], bool)
        for left, top, right, bottom in (_inner(box, picture) for box in released):
            visible[top:bottom, left:right] = True
        for left, top, right, bottom in (_outer(box, picture) for box in withheld):
            visible[top:bottom, left:right] = False
        visible = visible[y0:y1, x0:x1]
        shown[visible] = region[visible]
        jpeg = _small(shown)
    except (ValueError, IndexError, MemoryError, OSError, av.FFmpegError) as error:
        raise RedactionFailedError(f"picture of {picture.shape}, crop {crop}: {error}") from error
    height, width = picture.shape[:2]
    return Snapshot(jpeg=jpeg, crop=(x0 / width, y0 / height, x1 / width, y1 / height))


def _block(picture: Pixels, crop: Box, withheld: Iterable[Box]) -> int:
    """How coarse: by the crop, and by whoever reaches into it and is larger than it."""
    sides = [BLOCK_MIN_PX * BLOCKS_ACROSS]
    for box in (crop, *withheld):
        if box[0] < crop[2] and box[2] > crop[0] and box[1] < crop[3] and box[3] > crop[1]:
            left, top, right, bottom = _outer(box, picture)
            sides += [right - left, bottom - top]
    return -(-max(sides) // BLOCKS_ACROSS)


def _hidden(region: Pixels, block: int) -> Pixels:
    """Every block as its mean; the blocks at the right and lower edge may be smaller."""
    if not region.size:
        raise ValueError("no whole pixel is in it")
    rows = np.arange(0, region.shape[0], block)
    columns = np.arange(0, region.shape[1], block)
    sums = np.add.reduceat(np.add.reduceat(region.astype(np.uint32), rows, 0), columns, 1)
    high = np.diff(np.append(rows, region.shape[0]))
    wide = np.diff(np.append(columns, region.shape[1]))
    means = (sums // (high[:, None] * wide[None])[:, :, None]).astype(np.uint8)
    hidden: Pixels = np.repeat(np.repeat(means, high, 0), wide, 1)
    return hidden


def _inner(box: Box, picture: Pixels) -> tuple[int, int, int, int]:
    """Pixel edges that lie within a box and the picture."""
    height, width = picture.shape[:2]
    left, top = max(int(np.ceil(box[0] * width)), 0), max(int(np.ceil(box[1] * height)), 0)
    right, bottom = min(int(box[2] * width), width), min(int(box[3] * height), height)
    return left, top, max(right, left), max(bottom, top)


def _outer(box: Box, picture: Pixels) -> tuple[int, int, int, int]:
    """Pixel edges that hold a whole box, with a pixel to spare."""
    height, width = picture.shape[:2]
    left, top = max(int(box[0] * width) - 1, 0), max(int(box[1] * height) - 1, 0)
    right, bottom = int(np.ceil(box[2] * width)) + 1, int(np.ceil(box[3] * height)) + 1
    return left, top, max(right, left), max(bottom, top)


def _small(shown: Pixels) -> bytes:
    """The JPEG in the best quality, then size, that is small enough."""
    height, width = shown.shape[:2]
    scale = min(1.0, SIDE_MAX_PX / max(width, height))
    while min(width, height) * scale >= 2:
        # even sides: the chroma of a JPEG stands for two by two pixels
        size = max(int(width * scale) // 2 * 2, 2), max(int(height * scale) // 2 * 2, 2)
        frame = VideoFrame.from_ndarray(shown, format="rgb24").reformat(*size, "yuvj420p")
        for quality in QUALITIES:
            jpeg = _encoded(frame, quality)
            if len(jpeg) <= JPEG_BYTES_MAX:
                return jpeg
        scale /= 2
    raise ValueError(f"not within {JPEG_BYTES_MAX} bytes")


def _encoded(frame: VideoFrame, quality: int) -> bytes:
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, "yuvj420p"
    encoder.time_base, encoder.thread_count = Fraction(1, 25), 1
    encoder.qmin = encoder.qmax = quality
    return b"".join(bytes(packet) for packet in (*encoder.encode(frame), *encoder.encode(None)))
