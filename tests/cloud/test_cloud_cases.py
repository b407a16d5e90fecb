"""Cases on both databases: raised once, answered once, told until the broker has them."""

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from fakes.province import SECOND_NS, SPOOL, alarm_of, payload_of, province
from haidang_cloud.cases import (
    OPEN,
    Answer,
    AnswerDesk,
    CaseConflictError,
    CaseDesk,
    CaseShelf,
    CaseTeller,
    Outcome,
    Place,
    life,
)
from haidang_cloud.errors import RefusedError
from haidang_cloud.ingest import Directory
from haidang_cloud.people import Accounts, Rights, audit
from haidang_cloud.state import State, outbox
from haidang_cloud.state.outbox import Alarm
from haidang_cloud.state.tables import case_answer
from haidang_protocols.wire import topics
from haidang_protocols.wire.messages import AnswerKind, CaseAnswer, CaseState, alert, encode
from haidang_protocols.wire.names import RecordId
from haidang_protocols.wire.records import Event, Phase

CATALOGUE = province()
DIRECTORY = Directory(CATALOGUE, 1)
RIGHTS = Rights(CATALOGUE)
T = 1_700_000_000 * SECOND_NS
DAY_NS = 86_400 * SECOND_NS
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def alarm(event: Event, seq: int, *, node: str = "cong-1") -> Alarm:
    return Alarm(
        centre="tinh",
        record_id=f"{node}.{SPOOL}.{seq}",
        site="cong",
        node=node,
        received_ns=event.t,
        payload=payload_of(event),
    )


def number(seq: int, node: str = "cong-1") -> str:
    return f"alert-{node}-{SPOOL}-{seq}"


