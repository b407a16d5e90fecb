"""Getting in: one-time links, log-in and log-out, who I am, my tokens, and links for others."""

import importlib.resources
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field

from haidang_cloud.api.parts import Parts, PartsOf
from haidang_cloud.api.times import utc, utc_or_none
from haidang_cloud.api.who import Who, WhoAsks, check_origin
from haidang_cloud.errors import RefusedError
from haidang_cloud.people import Person
from haidang_cloud.people.accounts import LINK_NS, PASSWORD_MAX, PASSWORD_MIN
from haidang_cloud.web import session
from haidang_cloud.web.session import Credentials
from haidang_protocols.catalogue.model import Right

router = APIRouter()

Login = Annotated[str, Field(min_length=1, max_length=48, examples=["an"])]
Password = Annotated[
    str, Field(min_length=PASSWORD_MIN, max_length=PASSWORD_MAX, examples=["một câu dễ nhớ"])
]
Secret = Annotated[str, Field(min_length=1, max_length=200, description="what the link holds")]
_PAGE_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "connect-src 'self'; frame-ancestors 'none'"
)


class FirstAdministrator(BaseModel):
    """Who becomes the first administrator."""

    model_config = ConfigDict(extra="forbid")

    link: Secret
    login: Login
    name: Annotated[str, Field(max_length=200, examples=["Trần Thị Lan"])] = ""
    password: Password


class NewPassword(BaseModel):
    """A password by a link that an administrator gave."""

    model_config = ConfigDict(extra="forbid")

    link: Secret
    password: Password


class Held(BaseModel):
    """A role in a scope."""

    role: str
    scope: str


class Me(BaseModel):
    """Who asks, and what they may do where."""

    login: str
    name: str
    grants: list[Held]
    rights: dict[str, list[str]] = Field(
        description="right → scopes", examples=[{"case.answer": ["city"]}]
    )


class TokenAsked(BaseModel):
    """A token to be made."""

    model_config = ConfigDict(extra="forbid")

    label: Annotated[str, Field(min_length=1, max_length=100, examples=["điện thoại bốt gác"])]
    days: Annotated[int, Field(ge=1, le=365)] = 90


class TokenMade(BaseModel):
    """A new token; it is shown this once."""

    id: int
    token: str = Field(examples=["hd_…"])


class TokenShown(BaseModel):
    """One of my tokens."""

    id: int
    label: str
    created: datetime
    expires: datetime
    revoked: datetime | None


class PersonShown(BaseModel):
    """Somebody of the centre."""

    login: str
    name: str
    grants: list[Held]


class LinkMade(BaseModel):
    """A one-time link; whoever opens it gives that person a password."""

    link: str
    expires: datetime


# --- one-time links ---------------------------------------------------------------------------


@router.get("/setup", include_in_schema=False)
def setup_page() -> HTMLResponse:
    """The page that a one-time link opens."""
    page = (importlib.resources.files("haidang_cloud.api") / "setup.html").read_text("utf-8")
    return HTMLResponse(page, headers={"Content-Security-Policy": _PAGE_POLICY})


@router.post("/api/v1/setup/first", status_code=201, tags=["setup"])
def make_first_administrator(request: Request, parts: PartsOf, asked: FirstAdministrator) -> Me:
    """Make the first administrator, by the link that the start of the API prints; once."""
    check_origin(request, parts)
    parts.accounts.use_first_link(
        asked.link,
        parts.ruling().catalogue,
        login=asked.login,
        name=asked.name,
        password=asked.password,
        now_ns=parts.now_ns(),
    )
    made = next(one for one in parts.accounts.everybody() if one.login == asked.login)
    return _me(parts, made)


@router.post("/api/v1/setup/password", status_code=204, tags=["setup"])
def set_password_by_link(request: Request, parts: PartsOf, asked: NewPassword) -> None:
    """Give oneself a password, by a link from an administrator; earlier sessions end."""
    check_origin(request, parts)
    parts.accounts.use_password_link(asked.link, asked.password, now_ns=parts.now_ns())


# --- sessions -----------------------------------------------------------------------------------


