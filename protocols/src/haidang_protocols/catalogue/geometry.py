"""Whether a polygon is one that a person can have meant: it does not cross itself and has area."""

from collections.abc import Sequence

Point = tuple[float, float]


def area(polygon: Sequence[Point]) -> float:
    """Signed area by the shoelace formula, in shares of the picture."""
    rolled = (*polygon[1:], polygon[0])
    return sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(polygon, rolled, strict=True)) / 2


def crosses_itself(polygon: Sequence[Point]) -> bool:
    """Whether two edges that are not neighbours touch."""
    edges = [(p, polygon[(i + 1) % len(polygon)]) for i, p in enumerate(polygon)]
    count = len(edges)
    return any(
        _touch(*edges[i], *edges[j])
        for i in range(count)
        for j in range(i + 2, count)
        if (i, j) != (0, count - 1)
    )


def _turn(a: Point, b: Point, c: Point) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _on(a: Point, b: Point, c: Point) -> bool:
    """Whether `c`, in line with a–b, lies between them."""
    return min(a[0], b[0]) <= c[0] <= max(a[0], b[0]) and min(a[1], b[1]) <= c[1] <= max(a[1], b[1])


def _touch(a: Point, b: Point, c: Point, d: Point) -> bool:
    t1, t2, t3, t4 = _turn(a, b, c), _turn(a, b, d), _turn(c, d, a), _turn(c, d, b)
    if ((t1 > 0) != (t2 > 0)) and ((t3 > 0) != (t4 > 0)) and 0 not in (t1, t2, t3, t4):
        return True
    ends = ((t1, a, b, c), (t2, a, b, d), (t3, c, d, a), (t4, c, d, b))
    return any(t == 0 and _on(p, q, r) for t, p, q, r in ends)
