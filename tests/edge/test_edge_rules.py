"""Rules: events in seconds with hysteresis, schedules, crossings, counts; a begin has one end."""

from collections import Counter
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from haidang_edge.rules import Rules, Schedule, start_score
from haidang_edge.track import Track
from haidang_protocols.catalogue.model import (
    Camera,
    CrowdRule,
    IntrusionRule,
    Line,
    LineRule,
    LoiteringRule,
    Text,
    Zone,
)
from haidang_protocols.wire.records import Event, Observation, Phase, RuleKind

LABELS = ("person", "car")
NAME = Text(vi="Tên")
YARD = Zone(id="yard", name=NAME, polygon=((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0)))
GATE = Line(id="gate", name=NAME, points=((0.5, 0.2), (0.5, 0.8)))
TIME_ZONE = "Asia/Ho_Chi_Minh"


def camera(*rules: Any, **fields: Any) -> Camera:
    given_fields: dict[str, Any] = {
        "id": "cam",
        "node": "n",
        "name": NAME,
        "place": "p",
        "source": "x",
        "model": "m",
        "zones": (YARD,),
        "lines": (GATE,),
        "rules": rules,
        "observe_s": 3600,
    }
    return Camera(**given_fields | fields)


def intrusion(**fields: Any) -> IntrusionRule:
    return IntrusionRule(
        id=fields.pop("id", "r"), name=NAME, classes=("person",), zone="yard", **fields
    )


def crossing(**fields: Any) -> LineRule:
    return LineRule(id="c", name=NAME, classes=("person",), line="gate", **fields)


def wall_at(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(TIME_ZONE)).timestamp() * 1e9)


NOON = wall_at("2026-03-04T12:00")


class Scene:
    """Moves tracks by hand: `at` says when, and where each one's foot is."""

    def __init__(self, seen_by: Camera, *, wall_ns: int = NOON) -> None:
        self.rules = self.made(seen_by)
        self.wall_ns = wall_ns
        self.feet: dict[int, tuple[float, float]] = {}
        self.first: dict[int, int] = {}
        self.last: dict[int, int] = {}
        self.told: list[Event | Observation] = []

    @staticmethod
    def made(seen_by: Camera) -> Rules:
        return Rules(
            seen_by,
            labels=LABELS,
            counted=LABELS,
            time_zone=TIME_ZONE,
            event_prefix="e",
            mono_ns=0,
        )

    def at(
        self, at_s: float, feet: dict[int, tuple[float, float] | None], **fields: Any
    ) -> list[Any]:
        """A look; None: the track is alive and was not seen."""
        now = round(at_s * 1e9)
        tracks = []
        for number, foot in feet.items():
            if foot is not None:
                self.feet[number], self.last[number] = foot, now
                self.first.setdefault(number, now)
            x, y = self.feet[number]
            track: dict[str, Any] = {
                "id": number,
                "cls": 0,
                "score": 0.9,
                "box": (x - 0.02, y - 0.1, x + 0.02, y),
                "seen": foot is not None,
                "hits": 5,
                "first_ns": self.first[number],
                "last_ns": self.last[number],
            }
            tracks.append(Track(**track | fields))
        told = self.rules.look(tracks, mono_ns=now, wall_ns=self.wall_ns + now)
        self.told += told
        return told

    def tick(self, at_s: float, *, frame: bool = True) -> list[Any]:
        now = round(at_s * 1e9)
        told = self.rules.tick(mono_ns=now, wall_ns=self.wall_ns + now, frame=frame)
        self.told += told
        return told


IN, OUT = (0.7, 0.5), (0.3, 0.5)


# --- intrusion ----------------------------------------------------------------------------------


def test_an_intrusion_begins_after_its_time_and_ends_after_another() -> None:
    scene = Scene(camera(intrusion(after_s=1.0, clear_s=3.0, alarm=True)))
    assert scene.at(0.0, {1: IN}) == []
    assert scene.at(0.8, {1: IN}) == []
    (begin,) = scene.at(1.0, {1: IN})
    assert (begin.phase, begin.type, begin.zone) == (Phase.BEGIN, RuleKind.INTRUSION, "yard")
    assert (begin.cls, begin.track, begin.alarm) == ("person", 1, True)
    assert begin.box == pytest.approx((0.68, 0.4, 0.72, 0.5))
    assert scene.at(2.0, {1: OUT}) == []
    assert scene.at(3.9, {1: OUT}) == []
    (end,) = scene.at(4.0, {1: OUT})
    assert (end.phase, end.event, end.duration_s) == (Phase.END, begin.event, 1.0)


