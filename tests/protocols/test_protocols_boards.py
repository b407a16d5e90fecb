"""Boards that a catalogue implies, and their queries as text."""

import re
from pathlib import Path

import msgspec
import pytest

from fakes import province
from haidang_protocols.boards import Board, Query, boards, influxql
from haidang_protocols.boards.model import (
    COLUMNS,
    Aggregate,
    BoardKind,
    Column,
    Fill,
    Operator,
    Panel,
    PanelKind,
    Span,
    Where,
)
from haidang_protocols.catalogue import load, load_texts
from haidang_protocols.catalogue.loader import read_texts

MINIMAL = Path(__file__).resolve().parents[2] / "catalog" / "minimal"
BOARDS = boards(load(MINIMAL))
PANELS = [
    pytest.param(board, panel, id=f"{board.scope}-{board.kind}-{panel.key}")
    for board in BOARDS
    for panel in board.panels()
]


def text(query: Query) -> str:
    return influxql(
        query, time="TIME", step="1m", zone="Asia/Ho_Chi_Minh", chosen=lambda key: f"^any {key}$"
    )


def nested(query: Query) -> list[Query]:
    below = [] if isinstance(query.source, str) else [q for s in query.source for q in nested(s)]
    return [query, *below]


def board_of(scope: str, kind: BoardKind, found: tuple[Board, ...]) -> Board:
    (board,) = [b for b in found if b.scope == scope and b.kind is kind]
    return board


def test_each_scope_has_a_board_for_security_and_one_for_its_nodes() -> None:
    assert [(b.scope, b.kind.value) for b in BOARDS] == [
        ("centre", "security"),
        ("centre", "nodes"),
        ("city", "security"),
        ("city", "nodes"),
    ]
    assert [b.title.vi for b in BOARDS] == [
        "An ninh · Toàn trung tâm",
        "Nút và camera · Toàn trung tâm",
        "An ninh · Thành phố",
        "Nút và camera · Thành phố",
    ]


def test_a_scope_that_sees_nothing_has_no_boards() -> None:
    catalogue = province.province(
        province.TEXT.replace(
            "roles:\n",
            "  - {id: trong, kind: locality, name: {vi: Trống}, places: [trong]}\nroles:\n",
        ).replace("scopes:\n", "  - {id: trong, name: {vi: Trống}, kind: ward}\nscopes:\n")
    )
    assert {b.scope for b in boards(catalogue)} == {
        "centre",
        "cong-an",
        "vung-tau",
        "phuong-1",
        "ba-ria",
    }


def test_a_board_offers_the_cameras_of_its_scope_and_no_others() -> None:
    found = boards(province.province())

    def cameras(scope: str) -> set[str]:
        (choice,) = board_of(scope, BoardKind.SECURITY, found).filters
        return {option.value for option in choice.options}

    assert cameras("ba-ria") == {"cho-tay"}
    assert cameras("vung-tau") == cameras("phuong-1") == {"cong-dong"}
    assert cameras("centre") == cameras("cong-an") == {"cong-dong", "cho-tay"}
    (nodes,) = board_of("ba-ria", BoardKind.NODES, found).filters
    assert [option.value for option in nodes.options] == ["cho-1"]


def test_what_no_rule_can_fill_is_not_drawn() -> None:
    found = boards(province.province())
    quiet = board_of("ba-ria", BoardKind.SECURITY, found)
    assert [section.key for section in quiet.sections] == ["now", "events"]
    assert not [panel.key for panel in quiet.panels() if "zone" in panel.key]
    alarmed = board_of("phuong-1", BoardKind.SECURITY, found)
    assert [section.key for section in alarmed.sections] == ["now", "alarms", "events"]
    (name, given) = read_texts(MINIMAL).popitem()
    crossed = given.replace(
        "    rules:\n",
        "    lines: [{id: door, name: {vi: Cửa}, points: [[0, 0], [1, 1]]}]\n    rules:\n"
        "      - {id: in, kind: line, name: {vi: Vào}, line: door, classes: [person]}\n",
    )
    busy = board_of("city", BoardKind.SECURITY, boards(load_texts({name: crossed})))
    assert [section.key for section in busy.sections] == ["now", "alarms", "events", "crossings"]


def test_how_many_there_should_be_stands_beside_how_many_there_are() -> None:
    panels = {
        p.key: p for p in board_of("centre", BoardKind.NODES, boards(province.province())).panels()
    }
    assert panels["nodes-heard"].title.vi == "Nút đang báo (trên 2)"
    assert [limit.value for limit in panels["cameras-live"].limits] == [0, 2]


@pytest.mark.parametrize(("board", "panel"), PANELS)
def test_a_panel_says_what_it_shows_in_both_languages(board: Board, panel: Panel) -> None:
    for said in (panel.title, panel.about, panel.empty):
        assert said.vi
        assert said.en
    assert panel.series
    assert 1 <= panel.width <= COLUMNS
    assert list(panel.limits) == sorted(panel.limits, key=lambda limit: limit.value)
    for words in (panel.names, *panel.values.values()):
        assert len({word.value for word in words}) == len(words)


@pytest.mark.parametrize(("board", "panel"), PANELS)
def test_a_panel_asks_for_what_its_bucket_holds(board: Board, panel: Panel) -> None:
    choices = {choice.key for choice in board.filters}
    for series in panel.series:
        for query in nested(series.query):
            if isinstance(query.source, str):
                assert query.source in {"event", "node", "camera", "gap"}, "never observations"
                chosen = {w.key for w in query.where if w.operator is Operator.CHOSEN}
                assert chosen == choices, "every panel follows the board's filter"


