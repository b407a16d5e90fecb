"""Smooth shapes on a small patch: each is a distance in pixels, its edge one pixel soft.

A patch holds premultiplied colour, so that parts are laid over each other and the whole goes onto
the picture once.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Colour = tuple[float, float, float]
Point = tuple[float, float]


@lru_cache(maxsize=512)
def _grid(height: int, width: int) -> tuple[Floats, Floats]:
    ys = np.arange(height, dtype=np.float32)[:, None] + np.float32(0.5)
    xs = np.arange(width, dtype=np.float32)[None, :] + np.float32(0.5)
    return ys, xs


class Patch:
    """A drawing of `height` × `width` pixels, empty at first; coordinates in its own pixels."""

    __slots__ = ("alpha", "colour", "height", "width")

    def __init__(self, height: int, width: int) -> None:
        """Nothing is on it yet."""
        self.height, self.width = height, width
        self.colour: Floats = np.zeros((height, width, 3), np.float32)
        self.alpha: Floats = np.zeros((height, width), np.float32)

    def _window(self, x0: float, y0: float, x1: float, y1: float) -> tuple[slice, slice] | None:
        rows = slice(max(0, int(y0) - 1), min(self.height, int(y1) + 2))
        columns = slice(max(0, int(x0) - 1), min(self.width, int(x1) + 2))
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return None
        return rows, columns

    def _cover(self, window: tuple[slice, slice], share: Floats, colour: Colour) -> None:
        left = 1.0 - share
        self.colour[window] *= left[..., None]
        self.colour[window] += share[..., None] * np.asarray(colour, np.float32)
        self.alpha[window] *= left
        self.alpha[window] += share

    def ellipse(
        self,
        centre: Point,
        radii: Point,
        colour: Colour,
        *,
        opacity: float = 1.0,
        soft: float = 1.0,
    ) -> None:
        """An ellipse; `soft` is the width of its edge in pixels."""
        (cx, cy), (rx, ry) = centre, (max(radii[0], 0.3), max(radii[1], 0.3))
        window = self._window(cx - rx - soft, cy - ry - soft, cx + rx + soft, cy + ry + soft)
        if window is None:
            return
        ys, xs = _grid(self.height, self.width)
        ys, xs = ys[window[0]], xs[:, window[1]]
        reach = np.sqrt(((xs - cx) / rx) ** 2 + ((ys - cy) / ry) ** 2)
        distance = (reach - 1.0) * min(rx, ry)
        self._cover(window, _share(distance, soft, opacity), colour)

    def capsule(
        self, begin: Point, end: Point, radius: float, colour: Colour, *, opacity: float = 1.0
    ) -> None:
        """A stroke with round ends."""
        (ax, ay), (bx, by) = begin, end
        radius = max(radius, 0.4)
        window = self._window(
            min(ax, bx) - radius, min(ay, by) - radius, max(ax, bx) + radius, max(ay, by) + radius
        )
        if window is None:
            return
        ys, xs = _grid(self.height, self.width)
        px, py = xs[:, window[1]] - ax, ys[window[0]] - ay
        dx, dy = bx - ax, by - ay
        along = np.clip((px * dx + py * dy) / max(dx * dx + dy * dy, 1e-6), 0.0, 1.0)
        distance = np.sqrt((px - along * dx) ** 2 + (py - along * dy) ** 2) - radius
        self._cover(window, _share(distance, 1.0, opacity), colour)

    def box(self, centre: Point, half: Point, colour: Colour, *, round_px: float = 0.0) -> None:
        """An upright rectangle with rounded corners."""
        (cx, cy), (hw, hh) = centre, half
        window = self._window(cx - hw, cy - hh, cx + hw, cy + hh)
        if window is None:
            return
        corner = min(round_px, hw, hh)
        ys, xs = _grid(self.height, self.width)
        qx = np.abs(xs[:, window[1]] - cx) - hw + corner
        qy = np.abs(ys[window[0]] - cy) - hh + corner
        outside = np.sqrt(np.maximum(qx, 0.0) ** 2 + np.maximum(qy, 0.0) ** 2)
        distance = outside + np.minimum(np.maximum(qx, qy), 0.0) - corner
        self._cover(window, _share(distance, 1.0, 1.0), colour)

    def polygon(self, corners: Sequence[Point], colour: Colour) -> None:
        """A convex polygon, its corners in clockwise order on the picture."""
        xs_, ys_ = [c[0] for c in corners], [c[1] for c in corners]
        window = self._window(min(xs_), min(ys_), max(xs_), max(ys_))
        if window is None:
            return
        ys, xs = _grid(self.height, self.width)
        ys, xs = ys[window[0]], xs[:, window[1]]
        distance: NDArray[Any] | None = None
        for (ax, ay), (bx, by) in zip(corners, (*corners[1:], corners[0]), strict=True):
            length = max(float(np.hypot(bx - ax, by - ay)), 1e-6)
            side = ((xs - ax) * (by - ay) - (ys - ay) * (bx - ax)) / length
            distance = side if distance is None else np.maximum(distance, side)
        if distance is not None:
            self._cover(window, _share(distance, 1.0, 1.0), colour)


def _share(distance: NDArray[Any], soft: float, opacity: float) -> Floats:
    share: Floats = np.clip(0.5 - distance / soft, 0.0, 1.0)
    if opacity != 1.0:
        share *= opacity
    return share
