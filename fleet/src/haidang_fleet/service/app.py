"""Enrolment over HTTPS: the authority, tokens against certificates, renewal, the revocation list.

Nobody logs in here: a token or the certificate in hand is the proof. Errors are RFC 9457, and
`reason` is a word that programs read.
"""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar

import msgspec
from fastapi import FastAPI, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from haidang_fleet import files
from haidang_fleet.broker.files import CRL_FILE
from haidang_fleet.broker.identities import Identity
from haidang_fleet.config import FleetConfig
from haidang_fleet.enrolment import authority as ca
from haidang_fleet.enrolment.desk import Desk
from haidang_fleet.errors import BrokerUnavailableError, RefusedError
from haidang_protocols.wire import enrolment as wire
from haidang_protocols.wire.errors import UNREADABLE

BODY_BYTES_MAX = 65536
PROBLEM = "application/problem+json"

_STATUS = {
    "token_unknown": HTTPStatus.FORBIDDEN,
    "token_used": HTTPStatus.CONFLICT,
    "token_expired": HTTPStatus.GONE,
    "not_enrolled": HTTPStatus.FORBIDDEN,
    "revoked": HTTPStatus.FORBIDDEN,
    "expired": HTTPStatus.GONE,
    "already_enrolled": HTTPStatus.CONFLICT,
    "other_centre": HTTPStatus.CONFLICT,
    "too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
}
_T = TypeVar("_T", wire.EnrolRequest, wire.RenewRequest)


def make_app(desk: Desk, config: FleetConfig) -> FastAPI:
    """The service over a desk."""
    app = FastAPI(title="Haidang enrolment", version="1", docs_url=None, redoc_url=None)
    authority = ca.pem(desk.authority.certificate)

    def answer(identity: Identity, certificate: str) -> Response:
        host, port = config.broker_for(identity.site)
        enrolled = wire.Enrolled(
            centre=identity.centre,
            site=identity.site,
            node=identity.name,
            certificate=certificate,
            ca=authority,
            broker_host=host,
            broker_port=port,
        )
        return Response(wire.encode(enrolled), media_type="application/json")

    @app.get(wire.CA_PATH, response_class=Response)
    async def get_ca() -> Response:
        return Response(authority, media_type="application/x-pem-file")

    @app.get(wire.CRL_PATH, response_class=Response)
    async def get_crl() -> Response:
        path = Path(config.broker.folder) / CRL_FILE
        crl = await run_in_threadpool(files.read, path, what="the revocation list")
        return Response(crl, media_type="application/x-pem-file")

    @app.get("/healthz", response_class=Response)
    async def healthy() -> Response:
        return Response("ok\n", media_type="text/plain")

    @app.post(wire.ENROL_PATH, response_class=Response)
    async def enrol(request: Request) -> Response:
        asked = await _body(request, wire.EnrolRequest)
        secret = bytes.fromhex(asked.secret)
        signed = await run_in_threadpool(
            desk.enrol, secret, asked.csr, hardware=" ".join(asked.hardware.split())
        )
        return answer(*signed)

    @app.post(wire.RENEW_PATH, response_class=Response)
    async def renew(request: Request) -> Response:
        asked = await _body(request, wire.RenewRequest)
        proof = (asked.certificate, asked.csr, asked.signature)
        return answer(*await run_in_threadpool(desk.renew, *proof))

    _tell_errors(app)
    return app


async def _body(request: Request, kind: type[_T]) -> _T:
    """The body, read no further than it may be long."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise RefusedError("too_large", f"the body is longer than {BODY_BYTES_MAX} bytes")
    try:
        asked = msgspec.json.decode(body, type=kind)
    except UNREADABLE as error:
        raise RefusedError("bad_request", f"the body: {error}") from error
    if asked.v != wire.ENROLMENT_VERSION:
        raise RefusedError("bad_request", f"v is {asked.v}; known is {wire.ENROLMENT_VERSION}")
    return asked


def _tell_errors(app: FastAPI) -> None:
    async def refused(_request: Request, error: Exception) -> Response:
        reason = error.reason if isinstance(error, RefusedError) else "bad_request"
        return problem(_STATUS.get(reason, HTTPStatus.BAD_REQUEST), str(error), reason)

    async def unavailable(_request: Request, error: Exception) -> Response:
        told = problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error), "broker_unavailable")
        told.headers["Retry-After"] = "5"
        return told

    async def internal(_request: Request, _error: Exception) -> Response:
        # the traceback is in the log; a stranger needs none
        return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "the centre failed; tell it", "internal")

    async def http(_request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        return problem(HTTPStatus(status), HTTPStatus(status).phrase, "http")

    handlers: dict[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
        RefusedError: refused,
        BrokerUnavailableError: unavailable,
        HTTPException: http,
        Exception: internal,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


def problem(status: HTTPStatus, detail: str, reason: str) -> Response:
    """An error as RFC 9457 has it."""
    body = wire.Refusal(status=status.value, title=status.phrase, detail=detail, reason=reason)
    return Response(msgspec.json.encode(body), status_code=status.value, media_type=PROBLEM)
