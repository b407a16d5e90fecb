"""Puts a street together for one moment: who is there, in what light, and what is true of it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from haidang_edge.street import actors
from haidang_edge.street.actors import Drawing, Pose
from haidang_edge.street.shapes import Floats
from haidang_edge.street.views import VIEWS, Lens, Path

Pixels = NDArray[np.uint8]
TRUTH_MIN_ALPHA = 0.35
INCIDENT_SLOT_S = 60.0
STREAKS = 140


class Light(StrEnum):
    """The time of day, or the weather."""

    DAY = "day"
    DUSK = "dusk"
    NIGHT = "night"
    RAIN = "rain"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreetSettings:
    """A rendered camera.

    Attributes:
        traffic: factor on how many come.
        incidents: chance that something burns in a minute.
    """

    view: str
    light: Light = Light.DAY
    seed: int = 1
    width: int = 640
    height: int = 360
    traffic: float = 1.0
    incidents: float = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What is there: a stable id, its class, its box in shares, the share that is not hidden."""

    id: str
    cls: str
    box: tuple[float, float, float, float]
    visible: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Actor:
    """Somebody or something at one moment."""

    id: str
    cls: str
    x: float
    z: float
    seed: int
    pose: Pose
    size: float = 1.0
    age_s: float = 0.0


_TINT = {
    Light.DAY: (1.0, 1.0, 1.0),
    Light.DUSK: (0.78, 0.58, 0.52),
    Light.NIGHT: (0.22, 0.24, 0.33),
    Light.RAIN: (0.66, 0.70, 0.74),
}
_DRAW = {"person": actors.person, "car": actors.car, "motorbike": actors.motorbike}
_USUAL_M = {"person": (0.55, 0.45, 1.7), "car": (4.3, 1.8, 1.5), "motorbike": (1.8, 0.8, 1.7)}
"""Length, width and height that `truths` takes for granted."""

SMOKE_FROM_M = 0.5
"""Smoke begins above what burns."""

REACH_M = 4.0
"""Nothing is drawn further beside its foot point."""


