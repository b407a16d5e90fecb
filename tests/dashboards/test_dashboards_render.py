"""Every board as Grafana's JSON: linted for what Grafana trips over, stable to the byte."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog import plugins, runtime
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from fakes import province
from haidang_dashboards.grafana import identity
from haidang_dashboards.grafana.query import DATA_SOURCE_TYPE, InfluxQuery
from haidang_dashboards.grafana.render import render, to_text
from haidang_protocols.boards import Board, boards
from haidang_protocols.boards.model import BoardKind
from haidang_protocols.catalogue import load, load_texts
from haidang_protocols.catalogue.loader import read_texts

MINIMAL = Path(__file__).resolve().parents[2] / "catalog" / "minimal"
SCHEMA_OF_11_6 = 41


def with_lines() -> str:
    """The smallest centre with a line to cross."""
    (_, text) = read_texts(MINIMAL).popitem()
    return text.replace(
        "    rules:\n",
        "    lines: [{id: door, name: {vi: Cửa, en: Door}, points: [[0, 0], [1, 1]]}]\n    rules:\n"
        "      - {id: in, kind: line, name: {vi: Vào}, line: door, classes: [person]}\n",
    )


def every_board() -> Iterator[Any]:
    catalogues = {
        "minimal": load(MINIMAL),
        "province": province.province(),
        "lines": load_texts({"a.yaml": with_lines()}),
    }
    for name, catalogue in catalogues.items():
        for board in boards(catalogue):
            yield pytest.param(board, id=f"{name}-{board.scope}-{board.kind}")


BOARDS = list(every_board())
each_board = pytest.mark.parametrize("board", BOARDS)


def panels(rendered: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in rendered["panels"] if panel["type"] != "row"]


@each_board
def test_panels_have_numbers_of_their_own(board: Board) -> None:
    numbers = [panel["id"] for panel in render(board)["panels"]]
    assert all(0 < number < 2**31 for number in numbers)
    assert len(set(numbers)) == len(numbers)


@each_board
def test_every_query_names_the_data_source_of_its_panel_and_scope(board: Board) -> None:
    wanted = {
        "type": DATA_SOURCE_TYPE,
        "uid": identity.data_source_uid(board.centre, board.scope),
    }
    for panel in panels(render(board)):
        assert panel["datasource"] == wanted
        assert panel["targets"]
        for target in panel["targets"]:
            assert target["datasource"] == wanted
            assert target["rawQuery"] is True
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references)


@each_board
def test_no_option_is_null(board: Board) -> None:
    for panel in panels(render(board)):
        assert isinstance(panel["options"], dict)
        assert "null" not in json.dumps(panel["options"])
        assert "null" not in json.dumps(panel["fieldConfig"]["defaults"].get("custom", {}))
        assert "null" not in json.dumps(panel["fieldConfig"]["overrides"])
        steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
        assert [step["value"] is None for step in steps] == [True] + [False] * (len(steps) - 1)


@each_board
def test_uids_fit_and_what_grafana_gives_is_left_out(board: Board) -> None:
    rendered = render(board)
    assert 8 <= len(rendered["uid"]) <= identity.UID_MAX
    assert rendered["uid"].startswith(identity.PREFIX)
    assert not {"id", "version"} & set(rendered)
    assert rendered["schemaVersion"] == SCHEMA_OF_11_6, "the SDK's line is the server's"
    assert identity.centre_tag(board.centre) in rendered["tags"]
    assert rendered["timezone"] == "Asia/Ho_Chi_Minh"
    assert rendered["editable"] is False


@each_board
def test_panels_stand_beside_each_other_and_never_over_each_other(board: Board) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in render(board)["panels"]:
        at = panel["gridPos"]
        assert at["x"] >= 0
        assert at["x"] + at["w"] <= 24
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken
        taken |= cells


@each_board
def test_queries_ask_in_the_viewer_s_time_and_the_centre_s_days(board: Board) -> None:
    for panel in panels(render(board)):
        for target in panel["targets"]:
            query = target["query"]
            assert "$timeFilter" in query
            assert ("GROUP BY time(" in query) is query.endswith("tz('Asia/Ho_Chi_Minh')")
            assert re.findall(r"\$\{(\w+):regex\}", query)
            named = set(re.findall(r"\$tag_(\w+)", target["alias"]))
            assert all(f'"{tag}"' in query.partition("GROUP BY")[2] for tag in named)
            rows = panel["type"] == "table"
            assert target["resultFormat"] == ("table" if rows else "time_series")


@each_board
def test_a_board_is_read_by_grafana_s_own_types_without_loss(board: Board) -> None:
    plugins.register_default_plugins()
    hook = runtime.DataqueryConfig(DATA_SOURCE_TYPE, InfluxQuery.from_json)
    runtime.register_dataquery_variant(hook)
    rendered = render(board)
    read = Dashboard.from_json(rendered)
    again = json.loads(json.dumps(read, cls=JSONEncoder))
    assert again == rendered
    assert read.panels is not None
    assert all(
        isinstance(target, InfluxQuery)
        for panel in read.panels
        for target in getattr(panel, "targets", None) or ()
    )


@each_board
def test_what_people_read_is_vietnamese_and_english_when_asked(board: Board) -> None:
    vietnamese, english = render(board), render(board, language="en")
    assert vietnamese["title"] == board.title.vi
    assert english["title"] == (board.title.en or board.title.vi)
    said = [panel["title"] for panel in vietnamese["panels"]]
    translated = [panel["title"] for panel in english["panels"]]
    assert len(said) == len(translated)
    same = {one for one, other in zip(said, translated, strict=True) if one == other}
    assert same <= {"Camera"}
    queries = [[t["query"] for t in p["targets"]] for p in panels(vietnamese)]
    assert queries == [[t["query"] for t in p["targets"]] for p in panels(english)]


def test_the_same_catalogue_gives_the_same_bytes() -> None:
    first = [to_text(render(board)) for board in boards(load(MINIMAL))]
    second = [to_text(render(board)) for board in boards(load(MINIMAL))]
    assert first == second


def test_a_panel_keeps_its_number_when_others_come_before_it() -> None:
    def numbers(text: str) -> dict[str, int]:
        rendered = render(boards(load_texts({"a.yaml": text}))[0])
        return {panel["title"]: panel["id"] for panel in rendered["panels"]}

    few, many = numbers(province.TEXT), numbers(with_lines())
    shared = set(few) & set(many)
    assert "Sự kiện mới nhất" in shared
    assert all(few[title] == many[title] for title in shared)


def test_long_names_give_short_uids_that_differ() -> None:
    one = identity.board_uid("c" * 48, "s" * 47 + "1", BoardKind.SECURITY)
    two = identity.board_uid("c" * 48, "s" * 47 + "2", BoardKind.SECURITY)
    assert len(one) == len(two) == identity.UID_MAX
    assert one != two
    # words are told apart where their letters are not
    assert identity.uid("a" * 20, "b-" + "c" * 20) != identity.uid("a" * 20 + "-b", "c" * 20)


def test_a_camera_s_name_may_hold_what_ends_an_option() -> None:
    text = with_lines().replace("vi: Cổng phía đông, en: East gate", "vi: 'Cổng 1, 2 : đông'")
    rendered = render(boards(load_texts({"a.yaml": text}))[0])
    (variable,) = rendered["templating"]["list"]
    assert variable["query"] == "Cổng 1\\, 2: đông : gate-east"
    assert variable["allValue"] == ".*"
    assert variable["current"]["value"] == ["$__all"]


class BoardFile(SingleFileSnapshotExtension):
    """A rendered board as the file that `haidang boards build` writes."""

    file_extension = "json"
    _write_mode = WriteMode.TEXT


@pytest.mark.parametrize("kind", list(BoardKind))
def test_the_boards_of_the_smallest_centre(kind: BoardKind, snapshot: SnapshotAssertion) -> None:
    (board,) = [b for b in boards(load(MINIMAL)) if b.scope == "city" and b.kind is kind]
    assert to_text(render(board)) == snapshot(extension_class=BoardFile)
