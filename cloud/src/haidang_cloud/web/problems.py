"""Errors as RFC 9457 documents: what went wrong in a sentence, never how the code is built.

`code` and `values` say the same for programs: who shows it in another language has words for the
code, and the sentence where it has none.
"""

import http
import logging
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from haidang_cloud.cases import CaseConflictError
from haidang_cloud.errors import (
    LakeError,
    RefusedError,
    StateUnavailableError,
    StoreMisconfiguredError,
    StoreUnavailableError,
)
from haidang_cloud.people import ThrottledError
from haidang_protocols.catalogue import CatalogueRefusedError
from haidang_protocols.catalogue.problems import Problem as CatalogueProblem
from haidang_protocols.errors import UserError

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
AWAY = "away"
AWAY_ERRORS = (StateUnavailableError, StoreUnavailableError, StoreMisconfiguredError, LakeError)
_STATUS: Mapping[str, int] = {
    "credentials": 401,
    "login": 401,
    "forbidden": 403,
    "origin": 403,
    "unknown": 404,
    "conflict": 409,
    "catalogue": 409,
    "link": 410,
    "throttled": 429,
    AWAY: 503,
}
"""By a refusal's reason; 422 for all others."""
_HTTP: Mapping[int, str] = {404: "not_found", 405: "method", 413: "too_large"}

Values = Mapping[str, str | float]


class Mistake(BaseModel):
    """One thing in a request, or in a catalogue, that is not as it must be."""

    where: str
    why: str
    code: str | None = Field(default=None, description="of a catalogue's mistake, for programs")
    values: dict[str, str | float] | None = None


class Standing(BaseModel):
    """How a case stands, for whoever came second."""

    id: str
    state: str
    by: str