class Street:
    """A camera on a street; `look(t)` is the same for the same settings and time, always."""

    def __init__(self, settings: StreetSettings) -> None:
        """Paint the background once."""
        self.settings = settings
        self._view = VIEWS[settings.view]
        self._lens = self._view.lens(settings.width, settings.height)
        rnd = np.random.default_rng([settings.seed, 7])
        self._light = _light_map(self._lens, self._view.lamps, settings.light)
        painted = self._view.paint(self._lens, rnd) * self._light
        self._background: Floats = np.clip(painted, 0, 255).astype(np.float32)
        self._noise = [
            rnd.normal(0.0, 3.2, (settings.height, settings.width, 1)).astype(np.float32)
            for _ in range(4)
        ]

    def look(self, t_s: float) -> tuple[Pixels, list[Truth]]:
        """The picture at `t_s` (height, width, RGB) and what is true of it, nearest last."""
        canvas = self._background.copy()
        owner = np.zeros(canvas.shape[:2], np.int16)
        shown: list[tuple[_Actor, tuple[int, int, int, int], int]] = []
        for actor in sorted(filter(self._in_view, self._actors(t_s)), key=lambda a: -a.z):
            drawing, column, row = self._draw(actor)
            found = self._lay(canvas, owner, drawing, (column, row), len(shown) + 1, actor)
            if found is not None:
                shown.append((actor, *found))
        left = np.bincount(owner.ravel(), minlength=len(shown) + 1)
        truths = [
            self._truth(actor, extent, int(left[index]) / own)
            for index, (actor, extent, own) in enumerate(shown, 1)
        ]
        self._weather(canvas, t_s)
        return np.clip(canvas, 0, 255).astype(np.uint8), truths

    def truths(self, t_s: float) -> list[Truth]:
        """What is there at `t_s`, without a drawing: cheap enough for hours in seconds.

        The foot points are those of `look`; boxes have a class's usual size and hide nobody.
        """
        found = (self._usual(actor) for actor in sorted(self._actors(t_s), key=lambda a: -a.z))
        return [truth for truth in found if truth is not None]

    # --- who is there -----------------------------------------------------------------------

    def _usual(self, actor: _Actor) -> Truth | None:
        """Its truth by a class's usual size; None when that is out of the picture."""
        column, row, scale = self._lens.place(actor.x, actor.z)
        if actor.cls in _USUAL_M:
            length, narrow, tall = _USUAL_M[actor.cls]
            wide = narrow + (length - narrow) * actor.pose.across
        else:
            wide, tall = 0.8 * actor.size, actor.size
            row -= SMOKE_FROM_M * scale if actor.cls == "smoke" else 0.0
        width, height = self.settings.width, self.settings.height
        x0, x1 = max(0.0, column - wide * scale / 2), min(width, column + wide * scale / 2)
        y0, y1 = max(0.0, row - tall * scale), min(height, row)
        if x1 - x0 < 2 or y1 - y0 < 2:
            return None
        box = (x0 / width, y0 / height, x1 / width, y1 / height)
        return Truth(id=actor.id, cls=actor.cls, box=box, visible=1.0)

    def _in_view(self, actor: _Actor) -> bool:
        """Whether any of it can be in the picture: who cannot need not be drawn."""
        column, _, scale = self._lens.place(actor.x, actor.z)
        return -REACH_M * scale < column < self.settings.width + REACH_M * scale

    def _actors(self, t_s: float) -> Iterator[_Actor]:
        for number, path in enumerate(self._view.paths):
            slot = int(t_s // path.every_s)
            longest = _length(path) / path.speed + (path.pause_s[1] if path.pause else 0.0)
            for at in range(slot - int(longest / path.every_s) - 1, slot + 1):
                actor = self._on_path(number, path, at, t_s)
                if actor is not None:
                    yield actor
        yield from self._incidents(t_s)

    def _on_path(self, number: int, path: Path, slot: int, t_s: float) -> _Actor | None:
        drawn = _drawn(self.settings.seed, number, slot)
        if drawn[0] >= path.chance * self.settings.traffic:
            return None
        age_s = t_s - (slot + 0.6 * drawn[1]) * path.every_s
        speed = path.speed * (0.92 + 0.16 * drawn[2] if path.cls == "person" else 1.0)
        whole = _length(path)
        low, high = path.pause_s
        pauses = drawn[3] < path.pause
        pause_s = low + (high - low) * drawn[4] if pauses else 0.0
        stop_m = whole * (0.3 + 0.4 * drawn[5])
        gone, moving = age_s * speed, True
        if pauses and gone > stop_m:
            moving = gone - stop_m > pause_s * speed
            gone = gone - pause_s * speed if moving else stop_m
        if not 0.0 <= gone < whole:
            return None
        x, z, dx, dz = _along(path, gone)
        beside = path.spread_m * (2 * drawn[6] - 1)
        x, z = x - dz * beside, z + dx * beside
        _, _, scale = self._lens.place(x, z)
        pose = Pose(
            scale=scale,
            side=1 if dx >= 0 else -1,
            across=abs(dx),
            away=dz > 0,
            travelled=gone,
            moving=moving,
            lamps=self.settings.light is not Light.DAY,
        )
        seed = int(drawn[7] * 2**31)
        return _Actor(id=f"{number}.{slot}", cls=path.cls, x=x, z=z, seed=seed, pose=pose)

    def _incidents(self, t_s: float) -> Iterator[_Actor]:
        slot = int(t_s // INCIDENT_SLOT_S)
        drawn = _drawn(self.settings.seed, 1000, slot)
        if drawn[0] >= self.settings.incidents:
            return
        begin_s = (0.05 + 0.3 * drawn[1]) * INCIDENT_SLOT_S
        age_s = t_s - slot * INCIDENT_SLOT_S - begin_s
        if not 0.0 <= age_s < 0.6 * INCIDENT_SLOT_S:
            return
        x, z = self._view.anchors[int(drawn[2] * len(self._view.anchors))]
        x, z = x + 1.5 * (drawn[3] - 0.5), z + 0.6 * (drawn[4] - 0.5)
        _, _, scale = self._lens.place(x, z)
        grown = min(1.0, 0.35 + age_s / 12.0)
        seed = int(drawn[7] * 2**31)
        pose = Pose(scale=scale)
        size = (1.0 + 1.1 * drawn[5]) * grown
        if drawn[6] > 0.25:
            yield _Actor(
                id=f"fire.{slot}", cls="fire", x=x, z=z, seed=seed, pose=pose, size=size,
                age_s=age_s,
            )  # fmt: skip
        if drawn[6] < 0.75:
            yield _Actor(
                id=f"smoke.{slot}", cls="smoke", x=x, z=z + 0.05, seed=seed, pose=pose,
                size=(2.6 + 1.4 * drawn[5]) * grown, age_s=age_s,
            )  # fmt: skip

    # --- drawing ----------------------------------------------------------------------------

    def _draw(self, actor: _Actor) -> tuple[Drawing, float, float]:
        rnd = np.random.default_rng(actor.seed)
        column, row, scale = self._lens.place(actor.x, actor.z)
        if actor.cls == "fire":
            drawing = actors.fire(scale, actor.size, actor.age_s, rnd)
        elif actor.cls == "smoke":
            drawing = actors.smoke(scale, actor.size, actor.age_s, rnd)
            row -= SMOKE_FROM_M * scale
        else:
            drawing = _DRAW[actor.cls](actor.pose, rnd)
        return drawing, column, row

    def _lay(
        self,
        canvas: Floats,
        owner: NDArray[np.int16],
        drawing: Drawing,
        where: tuple[float, float],
        number: int,
        actor: _Actor,
    ) -> tuple[tuple[int, int, int, int], int] | None:
        """Lay a drawing on the picture; its extent and size in pixels, None when out of it."""
        patch = drawing.patch
        left = round(where[0] - drawing.foot[0])
        top = round(where[1] - drawing.foot[1])
        x0, y0 = max(0, left), max(0, top)
        x1 = min(canvas.shape[1], left + patch.width)
        y1 = min(canvas.shape[0], top + patch.height)
        if x0 >= x1 or y0 >= y1:
            return None
        inner = (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
        alpha, colour = patch.alpha[inner], patch.colour[inner]
        area = (slice(y0, y1), slice(x0, x1))
        lit = colour if actor.cls == "fire" else colour * self._lit(area)
        canvas[area] = canvas[area] * (1.0 - alpha[..., None]) + lit
        if actor.cls == "fire":
            _glow(canvas, where, 2.2 * actor.size * actor.pose.scale, (90, 44, 10))
        elif actor.pose.lamps and actor.cls in ("car", "motorbike") and not actor.pose.away:
            self._headlight(canvas, actor, where)
        # a shadow below somebody is faint and belongs to nobody
        solid = alpha > (TRUTH_MIN_ALPHA if actor.cls == "smoke" else 0.5)
        own = int(solid.sum())
        if own < 12:
            return None
        owner[area][solid] = number
        rows = np.flatnonzero(solid.any(axis=1))
        columns = np.flatnonzero(solid.any(axis=0))
        extent = (
            x0 + int(columns[0]), y0 + int(rows[0]), x0 + int(columns[-1]) + 1,
            y0 + int(rows[-1]) + 1,
        )  # fmt: skip
        return extent, own

    def _lit(self, area: tuple[slice, slice]) -> Floats:
        # eyes and cameras adapt: what moves is a little brighter than what it moves on
        lit: Floats = np.minimum(1.0, self._light[area] * 1.15)
        return lit

    def _headlight(self, canvas: Floats, actor: _Actor, where: tuple[float, float]) -> None:
        if self.settings.light is Light.RAIN:
            return
        scale = actor.pose.scale
        ahead = (2.1 if actor.cls == "car" else 0.7) * actor.pose.side * actor.pose.across
        spot = (where[0] + ahead * scale, where[1] - 0.75 * scale)
        _glow(canvas, spot, 0.9 * scale, (120, 112, 84))

    def _truth(self, actor: _Actor, extent: tuple[int, int, int, int], visible: float) -> Truth:
        width, height = self.settings.width, self.settings.height
        box = (
            extent[0] / width, extent[1] / height, extent[2] / width, extent[3] / height
        )  # fmt: skip
        return Truth(id=actor.id, cls=actor.cls, box=box, visible=min(1.0, visible))

    def _weather(self, canvas: Floats, t_s: float) -> None:
        tick = int(t_s * 25)
        noise = self._noise[tick % len(self._noise)]
        canvas += np.roll(noise, (tick * 37) % canvas.shape[1], axis=1)
        if self.settings.light is not Light.RAIN:
            return
        rnd = np.random.default_rng([self.settings.seed, tick])
        height, width = canvas.shape[:2]
        long = max(6, height // 26)
        rows = rnd.integers(0, height - long, STREAKS)[:, None] + np.arange(long)[None, :]
        columns = rnd.integers(0, width - long, STREAKS)[:, None] + np.arange(long)[None, :] // 4
        canvas[rows, columns] += rnd.uniform(18, 52, (STREAKS, 1, 1)).astype(np.float32)


def _glow(
    canvas: Floats,
    where: tuple[float, float],
    radius: float,
    colour: tuple[float, float, float],
) -> None:
    height, width = canvas.shape[:2]
    x0, x1 = max(0, int(where[0] - radius)), min(width, int(where[0] + radius) + 1)
    y0, y1 = max(0, int(where[1] - radius)), min(height, int(where[1] + radius) + 1)
    if x0 >= x1 or y0 >= y1:
        return
    ys = (np.arange(y0, y1, dtype=np.float32)[:, None] - where[1]) / radius
    xs = (np.arange(x0, x1, dtype=np.float32)[None, :] - where[0]) / radius
    share = np.maximum(0.0, 1.0 - np.sqrt(ys * ys + xs * xs)) ** 2
    canvas[y0:y1, x0:x1] += share[..., None] * np.asarray(colour, np.float32)


def _light_map(lens: Lens, lamps: tuple[tuple[float, float], ...], light: Light) -> Floats:
    """How much light of each colour falls on every pixel."""
    base = np.empty((lens.height, lens.width, 3), np.float32)
    base[:] = _TINT[light]
    if light in (Light.NIGHT, Light.DUSK):
        strong = 0.85 if light is Light.NIGHT else 0.3
        for at in lamps:
            column, row, scale = lens.place(*at)
            reach = 5.5 * scale
            _glow(base, (column, row - 1.2 * scale), reach, (strong, strong * 0.86, strong * 0.6))
    return base


@lru_cache(maxsize=512)
def _drawn(seed: int, number: int, slot: int) -> tuple[float, ...]:
    """Eight numbers in [0, 1) that belong to a place in the schedule."""
    key = [seed & 0xFFFFFFFF, number, slot & 0xFFFFFFFF]
    return tuple(float(v) for v in np.random.default_rng(key).random(8))


@lru_cache(maxsize=256)
def _length(path: Path) -> float:
    pairs = zip(path.points, path.points[1:], strict=False)
    return sum(math.dist(a, b) for a, b in pairs)


def _along(path: Path, gone: float) -> tuple[float, float, float, float]:
    """Place and direction after `gone` metres."""
    for (ax, az), (bx, bz) in zip(path.points, path.points[1:], strict=False):
        part = math.dist((ax, az), (bx, bz))
        dx, dz = (bx - ax) / part, (bz - az) / part
        if gone <= part:
            return ax + dx * gone, az + dz * gone, dx, dz
        gone -= part
    (ax, az), (bx, bz) = path.points[-2:]
    part = math.dist((ax, az), (bx, bz))
    return bx, bz, (bx - ax) / part, (bz - az) / part
