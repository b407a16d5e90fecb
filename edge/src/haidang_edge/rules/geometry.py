"""Points, lines and polygons on a picture whose y grows downwards; all in shares of its size."""

from collections.abc import Sequence

Point = tuple[float, float]
Box = tuple[float, float, float, float]

_WITHIN = 1.0 - 1e-9


def inside(point: Point, polygon: Sequence[Point]) -> bool:
    """Whether a point is in a polygon, by counting the edges to its right.

    The picture's own edge belongs to a zone that reaches it: there stands who is cut off by it.
    """
    x, y = min(point[0], _WITHIN), min(point[1], _WITHIN)
    odd = False
    x0, y0 = polygon[-1]
    for x1, y1 in polygon:
        if (y0 > y) != (y1 > y) and x < (x1 - x0) * (y - y0) / (y1 - y0) + x0:
            odd = not odd
        x0, y0 = x1, y1
    return odd


def beside(point: Point, line: tuple[Point, Point]) -> float:
    """Distance from the endless line: above 0 on its right hand, seen from its first point."""
    (x0, y0), (x1, y1) = line
    dx, dy = x1 - x0, y1 - y0
    across = dx * (point[1] - y0) - dy * (point[0] - x0)
    return float(across / (dx * dx + dy * dy) ** 0.5)


def meet(a: Point, b: Point, line: tuple[Point, Point]) -> bool:
    """Whether the way from `a` to `b`, on different sides of the endless line, meets its length."""
    p, q = line
    return _turn(a, b, p) * _turn(a, b, q) <= 0


def around(boxes: Sequence[Box]) -> Box:
    """The smallest box around all."""
    return (
        min(b[0] for b in boxes),
        min(b[1] for b in boxes),
        max(b[2] for b in boxes),
        max(b[3] for b in boxes),
    )


def apart(a: Point, b: Point) -> float:
    """How far two points are from each other, along the longer of both directions."""
    return max(abs(a[0] - b[0]), abs(a[1] - b[1]))


def _turn(a: Point, b: Point, c: Point) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