@router.post("/api/v1/session", status_code=201, tags=["session"])
def log_in(request: Request, response: Response, parts: PartsOf, asked: Credentials) -> Me:
    """Log in: a cookie for twelve hours. Five wrong passwords, and one waits some minutes."""
    check_origin(request, parts)
    return _me(parts, session.log_in(parts, request, response, asked))


@router.delete("/api/v1/session", status_code=204, tags=["session"])
def log_out(request: Request, response: Response, parts: PartsOf, _who: WhoAsks) -> None:
    """Log out; the session ends at once."""
    session.let_out(parts, response, request.cookies.get(parts.cookie, ""))


@router.get("/api/v1/me", tags=["session"])
def who_am_i(parts: PartsOf, who: WhoAsks) -> Me:
    """Who asks, with every right and the scopes that it reaches."""
    return _me(parts, who.person)


def _me(parts: Parts, person: Person) -> Me:
    rights = parts.ruling().rights
    reach = {right.value: sorted(rights.sees(person.grants, right)) for right in Right}
    return Me(
        login=person.login,
        name=person.name,
        grants=_held(person),
        rights={right: scopes for right, scopes in reach.items() if scopes},
    )


def _held(person: Person) -> list[Held]:
    return [Held(role=grant.role, scope=grant.scope) for grant in person.grants]


# --- tokens -------------------------------------------------------------------------------------


@router.get("/api/v1/tokens", tags=["session"])
def my_tokens(parts: PartsOf, who: WhoAsks) -> list[TokenShown]:
    """My API tokens, without their secrets."""
    return [
        TokenShown(
            id=one.id,
            label=one.label,
            created=utc(one.created_ns),
            expires=utc(one.expires_ns),
            revoked=utc_or_none(one.revoked_ns),
        )
        for one in parts.accounts.tokens(who.person)
    ]


@router.post("/api/v1/tokens", status_code=201, tags=["session"])
def make_token(parts: PartsOf, who: WhoAsks, asked: TokenAsked) -> TokenMade:
    """A new API token, which acts for me; a token cannot make others."""
    if who.by_token:
        raise RefusedError("forbidden.by_token", "a token cannot make tokens: log in by password")
    number, secret = parts.accounts.make_token(
        who.person, label=asked.label, days=asked.days, now_ns=parts.now_ns()
    )
    return TokenMade(id=number, token=secret)


@router.delete("/api/v1/tokens/{number}", status_code=204, tags=["session"])
def revoke_token(
    parts: PartsOf, who: WhoAsks, number: Annotated[int, Path(ge=1, le=2**62)]
) -> None:
    """End one of my tokens, at once."""
    if not parts.accounts.revoke_token(who.person, number, now_ns=parts.now_ns()):
        raise RefusedError(
            "unknown.token", f"you have no token {number} that is valid", token=number
        )


# --- people -------------------------------------------------------------------------------------


@router.get("/api/v1/people", tags=["people"])
def people(parts: PartsOf, who: WhoAsks) -> list[PersonShown]:
    """Everybody of the centre (right people.manage)."""
    who.demand(Right.PEOPLE_MANAGE)
    return [
        PersonShown(login=one.login, name=one.name, grants=_held(one))
        for one in parts.accounts.everybody()
    ]


@router.post("/api/v1/people/{login}/link", status_code=201, tags=["people"])
def make_password_link(parts: PartsOf, who: WhoAsks, login: str) -> LinkMade:
    """A one-time link by which somebody gives themselves a password (right people.manage)."""
    who.demand(Right.PEOPLE_MANAGE)
    _check_covers(parts, who, login)
    now_ns = parts.now_ns()
    secret = parts.accounts.password_link(login, actor=who.person.login, now_ns=now_ns)
    return LinkMade(link=f"{parts.origin}/setup#password={secret}", expires=utc(now_ns + LINK_NS))


def _check_covers(parts: Parts, who: Who, login: str) -> None:
    """Nobody makes a way in to somebody who may do more than they themselves."""
    rights = who.ruling.rights
    for one in parts.accounts.everybody():
        if one.login == login and not rights.covers(who.person.grants, one.grants):
            raise RefusedError(
                "forbidden.more", f"{login} holds rights that you do not", login=login
            )
