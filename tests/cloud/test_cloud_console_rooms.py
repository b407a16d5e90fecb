"""What the console needs of the rooms below, on both databases."""

import time
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from fakes.wall import CENTRE, SECOND_NS, SPOOL, Coast, coast, event_of, text
from haidang_cloud.blobs import Blobs
from haidang_cloud.cases import Answer, CaseDesk, CaseShelf
from haidang_cloud.console.hub import LiveModel
from haidang_cloud.console.hub.reader import SeriesReader, StateReader
from haidang_cloud.errors import RefusedError
from haidang_cloud.ingest import Directory
from haidang_cloud.people import Accounts, audit
from haidang_cloud.people.accounts import LINK_NS, SESSION_NS
from haidang_cloud.state import State, drafts, outbox
from haidang_cloud.state.drafts import Outcome
from haidang_cloud.state.outbox import Alarm
from haidang_cloud.timeseries import SqliteSeries
from haidang_protocols.wire.messages import AnswerKind, CaseState
from haidang_protocols.wire.names import record_id
from haidang_protocols.wire.records import Observation, ZoneCount, encode_record

NOW = 1_764_043_200 * 10**9
DAY = 86_400 * 10**9


@pytest.fixture
def world(state: State, tmp_path: Path) -> Coast:
    series = SqliteSeries(tmp_path / "series.sqlite")
    return Coast(coast(), state, series, Blobs(tmp_path / "blobs", state, centre=CENTRE))


@pytest.fixture
def accounts(state: State) -> Accounts:
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    made = Accounts(state, CENTRE, hasher=cheap)
    with state.write() as connection:
        made.synchronise(connection, coast(), NOW)
    return made


def test_a_note_moves_nothing_and_is_told(world: Coast, state: State) -> None:
    case = world.alarm("bai-sau-1", "dem", picture=False)
    before = CaseShelf(state, CENTRE).read(case)
    assert before is not None
    after = CaseDesk(state, CENTRE).note(case, actor="an", note="cửa khoá", now_ns=NOW)
    assert (after.state, after.by, after.note) == (CaseState.RAISED, "", "cửa khoá")
    assert after.version == before.version + 1
    assert after.changed_ns > before.changed_ns
    (_, step) = CaseShelf(state, CENTRE).steps(case)
    assert (step.action, step.actor, step.note) == ("note", "an", "cửa khoá")
    assert audit.newest(state, CENTRE, limit=1)[0].action == "case.note"


def test_a_note_without_words_or_case_is_refused(world: Coast, state: State) -> None:
    case = world.alarm("bai-sau-1", "dem", picture=False)
    with pytest.raises(RefusedError, match="words"):
        CaseDesk(state, CENTRE).note(case, actor="an", note="  ", now_ns=NOW)
    with pytest.raises(RefusedError, match="no case"):
        CaseDesk(state, CENTRE).note("alert-x", actor="an", note="?", now_ns=NOW)


def test_what_changed_is_found_in_the_order_of_its_change(world: Coast, state: State) -> None:
    first, second = (world.alarm("bai-sau-1", "dem", picture=False) for _ in range(2))
    shelf, desk = CaseShelf(state, CENTRE), CaseDesk(state, CENTRE)
    assert [number for number, _ in shelf.changes(0)] == [first, second]
    last = shelf.changes(0)[-1][1]
    desk.note(first, actor="an", note="x", now_ns=last + 5)
    assert shelf.changes(last) == [(first, last + 5)]
    assert {number for number, _ in shelf.open_now()} == {first, second}
    assert {view.id for view in shelf.some([first, second, "none"])} == {first, second}
    assert len(shelf.some([first] * 1200 + [second])) >= 2


def test_the_wall_shows_all_that_changed_however_much_at_once(world: Coast, state: State) -> None:
    """A worker that catches up raises thousands of alarms in the same instant."""
    accounts, model = Accounts(state, CENTRE), LiveModel()
    reader = StateReader(model, state, accounts, world.blobs, centre=CENTRE)
    reader.read_once(now_ns=time.time_ns(), now_s=0.0)
    now_ns = time.time_ns()
    rows = []
    for number in range(1, 1301):
        event = event_of(world.catalogue.cameras[0], "dem", now_ns, f"e{number}")
        record = record_id("bs-1", SPOOL, number)
        payload = encode_record(event)
        rows.append(
            Alarm(
                centre=CENTRE,
                record_id=record,
                site="bai-sau",
                node="bs-1",
                received_ns=now_ns,
                payload=payload,
            )
        )
    outbox.add(state, rows)
    while world.desk.consume(Directory(world.catalogue, 1).owner, now_ns=now_ns):
        pass
    reader.read_once(now_ns=now_ns, now_s=1.0)
    assert len(model.cases) == 1300
    revision = model.revision
    reader.read_once(now_ns=now_ns, now_s=1.2)
    assert model.revision == revision


