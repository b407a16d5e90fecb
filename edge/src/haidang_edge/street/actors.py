"""What moves in a street, each drawn on a patch of its own: people, cars, motorbikes, fire, smoke.

Measures are in metres, `scale` pixels each; a figure's foot point is where it stands.
"""

import math
from dataclasses import dataclass

import numpy as np

from haidang_edge.street.shapes import Colour, Patch, Point

SKIN: tuple[Colour, ...] = ((224, 178, 142), (201, 152, 115), (176, 126, 92))
CLOTH: tuple[Colour, ...] = (
    (196, 62, 58), (52, 88, 160), (238, 238, 232), (62, 120, 84), (232, 190, 74), (44, 46, 54),
    (150, 96, 150), (230, 140, 160), (110, 150, 190), (120, 90, 66),
)  # fmt: skip
PAINT: tuple[Colour, ...] = (
    (236, 236, 236), (40, 42, 48), (150, 156, 164), (164, 36, 40), (38, 70, 132), (196, 190, 172),
    (92, 110, 92), (214, 150, 40),
)  # fmt: skip
RUBBER: Colour = (28, 28, 30)
GLASS: Colour = (70, 88, 104)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pose:
    """How a figure stands at a moment.

    Attributes:
        scale: pixels per metre where it stands.
        side: 1 to the right, -1 to the left: where it goes across the picture.
        across: 1 goes across the picture, 0 along the line of sight.
        away: it goes away from the camera.
        travelled: metres since it came, which moves legs and wheels.
        moving: it does not just stand there.
        lamps: lights are on.
    """

    scale: float
    side: int = 1
    across: float = 1.0
    away: bool = False
    travelled: float = 0.0
    moving: bool = True
    lamps: bool = False


@dataclass(frozen=True, slots=True)
class Drawing:
    """A patch, and the point on it that stands on the ground."""

    patch: Patch
    foot: Point


def _dark(colour: Colour, by: float) -> Colour:
    return (colour[0] * by, colour[1] * by, colour[2] * by)


class _Stage:
    """Metres, right and up from the foot point, onto a patch's pixels."""

    def __init__(self, pose: Pose, *, left: float, right: float, up: float) -> None:
        scale = pose.scale
        self.scale, self.side = scale, pose.side
        low, high = min(-left, -right), max(left, right)
        self._x0 = high * scale + 2
        self._y0 = up * scale + 2
        width = int((high - low) * scale) + 5
        self.patch = Patch(int(up * scale) + int(0.25 * scale) + 5, width)

    def at(self, right: float, up: float) -> Point:
        return self._x0 + right * self.side * self.scale, self._y0 - up * self.scale

    def drawing(self) -> Drawing:
        return Drawing(self.patch, (self._x0, self._y0))

    def ellipse(
        self, right: float, up: float, rx: float, ry: float, colour: Colour, *, opacity: float = 1.0
    ) -> None:
        radii = (rx * self.scale, ry * self.scale)
        self.patch.ellipse(self.at(right, up), radii, colour, opacity=opacity)

    def stroke(self, begin: Point, end: Point, radius: float, colour: Colour) -> None:
        self.patch.capsule(self.at(*begin), self.at(*end), radius * self.scale, colour)

    def box(
        self, right: float, up: float, hw: float, hh: float, colour: Colour, r: float = 0.0
    ) -> None:
        half = (hw * self.scale, hh * self.scale)
        self.patch.box(self.at(right, up), half, colour, round_px=r * self.scale)

    def polygon(self, corners: tuple[Point, ...], colour: Colour) -> None:
        placed = [self.at(*corner) for corner in corners]
        self.patch.polygon(placed if self.side > 0 else placed[::-1], colour)


