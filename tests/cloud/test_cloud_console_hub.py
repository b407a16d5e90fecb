"""The live picture: what is newer stands, who may see what, and updates that add up."""

import asyncio
import gzip
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.wall import CENTRE, SPOOL, coast
from haidang_cloud.console.hub import Caster, LiveModel
from haidang_cloud.console.hub.model import CLOSED_KEPT_MS, MINUTES
from haidang_cloud.console.hub.rows import MS_NS, CaseRow, EventRow, state_fields
from haidang_cloud.console.hub.views import EVENTS_SHOWN, update
from haidang_cloud.console.ruling import Audience, Ruling
from haidang_protocols.catalogue.model import Grant
from haidang_protocols.wire.messages import Birth, ClockState, NodeState
from haidang_protocols.wire.reasons import Reason, because, sentence

NOW_MS = 1_764_043_200_000
RULING = Ruling(coast(2), 1)


def audience(login: str) -> Audience:
    person = next(one for one in RULING.catalogue.people if one.login == login)
    return RULING.audience(person.grants)


def case(number: int = 1, **changes: Any) -> CaseRow:
    values: dict[str, Any] = {
        "id": f"alert-bs-1-{SPOOL}-{number}",
        "scope": "vung-tau",
        "place": "bai-sau",
        "node": "bs-1",
        "camera": "bai-sau-1",
        "rule": "dem",
        "type": "intrusion",
        "zone": "san",
        "cls": "person",
        "severity": "critical",
        "state": "raised",
        "t": NOW_MS,
        "raised": NOW_MS,
        "changed": NOW_MS,
    }
    return CaseRow(**{**values, **changes})


def event(
    number: int, *, camera: str = "bai-sau-1", at_ms: int = NOW_MS, **changes: Any
) -> EventRow:
    values: dict[str, Any] = {
        "id": f"bs-1.{SPOOL}.{number}",
        "t": at_ms,
        "camera": camera,
        "type": "intrusion",
        "severity": "critical",
        "phase": "begin",
        "zone": "san",
    }
    return EventRow(**{**values, **changes})


# --- the model ------------------------------------------------------------------------------


def test_of_two_words_on_a_case_the_newer_stands_in_whatever_order_they_come() -> None:
    model = LiveModel()
    model.put_case(case(state="acknowledged", by="An"), stamp_ns=2)
    model.put_case(case(), stamp_ns=1)
    (row,) = model.cases
    assert (row.state, row.by) == ("acknowledged", "An")


def test_what_is_stored_beats_what_was_told_before_it_could_be() -> None:
    model = LiveModel()
    model.put_case(case(provisional=True), stamp_ns=9)
    model.put_case(case(place="cho-vung-tau"), stamp_ns=5)
    model.put_case(case(provisional=True), stamp_ns=10)
    (row,) = model.cases
    assert (row.place, row.provisional) == ("cho-vung-tau", False)


def test_a_closed_case_is_forgotten_after_a_while_and_one_that_is_stored_never() -> None:
    model = LiveModel()
    model.put_case(case(1), stamp_ns=1)
    model.put_case(case(2, state="closed"), stamp_ns=1)
    model.keep_cases({case(1).id}, now_ms=NOW_MS + CLOSED_KEPT_MS)
    assert len(model.cases) == 2
    model.keep_cases({case(1).id}, now_ms=NOW_MS + CLOSED_KEPT_MS + 1)
    assert [row.id for row in model.cases] == [case(1).id]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 90)), max_size=40))
def test_an_event_counts_once_however_often_it_is_read(read: list[tuple[int, int]]) -> None:
    model = LiveModel()
    for number, ago in read:
        model.add_event(event(number, at_ms=NOW_MS - ago * 60_000), now_ms=NOW_MS)
    within = {(number, ago) for number, ago in read if ago < MINUTES}
    assert sum(sum(minute.begun.values()) for minute in model.minutes) == len(within)


def test_the_end_of_an_event_is_shown_and_not_counted() -> None:
    model = LiveModel()
    model.add_event(event(1, phase="end"), now_ms=NOW_MS)
    assert [row.phase for _, row in model.events] == ["end"]
    assert not any(minute.begun for minute in model.minutes)


def birth(catalogue: int, reason: Reason | None = None) -> Birth:
    return Birth(
        spool=SPOOL,
        next_seq=1,
        agent="0.1.0",
        clock=ClockState(boot="aabbccdd", mono=1, wall=1, synced=True),
        catalogue=catalogue,
        reason=sentence(reason),
        because=reason,
    )


REFUSED = because("catalogue.unread", why="cut off")
LOST = because("broker.lost", why="Unspecified error")


def test_a_birth_without_a_reason_ends_one_against_what_is_declared() -> None:
    model = LiveModel()
    model.put_birth("bs-1", birth(3, REFUSED), at_ns=1)
    (row,) = model.nodes
    assert (row.because, row.reason) == (REFUSED, str(REFUSED))
    model.put_birth("bs-1", birth(4), at_ns=2)
    (row,) = model.nodes
    assert (row.catalogue, row.because, row.reason) == (4, None, "")


