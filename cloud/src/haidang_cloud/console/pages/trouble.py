"""Pages that cannot be what was asked for: not this role's, not there, or gone wrong."""

from collections.abc import Mapping, Sequence

from nicegui import app, ui

from haidang_cloud.console import panels
from haidang_cloud.console.pages.ways import OVERVIEW, Way
from haidang_cloud.console.parts import Parts
from haidang_cloud.console.texts import texts
from haidang_cloud.console.visitor import language_of, visitor_of
from haidang_cloud.errors import (
    LakeError,
    StateUnavailableError,
    StoreMisconfiguredError,
    StoreUnavailableError,
)

AGAIN_S = 5.0
_AWAY = (StateUnavailableError, StoreUnavailableError, StoreMisconfiguredError, LakeError)


def frame(ways: Sequence[Way], words: Mapping[str, str], *, here: str) -> None:
    """What stands around every page; `ways` are those that its viewer may go."""
    shown = [
        {"key": one.key, "path": one.path, "icon": one.icon, "name": words[f"way.{one.key}"]}
        for one in ways
    ]
    panels.Frame(ways=shown, here=here, away=words["state.away"])


def stop(icon: str, words: Mapping[str, str], key: str, *, back: Way | None = None) -> None:
    """A sentence in a page's place: what is the matter, and what to do."""
    with ui.element("div").classes("stop").props('id="content"'):
        ui.icon(icon).props('aria-hidden="true"')
        ui.label(words[key]).classes("said")
        ui.label(words[f"{key}_why"]).classes("quiet")
        if back is not None:
            ui.link(words[f"way.{back.key}"], back.path).classes("button")


def install_trouble(parts: Parts, ways: Sequence[Way]) -> None:
    """Pages that are not there, and pages that could not be made; last of all pages."""

    async def missing() -> None:
        request = ui.context.client.request
        visitor = visitor_of(request)
        words = texts(visitor.language)
        mine = [one for one in ways if one.open_to(visitor)]
        ui.context.client.status_code = 404
        ui.page_title(f"{words['state.missing']} · Hải đăng")
        frame(mine, words, here="")
        with ui.element("main").classes("page"):
            stop("travel_explore", words, "state.missing", back=mine[0] if mine else None)

    def failed(error: Exception) -> None:
        words = texts(language_of(ui.context.client.request.headers, parts.language))
        away = isinstance(error, _AWAY)
        with ui.element("main").classes("page"):
            stop("cloud_off", words, "state.away" if away else "state.failed", back=OVERVIEW)
        if away:
            ui.timer(AGAIN_S, ui.navigate.reload, once=True)

    ui.page("/{rest:path}")(missing)
    app.on_page_exception(failed)
