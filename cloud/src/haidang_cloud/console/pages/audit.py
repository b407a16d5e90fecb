"""The audit page: who did what, newest first, with the chain's hashes."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import msgspec
from fastapi import Request
from nicegui import ui

from haidang_cloud.console.visitor import Visitor
from haidang_cloud.console.pages.ways import AUDIT
from haidang_cloud.console.parts import Parts
from haidang_cloud.console.texts import texts
from haidang_cloud.people import audit
from haidang_cloud.people.audit import Line

PAGE = 100
_CODE = ("object", "detail", "hash")
_COLUMNS = ("number", "at", "actor", "action", "object", "detail", "hash")


async def fill(parts: Parts, visitor: Visitor, request: Request) -> None:
    """One page of the log; older ones by their number in the address."""
    words = texts(visitor.language)
    lines = await asyncio.to_thread(_lines, parts, _before(request))
    zone = ZoneInfo(visitor.ruling.catalogue.centre.time_zone)
    with ui.element("section").classes("panel").props('id="content"'):
        with ui.element("div").classes("title"):
            ui.html(words["audit.title"], sanitize=False, tag="h2")
            ui.label(words["audit.about"]).classes("quiet")
        with ui.element("div").classes("body log").props('tabindex="0"'):
            if not lines:
                ui.label(words["audit.none"]).classes("nothing")
            else:
                _table(lines, zone, words)
    _turning(lines, _before(request), words)


def _before(request: Request) -> int:
    given = request.query_params.get("before", "")
    return min(int(given), 2**62) if given.isascii() and given.isdigit() else 2**62


def _lines(parts: Parts, before: int) -> list[Line]:
    return audit.newest(parts.state, parts.centre, limit=PAGE, before=before)


def _table(lines: list[Line], zone: ZoneInfo, words: Mapping[str, str]) -> None:
    with ui.element("table").classes("table folding"):
        with ui.element("thead"), ui.element("tr"):
            for column in _COLUMNS:
                with ui.element("th"):
                    ui.html(words[f"audit.{column}"], sanitize=False, tag="span")
        with ui.element("tbody"):
            for line in lines:
                _row(line, zone, words)


def _row(line: Line, zone: ZoneInfo, words: Mapping[str, str]) -> None:
    at = datetime.fromtimestamp(line.at_ns / 1e9, zone)
    detail = " · ".join(f"{key}: {_said(value)}" for key, value in line.detail.items())
    cells = {
        "number": str(line.number),
        "at": at.strftime("%d/%m/%Y %H:%M:%S"),
        "actor": line.actor,
        "action": words.get(f"act.{line.action}", line.action),
        "object": line.object,
        "detail": detail,
        "hash": line.hash[:12],
    }
    with ui.element("tr"):
        for column in _COLUMNS:
            with ui.element("td") as cell:
                cell.props["data-label"] = words[f"audit.{column}"]
                cell.classes(f"of-{column}")
                shown = ui.label(cells[column]).classes("mono" if column in _CODE else "")
                if column == "action":
                    shown.props["title"] = line.action


def _said(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _turning(lines: list[Line], before: int, words: Mapping[str, str]) -> None:
    with ui.element("div").classes("filterline").style("margin: 16px 0 0"):
        if before < 2**62:
            ui.link(words["audit.newest"], AUDIT.path).classes("button")
        if len(lines) == PAGE and lines[-1].number > 1:
            older = f"{AUDIT.path}?{urlencode({'before': lines[-1].number})}"
            ui.link(words["audit.older"], older).classes("button")
