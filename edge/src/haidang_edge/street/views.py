"""Four places that cameras look at: how the ground lies, what stands on it, where things go.

The ground is measured in metres: `x` to the right of the camera's axis, `z` away from it. A pinhole
camera at `height_m` above the ground, level but for its horizon, gives every point its place.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ground = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lens:
    """How the ground lies in a picture of `width` × `height` pixels.

    Attributes:
        focal: focal length in widths of the picture.
        height_m: the camera's height above the ground.
        horizon: where the horizon is, as a share of the picture's height.
    """

    width: int
    height: int
    focal: float
    height_m: float
    horizon: float

    def place(self, x: float, z: float) -> tuple[float, float, float]:
        """Pixel column and row of a point on the ground, and pixels per metre there."""
        scale = self.focal * self.width / z
        row = self.horizon * self.height + scale * self.height_m
        return self.width / 2 + x * scale, row, scale

    def ground(self) -> tuple[Floats, Floats, NDArray[np.bool_]]:
        """X and z in metres of every pixel, and which pixels are ground."""
        rows = np.arange(self.height, dtype=np.float32)[:, None] + np.float32(0.5)
        columns = np.arange(self.width, dtype=np.float32)[None, :] + np.float32(0.5)
        below = np.maximum(rows - self.horizon * self.height, 0.25)
        z = self.focal * self.width * self.height_m / below
        x = (columns - self.width / 2) * z / (self.focal * self.width)
        z = np.broadcast_to(z, x.shape).astype(np.float32)
        is_ground = np.broadcast_to(rows > self.horizon * self.height + 1, x.shape)
        return x.astype(np.float32), z, is_ground


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """Where one class of things goes, in metres and metres a second.

    Attributes:
        every_s: one comes at most this often, with `chance`.
        spread_m: how far beside the path it may go.
        pause: share of those who stop half way, and for how long at least and most.
    """

    cls: str
    points: tuple[Ground, ...]
    speed: float
    every_s: float
    chance: float
    spread_m: float = 0.0
    pause: float = 0.0
    pause_s: tuple[float, float] = (15.0, 45.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A place.

    Attributes:
        lens: focal, height and horizon; its size is replaced by the camera's.
        paint: colours of the background by day, 0..255, from ground coordinates.
        anchors: where something may burn.
        lamps: where street lamps stand.
    """

    name: str
    focal: float
    height_m: float
    horizon: float
    paint: Callable[[Lens, np.random.Generator], Floats]
    paths: tuple[Path, ...]
    anchors: tuple[Ground, ...]
    lamps: tuple[Ground, ...]

    def lens(self, width: int, height: int) -> Lens:
        """The view's lens for a picture of that size."""
        return Lens(
            width=width,
            height=height,
            focal=self.focal,
            height_m=self.height_m,
            horizon=self.horizon,
        )


# --- painting ---------------------------------------------------------------------------------


def _sky(lens: Lens) -> Floats:
    rows = np.linspace(0.0, 1.0, lens.height, dtype=np.float32)[:, None, None]
    top, low = np.array((126, 168, 214), np.float32), np.array((214, 226, 232), np.float32)
    sky = top + (low - top) * np.clip(rows / max(lens.horizon, 0.05), 0, 1)
    return np.broadcast_to(sky, (lens.height, lens.width, 3)).astype(np.float32)


