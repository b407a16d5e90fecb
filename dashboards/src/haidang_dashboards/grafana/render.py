"""Boards as Grafana's JSON: the same board gives the same text, to the byte."""

import json
from collections.abc import Iterator
from typing import Any

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard

from haidang_dashboards.grafana.identity import (
    TAG,
    board_uid,
    centre_tag,
    data_source_uid,
    panel_id,
)
from haidang_dashboards.grafana.panels import Say, draw_panel
from haidang_dashboards.grafana.query import DATA_SOURCE_TYPE
from haidang_protocols.boards.model import COLUMNS, Board, Filter, Section
from haidang_protocols.catalogue.model import Text

LANGUAGES = ("vi", "en")
_GRID = 24
_ALL = "$__all"
_REFRESH = ["10s", "30s", "1m", "5m", "15m"]


def speak(language: str) -> Say:
    """How to say a text in a language; what has no English is said in Vietnamese."""

    def english(text: Text) -> str:
        return text.en or text.vi

    def vietnamese(text: Text) -> str:
        return text.vi

    return english if language == "en" else vietnamese


def render(board: Board, *, language: str = "vi") -> dict[str, Any]:
    """The dashboard as plain JSON values, without the `id` and `version` that Grafana gives."""
    say = speak(language)
    builder = (
        build.Dashboard(say(board.title))
        .uid(board_uid(board.centre, board.scope, board.kind))
        .tags([TAG, centre_tag(board.centre), f"{TAG}-{board.kind}"])
        .timezone(board.time_zone)
        .week_start("monday")
        .readonly()
        .time(f"now-{board.view_s}s", "now")
        .refresh(f"{board.refresh_s}s")
        .timepicker(build.TimePicker().refresh_intervals(_REFRESH))
        .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
    )
    for choice in board.filters:
        builder.with_variable(_variable(choice, say))
    drawn = builder.build()
    drawn.panels = list(_panels(board, say))
    plain: dict[str, Any] = json.loads(json.dumps(drawn, cls=JSONEncoder))
    return plain


def to_text(rendered: dict[str, Any]) -> str:
    """The file of a rendered board."""
    return json.dumps(rendered, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _panels(board: Board, say: Say) -> Iterator[dashboard.Panel | dashboard.RowPanel]:
    source = dashboard.DataSourceRef(
        type_val=DATA_SOURCE_TYPE, uid=data_source_uid(board.centre, board.scope)
    )
    top = 0
    for section in board.sections:
        yield dashboard.RowPanel(
            id_val=panel_id(f"section {section.key}"),
            title=say(section.title),
            grid_pos=dashboard.GridPos(h=1, w=_GRID, x=0, y=top),
        )
        places = _placed(section, top + 1)
        for panel, at in zip(section.panels, places, strict=True):
            yield draw_panel(board, panel, at=at, source=source, say=say)
        top = max(at.y + at.h for at in places)


def _placed(section: Section, top: int) -> list[dashboard.GridPos]:
    """Panels from left to right; a line is as high as its highest panel."""
    places: list[dashboard.GridPos] = []
    left, height = 0, 0
    scale = _GRID // COLUMNS
    for panel in section.panels:
        width = panel.width * scale
        if left + width > _GRID:
            left, top, height = 0, top + height, 0
        places.append(dashboard.GridPos(h=panel.height, w=width, x=left, y=top))
        left, height = left + width, max(height, panel.height)
    return places


def _variable(choice: Filter, say: Say) -> build.CustomVariable:
    pairs = ", ".join(f"{_safe(say(w.text))} : {_safe(w.value)}" for w in choice.options)
    return (
        build.CustomVariable(choice.key)
        .label(say(choice.title))
        .values(pairs)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(dashboard.VariableOption(selected=True, text=["All"], value=[_ALL]))
    )


def _safe(text: str) -> str:
    """A comma would end the option; a colon between blanks would cut it in two."""
    return text.replace(" : ", ": ").replace(",", "\\,")
