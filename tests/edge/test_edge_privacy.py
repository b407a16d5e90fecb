"""Redaction, judged by the pixels of the decoded JPEG: what is not released is not seen."""

from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from haidang_edge.privacy import RedactionFailedError, crop_around, redact
from haidang_edge.privacy.redact import JPEG_BYTES_MAX

Pixels = NDArray[np.uint8]
WIDTH, HEIGHT = 640, 360
WHOLE = (0.0, 0.0, 1.0, 1.0)


def checkered(width: int = WIDTH, height: int = HEIGHT, cell: int = 4) -> Pixels:
    """Black and white cells: any detail that survives shows as contrast."""
    y, x = np.mgrid[:height, :width] // cell
    return np.repeat((((x + y) % 2) * 255).astype(np.uint8)[:, :, None], 3, 2)


def decoded(jpeg: bytes) -> Pixels:
    (frame,) = av.CodecContext.create("mjpeg", "r").decode(av.Packet(jpeg))
    pixels: Any = frame.to_ndarray(format="rgb24")
    return pixels  # type: ignore[no-any-return]


def contrast(pixels: Pixels, box: tuple[float, float, float, float], *, edge_px: int = 16) -> float:
    """Mean distance from grey inside a box, a JPEG block away from its edge."""
    height, width = pixels.shape[:2]
    x0, y0, x1, y1 = (round(v * s) for v, s in zip(box, (width, height) * 2, strict=True))
    inner = pixels[y0 + edge_px : y1 - edge_px, x0 + edge_px : x1 - edge_px].astype(int)
    assert inner.size
    return float(abs(inner - 127).mean())


def test_nothing_is_shown_unless_it_is_released() -> None:
    shown = decoded(redact(checkered(), crop=WHOLE).jpeg)
    assert shown.shape == (HEIGHT, WIDTH, 3)
    assert contrast(shown, WHOLE, edge_px=0) < 10


def test_only_released_boxes_come_back_and_withheld_ones_cut_into_them() -> None:
    released, withheld = (0.1, 0.1, 0.6, 0.9), (0.4, 0.0, 0.9, 1.0)
    snapshot = redact(checkered(), crop=WHOLE, released=[released], withheld=[withheld])
    shown = decoded(snapshot.jpeg)
    assert contrast(shown, (0.1, 0.1, 0.4, 0.9)) > 100
    assert contrast(shown, withheld) < 10, "the overlap stays hidden"
    assert contrast(shown, (0.9, 0.0, 1.0, 1.0)) < 10
    assert contrast(shown, (0.0, 0.0, 0.1, 1.0)) < 10


def test_a_block_is_an_eighth_of_the_box_and_never_smaller_than_16_pixels() -> None:
    ramp = np.repeat(np.linspace(0, 255, WIDTH).astype(np.uint8)[None, :], HEIGHT, 0)
    picture = np.repeat(ramp[:, :, None], 3, 2)
    for crop, blocks in ((WHOLE, 8), ((0.0, 0.0, 0.1, 0.2), 4)):
        shown = decoded(redact(picture, crop=crop).jpeg)
        middle = shown[shown.shape[0] // 2, :, 0].astype(int)
        steps = np.nonzero(abs(np.diff(middle)) > 3)[0]
        assert len(np.unique(steps // 8)) <= blocks


def test_somebody_larger_than_the_crop_makes_the_blocks_larger() -> None:
    cells = checkered(cell=24)
    crop = (0.4, 0.4, 0.6, 0.6)
    assert contrast(decoded(redact(cells, crop=crop).jpeg), WHOLE, edge_px=0) > 10
    hidden = redact(cells, crop=crop, withheld=[(0.0, 0.0, 1.0, 1.0)])
    assert contrast(decoded(hidden.jpeg), WHOLE, edge_px=0) < 20


def test_the_picture_itself_is_left_as_it_was() -> None:
    picture = checkered()
    redact(picture, crop=WHOLE, released=[(0.2, 0.2, 0.5, 0.5)])
    assert (picture == checkered()).all()


def test_a_large_noisy_picture_becomes_small_enough() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (2160, 3840, 3), np.uint8)
    snapshot = redact(noise, crop=WHOLE, released=[WHOLE])
    assert len(snapshot.jpeg) <= JPEG_BYTES_MAX
    assert max(decoded(snapshot.jpeg).shape) <= 960


def test_the_crop_holds_the_box_with_its_surroundings_inside_the_picture() -> None:
    assert crop_around((0.4, 0.2, 0.5, 0.6), width=WIDTH, height=HEIGHT) == pytest.approx(
        (0.4 - 36 / 640, 0.1, 0.5 + 36 / 640, 0.7)
    )
    assert crop_around((0.0, 0.9, 0.1, 1.0), width=WIDTH, height=HEIGHT)[3] == 1.0
    x0, _, x1, _ = crop_around((0.5, 0.5, 0.501, 0.501), width=WIDTH, height=HEIGHT)
    assert (x1 - x0) * WIDTH >= 63


@pytest.mark.parametrize(
    ("picture", "crop"),
    [
        (checkered(), (0.5, 0.5, 0.5, 0.5)),
        (checkered(), (2.0, 2.0, 3.0, 3.0)),
        (checkered(), (float("nan"),) * 4),
        (checkered(1, 1), WHOLE),
        (np.empty((0, 0, 3), np.uint8), WHOLE),
    ],
)
def test_what_cannot_be_made_safe_gives_no_picture(picture: Pixels, crop: Any) -> None:
    with pytest.raises(RedactionFailedError):
        redact(picture, crop=crop, released=[WHOLE])


_share = st.floats(0, 1, width=32)
_box = st.tuples(_share, _share, _share, _share).map(
    lambda b: (min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]), max(b[1], b[3]))
)


@settings(max_examples=40)
@given(crop=_box, released=st.lists(_box, max_size=3), withheld=st.lists(_box, max_size=3))
def test_whatever_the_boxes_withheld_ones_stay_hidden(
    crop: Any, released: list[Any], withheld: list[Any]
) -> None:
    picture = np.full((HEIGHT, WIDTH, 3), 127, np.uint8)
    secret = np.zeros((HEIGHT, WIDTH), bool)
    for x0, y0, x1, y1 in withheld:
        secret[
            int(y0 * HEIGHT) : int(np.ceil(y1 * HEIGHT)), int(x0 * WIDTH) : int(np.ceil(x1 * WIDTH))
        ] = True
    cells = checkered(cell=2)
    picture[secret] = cells[secret]
    try:
        snapshot = redact(picture, crop=crop, released=released, withheld=withheld)
    except RedactionFailedError:
        return
    shown = decoded(snapshot.jpeg).astype(int)
    # means of such cells are grey again, but for slivers narrower than a cell at a block's edge
    assert np.percentile(abs(shown - 127), 90) < 45