def test_who_steps_out_before_the_time_begins_anew() -> None:
    scene = Scene(camera(intrusion(after_s=1.0)))
    for at_s, foot in ((0.0, IN), (0.6, OUT), (0.8, IN), (1.4, IN)):
        assert scene.at(at_s, {1: foot}) == []
    assert len(scene.at(1.8, {1: IN})) == 1


def test_a_missed_detection_delays_nothing() -> None:
    scene = Scene(camera(intrusion(after_s=1.0)))
    scene.at(0.0, {1: IN})
    scene.at(0.5, {1: None})
    assert len(scene.at(1.0, {1: IN})) == 1


def test_a_faint_look_interrupts_nothing_begins_nothing_and_fires_nothing() -> None:
    scene = Scene(camera(intrusion(after_s=1.0, clear_s=2.0, min_score=0.5)))
    assert scene.at(0.0, {1: IN}, score=0.3) == [], "not sure yet: the time does not run"
    assert scene.at(0.5, {1: IN}) == []
    assert scene.at(1.0, {1: IN}, score=0.3) == []
    assert scene.at(1.5, {1: IN}, score=0.3) == [], "its time is over, but this look is not sure"
    (begin,) = scene.at(1.6, {1: IN})
    for at_s in (2.5, 3.5, 4.5, 5.5):
        assert scene.at(at_s, {1: IN}, score=0.3) == [], "seen faintly is still there"
    (end,) = scene.at(7.5, {1: OUT}, score=0.3)
    assert (end.event, end.duration_s) == (begin.event, 5.0)


def test_each_intruder_is_an_event_and_a_changed_id_is_none() -> None:
    scene = Scene(camera(intrusion()))
    (first,) = scene.at(0.0, {1: IN})
    (second,) = scene.at(1.0, {1: IN, 2: (0.9, 0.9)})
    assert first.event != second.event
    scene.at(2.0, {2: (0.9, 0.9)})
    assert scene.at(2.5, {2: (0.9, 0.9), 3: (0.71, 0.5)}) == [], "where 1 was lost, 3 appears"
    (third,) = scene.at(3.0, {2: (0.9, 0.9), 3: (0.71, 0.5), 4: (0.55, 0.9)})
    assert third.track == 4


@pytest.mark.parametrize(
    "fields", [{"score": 0.3}, {"cls": 1}, {"hits": 1}], ids=["score", "class", "once"]
)
def test_what_the_rule_does_not_watch_fires_nothing(fields: dict[str, Any]) -> None:
    scene = Scene(camera(intrusion()))
    assert scene.at(0.0, {1: IN}, **fields) == []


@pytest.mark.parametrize("foot", [(0.7, 1.0), (1.0, 0.5), (1.0, 1.0), (0.6, 0.0)])
def test_who_is_cut_off_by_the_pictures_edge_is_in_the_zone_that_reaches_it(
    foot: tuple[float, float],
) -> None:
    assert len(Scene(camera(intrusion())).at(0.0, {1: foot})) == 1


def test_time_alone_ends_an_event_but_not_at_once() -> None:
    scene = Scene(camera(intrusion(clear_s=2.0)))
    scene.at(0.0, {1: IN})
    assert scene.tick(5.0) == [], "nobody looked: nobody knows that it is over"
    assert scene.tick(13.0)[0].phase is Phase.END
    scene.at(20.0, {2: IN})
    scene.at(20.5, {})
    assert scene.tick(22.0)[0].phase is Phase.END, "a look saw it gone; then time is enough"


