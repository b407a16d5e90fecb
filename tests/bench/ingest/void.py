"""A database that takes lines and forgets them: it answers as InfluxDB does, and counts.

With it the workers show what they can do when the database is not what they wait for.
"""

import argparse
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class _Counter:
    def __init__(self) -> None:
        self.lines = 0
        self.lock = threading.Lock()


class Void(BaseHTTPRequestHandler):
    """Buckets are there, writes are taken, a count is the count of all lines so far."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    counter = _Counter()

    def do_POST(self) -> None:  # the library's name
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.counter.lock:
            self.counter.lines += body.count(b"\n") + 1
        self.send_response(204)
        self.end_headers()

    def do_GET(self) -> None:  # the library's name
        if self.path.startswith("/query"):
            self._answer({"results": [{"series": [{"values": [[0, self.counter.lines]]}]}]})
        else:
            self._answer({"buckets": [{"id": "0"}]})

    def _answer(self, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # the library's name
        """Say nothing."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    server = ThreadingHTTPServer(("127.0.0.1", parser.parse_args().port), Void)
    server.daemon_threads = True
    server.serve_forever()


if __name__ == "__main__":
    main()
