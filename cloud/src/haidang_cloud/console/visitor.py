"""Who looks, by what their browser sends: the session, and the language that they chose."""

from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

from haidang_cloud.console.ruling import Ruling
from haidang_cloud.console.texts import LANGUAGES
from haidang_cloud.errors import RefusedError
from haidang_cloud.web import Asker

LANGUAGE_COOKIE = "haidang_language"
_VISITOR = "haidang.visitor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor(Asker):
    """Somebody who is logged in, what is in force while they look, and what they read."""

    session: str
    ruling: Ruling
    language: str


def admit(connection: HTTPConnection, visitor: Visitor) -> None:
    """Let all who answer a request know who asks."""
    connection.scope[_VISITOR] = visitor


def visitor_or_none(connection: HTTPConnection) -> Visitor | None:
    """Who asks, when that is known."""
    found = connection.scope.get(_VISITOR)
    return found if isinstance(found, Visitor) else None


def visitor_of(connection: HTTPConnection) -> Visitor:
    """Who asks; the door has let nobody else through."""
    found = visitor_or_none(connection)
    if found is None:
        raise RefusedError("login.first", "log in first")
    return found


def language_of(headers: Headers, default: str) -> str:
    """What somebody has chosen to read."""
    chosen = cookie_of(headers.get("cookie", ""), LANGUAGE_COOKIE)
    return chosen if chosen in LANGUAGES else default


def cookie_of(header: str, name: str) -> str:
    """One cookie of a header, empty when it is not there."""
    try:
        found = SimpleCookie(header).get(name)
    except CookieError:
        return ""
    return found.value if found else ""