# --- schedule -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "on", "off"),
    [
        ("mon 08:00-17:00", ["2026-03-02T08:00"], ["2026-03-02T17:00", "2026-03-03T09:00"]),
        (
            "fri-mon 22:00-05:00",
            ["2026-03-06T22:00", "2026-03-07T04:59", "2026-03-08T23:00", "2026-03-10T04:00"],
            ["2026-03-06T04:00", "2026-03-07T05:00", "2026-03-10T22:30", "2026-03-09T12:00"],
        ),
        ("sat-sun 00:00-24:00", ["2026-03-07T00:00", "2026-03-08T23:59"], ["2026-03-09T00:00"]),
    ],
)
def test_a_schedule_is_read_in_the_centres_time_zone(
    part: str, on: list[str], off: list[str]
) -> None:
    schedule = Schedule((part,), ZoneInfo(TIME_ZONE))
    assert [schedule.on(wall_at(text)) for text in on] == [True] * len(on)
    assert [schedule.on(wall_at(text)) for text in off] == [False] * len(off)


def test_the_end_of_the_schedule_ends_what_is_open() -> None:
    rule = intrusion(schedule=("wed 11:00-12:01",), after_s=0.5)
    scene = Scene(camera(rule), wall_ns=NOON)
    scene.at(0.0, {1: IN})
    assert scene.at(1.0, {1: IN})[0].phase is Phase.BEGIN
    assert scene.at(60.0, {1: IN})[0].phase is Phase.END
    assert scene.at(70.0, {1: IN}) == []


# --- lines --------------------------------------------------------------------------------------


def walk(
    scene: Scene, xs: list[float], *, y: float = 0.5, track: int = 1, at_s: float = 0
) -> list[Any]:
    return [e for n, x in enumerate(xs) for e in scene.at(at_s + n * 0.2, {track: (x, y)})]


def test_a_crossing_is_told_once_each_way_however_the_foot_trembles() -> None:
    scene = Scene(camera(crossing()))
    over = walk(scene, [0.4, 0.48, 0.503, 0.498, 0.505, 0.497, 0.53, 0.6])
    assert [(e.phase, e.direction) for e in over] == [(Phase.MOMENT, "backward")]
    back = walk(scene, [0.55, 0.502, 0.498, 0.44], at_s=2)
    assert [e.direction for e in back] == ["forward"]
    assert over[0].event != back[0].event


def test_forward_is_from_the_lines_left_to_its_right() -> None:
    level = Line(id="gate", name=NAME, points=((0.2, 0.5), (0.8, 0.5)))
    scene = Scene(camera(crossing(), lines=(level,)))
    told = [e for y in (0.3, 0.45, 0.55) for e in scene.at(y, {1: (0.5, y)})]
    assert [e.direction for e in told] == ["forward"], "seen from its first point, up is left"


def test_who_walks_round_the_end_crosses_nothing() -> None:
    scene = Scene(camera(crossing()))
    assert walk(scene, [0.4, 0.46, 0.54, 0.6], y=0.9) == []


def test_a_rule_for_one_direction_leaves_the_other_out() -> None:
    scene = Scene(camera(crossing(direction="forward"), observe_s=10))
    assert walk(scene, [0.4, 0.6]) == []
    assert [e.direction for e in walk(scene, [0.55, 0.4], at_s=1)] == ["forward"]
    (counted,) = scene.tick(10.0)
    (line,) = counted.crossings
    assert (line.line, line.cls, line.forward, line.backward) == ("gate", "person", 1, 1)


def test_a_crossing_taken_back_before_its_time_is_none() -> None:
    scene = Scene(camera(crossing(after_s=1.0)))
    assert walk(scene, [0.4, 0.6, 0.4]) == []
    assert scene.tick(5.0) == []
    walk(scene, [0.6], at_s=6)
    assert len(scene.tick(7.1)) == 1


# --- crowd and loitering ------------------------------------------------------------------------


def test_a_crowd_begins_with_enough_and_ends_when_they_are_fewer_for_long_enough() -> None:
    rule = CrowdRule(
        id="r", name=NAME, classes=("person",), zone="yard", count=3, after_s=1.0, clear_s=2.0
    )
    scene = Scene(camera(rule))
    three: dict[int, Any] = {1: (0.6, 0.5), 2: (0.7, 0.5), 3: (0.8, 0.5)}
    two = {1: three[1], 2: three[2]}
    assert scene.at(0.0, three) == []
    assert scene.at(0.5, three | {3: None}) == [], "hidden for a moment"
    (begin,) = scene.at(1.0, three)
    assert (begin.count, begin.cls, begin.track) == (3, "person", None)
    assert begin.box == pytest.approx((0.58, 0.4, 0.82, 0.5))
    assert scene.at(2.0, two) == []
    assert scene.at(2.5, three) == [], "full again before the time"
    assert scene.at(4.0, two) == []
    (end,) = scene.at(4.5, two)
    assert (end.phase, end.event) == (Phase.END, begin.event)


