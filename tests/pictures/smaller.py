"""A PNG made small: 256 colours of its own, dithered, packed as tightly as may be."""

import io
from fractions import Fraction

import av
import av.filter
from av.video.frame import VideoFrame


def smaller(png: bytes, *, bytes_max: int) -> bytes:
    """The same picture; raises `ValueError` when even so it is too large."""
    with av.open(io.BytesIO(png), "r") as container:
        picture = next(container.decode(video=0)).to_ndarray(format="rgb24")
    packed = _packed(_few_colours(VideoFrame.from_ndarray(picture, format="rgb24")))
    if len(packed) > bytes_max:
        raise ValueError(f"the picture takes {len(packed)} bytes, {bytes_max} are allowed")
    return packed


def _few_colours(frame: VideoFrame) -> VideoFrame:
    graph = av.filter.Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format)
    split = graph.add("split")
    palette = graph.add("palettegen", "stats_mode=single:reserve_transparent=0")
    use = graph.add("paletteuse", "new=1:dither=bayer:bayer_scale=5")
    sink = graph.add("buffersink")
    source.link_to(split)
    split.link_to(palette, 0)
    split.link_to(use, 1, 0)
    palette.link_to(use, 0, 1)
    use.link_to(sink)
    graph.configure()
    graph.push(frame)
    graph.push(None)
    made = graph.pull()
    if not isinstance(made, VideoFrame):
        raise TypeError(f"no picture came out: {made!r}")
    return made


def _packed(frame: VideoFrame) -> bytes:
    encoder = av.CodecContext.create("png", "w")
    encoder.width, encoder.height = frame.width, frame.height
    encoder.pix_fmt = frame.format.name
    encoder.time_base = Fraction(1, 1)
    encoder.options = {"compression_level": "9", "pred": "mixed"}
    packets = [*encoder.encode(frame), *encoder.encode(None)]
    return b"".join(bytes(packet) for packet in packets)
