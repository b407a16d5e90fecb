"""Puts the console together: our own routes, NiceGUI's pages and sockets, and the door around."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import sqlalchemy as sa
from fastapi import FastAPI
from nicegui import core, ui
from starlette.types import ASGIApp

from haidang_cloud.console.door import Door
from haidang_cloud.console.drafts import draft_routes
from haidang_cloud.console.entrance import entrance
from haidang_cloud.console.faults import FaultDesk, fault_routes
from haidang_cloud.console.hub import Caster
from haidang_cloud.console.live import live
from haidang_cloud.console.pages import install_pages
from haidang_cloud.console.parts import Parts
from haidang_cloud.console.ruling import Audience
from haidang_cloud.console.saying import sayer
from haidang_cloud.console.theme import icon
from haidang_cloud.console.visitor import cookie_of
from haidang_cloud.web.problems import Problems

RECONNECT_S = 60.0
"""A page whose connection is lost for longer is built anew when it comes back."""

PING_S = 5.0


def make_app(parts: Parts) -> ASGIApp:
    """The app for one centre; one a process, for NiceGUI keeps its pages in its modules."""
    caster = Caster(
        parts.hub.model,
        _Sockets(),
        lambda session: _audience(parts, session),
        version=lambda: parts.ruling().number,
    )
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, lifespan=_lifespan(caster))
    problems = Problems(sayer(parts.language))
    problems.install(app)
    app.include_router(entrance(parts))
    app.include_router(live(parts, problems, lambda: caster))
    app.include_router(draft_routes(parts))
    if parts.faults is not None:
        app.include_router(fault_routes(parts, FaultDesk(parts.faults)))
    _add_health(app, parts)
    _add_sockets(parts, caster)
    install_pages(parts)
    ui.run_with(
        app,
        title="Hải đăng",
        favicon=icon(),
        dark=True,
        language="vi" if parts.language == "vi" else "en-US",
        tailwind=False,
        show_welcome_message=False,
        # nothing is bound: there is nothing to look for ten times a second
        binding_refresh_interval=None,
        reconnect_timeout=RECONNECT_S,
    )
    return Door(app, parts, problems)


def _lifespan(caster: Caster) -> Any:  # noqa: ANN401  # FastAPI's own kind of context
    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        # NiceGUI derives these from how long a page may be away; who looks must know sooner
        core.sio.eio.ping_interval = core.sio.eio.ping_timeout = PING_S
        telling = asyncio.create_task(caster.run(), name="caster")
        yield
        telling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await telling

    return lifespan


class _Sockets:
    """NiceGUI's Socket.IO server, as the caster uses it."""

    async def emit(self, event: str, data: object, *, to: str) -> None:
        await core.sio.emit(event, data, room=to)

    async def enter_room(self, sid: str, room: str) -> None:
        await core.sio.enter_room(sid, room)

    async def leave_room(self, sid: str, room: str) -> None:
        await core.sio.leave_room(sid, room)

    async def close(self, sid: str) -> None:
        await core.sio.disconnect(sid)

    def alive(self, sid: str) -> bool:
        return bool(core.sio.manager.is_connected(sid, "/"))


def _add_sockets(parts: Parts, caster: Caster) -> None:
    async def join(sid: str, _data: object = None) -> dict[str, object]:
        """A socket asks to hear its audience; the cookie that it came with says whose it is."""
        cookies = core.sio.get_environ(sid).get("HTTP_COOKIE", "")
        return await caster.join(sid, cookie_of(cookies, parts.cookie))

    core.sio.on("live.join", join)


def _audience(parts: Parts, session: str) -> Audience | None:
    person = parts.accounts.of_session(session, now_ns=parts.now_ns()) if session else None
    return None if person is None else parts.ruling().audience(person.grants)


def _add_health(app: FastAPI, parts: Parts) -> None:
    @app.get("/healthz")
    def alive() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz")
    def ready() -> dict[str, str]:
        with parts.state.read() as connection:
            connection.execute(sa.select(1))
        return {"status": "ok"}
