"""The door: who has no session gets nothing but the log-in page, neither pages nor sockets.

Plain ASGI around everything, NiceGUI's own socket included. Another site's page cannot make a
browser send something here: what changes something, and every socket, must name our own origin.
"""

import asyncio
import urllib.parse

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from haidang_cloud.console.parts import Parts
from haidang_cloud.console.plain import plain_page
from haidang_cloud.console.visitor import Visitor, admit, cookie_of, language_of
from haidang_cloud.errors import StateUnavailableError
from haidang_cloud.web.problems import Problems

BODY_MAX = 64 * 1024
_OPEN = frozenset({"/login", "/enter", "/healthz", "/readyz"})
_CODE = "/_nicegui/"
_SOCKET = "/_nicegui_ws/"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    # NiceGUI builds its pages from inline scripts and templates compiled in the browser
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
        "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
}


class Door:
    """Wraps the app."""

    def __init__(self, app: ASGIApp, parts: Parts, problems: Problems) -> None:
        """Wrap `app`."""
        self._app, self._parts, self._problems = app, parts, problems

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request or a socket through, or answer why not."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refused = await self._refusal(scope)
        if refused is None:
            await self._app(scope, receive, _dressed(scope, send))
        elif scope["type"] == "http":
            await refused(scope, receive, _dressed(scope, send))
        else:
            await receive()
            await send({"type": "websocket.close", "code": 4401, "reason": "log in first"})

    async def _refusal(self, scope: Scope) -> Response | None:
        asked, problem = HTTPConnection(scope), self._problems.problem
        headers = asked.headers
        path: str = scope["path"]
        if not self._ours(scope, headers):
            return problem(asked, 403, "origin.other", "this came from a page that is not ours")
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > BODY_MAX:
            return problem(asked, 413, "too_large", f"at most {BODY_MAX} bytes are taken")
        if path in _OPEN or path.startswith(_CODE):
            return None
        try:
            visitor = await asyncio.to_thread(self._visitor, headers)
        except StateUnavailableError:
            if _looked_at(scope, headers):
                return plain_page("away", language_of(headers, self._parts.language), status=503)
            return self._problems.away(asked)
        if visitor is not None:
            admit(asked, visitor)
            return None
        if _looked_at(scope, headers):
            return RedirectResponse(f"/login?to={urllib.parse.quote(path)}", 303)
        return problem(asked, 401, "login.first", "log in first")

    def _visitor(self, headers: Headers) -> Visitor | None:
        secret = cookie_of(headers.get("cookie", ""), self._parts.cookie)
        now_ns = self._parts.now_ns()
        person = self._parts.accounts.of_session(secret, now_ns=now_ns) if secret else None
        if person is None:
            return None
        return Visitor(
            person=person,
            session=secret,
            ruling=self._parts.ruling(),
            language=language_of(headers, self._parts.language),
        )

    def _ours(self, scope: Scope, headers: Headers) -> bool:
        """A browser names the origin of a page that posts or opens a socket."""
        method = scope.get("method")
        if method in _SAFE and not scope["path"].startswith(_SOCKET):
            return True
        origin = headers.get("origin")
        if origin is None:
            return method in _SAFE
        # whoever reaches us by another name of this machine sees our page under that name
        by_name = f"{'https' if self._parts.secure else 'http'}://{headers.get('host', '')}"
        return origin in (self._parts.origin, by_name)


def _looked_at(scope: Scope, headers: Headers) -> bool:
    """Whether somebody's browser asks for a page to show."""
    return scope.get("method") == "GET" and "text/html" in headers.get("accept", "")


def _dressed(scope: Scope, send: Send) -> Send:
    """Answers with the headers that all of them have; code may be kept by the browser."""
    code = scope["path"].startswith(_CODE)

    async def dressed(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                if not (code and name == "Cache-Control"):
                    headers.setdefault(name, value)
        await send(message)

    return dressed