@pytest.mark.parametrize(("board", "panel"), PANELS)
def test_hours_and_days_are_the_centre_s(board: Board, panel: Panel) -> None:
    for series in panel.series:
        said = text(series.query)
        over_time = panel.kind in (PanelKind.LINES, PanelKind.BARS, PanelKind.STATES)
        assert series.query.stepped is over_time
        assert ("GROUP BY time(" in said) is said.endswith("tz('Asia/Ho_Chi_Minh')") is over_time
        assert said.count("TIME") >= 1
        assert "SELECT *" not in said


@pytest.mark.parametrize("board", BOARDS, ids=lambda b: f"{b.scope}-{b.kind}")
def test_keys_stand_once_on_a_board(board: Board) -> None:
    panels = [panel.key for panel in board.panels()]
    sections = [section.key for section in board.sections]
    assert len(set(panels)) == len(panels)
    assert len(set(sections)) == len(sections)
    assert all(re.fullmatch("[a-z-]+", key) for key in (*panels, *sections))


def test_what_an_operator_looks_for_is_there() -> None:
    security = {panel.key for panel in BOARDS[0].panels()}
    assert security >= {
        "ongoing",
        "ongoing-by-hour",
        "alarms-by-severity",
        "last-alarms",
        "events-by-type",
        "events-by-class",
        "events-by-camera",
        "zone-ranking",
        "last-events",
    }
    nodes = {panel.key: panel for panel in BOARDS[1].panels()}
    assert set(nodes) >= {
        "spool-depth",
        "spool-oldest",
        "inference",
        "temperature",
        "clock",
        "camera-state",
        "frame-age",
        "fps",
        "restarts",
        "gaps",
        "last-gaps",
    }
    assert nodes["camera-state"].kind is PanelKind.STATES
    assert nodes["lost-today"].span is Span.TODAY


def test_names_are_the_catalogue_s_and_never_a_neighbour_s() -> None:
    (name, given) = read_texts(MINIMAL).popitem()
    ranking = {p.key: p for p in boards(load_texts({name: given}))[0].panels()}["zone-ranking"]
    assert [(w.value, w.text.vi) for w in ranking.values["zone"]] == [("yard", "Sân trong")]
    assert [(w.value, w.text.vi) for w in ranking.values["camera"]] == [
        ("gate-east", "Cổng phía đông")
    ]
    second = given[given.index("  - id: gate-east") :].replace("gate-east", "gate-west")
    other = given + second.replace("Sân trong", "Bãi xe").replace("Cổng phía đông", "Cổng tây")
    ranking = {p.key: p for p in boards(load_texts({name: other}))[0].panels()}["zone-ranking"]
    assert ranking.values["zone"] == (), "two cameras call it differently: its id is shown"
    assert len(ranking.values["camera"]) == 2


def test_a_large_centre_gets_boards_of_a_sensible_size() -> None:
    (name, given) = read_texts(MINIMAL).popitem()
    camera = given[given.index("  - id: gate-east") :]
    node = "  - {id: gate-1, site: gate}\n"
    assert node in given
    # a node has no more cameras than one message brings
    given = given.replace(node, "".join(node.replace("gate-1", f"node-{n}") for n in range(10)))
    many = given.replace("node: gate-1", "node: node-0") + "".join(
        camera.replace("gate-east", f"gate-{n}").replace("node: gate-1", f"node: node-{n % 10}")
        for n in range(1000)
    )
    found = boards(load_texts({name: many}))
    assert len(found[0].filters[0].options) == 1001
    for board in found:
        assert len(msgspec.json.encode(board)) < 1_000_000


def test_boards_survive_a_wire() -> None:
    raw = msgspec.json.encode(BOARDS)
    assert msgspec.json.decode(raw, type=tuple[Board, ...]) == BOARDS


def test_a_query_as_text() -> None:
    counted = Query(
        columns=(Column(key="id", name="n", how=Aggregate.COUNT),),
        source="event",
        where=(
            Where(key="alarm", value=True),
            Where(key="phase", operator=Operator.IS_NOT, value="end"),
            Where(key="camera", operator=Operator.CHOSEN),
        ),
        by=("severity",),
        stepped=True,
        step_s=86_400,
        fill=Fill.ZERO,
    )
    assert text(counted) == (
        'SELECT count("id") AS "n" FROM "event" WHERE "alarm" = true AND "phase" != \'end\' '
        'AND "camera" =~ /^any camera$/ AND TIME GROUP BY time(24h), "severity" fill(0) '
        "tz('Asia/Ho_Chi_Minh')"
    )


@pytest.mark.parametrize(
    ("step_s", "said"), [(0, "1m"), (90, "90s"), (3600, "1h"), (5400, "5400s")]
)
def test_a_step_is_the_query_s_or_the_screen_s(step_s: int, said: str) -> None:
    query = Query(
        columns=(Column(key="fps", name="n", how=Aggregate.MEAN),),
        source="camera",
        stepped=True,
        step_s=step_s,
    )
    assert f"GROUP BY time({said}) fill(null) tz(" in text(query)


def test_words_with_quotes_stay_words() -> None:
    query = Query(
        columns=(Column(key='a"b', name="n"),),
        source="m\\",
        where=(Where(key="k", value="it's \\ all"),),
    )
    assert text(query) == (
        'SELECT "a\\"b" AS "n" FROM "m\\\\" WHERE "k" = \'it\\\'s \\\\ all\' AND TIME'
    )
