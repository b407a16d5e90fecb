"""The tracker: an object keeps its id through dropouts, crossings, wrong names, any frame rate."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from haidang_edge.track import Track, Tracker

Row = tuple[float, float, float, float, float, float]


def box(x: float, y: float, *, score: float = 0.9, cls: int = 0, size: float = 0.1) -> Row:
    """A square whose upper left corner is at x, y."""
    return (x, y, x + size, y + size, score, float(cls))


def look(tracker: Tracker, at_s: float, *rows: Row) -> tuple[Track, ...]:
    return tracker.update(array(rows), round(at_s * 1e9))


def array(rows: tuple[Row, ...]) -> NDArray[np.float32]:
    return np.array(rows, np.float32).reshape(-1, 6)


@pytest.mark.parametrize("fps", [1, 5, 30])
def test_a_walker_keeps_its_id_at_any_frame_rate(fps: int) -> None:
    tracker = Tracker()
    ids: set[int] = set()
    for n in range(8 * fps):
        at_s = n / fps
        ids |= {t.id for t in look(tracker, at_s, box(0.05 + 0.1 * at_s, 0.4))}
    assert ids == {1}


@pytest.mark.parametrize("fps", [1, 5, 30])
def test_seconds_not_frames_decide_when_a_track_ends(fps: int) -> None:
    tracker = Tracker()
    for n in range(2 * fps + 1):
        look(tracker, n / fps, box(0.4, 0.4))
    (unseen,) = look(tracker, 4.5)
    assert not unseen.seen
    (again,) = look(tracker, 4.9, box(0.4, 0.4))
    assert again.id == 1
    assert look(tracker, 8.2) == ()
    (fresh,) = look(tracker, 8.4, box(0.4, 0.4))
    assert fresh.id == 2


def test_two_who_cross_keep_their_ids() -> None:
    tracker = Tracker()
    for n in range(31):
        along = 0.7 * n / 30
        tracks = look(tracker, n / 5, box(0.1 + along, 0.42), box(0.8 - along, 0.4))
        if n == 0:
            left, right = (t.id for t in sorted(tracks, key=lambda t: t.box[0]))
    ended = {t.id: t.box[0] for t in tracks}
    assert ended == {left: pytest.approx(0.8), right: pytest.approx(0.1)}


def test_a_faint_detection_keeps_a_track_but_begins_none() -> None:
    tracker = Tracker()
    look(tracker, 0, box(0.4, 0.4))
    (kept,) = look(tracker, 0.2, box(0.4, 0.4, score=0.3), box(0.7, 0.7, score=0.3))
    assert kept.seen
    assert kept.score == pytest.approx(0.3)


def test_a_single_detection_is_not_confirmed_and_soon_forgotten() -> None:
    tracker = Tracker()
    (once,) = look(tracker, 0, box(0.4, 0.4))
    assert not once.confirmed
    assert look(tracker, 1.2) == ()


def test_a_wrong_name_now_and_then_changes_neither_id_nor_class() -> None:
    tracker = Tracker()
    names = [2, 2, 7, 2, 2, 7, 2]
    tracks = [look(tracker, n / 5, box(0.4, 0.4, cls=cls)) for n, cls in enumerate(names)]
    assert {t.id for seen in tracks for t in seen} == {1}
    assert tracks[-1][0].cls == 2


def test_a_rider_and_the_bicycle_stay_two() -> None:
    tracker = Tracker()
    for n in range(10):
        x = 0.2 + 0.03 * n
        rows = [box(x, 0.4, cls=0), box(x, 0.45, cls=1)]
        # the bicycle is missed at every third look: its track must not take the rider
        tracks = look(tracker, n / 5, *rows[: 1 if n % 3 == 2 else 2])
    assert sorted((t.id, t.cls) for t in tracks) == [(1, 0), (2, 1)]


def test_one_object_told_twice_is_one_track() -> None:
    """A box and a shifted, less sure one over it: the second begins nothing, and takes nothing."""
    tracker = Tracker()
    ids: set[int] = set()
    for n in range(10):
        x = 0.2 + 0.02 * n
        tracks = look(tracker, n / 5, box(x, 0.4, score=0.8), box(x + 0.03, 0.4, score=0.55))
        ids |= {t.id for t in tracks}
        assert tracks[0].box[0] == pytest.approx(x)
    assert ids == {1}


def test_two_who_come_apart_again_are_two() -> None:
    tracker = Tracker()
    for n in range(12):
        apart = 0.05 * abs(n - 6)
        tracks = look(tracker, n / 5, box(0.3 - apart, 0.4), box(0.31 + apart, 0.4, score=0.8))
    assert sorted(t.id for t in tracks if t.seen) == [1, 2]


def test_who_stands_keeps_its_id_while_another_walks_past_and_both_are_one_box() -> None:
    """A thin walker passes a thin stander; for two looks the detector tells one box for both."""
    tracker = Tracker()

    def thin(x: float) -> Row:
        return (x, 0.4, x + 0.03, 0.65, 0.9, 0.0)

    for n in range(16):
        x = 0.34 + 0.02 * n
        passing = abs(x - 0.5) < 0.025
        tracks = look(tracker, n / 5, *([thin((x + 0.5) / 2)] if passing else [thin(0.5), thin(x)]))
    assert {t.id: t.box[0] for t in tracks} == {1: pytest.approx(0.64), 2: pytest.approx(0.5)}


def test_a_track_is_covered_while_another_is_seen_at_its_place() -> None:
    tracker = Tracker()
    for n in range(5):
        look(tracker, n / 5, box(0.4, 0.4), box(0.7 - 0.06 * n, 0.4))
    hidden = {t.id: (t.seen, t.covered) for t in look(tracker, 1.0, box(0.41, 0.4))}
    assert sorted(hidden.values()) == [(False, True), (True, False)]
    assert [t.covered for t in look(tracker, 1.2)] == [False, False], "nobody is seen there"


def test_what_is_much_larger_is_something_else() -> None:
    tracker = Tracker()
    look(tracker, 0, box(0.4, 0.4, size=0.05))
    tracks = look(tracker, 0.5, box(0.4, 0.4, size=0.5))
    assert len({t.id for t in tracks}) == 2


_rows = st.lists(
    st.builds(
        box,
        st.floats(0, 0.875, width=32),
        st.floats(0, 0.875, width=32),
        score=st.floats(0.125, 1, width=32),
        cls=st.integers(0, 3),
    ),
    max_size=8,
)


@given(
    looks=st.lists(st.tuples(st.integers(30, 2000), _rows), max_size=12), seed=st.integers(0, 99)
)
def test_the_order_of_detections_plays_no_part(
    looks: list[tuple[int, list[Row]]], seed: int
) -> None:
    straight, shuffled = Tracker(), Tracker()
    rng = np.random.default_rng(seed)
    at_ms = 0
    for step_ms, rows in looks:
        at_ms += step_ms
        given_rows = array(tuple(rows))
        other = given_rows[rng.permutation(len(rows))]
        assert straight.update(given_rows, at_ms * 10**6) == shuffled.update(other, at_ms * 10**6)


@given(looks=st.lists(st.tuples(st.integers(30, 5000), _rows), max_size=20))
def test_an_id_that_is_gone_never_comes_again(looks: list[tuple[int, list[Row]]]) -> None:
    tracker = Tracker(first_id=100)
    alive: set[int] = set()
    gone: set[int] = set()
    at_ms = 0
    for step_ms, rows in looks:
        at_ms += step_ms
        now = {t.id for t in tracker.update(array(tuple(rows)), at_ms * 10**6)}
        gone |= alive - now
        assert not now & gone
        assert all(number >= 100 for number in now)
        alive = now