class Room:
    """A centre's cases, and its people with a token each."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.desk = CaseDesk(state, "tinh")
        self.shelf = CaseShelf(state, "tinh")
        self.teller = CaseTeller(state, "tinh")
        accounts = Accounts(state, "tinh", hasher=QUICK)
        with state.write() as connection:
            accounts.synchronise(connection, CATALOGUE, 1)
        self.answers = AnswerDesk(state, "tinh", accounts)
        self.tokens = {
            one.login: accounts.make_token(one, label="", days=9, now_ns=T)[1]
            for one in accounts.everybody()
        }

    def bring(self, *events: Event, first: int = 1, now_ns: int = T + 1) -> None:
        outbox.add(self.state, [alarm(event, first + n) for n, event in enumerate(events)])
        while self.desk.consume(DIRECTORY.owner, now_ns=now_ns):
            pass

    def say(
        self,
        seq: int,
        kind: AnswerKind,
        *,
        who: str = "an",
        scope: str = "phuong-1",
        at: int = T,
        now_ns: int = T + 10,
        token: str | None = None,
    ) -> Outcome:
        topic = topics.answer_topic("tinh", scope, number(seq))
        answer = CaseAnswer(answer=kind, token=token or self.tokens[who], at=at, note="đang tới")
        return self.answers.take(topic, encode(answer), RIGHTS, now_ns=now_ns)

    def state_of(self, seq: int) -> tuple[CaseState, str]:
        found = self.shelf.read(number(seq))
        assert found is not None
        return found.state, found.by

    def told(self, now_ns: int) -> list[tuple[str, CaseState]]:
        claimed = self.teller.claim(now_ns=now_ns)
        self.teller.told(claimed)
        return [(one.id, one.state) for one in claimed]


@pytest.fixture
def room(state: State) -> Room:
    return Room(state)


# --- the life of an alert -----------------------------------------------------------------------


@given(answers=st.lists(st.sampled_from(AnswerKind), max_size=8))
def test_whatever_is_answered_a_case_ends_once_and_stays_ended(answers: list[AnswerKind]) -> None:
    state = CaseState.RAISED
    for answer in answers:
        goal = life.after(state, answer)
        assert (goal is not None) == (answer in life.allowed(state))
        if state not in OPEN:
            assert goal is None
        if state is CaseState.RAISED and goal is CaseState.CLOSED:
            pytest.fail("closed unseen")
        state = goal or state


# --- raising ------------------------------------------------------------------------------------


def test_an_alarm_is_a_case_of_the_nearest_scope_and_twice_is_once(room: Room) -> None:
    room.bring(alarm_of("e1", T))
    outbox.add(room.state, [alarm(alarm_of("e1", T), 1)])
    assert room.desk.consume(DIRECTORY.owner, now_ns=T + 5) == 0
    found = room.shelf.read(number(1))
    assert found is not None
    assert (found.scope, found.place, found.state) == ("phuong-1", "cong", CaseState.RAISED)
    assert found.box == (0.1, 0.2, 0.3, 0.4)
    assert not found.delayed
    assert [step.action for step in room.shelf.steps(number(1))] == ["raised"]


def test_what_was_told_before_it_could_be_stored_is_the_same_case(room: Room) -> None:
    event, record = alarm_of("e1", T), RecordId(f"cong-1.{SPOOL}.1")
    early = alert(event, record=record, scope="phuong-1", place="cong", at=T + 5, provisional=True)
    room.bring(event, now_ns=T + 5)
    (told,) = room.teller.claim(now_ns=T + 6)
    assert told.message() == structs.replace(early, provisional=False)


def test_an_alarm_from_an_hour_ago_is_told_as_delayed(room: Room) -> None:
    room.bring(alarm_of("e1", T), now_ns=T + 3600 * SECOND_NS)
    found = room.shelf.read(number(1))
    assert found is not None
    assert found.message().delayed


def test_what_was_seen_ends_and_the_case_waits_for_a_person(room: Room) -> None:
    room.bring(alarm_of("e1", T))
    assert room.told(T + 2) == [(number(1), CaseState.RAISED)]
    ended = alarm_of("e1", T + SECOND_NS, phase=Phase.END)
    room.bring(ended, first=2, now_ns=T + 3)
    found = room.shelf.read(number(1))
    assert found is not None
    assert (found.state, found.ended_ns) == (CaseState.RAISED, T + SECOND_NS)
    assert room.shelf.read(number(2)) is None
    assert room.told(T + 4) == [(number(1), CaseState.RAISED)]
    assert [step.action for step in room.shelf.steps(number(1))] == ["raised", "ended"]
    room.bring(ended, first=3, now_ns=T + 5)  # ends once
    assert room.told(T + 6) == []


def test_beginning_and_end_in_one_batch_and_many_batches(room: Room) -> None:
    events = [
        event
        for n in range(70)
        for event in (alarm_of(f"e{n}", T + n), alarm_of(f"e{n}", T + n, phase=Phase.END))
    ]
    room.bring(*events)
    found = room.shelf.find(["phuong-1"], limit=1000)
    assert len(found) == 70
    assert all(one.ended_ns is not None for one in found)


def test_an_alarm_that_nobody_can_read_blocks_no_other(room: Room) -> None:
    outbox.add(room.state, [replace(alarm(alarm_of("e1", T), 1), payload=b"{")])
    room.bring(alarm_of("e2", T), first=2)
    assert room.state_of(2) == (CaseState.RAISED, "")


def test_two_workers_make_each_case_once_and_see_each_end(room: Room) -> None:
    events = [
        event
        for n in range(60)
        for event in (alarm_of(f"e{n}", T + n), alarm_of(f"e{n}", T + n, phase=Phase.END))
    ]
    outbox.add(room.state, [alarm(event, 1 + n) for n, event in enumerate(events)])
    taken: list[int] = []

    def work() -> None:
        desk = CaseDesk(room.state, "tinh")
        while count := desk.consume(DIRECTORY.owner, now_ns=T + 1):
            taken.append(count)

    run_together(work, work)
    assert sum(taken) == 120
    found = room.shelf.find(["phuong-1"], limit=1000)
    assert len(found) == 60
    assert all(one.ended_ns is not None for one in found)


def run_together(*works: Callable[[], object]) -> None:
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# --- telling ------------------------------------------------------------------------------------


def test_a_case_is_told_by_one_until_the_broker_has_it(room: Room) -> None:
    room.bring(alarm_of("e1", T))
    (claimed,) = room.teller.claim(now_ns=T)
    assert room.teller.claim(now_ns=T + SECOND_NS) == []  # somebody is at it
    (again,) = room.teller.claim(now_ns=T + 2 * SECOND_NS)  # and died
    assert again.message() == claimed.message()
    room.teller.told([again])
    assert room.teller.claim(now_ns=T + 9 * SECOND_NS) == []


def test_a_change_while_it_is_told_is_told_too_and_known_as_the_later(room: Room) -> None:
    room.bring(alarm_of("e1", T), now_ns=T + 5)
    (raised,) = room.teller.claim(now_ns=T + 5)
    answer = Answer(kind=AnswerKind.ACKNOWLEDGED, actor="an", via="api")
    room.desk.answer(number(1), answer, now_ns=T + 1)  # a clock that lags
    (changed,) = room.teller.claim(now_ns=T + 5)  # at once, by whoever it is
    assert changed.message().at > raised.message().at
    room.teller.told([changed])
    room.teller.told([raised])  # the broker's word on the older one comes late
    assert room.teller.claim(now_ns=T + 9 * SECOND_NS) == []
    assert changed.message().state is CaseState.ACKNOWLEDGED
    assert changed.message().by == "an"


def test_two_tellers_share_the_work(room: Room) -> None:
    room.bring(*(alarm_of(f"e{n}", T + n) for n in range(150)))
    told: list[str] = []

    def work() -> None:
        teller = CaseTeller(room.state, "tinh")
        while claimed := teller.claim(now_ns=T):
            told.extend(one.id for one in claimed)
            teller.told(claimed)

    run_together(work, work)
    assert len(told) == len(set(told)) == 150


# --- answers ------------------------------------------------------------------------------------


def test_from_raised_to_closed_by_name(room: Room) -> None:
    room.bring(alarm_of("e1", T))
    assert room.say(1, AnswerKind.ACKNOWLEDGED) is Outcome.TAKEN
    assert room.say(1, AnswerKind.ON_SCENE, who="binh") is Outcome.TAKEN
    assert room.say(1, AnswerKind.DONE) is Outcome.TAKEN
    assert room.state_of(1) == (CaseState.CLOSED, "an")
    steps = room.shelf.steps(number(1))
    assert [(one.actor, one.action, one.to_state) for one in steps[1:]] == [
        ("an", "acknowledged", "acknowledged"),
        ("binh", "on_scene", "on_scene"),
        ("an", "done", "closed"),
    ]
    assert {(one.via, one.note) for one in steps[1:]} == {("mqtt", "đang tới")}
    said = [(line.actor, line.action) for line in audit.newest(room.state, "tinh", limit=3)]
    assert said == [("an", "case.done"), ("binh", "case.on_scene"), ("an", "case.acknowledged")]
    audit.verify(room.state, "tinh")


def test_the_same_answer_at_every_worker_counts_once(room: Room) -> None:
    room.bring(alarm_of("e1", T))
    outcomes: list[Outcome] = []
    run_together(*[lambda: outcomes.append(room.say(1, AnswerKind.ACKNOWLEDGED)) for _ in range(4)])
    assert sorted(outcomes) == [Outcome.KNOWN] * 3 + [Outcome.TAKEN]
    room.say(1, AnswerKind.DONE)
    assert room.say(1, AnswerKind.ACKNOWLEDGED) is Outcome.KNOWN  # comes again much later
    assert room.state_of(1) == (CaseState.CLOSED, "an")
    assert len(room.shelf.steps(number(1))) == 3


def test_of_two_who_answer_at_once_one_wins_and_the_other_is_told_who(room: Room) -> None:
    room.bring(alarm_of("e1", T))
    won: list[str] = []
    lost: list[CaseConflictError] = []

    def answer(actor: str) -> None:
        said = Answer(kind=AnswerKind.ACKNOWLEDGED, actor=actor, via="api")
        try:
            room.desk.answer(number(1), said, now_ns=T + 3)
            won.append(actor)
        except CaseConflictError as error:
            lost.append(error)

    run_together(lambda: answer("an"), lambda: answer("binh"))
    (winner,), (error,) = won, lost
    assert error.found.by == winner
    assert str(error) == (
        f"the case is acknowledged by {winner}; acknowledged is not taken now, "
        "but on_scene, false, done"
    )


def refusals(room: Room) -> list[tuple[str, str]]:
    lines = audit.newest(room.state, "tinh", limit=500)
    return [
        (line.actor, line.detail["reason"])
        for line in reversed(lines)
        if line.action == "case.answer_refused"
    ]


@pytest.mark.parametrize(
    ("kind", "how", "logged"),
    [
        (AnswerKind.FALSE, {"token": "hd_made_up"}, ("unknown", "token")),
        # may read elsewhere, may answer nowhere
        (AnswerKind.FALSE, {"who": "chi"}, ("chi", "forbidden")),
        (AnswerKind.FALSE, {"scope": "ba-ria"}, ("an", "forbidden")),
        # her scope, but not the case's
        (AnswerKind.FALSE, {"who": "binh", "scope": "vung-tau"}, ("binh", "scope")),
        (AnswerKind.DONE, {}, ("an", "conflict")),
    ],
)
def test_a_refused_answer_is_logged_and_the_case_told_as_it_stands(
    room: Room, kind: AnswerKind, how: dict[str, str], logged: tuple[str, str]
) -> None:
    room.bring(alarm_of("e1", T))
    room.told(T + 2)
    assert room.say(1, kind, **how) is Outcome.REFUSED  # type: ignore[arg-type]
    assert room.say(1, kind, **how) is Outcome.KNOWN  # type: ignore[arg-type]
    assert room.state_of(1) == (CaseState.RAISED, "")
    assert refusals(room) == [logged]
    assert room.told(T + 20) == [(number(1), CaseState.RAISED)]
    assert room.told(T + 30) == []
    assert "hd_" not in repr(audit.newest(room.state, "tinh"))


def test_an_answer_that_is_none_is_logged(room: Room) -> None:
    topic = topics.answer_topic("tinh", "phuong-1", number(1))
    assert room.answers.take(topic, b"\xff{", RIGHTS, now_ns=T) is Outcome.REFUSED
    assert room.answers.take(topic, b'{"v":9}', RIGHTS, now_ns=T) is Outcome.REFUSED
    odd = topics.answer_topic("tinh", "phuong-1", "x" * 5000)
    said = CaseAnswer(answer=AnswerKind.DONE, token=room.tokens["an"])
    assert room.answers.take(odd, encode(said), RIGHTS, now_ns=T) is Outcome.REFUSED
    assert refusals(room) == [
        ("unknown", "malformed"),
        ("unknown", "malformed"),
        ("an", "unknown"),
    ]


def test_an_answer_may_come_before_its_case(room: Room) -> None:
    """A guard post hears of an alarm from the node while the centre is out of reach."""
    assert room.say(1, AnswerKind.ACKNOWLEDGED) is Outcome.WAITING
    assert room.say(1, AnswerKind.ACKNOWLEDGED) is Outcome.KNOWN
    assert room.answers.settle_waiting(now_ns=T + 11) == 0
    room.bring(alarm_of("e1", T), now_ns=T + 12)
    run_together(*[lambda: room.answers.settle_waiting(now_ns=T + 13) for _ in range(2)])
    assert room.state_of(1) == (CaseState.ACKNOWLEDGED, "an")
    assert len(room.shelf.steps(number(1))) == 2


def test_an_answer_in_another_scope_than_the_case_turns_out_to_have(room: Room) -> None:
    assert room.say(1, AnswerKind.FALSE, who="binh", scope="vung-tau") is Outcome.WAITING
    room.bring(alarm_of("e1", T), now_ns=T + 12)
    room.answers.settle_waiting(now_ns=T + 13)
    assert room.state_of(1) == (CaseState.RAISED, "")
    assert refusals(room) == [("binh", "scope")]


def test_a_case_that_never_comes_is_waited_for_one_day(room: Room) -> None:
    assert room.say(1, AnswerKind.ACKNOWLEDGED, now_ns=T) is Outcome.WAITING
    assert room.answers.settle_waiting(now_ns=T + DAY_NS - 1) == 0
    assert room.answers.settle_waiting(now_ns=T + DAY_NS) == 1
    assert room.answers.settle_waiting(now_ns=T + DAY_NS + 1) == 0
    assert refusals(room) == [("an", "unknown")]
    assert room.answers.forget(now_ns=T + 40 * DAY_NS) == 1
    with room.state.read() as connection:
        assert connection.execute(sa.select(case_answer)).all() == []


def test_an_answer_to_a_case_that_is_not_there(room: Room) -> None:
    with pytest.raises(RefusedError, match="no case 'alert-x'"):
        room.desk.answer("alert-x", Answer(kind=AnswerKind.DONE, actor="an", via="api"), now_ns=T)


# --- looking ------------------------------------------------------------------------------------


def test_pages_hold_every_case_once_though_many_were_raised_at_once(room: Room) -> None:
    room.bring(*(alarm_of(f"e{n}", T + n) for n in range(7)))
    room.bring(alarm_of("other", T, camera="cho-tay"), first=50)
    seen: list[str] = []
    after: Place | None = None
    while page := room.shelf.find(["phuong-1"], limit=3, after=after):
        seen += [one.id for one in page]
        after = Place(page[-1].raised_ns, page[-1].id)
    assert sorted(seen) == sorted(number(n) for n in range(1, 8))
    assert [one.scope for one in room.shelf.find(["ba-ria"])] == ["ba-ria"]
    assert room.shelf.find([]) == []
    room.say(1, AnswerKind.FALSE)
    assert len(room.shelf.find(["phuong-1"])) == 6
    assert len(room.shelf.find(["phuong-1"], states=[CaseState.FALSE_ALARM])) == 1


def test_another_centre_sees_and_answers_nothing(room: Room) -> None:
    room.bring(alarm_of("e1", T))
    assert CaseShelf(room.state, "other").read(number(1)) is None
    assert CaseShelf(room.state, "other").find(["phuong-1"]) == []
    assert CaseTeller(room.state, "other").claim(now_ns=T) == []
    topic = topics.answer_topic("other", "phuong-1", number(1))
    said = encode(CaseAnswer(answer=AnswerKind.DONE, token=room.tokens["an"]))
    assert room.answers.take(topic, said, RIGHTS, now_ns=T) is Outcome.REFUSED
    assert refusals(room) == [("unknown", "malformed")]