def test_who_is_seen_faintly_stays_a_member_for_a_moment() -> None:
    rule = CrowdRule(
        id="r", name=NAME, classes=("person",), zone="yard", count=2, after_s=1.0, clear_s=1.0
    )
    scene = Scene(camera(rule))
    both: dict[int, Any] = {1: (0.6, 0.5), 2: (0.7, 0.5)}
    assert scene.at(0.0, both, score=0.3) == []
    scene.at(0.5, both)
    assert len(scene.at(1.5, both, score=0.3)) == 1
    assert scene.at(2.4, both, score=0.3) == []
    assert scene.at(4.0, both, score=0.3)[0].phase is Phase.END, "faint for too long"


def test_loitering_allows_a_short_absence_and_no_long_one() -> None:
    rule = LoiteringRule(id="r", name=NAME, classes=("person",), zone="yard", dwell_s=10, clear_s=3)
    scene = Scene(camera(rule))
    told = [e for s in range(10) for e in scene.at(s, {1: OUT if s in (4, 5) else IN})]
    assert told == []
    assert scene.at(10.0, {1: IN})[0].type is RuleKind.LOITERING
    other = Scene(camera(rule))
    told = [e for s in range(15) for e in other.at(s, {1: OUT if 4 <= s <= 8 else IN})]
    assert told == []


# --- counts -------------------------------------------------------------------------------------


def test_counts_are_weighted_by_time_not_by_looks() -> None:
    scene = Scene(camera(intrusion(), observe_s=10))
    scene.at(0.0, {1: IN, 2: OUT})
    for n in range(1, 21):  # many looks in a short time change no mean
        scene.at(n * 0.1, {1: IN, 2: OUT})
    scene.at(2.5, {2: OUT})
    for s in range(3, 10):
        scene.tick(s)
    (told,) = [r for r in scene.tick(10.0) if isinstance(r, Observation)]
    counts: dict[Any, Any] = {(c.zone, c.cls): (c.mean, c.max) for c in told.counts}
    assert counts[("yard", "person")] == (pytest.approx(0.25), 1)
    assert counts[("", "person")] == (pytest.approx(1.25), 2)
    assert (told.interval_s, told.frames) == (10.0, 22)


def test_one_who_is_seen_under_another_id_counts_once() -> None:
    scene = Scene(camera(intrusion(), observe_s=10))
    scene.at(0.0, {1: IN, 2: (0.8, 0.5)})
    scene.at(0.5, {1: IN, 2: None, 3: (0.81, 0.5)}, covered=True)
    (told,) = [r for r in scene.tick(10.0) if isinstance(r, Observation)]
    assert {(c.zone, c.max) for c in told.counts} == {("", 2), ("yard", 2)}


def test_an_empty_yard_is_told_as_empty_and_a_blind_camera_not_at_all() -> None:
    scene = Scene(camera(intrusion(), observe_s=10))
    scene.at(0.0, {})
    scene.tick(1.0)
    (told,) = scene.tick(10.0)
    assert {(c.zone, c.cls, c.mean, c.max) for c in told.counts} == {
        ("", "person", 0.0, 0),
        ("yard", "person", 0.0, 0),
    }
    assert scene.tick(21.0, frame=False) == []


# --- another catalogue --------------------------------------------------------------------------