def test_a_birth_says_nothing_of_a_broker_that_was_lost() -> None:
    model = LiveModel()
    model.change_node("bs-1", {"because": LOST, "reason": str(LOST)})
    model.put_birth("bs-1", birth(4), at_ns=1)
    (row,) = model.nodes
    assert (row.catalogue, row.because) == (4, LOST)


def test_a_birth_that_the_database_had_before_is_no_news() -> None:
    model = LiveModel()
    model.put_birth("bs-1", birth(4), at_ns=2 * MS_NS)
    model.put_birth("bs-1", birth(3, REFUSED), at_ns=MS_NS)
    (row,) = model.nodes
    assert (row.catalogue, row.because) == (4, None)


def test_a_will_does_not_say_since_when() -> None:
    came = NodeState(online=True, at=5 * MS_NS)
    assert state_fields(came) == {"online": True, "since": 5}
    assert state_fields(NodeState(online=False, at=7 * MS_NS)) == {"online": False, "since": 0}


# --- who sees what --------------------------------------------------------------------------


def test_a_guard_sees_their_city_and_no_other() -> None:
    guard = audience("chi")
    assert guard.cases == {"vung-tau"}
    assert {camera.rpartition("-")[0] for camera in guard.cameras} == {"bai-sau", "cho-vung-tau"}
    assert guard.pictures == guard.cameras
    assert not guard.nodes
    assert not guard.events
    assert not guard.observed


def test_a_technician_sees_nodes_and_cameras_but_no_alarm_and_no_picture() -> None:
    technician = audience("dung")
    assert technician.nodes == {"bs-1", "vt-1", "br-1", "br-2", "pm-1"}
    assert len(technician.cameras) == 10
    assert not technician.cases
    assert not technician.pictures


def test_those_with_the_same_rights_are_one_audience() -> None:
    assert audience("an") == audience("binh")
    assert audience("an") != audience("lan")


def test_an_update_has_only_what_its_audience_may_see() -> None:
    model = LiveModel()
    model.put_case(case(1), stamp_ns=1)
    model.put_case(case(2, scope="ba-ria", camera="cho-ba-ria-1"), stamp_ns=1)
    model.add_event(event(1), now_ms=NOW_MS)
    model.add_event(event(2, camera="cho-ba-ria-1"), now_ms=NOW_MS)
    model.set_seen("bai-sau-1", "san", t_ms=NOW_MS, mean=2.5, now_ms=NOW_MS)
    model.change_node("bs-1", {"online": True})
    guard = update(model, audience("chi"), since=0, seq=0, now_ms=NOW_MS)
    assert [row.scope for row in guard.cases] == ["vung-tau"]
    assert not guard.events
    assert not guard.nodes
    assert not guard.minutes
    operator = update(model, audience("an"), since=0, seq=0, now_ms=NOW_MS)
    assert len(operator.cases) == len(operator.events) == 2
    assert [row.seen for row in operator.minutes] == [{"bai-sau-1/san": 2.5}]


def test_somebody_without_a_grant_sees_nothing() -> None:
    nobody = RULING.audience([Grant(role="operator", scope="nowhere"), Grant(role="x", scope="y")])
    seen = (nobody.cases, nobody.cameras, nobody.nodes, nobody.events, nobody.pictures)
    assert not any(seen)
    assert not nobody.observed


def test_no_more_events_are_sent_than_are_shown() -> None:
    model = LiveModel()
    for number in range(EVENTS_SHOWN * 2):
        model.add_event(event(number), now_ms=NOW_MS)
    shown = update(model, audience("an"), since=0, seq=0, now_ms=NOW_MS).events
    assert len(shown) == EVENTS_SHOWN
    assert shown[0].id == event(EVENTS_SHOWN * 2 - 1).id


# --- updates --------------------------------------------------------------------------------


class Ears:
    """Sockets that remember what they heard."""

    def __init__(self) -> None:
        self.rooms: dict[str, set[str]] = {}
        self.heard: dict[str, list[tuple[str, Any]]] = {}
        self.emitted = 0
        self.gone: set[str] = set()

    async def emit(self, event: str, data: object, *, to: str) -> None:
        self.emitted += 1
        for sid in self.rooms.get(to, {to}):
            self.heard.setdefault(sid, []).append((event, data))

    async def enter_room(self, sid: str, room: str) -> None:
        self.rooms.setdefault(room, set()).add(sid)

    async def leave_room(self, sid: str, room: str) -> None:
        self.rooms.get(room, set()).discard(sid)

    async def close(self, sid: str) -> None:
        self.gone.add(sid)

    def alive(self, sid: str) -> bool:
        return sid not in self.gone

    def news(self, sid: str) -> list[dict[str, Any]]:
        return [data for event, data in self.heard.get(sid, []) if event == "live.news"]