def person(pose: Pose, rnd: np.random.Generator) -> Drawing:
    """Somebody on foot, 1.5 to 1.8 m; some wear a conical hat, some carry a bag."""
    tall = float(rnd.uniform(0.9, 1.06))
    skin, top, legs = (_pick(rnd, SKIN), _pick(rnd, CLOTH), _dark(_pick(rnd, CLOTH), 0.7))
    hat, bag = rnd.random() < 0.25, rnd.random() < 0.25
    stage = _Stage(pose, left=0.62, right=0.62, up=1.95 * tall)
    stage.ellipse(0.0, 0.0, 0.34, 0.07, (20, 20, 24), opacity=0.35)
    swing = math.sin(pose.travelled / 0.42) if pose.moving else 0.0
    reach = 0.30 * swing * (0.35 + 0.65 * pose.across)
    lift = 0.10 * abs(swing) * (1.0 - pose.across)
    wide = 0.11 * (1.0 - 0.6 * pose.across)
    hip, shoulder, neck = 0.84 * tall, 1.36 * tall, 1.45 * tall
    _limb(stage, (-wide, hip), (-wide - reach, 0.06 + lift * (swing > 0)), 0.075, _dark(legs, 0.8))
    _limb(stage, (-wide * 1.8, shoulder), (-wide * 2.2 + reach * 0.9, 0.82 * tall), 0.05,
          _dark(top, 0.75))  # fmt: skip
    _limb(stage, (wide, hip), (wide + reach, 0.06 + lift * (swing < 0)), 0.08, legs)
    body = 0.13 + 0.07 * (1.0 - pose.across)
    stage.box(0.0, (hip + shoulder) / 2 + 0.03, body, (shoulder - hip) / 2 + 0.08, top, 0.09)
    if bag:
        stage.box(-0.16, 1.05 * tall, 0.09, 0.14, _dark(_pick(rnd, CLOTH), 0.6), 0.04)
    _limb(stage, (wide * 1.8, shoulder), (wide * 2.2 - reach * 0.9, 0.82 * tall), 0.055, top)
    stage.stroke((0.0, shoulder), (0.02, neck + 0.05), 0.05, skin)
    hair = (30, 26, 26) if rnd.random() < 0.85 else (120, 116, 112)
    stage.ellipse(0.0, neck + 0.16, 0.105, 0.135, hair if pose.away else skin)
    if not pose.away:
        stage.ellipse(-0.02, neck + 0.22, 0.105, 0.085, hair)
    if hat:
        top_up = neck + 0.22
        stage.polygon(((-0.25, top_up), (0.0, top_up + 0.22), (0.25, top_up)), (222, 204, 152))
    return stage.drawing()


def _limb(stage: _Stage, begin: Point, end: Point, radius: float, colour: Colour) -> None:
    """A limb with a joint that bends a little forwards."""
    middle = ((begin[0] + end[0]) / 2 + 0.03, (begin[1] + end[1]) / 2)
    stage.stroke(begin, middle, radius, colour)
    stage.stroke(middle, end, radius * 0.9, colour)


def car(pose: Pose, rnd: np.random.Generator) -> Drawing:
    """A car, from the side or from its end."""
    paint = _pick(rnd, PAINT)
    van = rnd.random() < 0.25
    if pose.across > 0.55:
        return _car_side(pose, paint, van=van)
    return _car_end(pose, paint, van=van)


def _car_side(pose: Pose, paint: Colour, *, van: bool) -> Drawing:
    roof = 1.85 if van else 1.46
    stage = _Stage(pose, left=2.35, right=2.35, up=roof + 0.1)
    stage.ellipse(0.0, 0.02, 2.2, 0.16, (18, 18, 22), opacity=0.45)
    nose = 1.35 if van else 1.05
    stage.polygon(
        ((-1.75, 0.95), (-1.35, roof), (nose - 0.35, roof), (nose + 0.25, 0.95)), _dark(paint, 0.9)
    )
    stage.polygon(((-1.5, 0.97), (-1.2, roof - 0.1), (-0.15, roof - 0.1), (-0.15, 0.97)), GLASS)
    stage.polygon(
        ((-0.05, 0.97), (-0.05, roof - 0.1), (nose - 0.42, roof - 0.1), (nose + 0.08, 0.97)), GLASS
    )
    stage.box(0.0, 0.66, 2.12, 0.34, paint, 0.16)
    stage.box(0.0, 0.46, 2.1, 0.10, _dark(paint, 0.7), 0.06)
    for wheel in (-1.3, 1.3):
        stage.ellipse(wheel, 0.33, 0.33, 0.33, RUBBER)
        stage.ellipse(wheel, 0.33, 0.17, 0.17, (150, 150, 154))
        turn = pose.travelled / 0.33
        spoke = (wheel + 0.13 * math.cos(turn), 0.33 + 0.13 * math.sin(turn))
        stage.stroke((wheel, 0.33), spoke, 0.03, (84, 84, 88))
    stage.box(2.03, 0.74, 0.09, 0.09, (255, 246, 214) if pose.lamps else (226, 226, 216), 0.03)
    stage.box(-2.05, 0.78, 0.07, 0.10, (230, 44, 36) if pose.lamps else (150, 34, 30), 0.03)
    return stage.drawing()


