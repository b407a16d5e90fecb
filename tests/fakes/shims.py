"""Boundaries that can fail: a wire that can be cut, stalled, sliced or left half open."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(eq=False)
class _Pair:
    """One connection through the wire."""

    near: socket.socket
    far: socket.socket
    threads: list[threading.Thread] = field(default_factory=list)
    half: bool = False

    def close(self) -> None:
        for end in (self.near, self.far):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


class TcpWire:
    """Forwards a port of its own to `target` on loopback, until a test does something to it."""

    def __init__(self, target: int, *, listener: Callable[[bytes], None] | None = None) -> None:
        """`listener` hears every byte that a near end says."""
        self._target, self._hear = target, listener
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._pairs: list[_Pair] = []
        self._lock = threading.Lock()
        self._flows = threading.Event()
        self._flows.set()
        self._is_cut = self._closing = False
        self._slice, self._pause_s = 65536, 0.0
        self._thread = threading.Thread(target=self._accept, name="wire")
        self._thread.start()

    # --- what a test does -------------------------------------------------------------------

    def cut(self) -> None:
        """End every connection; new ones are ended at once."""
        self._is_cut = True
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            pair.close()
        self._flows.set()

    def stall(self) -> None:
        """Connections stay, nothing passes, nobody is told."""
        self._flows.clear()

    def half_open(self) -> None:
        """The far end is gone and the near one is never told: what it sends goes nowhere."""
        with self._lock:
            for pair in self._pairs:
                pair.half = True
                with contextlib.suppress(OSError):
                    pair.far.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """All is well again for new connections, and for stalled or sliced ones."""
        self._is_cut = False
        self.slice(65536)
        self._flows.set()

    def slice(self, size: int, *, pause_s: float = 0.0) -> None:
        """Pass at most `size` bytes at a time, with a pause after each."""
        self._slice, self._pause_s = size, pause_s

    def close(self) -> None:
        """End all of it."""
        self._closing = True
        with self._lock:
            threads = [thread for pair in self._pairs for thread in pair.threads]
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        self.cut()
        for thread in threads:
            thread.join()

    # --- what it does -----------------------------------------------------------------------

    def _accept(self) -> None:
        while not self._closing:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self._is_cut:
                near.close()
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                near.close()
                continue
            pair = _Pair(near, far)
            for source, sink in ((near, far), (far, near)):
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                pump = threading.Thread(target=self._pump, args=(pair, source, sink), daemon=True)
                pair.threads.append(pump)
            with self._lock:
                self._pairs.append(pair)
            for thread in pair.threads:
                thread.start()

    def _pump(self, pair: _Pair, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(self._slice):
                self._flows.wait()
                if self._hear is not None and source is pair.near:
                    self._hear(data)
                if not pair.half:
                    sink.sendall(data)
                if self._pause_s:
                    time.sleep(self._pause_s)
        if pair.half and source is pair.far:
            return
        with self._lock:
            if pair in self._pairs:
                self._pairs.remove(pair)
        pair.close()
