"""The desk: loopback HTTP with a token, at which somebody breaks the demo and reads the account.

`GET /api/account` · `GET /api/faults` · `POST /api/faults/{name}` or `…/{name}/{seconds}` ·
`POST /api/people/{login}/link`, each with `Authorization: Bearer TOKEN`. People reach it
through the console, which asks in their name.
"""

import hmac
import json
import secrets
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec

from haidang_cloud.errors import RefusedError

Answer = Callable[[str], object]
"""Takes the rest of a path, gives what is told as JSON."""

_STATUS = {"unknown": HTTPStatus.NOT_FOUND, "conflict": HTTPStatus.CONFLICT}
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class Desk:
    """Serves in threads of its own until it is closed."""

    def __init__(self, *, reads: Mapping[str, Answer], acts: Mapping[str, Answer]) -> None:
        """Answer `GET` by `reads` and `POST` by `acts`, by the beginning of the path."""
        self.token = secrets.token_urlsafe(24)
        known = {"reads": reads, "acts": acts, "token": self.token}
        handler = type("_DeskHandler", (_Handler,), known)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.2}, name="desk"
        )
        self._thread.start()

    def close(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    server_version, sys_version = "haidang", ""
    reads: Mapping[str, Answer]
    acts: Mapping[str, Answer]
    token: str

    def do_GET(self) -> None:  # the library's own name
        self._answer(self.reads)

    def do_POST(self) -> None:  # the library's own name
        self._answer(self.acts)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: ANN401  # the library's
        """A page that asks each second would fill a log with nothing."""

    def _answer(self, known: Mapping[str, Answer]) -> None:
        given = self.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {self.token}".encode()):
            why = "the desk's token is missing"
            self._tell(HTTPStatus.UNAUTHORIZED, {"code": "away.desk", "why": why})
            return
        for begin, answer in known.items():
            if self.path.startswith(begin):
                try:
                    told = answer(self.path.removeprefix(begin))
                except RefusedError as error:
                    status = _STATUS.get(error.reason, HTTPStatus.SERVICE_UNAVAILABLE)
                    said = {"code": error.code, "values": error.values, "why": str(error)}
                    self._tell(status, said)
                else:
                    self._tell(HTTPStatus.OK, told)
                return
        why = "there is no such thing at the desk"
        self._tell(HTTPStatus.NOT_FOUND, {"code": "unknown.fault", "why": why})

    def _tell(self, status: HTTPStatus, told: object) -> None:
        body = json.dumps(msgspec.to_builtins(told), ensure_ascii=False).encode()
        self.send_response(status)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
