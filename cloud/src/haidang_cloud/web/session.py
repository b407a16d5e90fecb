"""Log-in by password, and the session's cookie."""

from typing import Annotated

from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, Field

from haidang_cloud.errors import RefusedError
from haidang_cloud.people import Person
from haidang_cloud.people.accounts import SESSION_NS
from haidang_cloud.web.rooms import Rooms


class Credentials(BaseModel):
    """A log-in name and its password."""

    model_config = ConfigDict(extra="forbid")

    login: Annotated[str, Field(min_length=1, max_length=48, examples=["an"])]
    password: Annotated[str, Field(min_length=1, max_length=1000)]


def log_in(rooms: Rooms, request: Request, response: Response, asked: Credentials) -> Person:
    """Begin a session, unless the password is wrong or was so too often."""
    address = request.client.host if request.client else ""
    rooms.throttle.check(asked.login, address)
    now_ns = rooms.now_ns()
    try:
        person, secret = rooms.accounts.log_in(asked.login, asked.password, now_ns=now_ns)
    except RefusedError:
        rooms.throttle.failed(asked.login, address)
        raise
    rooms.throttle.passed(asked.login, address)
    let_in(rooms, response, secret)
    return person


def let_in(rooms: Rooms, response: Response, secret: str) -> None:
    """Give a browser a session's secret."""
    response.set_cookie(
        rooms.cookie,
        secret,
        max_age=SESSION_NS // 10**9,
        path="/",
        secure=rooms.secure,
        httponly=True,
        samesite="lax",
    )


def let_out(rooms: Rooms, response: Response, secret: str) -> None:
    """End a session at once, and let the browser forget it."""
    if secret:
        rooms.accounts.log_out(secret)
    response.delete_cookie(
        rooms.cookie, path="/", secure=rooms.secure, httponly=True, samesite="lax"
    )
