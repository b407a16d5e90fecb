"""The boards page: a scope's security and its nodes, the same panels as in Grafana."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from zoneinfo import ZoneInfo

from fastapi import Request
from nicegui import ui
from nicegui.element import Element

from haidang_cloud.console.boards import Answered, Answers
from haidang_cloud.console.boards.draw import Figure, Painter
from haidang_cloud.console.parts import Parts
from haidang_cloud.console.texts import named, texts
from haidang_cloud.console.visitor import Visitor
from haidang_cloud.errors import (
    StateUnavailableError,
    StoreMisconfiguredError,
    StoreUnavailableError,
)
from haidang_protocols.boards import boards
from haidang_protocols.boards.model import Board, Panel, PanelKind
from haidang_protocols.catalogue.model import Right, Text

log = logging.getLogger(__name__)

HOURS = (1, 6, 24, 72, 168)
_ROW_PX = 30
_TONES = {"good": "tone-good", "neutral": "", "notice": "tone-notice", "bad": "tone-bad"}
_CHOOSE = (
    "(e) => {{ const asked = new URLSearchParams(location.search); "
    "asked.set('{key}', e.target.value); location.search = asked; }}"
)


class BoardPage:
    """One viewer's board; asked again as long as they look and may."""

    def __init__(self, parts: Parts, answers: Answers, visitor: Visitor) -> None:
        """Prepare."""
        self._parts, self._answers, self._visitor = parts, answers, visitor
        self._words = texts(visitor.language)
        self._drawn: dict[str, Callable[[Answered], None]] = {}

    async def fill(self, request: Request) -> None:
        """Choices above, panels below."""
        mine = self._boards()
        board = _asked(mine, request)
        if board is None:
            ui.label(self._words["boards.none"]).classes("nothing")
            return
        hours = _hours(request, board)
        self._choices(mine, board, hours)
        painters = {
            panel.key: Painter(
                panel=panel, language=self._visitor.language, zone=ZoneInfo(board.time_zone)
            )
            for panel in board.panels()
        }
        failed = ui.label("").classes("banner lost").props('role="status"')
        failed.visible = False
        with ui.element("div").classes("board").props('id="content"'):
            for section in board.sections:
                ui.html(self._say(section.title), tag="h2").classes("section")
                for panel in section.panels:
                    self._panel(panel, painters[panel.key])

        async def refresh() -> None:
            failed.text = await self._refresh(board, hours * 3600)
            failed.visible = bool(failed.text)

        # the page does not wait for stores that may be slow
        ui.timer(board.refresh_s, refresh)

    def _boards(self) -> list[Board]:
        scopes = self._visitor.sees(Right.BOARD_READ)
        implied = boards(self._visitor.ruling.catalogue)
        nodes = self._visitor.sees(Right.NODE_READ)
        return [
            board
            for board in implied
            if board.scope in scopes and (board.kind.value != "nodes" or board.scope in nodes)
        ]

    async def _refresh(self, board: Board, view_s: int) -> str:
        """Ask and draw; returns what is wrong, in words."""
        try:
            if not await asyncio.to_thread(self._still):
                return ""
            now_ns = self._parts.now_ns()
            answered = await asyncio.to_thread(
                self._answers.answer, board, view_s=view_s, now_ns=now_ns
            )
        except (StoreUnavailableError, StoreMisconfiguredError, StateUnavailableError) as error:
            log.warning("board %s of %s: %s", board.kind, board.scope, error)
            return self._words["boards.failed"].format(why=self._words["state.away"])
        for draw in self._drawn.values():
            draw(answered)
        return ""

    def _still(self) -> bool:
        """Whether the session that asked has not ended."""
        person = self._parts.accounts.of_session(self._visitor.session, now_ns=self._parts.now_ns())
        return person is not None and person.grants == self._visitor.person.grants

    # --- choices ----------------------------------------------------------------------------

    def _choices(self, mine: Sequence[Board], board: Board, hours: int) -> None:
        catalogue = self._visitor.ruling.catalogue
        scopes = {
            scope.id: self._say(scope.name)
            for scope in catalogue.scopes
            if any(one.scope == scope.id for one in mine)
        }
        kinds = {one.kind.value: self._say(one.title) for one in mine if one.scope == board.scope}
        spans = {str(one): self._span(one) for one in HOURS}
        with ui.element("div").classes("filterline"):
            _choice(self._words["boards.scope"], "scope", scopes, board.scope)
            _choice(self._words["boards.board"], "board", kinds, board.kind.value)
            _choice(self._words["boards.view"], "hours", spans, str(hours))

    def _span(self, hours: int) -> str:
        if hours > 24 and hours % 24 == 0:
            return self._words["boards.days"].format(n=hours // 24)
        return self._words["boards.hours"].format(n=hours)

    # --- panels -----------------------------------------------------------------------------

    def _panel(self, panel: Panel, painter: Painter) -> None:
        height = panel.height * _ROW_PX
        frame = ui.element("section").classes("panel").props(f'data-panel="{panel.key}"')
        frame.style(f"grid-column: span {panel.width}; height: {height}px")
        with frame:
            with ui.element("div").classes("title") as title:
                title.props["title"] = self._say(panel.about)
                ui.html(self._say(panel.title), tag="h2")
            with ui.element("div").classes("body") as body:
                ui.element("div").classes("skeleton").style("height: 100%")
        self._drawn[panel.key] = self._drawer(panel, painter, body)

    def _drawer(self, panel: Panel, painter: Painter, body: Element) -> Callable[[Answered], None]:
        if panel.kind is PanelKind.STAT:
            return lambda told: self._figures(body, painter.figures(told.rows[panel.key]), panel)
        if panel.kind in (PanelKind.RANKING, PanelKind.TABLE):
            body.style("overflow: auto")
            return lambda told: self._rows(body, painter.table(told.rows[panel.key]), panel)
        with body:
            chart = ui.echart({}).classes("chart")
            nothing = ui.label(self._say(panel.empty)).classes("nothing")
        chart.visible = nothing.visible = False
        waiting = body.default_slot.children[0]

        def draw(told: Answered) -> None:
            options = painter.chart(told.rows[panel.key], told.windows[panel.key])
            waiting.classes(remove="skeleton").visible = False
            chart.visible, nothing.visible = bool(options), not options
            chart.options.clear()
            chart.options.update(options)
            chart.update()

        return draw

    def _figures(self, body: Element, figures: Sequence[Figure], panel: Panel) -> None:
        body.clear()
        with body, ui.element("div").classes("stats"):
            if not figures:
                ui.html(self._say(panel.empty), tag="b")
            for figure in figures:
                with ui.element("div").classes(_TONES[figure.tone.value]):
                    ui.html(figure.text, tag="b")
                    if len(figures) > 1:
                        ui.html(figure.name, tag="span")

    def _rows(self, body: Element, table: str, panel: Panel) -> None:
        body.clear()
        with body:
            if table:
                ui.html(table, tag="div", sanitize=False)
            else:
                ui.label(self._say(panel.empty)).classes("nothing")

    def _say(self, text: Text) -> str:
        return named(text, self._visitor.language)


def _choice(label: str, key: str, options: Mapping[str, str], chosen: str) -> None:
    with ui.element("label"):
        ui.html(label, tag="span")
        with ui.element("select").on("change", js_handler=_CHOOSE.format(key=key)):
            for value, text in options.items():
                with ui.element("option") as option:
                    option.props["value"] = value
                    if value == chosen:
                        option.props["selected"] = True
                    ui.html(text, tag="span")


def _asked(mine: Sequence[Board], request: Request) -> Board | None:
    """The board that the address names, else the first."""
    scope = request.query_params.get("scope", mine[0].scope if mine else "")
    kind = request.query_params.get("board", "")
    here = [board for board in mine if board.scope == scope]
    return next((board for board in here if board.kind.value == kind), here[0] if here else None)


def _hours(request: Request, board: Board) -> int:
    given = request.query_params.get("hours", "")
    return int(given) if given in {str(one) for one in HOURS} else board.view_s // 3600
