"""A way between a client and a server that a test can cut, or make fall silent."""

import contextlib
import select
import socket
import threading


class Relay:
    """Passes bytes both ways; once silent nothing passes, and nobody is told so."""

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.05)
        self.port: int = self._listener.getsockname()[1]
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._closing = False
        self.cut_off = self.silent = False
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def cut(self) -> None:
        """End all connections; new ones end at once."""
        self.cut_off = True

    def mend(self) -> None:
        """Let everything through again."""
        self.cut_off = self.silent = False

    def close(self) -> None:
        self._closing = True
        self._thread.join()
        self._drop_all()
        self._listener.close()

    def _run(self) -> None:
        while not self._closing:
            if self.cut_off:
                self._drop_all()
            self._accept()
            if not self.silent:
                self._pass_on()

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except TimeoutError:
            return
        if self.cut_off:
            client.close()
            return
        server = socket.create_connection(("127.0.0.1", self._to_port))
        self._pairs.append((client, server))

    def _pass_on(self) -> None:
        ways = {a: b for pair in self._pairs for a, b in (pair, pair[::-1])}
        while ways and not (self.silent or self.cut_off or self._closing):
            ready, _, _ = select.select([*ways, self._listener], [], [], 0.05)
            for end in ready:
                if end is self._listener:
                    return
                data = b""
                with contextlib.suppress(OSError):
                    data = end.recv(65536)
                if not data:
                    self._drop(end)
                    return
                with contextlib.suppress(OSError):
                    ways[end].sendall(data)

    def _drop(self, end: socket.socket) -> None:
        for pair in [pair for pair in self._pairs if end in pair]:
            self._pairs.remove(pair)
            for one in pair:
                one.close()

    def _drop_all(self) -> None:
        for pair in self._pairs:
            for one in pair:
                one.close()
        self._pairs.clear()
