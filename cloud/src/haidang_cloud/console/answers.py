"""Errors of the console's own routes: small RFC 9457 documents, a sentence each."""

import http
import logging
from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.responses import Response

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

_STATUS: Mapping[str, int] = {
    "credentials": 401,
    "login": 401,
    "forbidden": 403,
    "origin": 403,
    "unknown": 404,
    "conflict": 409,
    "link": 410,
    "throttled": 429,
    "away": 503,
}


def problem(
    status: int,
    reason: str,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    **more: object,
) -> JSONResponse:
    """An answer that says what went wrong."""
    body = {
        "type": f"urn:haidang:problem:{reason}",
        "title": http.HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        **more,
    }
    return JSONResponse(
        body, status, headers=dict(headers or {}), media_type="application/problem+json"
    )


def refusal(error: UserError) -> JSONResponse:
    """An answer to what may not be."""
    reason = error.reason if isinstance(error, RefusedError) else "value"
    headers = {}
    if isinstance(error, ThrottledError):
        headers["Retry-After"] = str(int(error.retry_after_s) + 1)
    return problem(_STATUS.get(reason, 422), reason, str(error), headers=headers)


async def _refused(_request: Request, error: Exception) -> Response:
    if not isinstance(error, UserError):
        raise TypeError(f"not for {type(error).__name__}") from error
    return refusal(error)


async def _invalid(_request: Request, _error: Exception) -> Response:
    return problem(422, "invalid", "the request is not as it must be")


async def _away(_request: Request, error: Exception) -> Response:
    log.warning("%s", error)
    return problem(503, "away", "a part of the centre does not answer just now; nothing changed")


def install(app: FastAPI) -> None:
    """Let every error leave as a problem."""
    app.add_exception_handler(UserError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    for away in (StateUnavailableError, StoreUnavailableError, StoreMisconfiguredError, LakeError):
        app.add_exception_handler(away, _away)
