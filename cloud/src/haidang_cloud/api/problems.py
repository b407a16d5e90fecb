"""Errors as RFC 9457 documents: what went wrong in a sentence, never how the code is built."""

import http
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from haidang_cloud.cases import CaseConflictError
from haidang_cloud.errors import (
    LakeError,
    RefusedError,
    StateUnavailableError,
    StoreMisconfiguredError,
    StoreUnavailableError,
)
from haidang_cloud.people import ThrottledError
from haidang_protocols.errors import UserError

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
_STATUS: Mapping[str, int] = {
    "credentials": 401,
    "login": 401,
    "forbidden": 403,
    "origin": 403,
    "unknown": 404,
    "conflict": 409,
    "catalogue": 409,
    "link": 410,
    "password": 422,
    "throttled": 429,
}

_WORDS: Mapping[int, str] = {404: "not_found", 405: "method", 413: "too_large"}


class Mistake(BaseModel):
    """One thing in a request that is not as it must be."""

    where: str
    why: str


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
            }
        }
    )

    type: str = Field(description="a word for programs, behind urn:haidang:problem:")
    title: str
    status: int
    detail: str = Field(description="a sentence for people")
    mistakes: list[Mistake] | None = Field(default=None, description="of a request that is wrong")
    case: Standing | None = Field(default=None, description="of an answer that came second")


RESPONSES: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "What went wrong",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
}


def problem(
    status: int,
    reason: str,
    detail: str,
    *,
    mistakes: Sequence[Mistake] | None = None,
    case: Standing | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """An answer that says what went wrong."""
    body = Problem(
        type=f"urn:haidang:problem:{reason}",
        title=http.HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        mistakes=None if mistakes is None else list(mistakes),
        case=case,
    )
    return JSONResponse(
        body.model_dump(exclude_none=True),
        status_code=status,
        media_type=MEDIA_TYPE,
        headers=dict(headers or {}),
    )


async def _refused(_request: Request, error: Exception) -> JSONResponse:
    reason = error.reason if isinstance(error, RefusedError) else "value"
    status = _STATUS.get(reason, 422)
    headers = {}
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="haidang"'
    if isinstance(error, ThrottledError):
        headers["Retry-After"] = str(int(error.retry_after_s) + 1)
    case = None
    if isinstance(error, CaseConflictError):
        found = error.found
        case = Standing(id=found.id, state=found.state.value, by=found.by)
    return problem(status, reason, str(error), case=case, headers=headers)


async def _away(_request: Request, error: Exception) -> JSONResponse:
    log.warning("%s", error)
    return problem(
        503,
        "away",
        "a part of the centre does not answer just now; nothing was changed",
        headers={"Retry-After": "2"},
    )


async def _http(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise TypeError(f"not for {type(error).__name__}") from error
    reason = _WORDS.get(error.status_code, "http")
    return problem(error.status_code, reason, str(error.detail), headers=error.headers)


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    """Which fields are wrong and why; never what stood in them: it may be a password."""
    if not isinstance(error, RequestValidationError):
        raise TypeError(f"not for {type(error).__name__}") from error
    mistakes = [
        Mistake(where=".".join(str(word) for word in one["loc"]), why=str(one["msg"]))
        for one in error.errors()
    ]
    return problem(422, "invalid", "the request is not as it must be", mistakes=mistakes)


async def _fault(_request: Request, _error: Exception) -> JSONResponse:
    # the server logs the traceback
    return problem(500, "fault", "this should not have happened; the centre's log says more")


def install(app: FastAPI) -> None:
    """Let every error leave as a problem."""
    app.add_exception_handler(UserError, _refused)
    for away in (StateUnavailableError, StoreUnavailableError, StoreMisconfiguredError, LakeError):
        app.add_exception_handler(away, _away)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _fault)