def _car_end(pose: Pose, paint: Colour, *, van: bool) -> Drawing:
    roof = 1.9 if van else 1.48
    stage = _Stage(pose, left=1.1, right=1.1, up=roof + 0.1)
    stage.ellipse(0.0, 0.02, 1.0, 0.14, (18, 18, 22), opacity=0.45)
    for wheel in (-0.68, 0.68):
        stage.box(wheel, 0.24, 0.14, 0.26, RUBBER, 0.06)
    stage.polygon(((-0.84, 0.9), (-0.62, roof), (0.62, roof), (0.84, 0.9)), _dark(paint, 0.88))
    stage.polygon(((-0.72, 0.95), (-0.54, roof - 0.1), (0.54, roof - 0.1), (0.72, 0.95)), GLASS)
    stage.box(0.0, 0.62, 0.89, 0.34, paint, 0.12)
    stage.box(0.0, 0.42, 0.5, 0.09, _dark(paint, 0.45), 0.03)
    if pose.away:
        lamp: Colour = (236, 40, 34) if pose.lamps else (140, 32, 30)
    else:
        lamp = (255, 248, 220) if pose.lamps else (232, 230, 220)
    for at in (-0.68, 0.68):
        stage.ellipse(at, 0.74, 0.16, 0.09, lamp)
    return stage.drawing()


def motorbike(pose: Pose, rnd: np.random.Generator) -> Drawing:
    """A motorbike with its rider; the box holds both."""
    paint, top, helmet = _pick(rnd, PAINT), _pick(rnd, CLOTH), _pick(rnd, PAINT)
    legs = _dark(_pick(rnd, CLOTH), 0.65)
    if pose.across > 0.55:
        return _bike_side(pose, paint, top, legs, helmet, two=rnd.random() < 0.25)
    return _bike_end(pose, paint, top, legs, helmet)


def _bike_side(
    pose: Pose, paint: Colour, top: Colour, legs: Colour, helmet: Colour, *, two: bool
) -> Drawing:
    stage = _Stage(pose, left=1.05, right=1.05, up=1.75)
    stage.ellipse(0.0, 0.02, 0.95, 0.09, (18, 18, 22), opacity=0.4)
    for wheel in (-0.62, 0.64):
        stage.ellipse(wheel, 0.28, 0.28, 0.28, RUBBER)
        stage.ellipse(wheel, 0.28, 0.17, 0.17, (130, 130, 134))
        turn = pose.travelled / 0.28
        spoke = (wheel + 0.14 * math.cos(turn), 0.28 + 0.14 * math.sin(turn))
        stage.stroke((wheel, 0.28), spoke, 0.02, (70, 70, 74))
    stage.stroke((-0.55, 0.52), (0.25, 0.46), 0.15, paint)
    stage.stroke((0.42, 0.98), (0.64, 0.3), 0.05, (90, 90, 94))
    stage.polygon(((0.2, 0.4), (0.36, 0.95), (0.52, 0.95), (0.46, 0.4)), paint)
    stage.box(-0.25, 0.72, 0.42, 0.07, (38, 38, 42), 0.05)
    riders = (-0.42, -0.02) if two else (-0.15,)
    for seat in riders:
        stage.stroke((seat, 0.82), (seat + 0.34, 0.66), 0.09, legs)
        stage.stroke((seat + 0.34, 0.66), (seat + 0.26, 0.28), 0.075, legs)
        stage.stroke((seat, 0.84), (seat + 0.07, 1.26), 0.15, top)
        stage.stroke((seat + 0.08, 1.24), (seat + 0.46, 1.02), 0.055, _dark(top, 0.85))
        stage.ellipse(seat + 0.11, 1.54, 0.14, 0.15, helmet)
        stage.box(seat + 0.2, 1.5, 0.05, 0.05, SKIN[0], 0.02)
    stage.ellipse(0.6, 0.86, 0.07, 0.06, (255, 246, 210) if pose.lamps else (210, 210, 200))
    return stage.drawing()


