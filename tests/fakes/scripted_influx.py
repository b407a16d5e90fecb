"""InfluxDB's HTTP boundary with a script: its answer to each write, before or after storing."""

import threading
import urllib.parse
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Say:
    """One answer; `stores` keeps the lines, `hangs` drops the connection instead of answering."""

    status: int = 204
    body: str = ""
    retry_after: str = ""
    stores: bool = False
    hangs: bool = False


class ScriptedInflux:
    """Answers writes by a script, then with 204; a line that holds `poison` is always refused."""

    def __init__(
        self, script: Iterable[Say] = (), *, poison: bytes = b"", status: int = 400
    ) -> None:
        self.script = deque(script)
        self.poison, self.poison_status = poison, status
        self.lines: dict[bytes, int] = {}
        self.answers: list[int] = []
        self.limit: int | None = None
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                size = int(self.headers["Content-Length"])
                server.write(self, self.rfile.read(size))

            def do_GET(self) -> None:
                name = urllib.parse.parse_qs(self.path.partition("?")[2]).get("name", ["x"])[0]
                body = b'{"buckets":[{"id":"1","name":"%s"}]}' % name.encode()
                self.answer(200, body)

            def answer(self, status: int, body: bytes, retry_after: str = "") -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                if retry_after:
                    self.send_header("Retry-After", retry_after)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def write(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        lines = body.split(b"\n")
        say = self.script.popleft() if self.script else self._judge(lines)
        if say.stores:
            for line in lines:
                if not (self.poison and self.poison in line):
                    self.lines[line] = self.lines.get(line, 0) + 1
        self.answers.append(0 if say.hangs else say.status)
        if say.hangs:
            handler.close_connection = True
            return
        text = say.body or '{"code":"scripted","message":"scripted answer"}'
        body = b"" if say.status == 204 else text.encode()
        handler.answer(say.status, body, say.retry_after)  # type: ignore[attr-defined]

    def _judge(self, lines: list[bytes]) -> Say:
        if self.limit is not None and len(lines) > self.limit:
            return Say(413)
        if self.poison and any(self.poison in line for line in lines):
            # 400 stores nothing of the batch, 422 stores the rest
            return Say(self.poison_status, stores=self.poison_status == 422)
        return Say(204, stores=True)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