def test_old_history_is_not_read(world: Coast, state: State) -> None:
    case = world.alarm("bai-sau-1", "dem", picture=False, age_s=90_000)
    old_ns = time.time_ns() - 80_000 * 10**9
    world.desk.answer(case, Answer(kind=AnswerKind.FALSE, actor="an", via="api"), now_ns=old_ns)
    model = LiveModel()
    reader = StateReader(model, state, Accounts(state, CENTRE), world.blobs, centre=CENTRE)
    reader.read_once(now_ns=time.time_ns(), now_s=0.0)
    assert len(model.cases) == 0


def test_the_wall_begins_with_the_whole_hour_and_finds_within_a_minute_what_comes_late(
    world: Coast,
) -> None:
    """A node that was cut off sends its spool: its minutes are counted where they belong."""
    camera = world.catalogue.cameras[0]
    model = LiveModel()
    reader = SeriesReader(model, world.series, centre=CENTRE)
    life = [(ago_s, f"h{ago_s}") for ago_s in (3500, 3001, 1800, 61, 2)]
    for ago_s, name in life:
        world.write(event_of(camera, "qua", NOW - ago_s * SECOND_NS, name))
    reader.read_once(now_ns=NOW, now_s=0.0)
    assert [row.t // 1000 for _, row in model.events] == [NOW // SECOND_NS - s for s, _ in life]

    late_ns = [NOW - late_s * SECOND_NS for late_s in range(15, 3400, 95)]
    for t in late_ns:
        counts = (ZoneCount(zone="loi-di", cls="person", mean=2.5, max=4),)
        world.write(
            event_of(camera, "qua", t, f"late{t}"),
            Observation(t=t, camera=camera.id, interval_s=60, frames=300, counts=counts),
        )
    for second in range(1, 63):
        reader.read_once(now_ns=NOW + second * SECOND_NS, now_s=float(second))
    shown = [row.t for _, row in model.events]
    assert len(shown) == len(set(shown))
    assert {t // 10**6 for t in late_ns} < set(shown)
    seen = {minute.number for minute in model.minutes if minute.seen}
    assert seen == {t // (60 * SECOND_NS) for t in late_ns}


def test_the_newest_picture_of_each_camera_that_can_still_be_opened(
    state: State, tmp_path: Path
) -> None:
    blobs = Blobs(tmp_path / "blobs", state, centre=CENTRE)
    put = [("r1", "a", 1, DAY), ("r2", "a", 2, DAY), ("r3", "b", 1, 5), ("r4", "c", 3, DAY)]
    for record, camera, at, keep in put:
        content = record.encode()
        crop = (0.25, 0.0, 0.5, at / 4)
        blobs.put(record, content, camera=camera, now_ns=NOW + at, keep_ns=keep, crop=crop)
    found = {blob.camera: blob.record for blob in blobs.newest(now_ns=NOW + 10)}
    assert found == {"a": "r2", "c": "r4"}
    crops = {blob.camera: blob.crop for blob in blobs.newest(now_ns=NOW + 10)}
    assert crops == {"a": (0.25, 0.0, 0.5, 0.5), "c": (0.25, 0.0, 0.5, 0.75)}
    assert [b.record for b in blobs.newest(now_ns=NOW + 10, since_ns=NOW + 2)] == ["r4"]


def test_an_entry_link_lets_in_once_and_within_a_day(accounts: Accounts, state: State) -> None:
    link = accounts.entry_link("an", actor="lan", now_ns=NOW)
    session = accounts.use_entry_link(link, now_ns=NOW + 1)
    person = accounts.of_session(session, now_ns=NOW + 2)
    assert person is not None
    assert person.login == "an"
    assert accounts.of_session(session, now_ns=NOW + 1 + SESSION_NS) is None
    with pytest.raises(RefusedError, match="was used"):
        accounts.use_entry_link(link, now_ns=NOW + 3)
    late = accounts.entry_link("an", actor="lan", now_ns=NOW)
    with pytest.raises(RefusedError, match="expired"):
        accounts.use_entry_link(late, now_ns=NOW + LINK_NS)
    actions = [line.action for line in audit.newest(state, CENTRE, limit=9)]
    assert actions == ["person.entry_link", "session.begin", "person.entry_link"]


def test_nobody_gets_a_link_for_somebody_who_is_not_there(accounts: Accounts) -> None:
    with pytest.raises(RefusedError, match="nobody"):
        accounts.entry_link("eve", actor="lan", now_ns=NOW)


def test_a_draft_is_decided_once(state: State) -> None:
    with state.write() as connection:
        number = drafts.add(
            state,
            connection,
            CENTRE,
            base=1,
            about="camera/bai-sau-1",
            texts={"coast.yaml": text(1)},
            by="dung",
            why="cây che",
            now_ns=NOW,
        )
        assert drafts.decide(
            connection, number, Outcome.PUBLISHED, by="khanh", now_ns=NOW + 1, number=2
        )
        assert not drafts.decide(connection, number, Outcome.DROPPED, by="an", now_ns=NOW + 2)
    (draft,) = drafts.find(state, CENTRE, about="camera/bai-sau-1")
    assert (draft.outcome, draft.decided_by, draft.number) == (Outcome.PUBLISHED, "khanh", 2)
    assert draft.texts == {"coast.yaml": text(1)}
    assert drafts.find(state, CENTRE, about="camera/other") == []
    assert drafts.read(state, "other", number) is None
