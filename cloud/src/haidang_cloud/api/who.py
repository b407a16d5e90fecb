"""Who asks: an API token, or a session's cookie that no other site can use."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer

from haidang_cloud.api.parts import Parts, PartsOf
from haidang_cloud.errors import RefusedError
from haidang_cloud.web import Asker

HEADER = "X-Haidang"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_BEARER = HTTPBearer(auto_error=False, scheme_name="token", description="an API token")
_COOKIE = APIKeyCookie(
    name="__Host-haidang",
    auto_error=False,
    scheme_name="session",
    description=(
        "from `POST /api/v1/session`; named `haidang` where there is no https. A request that "
        f"changes something also needs our own `Origin`, or a header `{HEADER}`"
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Who(Asker):
    """Somebody who asks the API, by an API token or by a session."""

    by_token: bool


def check_origin(request: Request, parts: Parts, *, by_cookie: bool = False) -> None:
    """Refuse what another site's page made a browser send.

    A browser names the origin of a page that posts; only our own pages can set a header of ours.
    """
    if request.method in _SAFE:
        return
    origin = request.headers.get("origin")
    if origin is not None and origin != parts.origin:
        raise RefusedError(
            "origin.other", f"this came from a page of {origin[:200]!r}, not from ours"
        )
    if by_cookie and origin is None and HEADER not in request.headers:
        raise RefusedError(
            "origin.missing", f"a change by session needs an Origin or the header {HEADER}"
        )


def _who(
    request: Request,
    parts: PartsOf,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)],
    _cookie: Annotated[str | None, Security(_COOKIE)],
) -> Who:
    now_ns = parts.now_ns()
    if bearer is not None:
        person = parts.accounts.of_token(bearer.credentials, now_ns=now_ns)
        if person is None:
            raise RefusedError("login.token", "the token is not known or has ended")
        return Who(person=person, by_token=True, ruling=parts.ruling())
    secret = request.cookies.get(parts.cookie)
    person = parts.accounts.of_session(secret, now_ns=now_ns) if secret else None
    if person is None:
        raise RefusedError("login.first", "log in first, or send an API token")
    check_origin(request, parts, by_cookie=True)
    return Who(person=person, by_token=False, ruling=parts.ruling())


WhoAsks = Annotated[Who, Depends(_who)]
