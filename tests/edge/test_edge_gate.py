"""The gate: what it lets through, and what it must never miss."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from haidang_edge.capture import Gate, GateSettings

S = 1_000_000_000
SETTINGS = GateSettings()


def scene(person: int | None = None, *, noise: int = 0) -> NDArray[np.uint8]:
    """A grey yard; somebody stands at column `person`."""
    picture = np.full((45, 80), 90, np.uint8)
    if noise:
        picture += np.random.default_rng(noise).integers(0, 8, picture.shape, np.uint8)
    if person is not None:
        picture[20:28, person : person + 2] = 180
    return picture


def looks(gate: Gate, scenes: list[NDArray[np.uint8]], *, alive: bool = False) -> list[bool]:
    """What the gate says of pictures that come five a second."""
    return [gate.look(s, n * S // 5, tracks_alive=alive) for n, s in enumerate(scenes)]


def test_the_first_picture_is_always_looked_at() -> None:
    assert Gate().look(scene(), 123, tracks_alive=False)


def test_an_empty_noisy_yard_is_looked_at_only_now_and_then() -> None:
    said = looks(Gate(), [scene(noise=n + 1) for n in range(200)])
    assert said[:6] == [True] * 6  # what the first picture opened stays open for a second
    assert sum(said[6:]) == 3  # 40 s, a look every 10 s


def test_somebody_who_comes_in_opens_it_at_once_and_for_a_second() -> None:
    said = looks(Gate(), [scene()] * 20 + [scene(30)] * 20)
    assert not any(said[6:20])
    assert said[20:26] == [True] * 6
    assert not any(said[26:40])


def test_somebody_who_stands_still_is_looked_at_twice_a_second_while_tracked() -> None:
    gate = Gate()
    looks(gate, [scene(30)] * 20)
    times = [n * S // 5 for n in range(20, 120)]
    looked = [t for t in times if gate.look(scene(30), t, tracks_alive=True)]
    gaps = np.diff(looked) / S
    assert 0.5 <= gaps.min() <= gaps.max() <= 1.0


def test_a_creeping_change_is_seen_though_no_two_pictures_differ() -> None:
    gate = Gate(GateSettings(idle_look_s=3600))
    looks(gate, [scene()] * 20)
    fading = [np.full((45, 80), 90 + n // 2, np.uint8) for n in range(60)]
    assert any(gate.look(s, (20 + n) * S // 5, tracks_alive=False) for n, s in enumerate(fading))


def test_another_size_of_picture_is_a_change() -> None:
    gate = Gate()
    looks(gate, [scene()] * 20)
    assert gate.look(scene()[::2, ::2], 4 * S, tracks_alive=False)


STEPS = st.lists(
    st.tuples(st.integers(1, 4 * S), st.booleans(), st.integers(0, 3)), min_size=1, max_size=60
)


@given(STEPS)
def test_whatever_comes_no_gap_is_longer_than_promised(
    steps: list[tuple[int, bool, int]],
) -> None:
    gate, now, looked = Gate(), 0, 0
    assert gate.look(scene(), now, tracks_alive=False)
    for step, alive, place in steps:
        now += step
        picture = scene(place * 20 if place else None)
        if gate.look(picture, now, tracks_alive=alive):
            looked = now
            continue
        promised = SETTINGS.alive_look_s if alive else SETTINGS.idle_look_s
        assert now - looked < promised * S


@given(STEPS)
def test_the_same_pictures_at_the_same_times_are_judged_the_same(
    steps: list[tuple[int, bool, int]],
) -> None:
    def judged() -> list[bool]:
        gate, now, said = Gate(), 0, []
        for step, alive, place in steps:
            now += step
            said.append(gate.look(scene(place * 20), now, tracks_alive=alive))
        return said

    assert judged() == judged()


@given(st.integers(13, 160), st.integers(0, 78), st.integers(1, 59))
def test_a_change_that_is_large_enough_is_never_missed(level: int, left: int, frames: int) -> None:
    gate = Gate(GateSettings(idle_look_s=3600))
    for n in range(frames):
        gate.look(scene(), n * S // 5, tracks_alive=False)
    changed = scene()
    changed[10:18, left : left + 2] += np.uint8(level)
    assert gate.look(changed, frames * S // 5, tracks_alive=False)
