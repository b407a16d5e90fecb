"""Registers the pages with NiceGUI: frame around, rights checked, contents inside."""

from collections.abc import Awaitable, Callable

from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from nicegui import ui

from haidang_cloud.console import panels
from haidang_cloud.console.boards import Answers
from haidang_cloud.console.door import Visitor, visitor_of
from haidang_cloud.console.pages import audit
from haidang_cloud.console.pages.boards import BoardPage
from haidang_cloud.console.pages.ways import (
    ALARMS,
    AUDIT,
    BOARDS,
    CAMERAS,
    FAULTS,
    NODES,
    OVERVIEW,
    WAYS,
    Way,
)
from haidang_cloud.console.parts import Parts
from haidang_cloud.console.texts import texts
from haidang_cloud.console.theme import head

Fill = Callable[[Visitor, Request], Awaitable[None]]


def install_pages(parts: Parts) -> None:
    """Register every page of the console."""
    ui.add_head_html(head(), shared=True)
    answers = Answers(parts.series)
    pages: list[tuple[Way, str, Fill]] = [
        (OVERVIEW, OVERVIEW.path, _overview),
        (ALARMS, ALARMS.path, _alarms),
        (ALARMS, f"{ALARMS.path}/{{number}}", _alarms),
        (CAMERAS, CAMERAS.path, _cameras),
        (CAMERAS, f"{CAMERAS.path}/{{number}}", _camera),
        (NODES, NODES.path, _nodes),
        (BOARDS, BOARDS.path, lambda who, asked: BoardPage(parts, answers, who).fill(asked)),
        (AUDIT, AUDIT.path, lambda visitor, request: audit.fill(parts, visitor, request)),
    ]
    ways: tuple[Way, ...] = WAYS
    if parts.faults is not None:
        ways = (*WAYS, FAULTS)
        pages.append((FAULTS, FAULTS.path, _faults))
    for way, path, fill in pages:
        _page(way, path, fill, ways)


def _page(way: Way, path: str, fill: Fill, ways: tuple[Way, ...]) -> None:
    """A page; whoever may not see it finds a sentence there, and the ways that are open."""

    async def build(request: Request) -> Response | None:
        visitor = visitor_of(request)
        mine = [one for one in ways if one.open_to(visitor)]
        if path == OVERVIEW.path and mine and way not in mine:
            return RedirectResponse(mine[0].path, 303)
        words = texts(visitor.language)
        ui.page_title(f"{words[f'way.{way.key}']} · Hải đăng")
        shown = [{"key": one.key, "path": one.path, "icon": one.icon} for one in mine]
        panels.Frame(ways=shown, here=way.key)
        with ui.element("main").classes(f"page page-{way.key}"):
            if way in mine:
                await fill(visitor, request)
            else:
                ui.label(words["state.forbidden"]).classes("nothing")
        return None

    ui.page(path)(build)


async def _overview(_visitor: Visitor, _request: Request) -> None:
    panels.Tally()
    with ui.element("div").classes("overview"):
        panels.Sketch()
        panels.Shortlist()
        panels.Zones()
        panels.Feed()


async def _alarms(_visitor: Visitor, request: Request) -> None:
    panels.Queue(first=request.path_params.get("number", ""))


async def _cameras(_visitor: Visitor, _request: Request) -> None:
    panels.Cameras()


async def _camera(_visitor: Visitor, request: Request) -> None:
    panels.CameraView(camera=request.path_params.get("number", ""))


async def _nodes(_visitor: Visitor, _request: Request) -> None:
    panels.Nodes()


async def _faults(_visitor: Visitor, _request: Request) -> None:
    panels.Faults()
