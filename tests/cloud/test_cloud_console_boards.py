"""Boards in the console: what is worked out here is what InfluxDB answers; and what is drawn."""

import time
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from fakes.wall import CENTRE, Coast, coast
from haidang_cloud.blobs import Blobs
from haidang_cloud.console.boards import Answers, Row, Window, evaluate
from haidang_cloud.console.boards.answer import window_of
from haidang_cloud.console.boards.draw import Painter
from haidang_cloud.state import open_state
from haidang_cloud.timeseries import Influx, InfluxSettings, SqliteSeries, TimeSeries
from haidang_cloud.timeseries.base import scope_bucket
from haidang_cloud.timeseries.lines import line_of, lines_of_heartbeat
from haidang_protocols.boards import boards
from haidang_protocols.boards.model import (
    Aggregate,
    Board,
    BoardKind,
    Column,
    Fill,
    Panel,
    PanelKind,
    Query,
    Running,
    Where,
)
from haidang_protocols.catalogue import Catalogue
from haidang_protocols.wire.messages import CameraHealth, CameraState, ClockState, Heartbeat
from servers import start

SECOND = 10**9
HOUR = 3600 * SECOND
WINDOW = Window(begin_ns=0, end_ns=40 * SECOND, step_s=10)


def rows(*given: tuple[int, dict[str, str], dict[str, float]]) -> list[Row]:
    return [Row(t * SECOND, tags, values) for t, tags, values in given]


def ask(query: Query, *given: tuple[int, dict[str, str], dict[str, float]]) -> list[Row]:
    return evaluate(query, lambda _measurement: rows(*given), WINDOW)


def column(how: Aggregate | None = None, running: Running | None = None) -> tuple[Column, ...]:
    return (Column(key="x", name="n", how=how, running=running),)


# --- one thing at a time ----------------------------------------------------------------------