def test_an_unchanged_rule_goes_on_and_a_changed_one_ends() -> None:
    stays, goes = intrusion(id="stays"), intrusion(id="goes")
    scene = Scene(camera(stays, goes))
    begun = {e.rule: e for e in scene.at(0.0, {1: IN})}
    fresh = intrusion(id="fresh")
    other = camera(stays, msgspec.structs.replace(goes, clear_s=9.0), fresh)
    end = scene.rules.swap(other, counted=("person",), mono_ns=10**9)[0]
    assert isinstance(end, Event)
    assert (end.rule, end.phase, end.event) == ("goes", Phase.END, begun["goes"].event)
    told = scene.at(2.0, {1: IN})
    assert {e.rule for e in told} == {"goes", "fresh"}, "the one that stays is still open"
    moved = msgspec.structs.replace(YARD, polygon=((0.0, 0.0), (0.1, 0.0), (0.1, 0.1)))
    ended = scene.rules.swap(
        msgspec.structs.replace(other, zones=(moved,)), counted=("person",), mono_ns=3 * 10**9
    )
    assert Counter(e.phase for e in ended if isinstance(e, Event)) == {Phase.END: 3}


def test_the_least_strict_rule_says_when_a_track_begins() -> None:
    assert start_score(camera()) == 0.5
    assert start_score(camera(intrusion(min_score=0.7), crossing(min_score=0.35))) == 0.35


# --- properties ---------------------------------------------------------------------------------

_feet = st.one_of(
    st.none(), st.tuples(st.sampled_from([0.3, 0.49, 0.5, 0.51, 0.7]), st.sampled_from([0.1, 0.5]))
)
_looks = st.lists(
    st.tuples(
        st.integers(50, 6000), st.booleans(), st.dictionaries(st.integers(1, 4), _feet, max_size=4)
    ),
    max_size=25,
)
ALL = camera(
    intrusion(id="a", after_s=1.0, clear_s=2.0),
    crossing(),
    CrowdRule(id="d", name=NAME, classes=("person",), zone="yard", count=2, clear_s=1.0),
    LoiteringRule(id="l", name=NAME, classes=("person",), zone="yard", dwell_s=4.0),
    intrusion(id="s", schedule=("wed 11:59-12:00", "wed 12:01-12:02")),
    observe_s=5,
)


def play(looks: Any, *, wall_ns: int = NOON, seen_by: Camera = ALL) -> Scene:
    scene = Scene(seen_by, wall_ns=wall_ns)
    at_ms = 0
    for step_ms, is_look, feet in looks:
        at_ms += step_ms
        if not is_look:
            scene.tick(at_ms / 1e3)
            continue
        known = {n: f for n, f in feet.items() if f is not None or n in scene.feet}
        scene.at(at_ms / 1e3, known)
    return scene


@given(looks=_looks)
def test_every_begin_has_exactly_one_end_once_all_are_gone(looks: Any) -> None:
    scene = play(looks)
    end_s = sum(step for step, *_ in looks) / 1e3
    for n in range(1, 40):
        scene.at(end_s + n / 2, {})
    events = [e for e in scene.told if isinstance(e, Event)]
    phases = Counter((e.event, e.phase) for e in events)
    assert all(count == 1 for count in phases.values())
    begun = [e.event for e in events if e.phase is Phase.BEGIN]
    ended = [e.event for e in events if e.phase is Phase.END]
    assert sorted(begun) == sorted(ended)
    assert scene.rules.close(mono_ns=10**12)[:-1] == []


@given(looks=_looks)
def test_nothing_fires_outside_its_schedule(looks: Any) -> None:
    scene = play(looks)
    schedule = Schedule(("wed 11:59-12:00", "wed 12:01-12:02"), ZoneInfo(TIME_ZONE))
    for event in scene.told:
        if isinstance(event, Event) and event.rule == "s" and event.phase is Phase.BEGIN:
            assert schedule.on(NOON + event.mono)


@given(looks=_looks, jump_ns=st.integers(-(10**18), 10**17))
def test_a_jump_of_the_clock_makes_and_loses_nothing(looks: Any, jump_ns: int) -> None:
    always = msgspec.structs.replace(ALL, rules=ALL.rules[:-1])
    assert (
        play(looks, seen_by=always).told == play(looks, wall_ns=NOON + jump_ns, seen_by=always).told
    )


@given(looks=_looks, at=st.integers(0, 25))
def test_the_same_catalogue_again_changes_nothing(looks: Any, at: int) -> None:
    scene = play(looks[:at])
    again = msgspec.json.decode(msgspec.json.encode(ALL), type=Camera)
    now = sum(step for step, *_ in looks[:at]) * 10**6
    assert scene.rules.swap(again, counted=LABELS, mono_ns=now) == []
