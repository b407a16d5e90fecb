"""Registers the pages with NiceGUI: frame around, rights checked, contents inside."""

from collections.abc import Awaitable, Callable

from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from nicegui import ui

from haidang_cloud.console import panels
from haidang_cloud.console.boards import Answers
from haidang_cloud.console.pages import audit
from haidang_cloud.console.pages.boards import BoardPage
from haidang_cloud.console.pages.trouble import frame, install_trouble, stop
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
from haidang_cloud.console.visitor import Visitor, visitor_of
from haidang_protocols.catalogue.model import Right

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
    install_trouble(parts, ways)


def _page(way: Way, path: str, fill: Fill, ways: tuple[Way, ...]) -> None:
    """A page; whoever may not see it finds a sentence there, and the ways that are open."""

    async def build(request: Request) -> Response | None:
        visitor = visitor_of(request)
        mine = [one for one in ways if one.open_to(visitor)]
        if path == OVERVIEW.path and mine and way not in mine:
            return RedirectResponse(mine[0].path, 303)
        words = texts(visitor.language)
        ui.page_title(f"{words[f'way.{way.key}']} · Hải đăng")
        frame(mine, words, here=way.key)
        with ui.element("main").classes(f"page page-{way.key}"):
            if way in mine:
                await fill(visitor, request)
            else:
                stop("lock", words, "state.forbidden", back=mine[0] if mine else None)
        return None

    ui.page(path)(build)


async def _overview(visitor: Visitor, _request: Request) -> None:
    """What a role sees nothing of takes no room."""
    cases, events = visitor.sees(Right.CASE_READ), visitor.sees(Right.BOARD_READ)
    looks = visitor.sees(Right.SNAPSHOT_READ)
    panels.Tally()
    shape = "whole" if cases and events else "some" if cases else "mending"
    with ui.element("div").classes(f"overview {shape}{' looking' if looks else ''}"):
        panels.Sketch()
        if looks:
            panels.Looks()
        if cases:
            panels.Shortlist()
        elif visitor.sees(Right.NODE_READ):
            panels.Nodes()
        if events:
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
