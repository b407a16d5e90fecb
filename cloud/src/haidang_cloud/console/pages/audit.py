"""The audit page: who did what, with the chain's hashes; and who looked at which pictures."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import msgspec
from fastapi import Request
from nicegui import ui

from haidang_cloud.blobs import Look
from haidang_cloud.console.pages.ways import AUDIT
from haidang_cloud.console.parts import Parts
from haidang_cloud.console.saying import in_words
from haidang_cloud.console.texts import texts
from haidang_cloud.console.visitor import Visitor
from haidang_cloud.people import audit
from haidang_cloud.people.audit import Line

PAGE = 100
_CODE = ("object", "detail", "hash", "looked", "picture")
_COLUMNS = ("number", "at", "actor", "action", "object", "detail", "hash")
_LOOKED = ("at", "until", "actor", "looked", "picture", "looks")
_LOOKS = "looks"
_STATES = ("from", "to")
_TIME = "%d/%m/%Y %H:%M:%S"


async def fill(parts: Parts, visitor: Visitor, request: Request) -> None:
    """One page of a log; older ones by their number in the address."""
    words = texts(visitor.language)
    looks, before = request.query_params.get("log") == _LOOKS, _before(request)
    _choice(words, looks=looks)
    lines: Sequence[Line | Look] = await asyncio.to_thread(_lines, parts, before, looks=looks)
    page = _Page(words, ZoneInfo(visitor.ruling.catalogue.centre.time_zone))
    kind = "audit.looks_" if looks else "audit."
    with ui.element("section").classes("panel").props('id="content"'):
        with ui.element("div").classes("title"):
            ui.html(words[f"{kind}title"], sanitize=False, tag="h2")
            ui.html(words[f"{kind}about"], sanitize=False).classes("quiet")
        with ui.element("div").classes("body" if looks else "body log").props('tabindex="0"'):
            if lines:
                page.table(lines, _LOOKED if looks else _COLUMNS)
            else:
                ui.label(words[f"{kind}none"]).classes("nothing")
    _turning(lines, before, words, looks=looks)


def _before(request: Request) -> int:
    given = request.query_params.get("before", "")
    return min(int(given), 2**62) if given.isascii() and given.isdigit() else 2**62


def _lines(parts: Parts, before: int, *, looks: bool) -> Sequence[Line | Look]:
    if looks:
        return parts.blobs.looks(limit=PAGE, before=before)
    return audit.newest(parts.state, parts.centre, limit=PAGE, before=before)


def _choice(words: Mapping[str, str], *, looks: bool) -> None:
    with ui.element("nav").classes("chips").style("margin: 0 0 var(--gap); padding: 0") as nav:
        nav.props["aria-label"] = words["way.audit"]
        for name, address, here in (
            (words["audit.title"], AUDIT.path, not looks),
            (words["audit.looks_title"], f"{AUDIT.path}?log={_LOOKS}", looks),
        ):
            link = ui.link(name, address)
            if here:
                link.props["aria-current"] = "page"


class _Page:
    """Draws lines in a viewer's language, at the centre's hours."""

    def __init__(self, words: Mapping[str, str], zone: ZoneInfo) -> None:
        self._words, self._zone = words, zone

    def table(self, lines: Sequence[Line | Look], columns: Sequence[str]) -> None:
        """One line a row."""
        with ui.element("table").classes("table folding"):
            with ui.element("thead"), ui.element("tr"):
                for column in columns:
                    with ui.element("th"):
                        ui.html(self._words[f"audit.{column}"], sanitize=False, tag="span")
            with ui.element("tbody"):
                for line in lines:
                    cells = self._look(line) if isinstance(line, Look) else self._line(line)
                    self._row(cells, columns)

    def _row(self, cells: Mapping[str, str], columns: Sequence[str]) -> None:
        with ui.element("tr"):
            for column in columns:
                with ui.element("td") as cell:
                    cell.props["data-label"] = self._words[f"audit.{column}"]
                    cell.classes(f"of-{column}")
                    shown = ui.label(cells[column]).classes("mono" if column in _CODE else "")
                    if column == "action":
                        shown.props["title"] = cells["code"]

    def _line(self, line: Line) -> dict[str, str]:
        detail = " · ".join(self._said(key, value) for key, value in self._worded(line))
        return {
            "number": str(line.number),
            "at": self._time(line.at_ns),
            "actor": line.actor,
            "action": self._words.get(f"act.{line.action}", line.action),
            "code": line.action,
            "object": line.object,
            "detail": detail,
            "hash": line.hash[:12],
        }

    def _look(self, look: Look) -> dict[str, str]:
        return {
            "at": self._time(look.at_ns),
            "until": self._time(look.last_ns),
            "actor": look.actor,
            "looked": look.why,
            "picture": look.record,
            "looks": str(look.looks),
        }

    def _worded(self, line: Line) -> Iterator[tuple[str, object]]:
        """What a line says; why something was refused in words of the viewer's language."""
        told = dict(line.detail)
        code, values = told.pop("code", None), told.pop("values", None)
        if isinstance(values, dict):
            told.pop("reason", None)
            told["why"] = in_words(self._words, f"refused.{code}", values) or told.get("why", "")
        return iter(told.items())

    def _said(self, key: str, value: object) -> str:
        said = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        if key in _STATES:
            said = self._words.get(f"case.{said}", said)
        return f"{self._words.get(f'told.{key}', key)}: {said}"

    def _time(self, at_ns: int) -> str:
        return datetime.fromtimestamp(at_ns / 1e9, self._zone).strftime(_TIME)


def _turning(
    lines: Sequence[Line | Look], before: int, words: Mapping[str, str], *, looks: bool
) -> None:
    kept = {"log": _LOOKS} if looks else {}
    last = lines[-1] if lines else None
    number = (last.id if isinstance(last, Look) else last.number) if last else 1
    with ui.element("div").classes("filterline").style("margin: 16px 0 0"):
        if before < 2**62:
            ui.link(words["audit.newest"], _address(kept)).classes("button")
        if len(lines) == PAGE and number > 1:
            ui.link(words["audit.older"], _address({**kept, "before": number})).classes("button")


def _address(asked: Mapping[str, object]) -> str:
    return f"{AUDIT.path}?{urlencode(asked)}" if asked else AUDIT.path