def _bike_end(pose: Pose, paint: Colour, top: Colour, legs: Colour, helmet: Colour) -> Drawing:
    stage = _Stage(pose, left=0.55, right=0.55, up=1.75)
    stage.ellipse(0.0, 0.02, 0.4, 0.08, (18, 18, 22), opacity=0.4)
    stage.box(0.0, 0.3, 0.07, 0.32, RUBBER, 0.06)
    for leg in (-0.2, 0.2):
        stage.stroke((leg * 0.6, 0.85), (leg, 0.42), 0.09, legs)
    stage.box(0.0, 0.66, 0.13, 0.3, paint, 0.08)
    stage.stroke((-0.36, 1.02), (0.36, 1.02), 0.035, (60, 60, 64))
    stage.box(0.0, 1.12, 0.21, 0.27, top, 0.12)
    for arm in (-0.3, 0.3):
        stage.stroke((arm * 0.66, 1.28), (arm, 1.04), 0.055, _dark(top, 0.85))
    stage.ellipse(0.0, 1.53, 0.14, 0.16, helmet)
    if not pose.away:
        stage.ellipse(0.0, 1.47, 0.09, 0.07, SKIN[0])
    lamp: Colour
    if pose.away:
        lamp = (236, 40, 34) if pose.lamps else (150, 34, 30)
    else:
        lamp = (255, 248, 220) if pose.lamps else (220, 220, 210)
    stage.ellipse(0.0, 0.9, 0.09, 0.07, lamp)
    return stage.drawing()


def fire(scale: float, size: float, t_s: float, rnd: np.random.Generator) -> Drawing:
    """Flames `size` metres high that flicker with time."""
    stage = _Stage(Pose(scale=scale), left=size * 0.7, right=size * 0.7, up=size * 1.25)
    tongues = int(rnd.integers(5, 8))
    seeds = rnd.uniform(0, 2 * math.pi, tongues)
    spots = np.linspace(-0.32, 0.32, tongues)
    for colour, share in (((196, 52, 20), 1.0), ((240, 122, 28), 0.74), ((255, 216, 96), 0.46)):
        for spot, seed in zip(spots, seeds, strict=True):
            beat = 0.5 + 0.5 * math.sin(9.0 * t_s + seed) * math.sin(5.3 * t_s + 2 * seed)
            tall = size * share * (0.45 + 0.5 * beat) * (1.0 - 0.9 * abs(spot))
            lean = 0.06 * size * math.sin(6.1 * t_s + 1.7 * seed)
            radius = size * 0.13 * share
            stage.stroke((spot * size, radius), (spot * size + lean, tall * 0.7), radius, colour)
            stage.stroke(
                (spot * size + lean, tall * 0.7),
                (spot * size + 1.6 * lean, tall),
                radius * 0.45,
                colour,
            )
    return stage.drawing()


def smoke(scale: float, size: float, t_s: float, rnd: np.random.Generator) -> Drawing:
    """Smoke that rises to `size` metres and drifts with the wind."""
    wind = float(rnd.uniform(-0.25, 0.25))
    grey = float(rnd.uniform(60, 165))
    reach = size * (0.36 + abs(wind))
    stage = _Stage(Pose(scale=scale), left=reach, right=reach, up=size * 1.15)
    puffs = 14
    seeds = rnd.uniform(0, 1, (puffs, 2))
    ages = np.sort((seeds[:, 0] + t_s * 0.16) % 1.0)
    for age, seed in zip(ages, seeds[:, 1], strict=True):
        up = size * age
        right = size * wind * age + 0.09 * size * math.sin(7 * seed + 1.4 * t_s) * age
        radius = size * (0.09 + 0.16 * age)
        shade = grey * (0.85 + 0.3 * seed)
        stage.patch.ellipse(
            stage.at(right, up),
            (radius * scale, radius * 0.85 * scale),
            (shade, shade, shade * 1.03),
            opacity=0.62 * (1.0 - age) ** 0.7,
            soft=max(2.0, 0.6 * radius * scale),
        )
    return stage.drawing()


def _pick(rnd: np.random.Generator, colours: tuple[Colour, ...]) -> Colour:
    return colours[int(rnd.integers(len(colours)))]