class Problem(BaseModel):
    """An RFC 9457 document."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "urn:haidang:problem:forbidden",
                "title": "Forbidden",
                "status": 403,
                "detail": "this needs the right case.answer in scope 'city'",
                "code": "forbidden.right",
                "values": {"right": "case.answer", "scope": "city"},
            }
        }
    )

    type: str = Field(description="a word for programs, behind urn:haidang:problem:")
    title: str
    status: int
    detail: str = Field(description="a sentence for people")
    code: str = Field(description="the same as `detail` for programs that say it in other words")
    values: dict[str, str | float] | None = Field(
        default=None, description="what those words are about"
    )
    mistakes: list[Mistake] | None = Field(default=None, description="of what is wrong")
    case: Standing | None = Field(default=None, description="of an answer that came second")


RESPONSES: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "What went wrong",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
}


Say = Callable[[HTTPConnection, str, Values, str], str]
"""Says a key with its values to who asks; the sentence that comes along where it has no words."""


def _in_english(_asked: HTTPConnection, _key: str, _values: Values, sentence: str) -> str:
    return sentence


class Problems:
    """Makes problems of what goes wrong, in the words of who asks."""

    def __init__(self, say: Say = _in_english) -> None:
        """`say` is asked for `refused.CODE`, and for `mistake.CODE` of a catalogue."""
        self._say = say

    def problem(
        self,
        asked: HTTPConnection,
        status: int,
        code: str,
        sentence: str,
        *,
        values: Values | None = None,
        headers: Mapping[str, str] | None = None,
        **more: object,
    ) -> JSONResponse:
        """An answer that says what went wrong; the first part of `code` is the problem's type."""
        detail = self._say(asked, f"refused.{code}", values or {}, sentence)
        return _document(status, code, detail, values=values, headers=headers, **more)

    def refusal(self, asked: HTTPConnection, error: UserError, **more: object) -> JSONResponse:
        """An answer to what may not be."""
        if isinstance(error, CatalogueRefusedError):
            return self._of_catalogue(asked, error)
        if not isinstance(error, RefusedError):
            return self.problem(asked, 422, "value", str(error))
        status = _STATUS.get(error.reason, 422)
        headers = {}
        if status == 401:
            headers["WWW-Authenticate"] = 'Bearer realm="haidang"'
        if isinstance(error, ThrottledError):
            headers["Retry-After"] = str(int(error.retry_after_s) + 1)
        return self.problem(
            asked, status, error.code, str(error), values=error.values, headers=headers, **more
        )

    def install(self, app: FastAPI) -> None:
        """Let every error leave as a problem."""
        app.add_exception_handler(UserError, self._refused)
        for away in AWAY_ERRORS:
            app.add_exception_handler(away, self._away)
        app.add_exception_handler(HTTPException, self._http)
        app.add_exception_handler(RequestValidationError, self._invalid)
        app.add_exception_handler(Exception, self._fault)

    def _of_catalogue(self, asked: HTTPConnection, error: CatalogueRefusedError) -> JSONResponse:
        said = [(one, self._why(asked, one)) for one in error.problems]
        values = {"n": len(said)}
        heading = self._say(asked, "refused.value.catalogue", values, error.heading)
        detail = "\n  ".join([heading, *(f"{one.where}: {why}" for one, why in said)])
        mistakes = [_mistake(one, why) for one, why in said]
        return _document(422, "value.catalogue", detail, values=values, mistakes=mistakes)

    def _why(self, asked: HTTPConnection, one: CatalogueProblem) -> str:
        if one.mistake is None:
            return one.message
        return self._say(asked, f"mistake.{one.mistake.code}", one.mistake.values, one.message)

    async def _refused(self, request: Request, error: Exception) -> JSONResponse:
        if not isinstance(error, UserError):
            raise TypeError(f"not for {type(error).__name__}") from error
        if isinstance(error, CaseConflictError):
            found = error.found
            case = Standing(id=found.id, state=found.state.value, by=found.by)
            return self.refusal(request, error, case=case.model_dump())
        return self.refusal(request, error)

    async def _away(self, request: Request, error: Exception) -> JSONResponse:
        log.warning("%s", error)
        return self.away(request)

    def away(self, asked: HTTPConnection) -> JSONResponse:
        """A part of the centre does not answer."""
        sentence = "a part of the centre does not answer just now; nothing was changed"
        return self.problem(asked, 503, AWAY, sentence, headers={"Retry-After": "2"})

    async def _http(self, request: Request, error: Exception) -> JSONResponse:
        if not isinstance(error, HTTPException):
            raise TypeError(f"not for {type(error).__name__}") from error
        code = _HTTP.get(error.status_code, "http")
        return self.problem(
            request, error.status_code, code, str(error.detail), headers=error.headers
        )

    async def _invalid(self, request: Request, error: Exception) -> JSONResponse:
        """Which fields are wrong and why; never what stood in them: it may be a password."""
        if not isinstance(error, RequestValidationError):
            raise TypeError(f"not for {type(error).__name__}") from error
        mistakes = [
            {"where": ".".join(str(word) for word in one["loc"]), "why": str(one["msg"])}
            for one in error.errors()
        ]
        sentence = "the request is not as it must be"
        return self.problem(request, 422, "invalid", sentence, mistakes=mistakes)

    async def _fault(self, request: Request, _error: Exception) -> JSONResponse:
        # the server logs the traceback
        sentence = "this should not have happened; the centre's log says more"
        return self.problem(request, 500, "fault", sentence)


def _document(
    status: int,
    code: str,
    detail: str,
    *,
    values: Values | None = None,
    headers: Mapping[str, str] | None = None,
    **more: object,
) -> JSONResponse:
    body = {
        "type": f"urn:haidang:problem:{code.partition('.')[0]}",
        "title": http.HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        **({"values": dict(values)} if values else {}),
        **more,
    }
    return JSONResponse(body, status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def _mistake(one: CatalogueProblem, why: str) -> dict[str, object]:
    said = Mistake(where=one.where, why=why)
    if one.mistake is not None:
        said.code, said.values = one.mistake.code, dict(one.mistake.values) or None
    return said.model_dump(exclude_none=True)