def test_a_count_by_step_has_a_value_for_each_step() -> None:
    query = Query(columns=column(Aggregate.COUNT), source="m", stepped=True, fill=Fill.ZERO)
    found = ask(query, (1, {}, {"x": 1}), (9, {}, {"x": 5}), (35, {}, {"x": 1}))
    assert [(row.t // SECOND, row.values["n"]) for row in found] == [
        (0, 2),
        (10, 0),
        (20, 0),
        (30, 1),
        (40, 0),
    ]


def test_a_step_without_values_is_a_break() -> None:
    query = Query(columns=column(Aggregate.MEAN), source="m", by=("node",), stepped=True)
    found = ask(query, (1, {"node": "a"}, {"x": 1}), (2, {"node": "a"}, {"x": 2}))
    assert [row.values["n"] for row in found] == [1.5, None, None, None, None]
    assert {row.tags["node"] for row in found} == {"a"}


def test_a_rise_leaves_out_a_counter_that_begins_anew() -> None:
    query = Query(columns=column(Aggregate.MAX, Running.RISE), source="m", stepped=True)
    found = ask(
        query, (1, {}, {"x": 3}), (11, {}, {"x": 7}), (21, {}, {"x": 1}), (31, {}, {"x": 2})
    )
    assert [(row.t // SECOND, row.values["n"]) for row in found] == [(10, 4), (30, 1)]


def test_what_is_not_there_fits_no_field_and_an_empty_tag() -> None:
    where = (Where(key="zone", value=""),)
    query = Query(columns=column(Aggregate.COUNT), source="m", where=where)
    (found,) = ask(query, (1, {}, {"x": 1}), (2, {"zone": "yard"}, {"x": 1}))
    assert found.values["n"] == 1
    flag = Query(columns=column(Aggregate.COUNT), source="m", where=(Where(key="y", value=True),))
    assert ask(flag, (1, {}, {"x": 1})) == []


def test_a_day_begins_at_the_centre_s_midnight() -> None:
    window = Window(begin_ns=0, end_ns=48 * HOUR, step_s=86_400, offset_s=7 * 3600)
    assert [t // HOUR for t in window.steps(86_400 * SECOND)] == [-7, 17, 41]


# --- every query of every board against a real server -----------------------------------------


@pytest.fixture(scope="module")
def influxdb(influx: start.Influx) -> Iterator[Influx]:
    opened = Influx(InfluxSettings(url=influx.url, org=influx.org, token=influx.token))
    yield opened
    opened.close()


def live_a_day(catalogue: Catalogue, series: TimeSeries, folder: Path, now: int) -> None:
    """Alarms that ended and one that has not, crossings, counts, heartbeats till now."""
    state = open_state(f"sqlite:///{folder / 'state.sqlite'}")
    world = Coast(catalogue, state, series, Blobs(folder / "blobs", state, centre=CENTRE))
    world.hour(seed=5)
    world.alarm("bai-sau-1", "dem", age_s=4000, picture=False)
    world.alarm("cho-ba-ria-1", "dong", age_s=90, picture=False)
    state.close()
    for number, node in enumerate(catalogue.nodes[:3]):
        for n in range(60):
            at = now - n * 30 * SECOND - number
            beat = Heartbeat(
                at=at,
                clock=ClockState(boot="aabbccdd", mono=1, wall=at, synced=n % 7 > 0),
                cameras=tuple(
                    CameraHealth(
                        id=camera.id,
                        state=CameraState.FROZEN if n % 5 == 3 else CameraState.LIVE,
                        frame_age_s=n / 10,
                        fps=5.0 - n / 100,
                        restarts=(60 - n) // 20,
                    )
                    for camera in catalogue.cameras_of(node.id)
                ),
                inference_p95_ms=40.0 + n / 4,
                spool_depth=n * 3,
                oldest_unsent_s=n / 2,
                dropped=(60 - n) // 15,
                temperature_c=50.0 + number,
            )
            lines = [x.encode() for x in lines_of_heartbeat(beat, site=node.site, node=node.id)]
            series.write(scope_bucket(CENTRE, "centre"), lines)


@pytest.mark.influx
def test_what_is_worked_out_is_what_influxdb_answers(influxdb: Influx, tmp_path: Path) -> None:
    known = coast()
    now = time.time_ns()
    here = SqliteSeries(tmp_path / "series.sqlite")
    live_a_day(known, here, tmp_path, now)
    # the very same points, so that nothing differs but who answers
    bucket = scope_bucket(CENTRE, "centre")
    influxdb.ensure(bucket)
    copied = 0
    for measurement in ("event", "node", "camera", "gap"):
        points = list(here.read(bucket, measurement))
        copied += len(points)
        influxdb.write(bucket, [line_of(point).encode() for point in points])
    assert copied > 500
    try:
        for board in boards(known):
            if board.scope == "centre":
                compare(board, here, influxdb, now)
    finally:
        influxdb.drop(bucket)
        here.close()


def compare(board: Board, here: SqliteSeries, there: Influx, now: int) -> None:
    mine = Answers(here).answer(board, view_s=6 * 3600, now_ns=now)
    theirs = Answers(there).answer(board, view_s=6 * 3600, now_ns=now)
    answered = 0
    for panel in board.panels():
        for left, right in zip(mine.rows[panel.key], theirs.rows[panel.key], strict=True):
            assert plain(left, panel) == plain(right, panel), panel.key
            answered += len(left)
    assert answered > 100


def plain(found: list[Row], panel: Panel) -> list[tuple[object, ...]]:
    """Rows that can be compared: what has no time of its own has none, ties have no order."""
    stepped = panel.kind in (PanelKind.LINES, PanelKind.BARS, PanelKind.STATES, PanelKind.TABLE)
    shown = [
        (
            row.t if stepped else 0,
            tuple(sorted(row.tags.items())),
            tuple(sorted((k, rounded(v)) for k, v in row.values.items() if row.values[k] != "")),
        )
        for row in found
        # a step at the edge without a value is none
        if any(value is not None for value in row.values.values())
    ]
    if panel.kind is PanelKind.RANKING:
        return [tuple(sorted(str(dict(one[2])["n"]) for one in shown))]
    return sorted(shown, key=str)


def rounded(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return value
    return round(float(value), 6)


# --- what is drawn --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def answered(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Board, Answers, int]]:
    folder = tmp_path_factory.mktemp("boards")
    known, series, now = coast(), SqliteSeries(folder / "series.sqlite"), time.time_ns()
    live_a_day(known, series, folder, now)
    board = next(b for b in boards(known) if (b.scope, b.kind) == ("centre", BoardKind.NODES))
    yield board, Answers(series), now
    series.close()


@pytest.mark.parametrize("language", ["vi", "en"])
def test_every_panel_is_drawn(answered: tuple[Board, Answers, int], language: str) -> None:
    board, answers, now = answered
    told = answers.answer(board, view_s=3600, now_ns=now)
    drawn = {}
    for panel in board.panels():
        painter = Painter(panel=panel, language=language, zone=ZoneInfo(board.time_zone))
        rows_of = told.rows[panel.key]
        if panel.kind is PanelKind.STAT:
            drawn[panel.key] = bool(painter.figures(rows_of))
        elif panel.kind in (PanelKind.TABLE, PanelKind.RANKING):
            drawn[panel.key] = bool(painter.table(rows_of))
        else:
            drawn[panel.key] = bool(painter.chart(rows_of, told.windows[panel.key]))
    assert {key for key, something in drawn.items() if not something} == {
        "lost-today",
        "throttled",
        "gaps",
        "last-gaps",
    }


def test_a_chart_shows_the_centre_s_own_hours(answered: tuple[Board, Answers, int]) -> None:
    board, answers, now = answered
    told = answers.answer(board, view_s=3600, now_ns=now)
    panel = next(one for one in board.panels() if one.key == "spool-depth")
    painter = Painter(panel=panel, language="vi", zone=ZoneInfo(board.time_zone))
    options = painter.chart(told.rows[panel.key], told.windows[panel.key])
    assert options["useUTC"]
    assert options["xAxis"]["max"] == now // 10**6 + 7 * 3600 * 1000
    assert [one["name"] for one in options["series"]] == ["br-1", "bs-1", "vt-1"]


def test_a_state_is_a_band_of_its_colour(answered: tuple[Board, Answers, int]) -> None:
    board, answers, now = answered
    told = answers.answer(board, view_s=3600, now_ns=now)
    panel = next(one for one in board.panels() if one.key == "camera-state")
    painter = Painter(panel=panel, language="en", zone=ZoneInfo(board.time_zone))
    options = painter.chart(told.rows[panel.key], told.windows[panel.key])
    pieces = {piece["label"]: piece["color"] for piece in options["visualMap"]["pieces"]}
    assert pieces["Live"] == "#5ad19a"
    assert "Back Beach 1" in options["yAxis"]["data"]
    assert {cell[2] for cell in options["series"][0]["data"]} == {0, 2}


def test_what_stands_in_a_record_is_shown_as_it_is_and_never_as_markup() -> None:
    board = next(b for b in boards(coast()) if b.kind is BoardKind.SECURITY)
    panel = next(one for one in board.panels() if one.kind is PanelKind.TABLE)
    painter = Painter(panel=panel, language="vi", zone=ZoneInfo(board.time_zone))
    bad = Row(1, {}, {"camera": "<img src=x onerror=alert(1)>", "score": 0.5})
    said = painter.table([[bad]])
    assert "<img" not in said
    assert "&lt;img" in said
    assert "0,5" in said


def test_a_board_is_asked_once_for_all_who_look(answered: tuple[Board, Answers, int]) -> None:
    board, answers, now = answered
    first = answers.answer(board, view_s=3600, now_ns=now)
    assert answers.answer(board, view_s=3600, now_ns=now + SECOND) is first
    assert answers.answer(board, view_s=7200, now_ns=now) is not first


def test_today_begins_at_midnight_and_a_week_has_few_steps(minimal: Catalogue) -> None:
    noon = 1_764_047_100 * SECOND  # 12:05 in Ho Chi Minh City
    panels = {p.key: p for b in boards(minimal) if b.scope == "city" for p in b.panels()}
    today = window_of(panels["events-today"], "Asia/Ho_Chi_Minh", view_s=3600, now_ns=noon)
    assert (noon - today.begin_ns) // SECOND == 12 * 3600 + 300
    week = window_of(panels["ongoing-by-hour"], "Asia/Ho_Chi_Minh", view_s=3600, now_ns=noon)
    assert len(week.steps(week.step_s * SECOND)) <= 170
