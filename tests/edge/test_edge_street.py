"""The drawn street: always the same, its truth exact, and as a camera like any other."""

from pathlib import Path

import numpy as np
import pytest

from haidang_edge.capture import Address, CaptureSettings, SourceAddressError, open_source
from haidang_edge.street import CLASSES, VIEWS, Light, Street, StreetSettings, Truth

PLACES = [(view, light) for view in sorted(VIEWS) for light in Light]


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now_ns = 7_000_000_000

    def __call__(self) -> int:
        return self.now_ns

    def sleep(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)


def edges(truth: Truth, width: int, height: int) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = truth.box
    return round(x0 * width), round(y0 * height), round(x1 * width), round(y1 * height)


@pytest.mark.parametrize(("view", "light"), PLACES)
def test_the_same_seed_and_time_show_the_same_picture(view: str, light: Light) -> None:
    settings = StreetSettings(view=view, light=light, seed=4, traffic=1.5, incidents=1.0)
    one, other = Street(settings), Street(settings)
    other.look(99.0)  # what was looked at before plays no part
    picture, truths = one.look(321.4)
    again, same = other.look(321.4)
    assert np.array_equal(picture, again)
    assert truths == same
    assert truths, "somebody is there"
    later, _ = one.look(322.4)
    assert (later != picture).mean() > 0.1
    stranger, _ = Street(StreetSettings(view=view, light=light, seed=5)).look(321.4)
    assert (stranger != picture).mean() > 0.1


@pytest.mark.parametrize(("view", "light"), PLACES)
def test_boxes_hold_what_is_drawn_and_nothing_else_is(view: str, light: Light) -> None:
    """The same moment without traffic shows the empty street: what differs lies in the boxes."""
    full = StreetSettings(view=view, light=light, seed=4, traffic=2.0, incidents=0.0)
    empty = StreetSettings(view=view, light=light, seed=4, traffic=0.0, incidents=0.0)
    picture, truths = Street(full).look(500.0)
    bare, nobody = Street(empty).look(500.0)
    assert not nobody
    differs = np.abs(picture.astype(int) - bare).max(axis=2) > 24
    outside = differs.copy()
    for truth in truths:
        x0, y0, x1, y1 = edges(truth, full.width, full.height)
        here = differs[y0:y1, x0:x1]
        assert here.mean() > 0.1, f"{truth}: nothing is drawn in its box"
        # lamps shine and shadows lie a little beyond
        outside[max(0, y0 - 8) : y1 + 8, max(0, x0 - 8) : x1 + 8] = False
    glows = light in (Light.DUSK, Light.NIGHT)
    assert outside.sum() < (0.3 if glows else 0.02) * max(differs.sum(), 1)


