"""Getting in and out: the log-in page, the session's cookie, one-time links."""

from typing import Annotated

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field

from haidang_cloud.console.parts import Parts
from haidang_cloud.console.plain import plain_page
from haidang_cloud.console.texts import named
from haidang_cloud.console.visitor import cookie_of, language_of
from haidang_cloud.web import session
from haidang_cloud.web.session import Credentials


class Link(BaseModel):
    """The secret of a one-time link."""

    model_config = ConfigDict(extra="forbid")

    link: Annotated[str, Field(min_length=1, max_length=200)]


class Inside(BaseModel):
    """Who is logged in now."""

    login: str


def entrance(parts: Parts) -> APIRouter:
    """The routes that the door leaves open, and the way out."""
    router = APIRouter()

    @router.get("/login")
    def log_in_page(request: Request) -> HTMLResponse:
        return _page(parts, request)

    @router.get("/enter")
    def link_page(request: Request) -> HTMLResponse:
        """The same page; its script finds the link's secret behind `#` and sends it."""
        return _page(parts, request)

    @router.post("/login")
    def log_in(request: Request, response: Response, asked: Credentials) -> Inside:
        return Inside(login=session.log_in(parts, request, response, asked).login)

    @router.post("/enter")
    def enter(response: Response, asked: Link) -> Inside:
        secret = parts.accounts.use_entry_link(asked.link, now_ns=parts.now_ns())
        person = parts.accounts.of_session(secret, now_ns=parts.now_ns())
        session.let_in(parts, response, secret)
        return Inside(login=person.login if person else "")

    @router.post("/logout", status_code=204)
    def log_out(request: Request, response: Response) -> None:
        secret = cookie_of(request.headers.get("cookie", ""), parts.cookie)
        session.let_out(parts, response, secret)

    return router


def _page(parts: Parts, request: Request) -> HTMLResponse:
    language = language_of(request.headers, parts.language)
    return plain_page(
        "entrance", language, centre=named(parts.ruling().catalogue.centre.name, language)
    )
