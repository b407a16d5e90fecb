"""An enrolment service that a test holds in its hand: real TLS, answers by script."""

import http.server
import socket
import ssl
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from haidang_fleet.enrolment import authority as ca
from haidang_fleet.enrolment.authority import Authority
from haidang_protocols.wire import enrolment as wire

Answer = tuple[int, bytes] | None
"""Status and body; None is a connection that dies before its answer."""


class EnrolmentService:
    """Signs whatever is asked, unless `script` says otherwise; `asked` is what came."""

    def __init__(
        self, folder: Path, *, names: tuple[str, ...] = ("localhost",), server_days: int = 1
    ) -> None:
        now = datetime.now(UTC).replace(microsecond=0)
        self.authority = Authority.make(folder / "authority", name="Test", now=now)
        self.shown = ca.pem(self.authority.certificate)
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.script: list[Callable[[bytes], Answer]] = []
        key = ca.new_key()
        certificate = self.authority.sign_server(
            key.public_key(), names=names, now=now, days=server_days
        )
        both = folder / "server.pem"
        both.write_bytes(ca.pem(certificate).encode() + ca.key_pem(key))
        both.chmod(0o600)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(both)
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                return

            def do_GET(self) -> None:
                self._say(200, service.shown.encode())

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                service.asked.append((self.path, msgspec.json.decode(body)))
                answer = service.script.pop(0)(body) if service.script else service.sign(body)
                if answer is None:
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
                else:
                    self._say(*answer)

            def _say(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = False

            def handle_error(self, *_: object) -> None:
                return  # a client that turns its back on us is what some tests are about

            def finish_request(self, request: Any, client_address: Any) -> None:
                with context.wrap_socket(request, server_side=True) as secured:
                    super().finish_request(secured, client_address)

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def token(self, secret: bytes = b"s" * wire.SECRET_BYTES) -> str:
        return wire.Token(secret=secret, fingerprint=self.authority.fingerprint).text()

    def sign(self, body: bytes) -> Answer:
        """What the service does when all is well."""
        key = ca.read_csr(msgspec.json.decode(body)["csr"])
        now = datetime.now(UTC).replace(microsecond=0)
        certificate = self.authority.sign_client(key, cn="gate-1", now=now, days=30)
        answer = wire.Enrolled(
            centre="demo",
            site="gate",
            node="gate-1",
            certificate=ca.pem(certificate),
            ca=self.shown,
            broker_host="broker.example",
            broker_port=8883,
        )
        return 200, wire.encode(answer)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def refusal(status: int, detail: str) -> Answer:
    """An error as the service tells it."""
    return status, msgspec.json.encode(wire.Refusal(status=status, detail=detail))