def test_boxes_are_tight_where_somebody_is_alone() -> None:
    """By day the same moment differs in nothing but the walker and the shadow at their feet."""
    street = Street(StreetSettings(view="promenade", seed=4, traffic=0.6, incidents=0.0))
    empty = Street(StreetSettings(view="promenade", seed=4, traffic=0.0, incidents=0.0))
    checked = 0
    for number in range(60):
        t_s = number * 4.0
        alone = [t for t in street.truths(t_s) if t.cls == "person" and 0 < t.box[0] < 0.9]
        if len(alone) != 1 or len(street.truths(t_s)) != 1:
            continue
        picture, truths = street.look(t_s)
        if len(truths) != 1:
            continue  # a part of somebody else at the rim
        (truth,) = truths
        bare, _ = empty.look(t_s)
        differs = (picture != bare).any(axis=2)
        rows, columns = np.flatnonzero(differs.any(axis=1)), np.flatnonzero(differs.any(axis=0))
        x0, y0, x1, y1 = edges(truth, 640, 360)
        assert abs(int(rows[0]) - y0) <= 2
        assert int(rows[-1]) - y1 <= 6, "the shadow reaches a little lower"
        assert columns[0] - 2 <= x0 < x1 <= columns[-1] + 3
        above = np.flatnonzero(differs[: (y0 + y1) // 2].any(axis=0))
        assert x0 - 2 <= above[0] <= above[-1] <= x1 + 2
        checked += 1
    assert checked > 2


def test_truths_without_a_picture_stand_where_the_picture_shows_them() -> None:
    """Feet are the same, boxes about; so hours of street can be judged in seconds."""
    compared = 0
    for view in sorted(VIEWS):
        street = Street(StreetSettings(view=view, seed=3, traffic=1.5, incidents=1.0))
        for t_s in (30.0, 200.0, 431.0):
            _, shown = street.look(t_s)
            known = {truth.id: truth for truth in street.truths(t_s)}
            for truth in shown:
                about = known[truth.id]
                assert about.cls == truth.cls
                assert about.cls in CLASSES
                cut = truth.box[0] <= 0 or truth.box[2] >= 1 or truth.box[3] >= 1
                if truth.cls in ("fire", "smoke") or truth.visible < 1 or cut:
                    continue
                foot_off = abs(truth.box[3] - about.box[3])
                middle_off = abs(sum(truth.box[::2]) - sum(about.box[::2])) / 2
                assert foot_off < 0.04, (truth, about)
                assert middle_off < 0.05, (truth, about)
                compared += 1
    assert compared > 20


def test_a_street_is_a_camera_of_its_own_pace_and_size() -> None:
    time = Time()
    settings = CaptureSettings(fps=5, pace=True)
    with open_source(
        "street:market?light=night&seed=4&traffic=1.5&size=320x180&at=60",
        width=256,
        height=256,
        settings=settings,
        clock=time,
        sleep=time.sleep,
    ) as source:
        assert (source.width, source.height) == (320, 180)
        frames = [frame for _, frame in zip(range(11), source.frames(), strict=False)]
        assert not source.frozen
    assert [f.pts_s for f in frames] == pytest.approx([n / 5 for n in range(11)])
    assert frames[-1].mono_ns - frames[0].mono_ns == 2_000_000_000
    assert frames[0].pixels.shape == (256, 256, 3)
    street = Street(
        StreetSettings(view="market", light=Light.NIGHT, seed=4, traffic=1.5, width=320, height=180)
    )
    picture, _ = street.look(62.0)
    assert np.array_equal(frames[10].picture(), picture)


def test_pictures_that_there_is_no_time_for_are_left_out() -> None:
    """A board that is too slow sees the street jump, never fall behind."""
    time = Time()
    with open_source(
        "street:port",
        width=64,
        height=64,
        settings=CaptureSettings(fps=10, pace=True),
        clock=time,
        sleep=time.sleep,
    ) as source:
        frames = source.frames()
        begun_ns = next(frames).mono_ns
        for _ in range(3):
            time.sleep(1.0)
            frame = next(frames)
            assert frame.pts_s == pytest.approx((frame.mono_ns - begun_ns) / 1e9)
    assert frame.pts_s is not None
    assert frame.pts_s >= 3.0


def test_a_street_that_is_held_counts_as_frozen_until_it_is_let_go(tmp_path: Path) -> None:
    time = Time()
    with open_source(
        "street:market?hold=market.hold",
        width=64,
        height=64,
        settings=CaptureSettings(fps=5, pace=True, freeze_s=2.0),
        folder=tmp_path,
        clock=time,
        sleep=time.sleep,
    ) as source:
        frames = source.frames()
        next(frames)
        (tmp_path / "market.hold").touch()
        for _ in range(12):
            next(frames)
        assert source.frozen
        (tmp_path / "market.hold").unlink()
        next(frames)
        assert not source.frozen


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("street:beach", "no view 'beach'; allowed: junction, market, port, promenade"),
        ("street:market?light=noon", "light is 'noon'; allowed: day, dusk, night, rain"),
        ("street:market?seed=-1", "seed is '-1'; allowed: a whole number from 0"),
        ("street:market?traffic=many", "traffic is 'many'; allowed: 0 to 10"),
        ("street:market?traffic=nan", "traffic is 'nan'; allowed: 0 to 10"),
        ("street:market?incidents=2", "incidents is '2'; allowed: 0 to 1"),
        ("street:market?size=4000x3000", "size is '4000x3000'; allowed: from 64x36 to 1280x720"),
        ("street:market?size=wide", "size is 'wide'"),
        ("street:market?rain=yes", "'rain' is not known; allowed: light, seed, traffic"),
        ("street:market?hold=", "hold is ''; allowed: a file's name"),
    ],
)
def test_a_street_that_cannot_be_is_a_clear_error(source: str, said: str) -> None:
    with pytest.raises(SourceAddressError) as refused:
        Address.parse(source)
    assert said in str(refused.value)
    assert source in str(refused.value)