def _clouded(height: int, width: int, rnd: np.random.Generator, cell: int) -> Floats:
    """Smooth noise around 0: what no wall and no asphalt is without."""
    coarse = rnd.normal(0.0, 1.0, (height // cell + 3, width // cell + 3)).astype(np.float32)
    rows = np.linspace(0, coarse.shape[0] - 1.001, height, dtype=np.float32)
    columns = np.linspace(0, coarse.shape[1] - 1.001, width, dtype=np.float32)
    r0, c0 = rows.astype(int), columns.astype(int)
    fr, fc = (rows - r0)[:, None], (columns - c0)[None, :]
    top = coarse[r0][:, c0] * (1 - fc) + coarse[r0][:, c0 + 1] * fc
    low = coarse[r0 + 1][:, c0] * (1 - fc) + coarse[r0 + 1][:, c0 + 1] * fc
    smooth: Floats = top * (1 - fr) + low * fr
    return smooth


def _put(canvas: Floats, where: NDArray[np.bool_], colour: tuple[float, float, float]) -> None:
    canvas[where] = colour


def _texture(canvas: Floats, rnd: np.random.Generator, *, strength: float) -> Floats:
    height, width, _ = canvas.shape
    rough = 3.0 * _clouded(height, width, rnd, 24) + 2.0 * _clouded(height, width, rnd, 5)
    canvas += (strength * rough)[..., None]
    canvas += rnd.normal(0.0, 2.0, (height, width, 1)).astype(np.float32)
    return np.clip(canvas, 0, 255).astype(np.float32)


def _upright(
    canvas: Floats,
    lens: Lens,
    at: Ground,
    size: tuple[float, float],
    colour: tuple[float, float, float],
    base_m: float = 0.0,
) -> tuple[slice, slice]:
    """A flat thing, `size` metres wide and high, that stands at `at` and faces the camera."""
    column, row, scale = lens.place(*at)
    rows = slice(max(0, int(row - (base_m + size[1]) * scale)), max(0, int(row - base_m * scale)))
    half = size[0] * scale / 2
    columns = slice(max(0, int(column - half)), max(0, min(lens.width, int(column + half))))
    canvas[rows, columns] = colour
    return rows, columns


def _house(
    canvas: Floats, lens: Lens, at: Ground, size: tuple[float, float], rnd: np.random.Generator
) -> None:
    """A tube house with rows of windows and a shop on the ground floor."""
    base = np.array(
        [(214, 196, 160), (196, 208, 206), (222, 214, 200), (186, 160, 140)], np.float32
    )
    wall = base[int(rnd.integers(len(base)))] * float(rnd.uniform(0.85, 1.05))
    _upright(canvas, lens, at, size, tuple(wall))
    floors = int(size[1] // 3)
    for floor in range(floors):
        for column in np.arange(-size[0] / 2 + 1.0, size[0] / 2 - 0.5, 1.9):
            dark = float(rnd.uniform(50, 90))
            _upright(
                canvas, lens, (at[0] + float(column), at[1]), (1.0, 1.5),
                (dark, dark * 1.1, dark * 1.2), base_m=3 * floor + 1.0,
            )  # fmt: skip
    sign = tuple(float(v) for v in rnd.uniform(60, 230, 3))
    _upright(canvas, lens, at, (size[0] * 0.92, 0.7), sign, base_m=2.7)  # type: ignore[arg-type]


def _palm(canvas: Floats, lens: Lens, at: Ground, tall: float, rnd: np.random.Generator) -> None:
    column, row, scale = lens.place(*at)
    _upright(canvas, lens, at, (0.28, tall), (118, 98, 76))
    rows, columns = np.mgrid[0 : lens.height, 0 : lens.width].astype(np.float32)
    top = row - tall * scale
    for turn in np.linspace(-2.9, -0.2, 9) + rnd.uniform(-0.1, 0.1, 9):
        for share in np.linspace(0.1, 1.0, 9):
            cx = column + float(np.cos(turn)) * 1.9 * scale * share
            cy = top + float(np.sin(turn)) * 1.1 * scale * share + 0.9 * scale * share**2
            near = (columns - cx) ** 2 + (rows - cy) ** 2 < (0.24 * scale * (1.2 - share)) ** 2
            canvas[near] = (58 + 20 * share, 104 + 16 * share, 52)


def _road(canvas: Floats, x: Floats, z: Floats, on: NDArray[np.bool_], *, across: bool) -> None:
    """Asphalt with a broken middle line; `x`, `z` measured from the middle of the road."""
    _put(canvas, on, (104, 104, 108))
    along, beside = (x, z) if across else (z, x)
    _put(canvas, on & (np.abs(beside) < 0.09) & ((along % 4.0) < 2.2), (222, 220, 206))


def _tiles(x: Floats, z: Floats, size: float) -> NDArray[np.bool_]:
    checks: NDArray[np.bool_] = ((np.floor(x / size) + np.floor(z / size)) % 2) == 0
    return checks


def _promenade(lens: Lens, rnd: np.random.Generator) -> Floats:
    canvas = _sky(lens)
    x, z, ground = lens.ground()
    sea = ground & (z > 17.0)
    wave = np.sin(z * 2.1 + 3 * np.sin(x * 0.35)) + np.sin(x * 0.9 + z * 3.1)
    _put(canvas, sea, (70, 128, 150))
    canvas[sea] += (6.0 * wave[sea])[:, None]
    _put(canvas, ground & (z <= 17.0) & (z > 13.6), (214, 196, 158))
    walk = ground & (z <= 13.6)
    _put(canvas, walk, (186, 176, 168))
    _put(canvas, walk & _tiles(x, z, 0.8), (174, 160, 150))
    _road(canvas, x, z - 8.0, ground & (np.abs(z - 8.0) < 1.9), across=True)
    _put(canvas, ground & (np.abs(np.abs(z - 8.0) - 2.0) < 0.13), (206, 206, 200))
    for at in np.arange(-14.0, 14.1, 1.0):
        _upright(canvas, lens, (float(at), 13.7), (0.07, 0.9), (232, 232, 226))
    column = lens.place(0.0, 13.7)
    rows = slice(int(column[1] - 0.92 * column[2]), int(column[1] - 0.82 * column[2]) + 1)
    canvas[rows] = (236, 236, 230)
    for at in (-11.5, -5.2, 4.3, 10.8):
        _palm(canvas, lens, (at + float(rnd.uniform(-0.6, 0.6)), 15.0), 3.6, rnd)
    return _texture(canvas, rnd, strength=1.0)


def _junction(lens: Lens, rnd: np.random.Generator) -> Floats:
    canvas = _sky(lens)
    x, z, ground = lens.ground()
    _put(canvas, ground, (176, 168, 158))
    _put(canvas, ground & _tiles(x, z, 0.7), (166, 156, 146))
    for at in np.arange(-24.0, 24.1, 5.5):
        if abs(at) > 4.6:
            tall = float(rnd.uniform(7, 13))
            _house(canvas, lens, (float(at), 27.0), (5.2, tall), rnd)
    _road(canvas, x, z, ground & (np.abs(x) < 3.6) & (z < 90.0), across=False)
    _road(canvas, x, z - 15.0, ground & (np.abs(z - 15.0) < 3.4), across=True)
    crossing = ground & (np.abs(x) < 3.4) & (np.abs(z - 10.4) < 0.9)
    _put(canvas, crossing & ((x % 1.0) < 0.52), (230, 230, 222))
    crossing = ground & (np.abs(x) < 3.4) & (np.abs(z - 19.8) < 0.8)
    _put(canvas, crossing & ((x % 1.0) < 0.52), (222, 222, 214))
    for at in (-4.6, 4.6):
        _upright(canvas, lens, (at, 11.6), (0.14, 3.2), (70, 74, 76))
        _upright(canvas, lens, (at, 11.6), (0.45, 0.95), (36, 38, 40), base_m=2.5)
        _upright(canvas, lens, (at, 11.58), (0.22, 0.22), (60, 190, 90), base_m=2.6)
    return _texture(canvas, rnd, strength=1.0)


def _port(lens: Lens, rnd: np.random.Generator) -> Floats:
    canvas = _sky(lens)
    x, z, ground = lens.ground()
    _put(canvas, ground, (150, 146, 140))
    _road(canvas, x, z, ground & (np.abs(x) < 4.2), across=False)
    _put(canvas, ground & (np.abs(np.abs(x) - 4.2) < 0.1), (226, 196, 70))
    colours = ((158, 60, 44), (44, 88, 132), (70, 112, 84), (186, 128, 48), (128, 132, 136))
    for level in range(3):
        for at in np.arange(-22.0, 22.1, 6.3):
            if abs(at) < 6.0:
                continue
            colour = colours[int(rnd.integers(len(colours)))]
            rows, columns = _upright(
                canvas, lens, (float(at), 25.0), (6.0, 2.5), colour, base_m=2.6 * level
            )
            canvas[rows, columns][:, ::4] *= 0.86
    _upright(canvas, lens, (-6.6, 16.0), (2.6, 2.7), (224, 220, 208))
    _upright(canvas, lens, (-6.6, 15.98), (1.5, 0.9), (66, 84, 98), base_m=1.2)
    for at in np.arange(-4.4, 4.4, 0.6):
        bright = round(float(at) / 0.6) % 2 == 0
        _upright(
            canvas, lens, (float(at), 16.2), (0.62, 0.16),
            (214, 56, 48) if bright else (240, 238, 232), base_m=4.2,
        )  # fmt: skip
    for at in np.arange(-16.0, 16.1, 1.6):
        if abs(at) > 4.6:
            _upright(canvas, lens, (float(at), 18.0), (0.08, 1.9), (120, 124, 126))
    return _texture(canvas, rnd, strength=1.2)


def _market(lens: Lens, rnd: np.random.Generator) -> Floats:
    canvas = _sky(lens)
    x, z, ground = lens.ground()
    _put(canvas, ground, (160, 150, 138))
    _put(canvas, ground & _tiles(x, z, 1.1), (150, 140, 130))
    for at in np.arange(-20.0, 20.1, 4.8):
        _house(canvas, lens, (float(at), 22.0), (4.7, float(rnd.uniform(6, 10))), rnd)
    awnings = ((198, 66, 60), (62, 120, 172), (226, 186, 84), (84, 148, 98), (220, 220, 212))
    for at in np.arange(-13.5, 13.6, 3.4):
        depth = 17.2
        _upright(canvas, lens, (float(at), depth), (2.6, 0.9), (134, 108, 82))
        for fruit in np.arange(-1.1, 1.11, 0.2):
            pile = tuple(float(v) for v in rnd.uniform((120, 60, 30), (240, 190, 80)))
            where = (float(at + fruit), depth - 0.02)
            _upright(canvas, lens, where, (0.2, 0.18), pile, base_m=0.88)  # type: ignore[arg-type]
        colour = awnings[int(rnd.integers(len(awnings)))]
        rows, columns = _upright(canvas, lens, (float(at), depth), (3.1, 0.6), colour, base_m=2.1)
        canvas[rows, columns][:, ::6] *= 0.8
        for pole in (-1.4, 1.4):
            _upright(canvas, lens, (float(at + pole), depth), (0.07, 2.2), (96, 92, 88))
    return _texture(canvas, rnd, strength=1.1)


VIEWS: dict[str, View] = {
    "promenade": View(
        name="promenade",
        focal=0.86,
        height_m=4.2,
        horizon=0.16,
        paint=_promenade,
        paths=(
            Path(cls="person", points=((-13, 12.3), (13, 12.3)), speed=1.3, every_s=5, chance=0.5,
                 spread_m=0.7, pause=0.12),
            Path(cls="person", points=((13, 11.3), (-13, 11.3)), speed=1.2, every_s=6, chance=0.5,
                 spread_m=0.6, pause=0.1),
            Path(cls="person", points=((-3, 15.6), (13, 15.9)), speed=0.9, every_s=20, chance=0.35,
                 spread_m=0.4, pause=0.3),
            Path(cls="motorbike", points=((13, 8.8), (-13, 8.8)), speed=5.5, every_s=3,
                 chance=0.55, spread_m=0.4),
            Path(cls="car", points=((-15, 7.6), (15, 7.6)), speed=6.0, every_s=6, chance=0.5),
        ),
        anchors=((-7.0, 12.9), (6.5, 12.9), (2.0, 15.4)),
        lamps=((-8.0, 13.2), (0.0, 13.2), (8.0, 13.2)),
    ),
    "junction": View(
        name="junction",
        focal=0.84,
        height_m=5.0,
        horizon=0.14,
        paint=_junction,
        paths=(
            Path(cls="car", points=((-24, 16.6), (24, 16.6)), speed=6.5, every_s=5, chance=0.5),
            Path(cls="motorbike", points=((24, 13.4), (-24, 13.4)), speed=6.0, every_s=2.5,
                 chance=0.55, spread_m=0.6),
            Path(cls="car", points=((1.8, 7.6), (1.8, 38.0)), speed=5.5, every_s=8, chance=0.45),
            Path(cls="motorbike", points=((-1.7, 38.0), (-1.7, 7.4)), speed=5.5, every_s=4,
                 chance=0.5, spread_m=0.6),
            Path(cls="person", points=((-9, 10.4), (9, 10.4)), speed=1.35, every_s=7, chance=0.5,
                 spread_m=0.5),
            Path(cls="person", points=((11, 19.8), (-11, 19.8)), speed=1.3, every_s=9, chance=0.5,
                 spread_m=0.5, pause=0.08),
            Path(cls="person", points=((-5.6, 9.0), (-5.6, 24.0)), speed=1.25, every_s=14,
                 chance=0.4, spread_m=0.4),
        ),
        anchors=((-7.5, 20.5), (7.5, 20.5), (6.5, 10.8)),
        lamps=((-6.0, 19.0), (6.0, 19.0), (-6.0, 11.0), (6.0, 11.0)),
    ),
    "port": View(
        name="port",
        focal=0.9,
        height_m=4.6,
        horizon=0.17,
        paint=_port,
        paths=(
            Path(cls="car", points=((1.9, 38.0), (1.9, 7.4)), speed=4.5, every_s=8, chance=0.5),
            Path(cls="car", points=((-1.9, 7.4), (-1.9, 38.0)), speed=4.5, every_s=9, chance=0.5),
            Path(cls="motorbike", points=((3.3, 36.0), (3.3, 7.4)), speed=5.0, every_s=6,
                 chance=0.5, spread_m=0.3),
            Path(cls="person", points=((-9, 12.5), (9, 12.5)), speed=1.3, every_s=14, chance=0.4,
                 spread_m=0.6, pause=0.15),
            Path(cls="person", points=((6.5, 9.0), (6.5, 24.0)), speed=1.2, every_s=22, chance=0.4,
                 spread_m=0.4, pause=0.2),
        ),
        anchors=((-9.0, 21.0), (9.5, 21.0), (7.0, 14.0)),
        lamps=((-5.5, 15.0), (5.5, 15.0), (0.0, 23.0)),
    ),
    "market": View(
        name="market",
        focal=0.88,
        height_m=4.0,
        horizon=0.15,
        paint=_market,
        paths=(
            Path(cls="person", points=((-12, 14.8), (12, 14.8)), speed=0.9, every_s=4, chance=0.6,
                 spread_m=0.8, pause=0.35, pause_s=(8, 30)),
            Path(cls="person", points=((12, 12.6), (-12, 12.6)), speed=1.0, every_s=5, chance=0.5,
                 spread_m=0.8, pause=0.2, pause_s=(8, 25)),
            Path(cls="person", points=((-2.5, 7.8), (-1.0, 16.0)), speed=1.0, every_s=11,
                 chance=0.45, spread_m=0.8, pause=0.2),
            Path(cls="motorbike", points=((-12, 9.8), (12, 9.8)), speed=3.5, every_s=5,
                 chance=0.5, spread_m=0.4),
            Path(cls="person", points=((3.5, 16.2), (2.0, 7.8)), speed=1.1, every_s=13, chance=0.4,
                 spread_m=0.6),
            Path(cls="car", points=((14, 11.2), (-14, 11.2)), speed=3.0, every_s=20, chance=0.35),
        ),
        anchors=((-6.0, 16.4), (5.0, 16.4), (9.0, 11.0)),
        lamps=((-7.0, 16.0), (0.0, 16.0), (7.0, 16.0)),
    ),
}  # fmt: skip