class Browser:
    """A viewer's browser: the whole, then updates; asks again when one is missing."""

    def __init__(self, caster: Caster, who: Audience) -> None:
        self.caster, self.who = caster, who
        self.cases: dict[str, dict[str, Any]] = {}
        self.seq = -1

    def read(self) -> None:
        told = msgspec.json.decode(gzip.decompress(self.caster.whole(self.who)))
        self.cases = {row["id"]: row for row in told.get("cases", [])}
        self.seq = told["seq"]

    def hear(self, told: Mapping[str, Any]) -> None:
        if told["seq"] <= self.seq:
            return
        assert told["seq"] == self.seq + 1
        self.seq = told["seq"]
        self.cases |= {row["id"]: row for row in told.get("cases", [])}


SESSIONS = {"s-an": "an", "s-binh": "binh", "s-chi": "chi"}


def caster_on(model: LiveModel, ears: Ears, sessions: Mapping[str, str]) -> Caster:
    return Caster(
        model, ears, lambda secret: audience(sessions[secret]) if secret in sessions else None
    )


async def test_one_encoded_update_serves_all_of_an_audience() -> None:
    model, ears = LiveModel(), Ears()
    caster = caster_on(model, ears, SESSIONS)
    for n, session in enumerate(["s-an", "s-binh", "s-an", "s-chi"]):
        assert not (await caster.join(f"sid{n}", session)).get("over")
    model.put_case(case(), stamp_ns=1)
    await caster.tell()
    assert ears.emitted == 2
    assert all(len(ears.news(f"sid{n}")) == 1 for n in range(4))
    assert ears.news("sid0")[0] is ears.news("sid1")[0]


async def test_nothing_new_says_nothing() -> None:
    model, ears = LiveModel(), Ears()
    caster = caster_on(model, ears, SESSIONS)
    await caster.join("sid", "s-chi")
    await caster.tell()
    told = len(ears.news("sid"))
    # of another city: none of this audience's business
    model.put_case(case(scope="ba-ria"), stamp_ns=1)
    await caster.tell()
    assert len(ears.news("sid")) == told


@given(st.lists(st.sampled_from(["case", "close", "tell", "read"]), max_size=40))
def test_the_whole_and_its_updates_add_up_whenever_they_come(steps: list[str]) -> None:
    async def play() -> None:
        model, ears = LiveModel(), Ears()
        caster = caster_on(model, ears, SESSIONS)
        browser = Browser(caster, audience("an"))
        await caster.join("sid", "s-an")
        browser.read()
        heard = 0
        for stamp, step in enumerate([*steps, "tell"], 1):
            if step == "case":
                model.put_case(case(stamp), stamp_ns=stamp)
            elif step == "close":
                model.put_case(case(stamp // 2, state="closed"), stamp_ns=stamp)
            elif step == "tell":
                await caster.tell()
            else:
                browser.read()
            news = ears.news("sid")
            for told in news[heard:]:
                browser.hear(told)
            heard = len(news)
        known = {row.id: row.state for row in model.cases}
        assert {number: row["state"] for number, row in browser.cases.items()} == known

    asyncio.run(play())


async def test_a_session_that_ends_hears_so_and_nothing_after_it() -> None:
    model, ears = LiveModel(), Ears()
    sessions = dict(SESSIONS)
    caster = caster_on(model, ears, sessions)
    await caster.join("sid", "s-an")
    await caster.join("other", "s-binh")
    del sessions["s-an"]
    await caster.check()
    model.put_case(case(), stamp_ns=1)
    await caster.tell()
    assert [event for event, _ in ears.heard["sid"]] == ["live.over"]
    assert ears.gone == {"sid"}
    assert len(ears.news("other")) == 1
    assert (await caster.join("late", "s-an")) == {"over": True}


async def test_who_gets_other_rights_is_asked_to_begin_anew() -> None:
    model, ears = LiveModel(), Ears()
    sessions = dict(SESSIONS)
    caster = caster_on(model, ears, sessions)
    await caster.join("sid", "s-an")
    sessions["s-an"] = "chi"
    await caster.check()
    assert [event for event, _ in ears.heard["sid"]] == ["live.again"]
    model.put_case(case(scope="ba-ria"), stamp_ns=1)
    await caster.tell()
    assert not ears.news("sid")


def test_the_catalogue_of_these_tests_is_the_coast() -> None:
    assert RULING.catalogue.centre.id == CENTRE


@pytest.mark.parametrize("login", ["an", "chi"])
async def test_the_whole_is_made_once_an_update(login: str) -> None:
    model, ears = LiveModel(), Ears()
    caster = caster_on(model, ears, SESSIONS)
    await caster.join("sid", f"s-{login}")
    first = caster.whole(audience(login))
    assert caster.whole(audience(login)) is first
    model.put_case(case(), stamp_ns=1)
    await caster.tell()
    assert caster.whole(audience(login)) is not first
