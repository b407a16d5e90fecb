"""One child process kept alive: started, heard, stopped, and started again after a growing wait."""

import logging
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from multiprocessing.reduction import send_handle

from msgspec import Struct

from haidang_edge.agent import messages
from haidang_protocols.wire.reasons import Reason, because

log = logging.getLogger(__name__)

FIRST_WAIT_S = 0.25
LONGEST_WAIT_S = 30.0
STEADY_S = 60.0
STOP_S = 3.0

Target = Callable[[Connection, bytes], None]


class Child:
    """A process and the thread that hears it. `tend` is for the supervisor's main thread alone.

    Attributes:
        name: for logs and messages.
        lives: how often it was started.
        why: why it last ended, None while all is well.
        heard_s: monotonic seconds when it last said anything.
    """

    def __init__(
        self,
        context: ForkServerContext,
        name: str,
        *,
        target: Target,
        job: Callable[[], Struct],
        on_message: Callable[[bytes], None],
        on_end: Callable[[], None],
    ) -> None:
        """Prepare; `job` gives what it is told at each start, `on_end` follows its last message."""
        self._context, self.name = context, name
        self._target, self._job = target, job
        self._on_message, self._on_end = on_message, on_end
        self._process: ForkServerProcess | None = None
        self._connection: Connection | None = None
        self._reader: threading.Thread | None = None
        self._sending = threading.Lock()
        self._failures = 0
        self._due_s = 0.0
        self._started_s = 0.0
        self.lives = 0
        self.why: Reason | None = None
        self.heard_s = 0.0

    @property
    def alive(self) -> bool:
        """Whether its process runs and can be heard."""
        return self._reader is not None and self._reader.is_alive()

    @property
    def pid(self) -> int | None:
        """The process id, None while there is none."""
        return self._process.pid if self._process is not None and self.alive else None

    def tend(self, now_s: float) -> None:
        """Bury it when it has ended; start it when it is due."""
        if self.alive:
            return
        if self._process is not None:
            self._bury(now_s)
        elif now_s >= self._due_s:
            self._start(now_s)

    def send(self, message: Struct, *fds: int) -> bool:
        """Say something, descriptors after it; False when it cannot hear."""
        connection, process = self._connection, self._process
        if connection is None or process is None or not self.alive:
            return False
        try:
            with self._sending:
                connection.send_bytes(messages.encode(message))
                for fd in fds:
                    send_handle(connection, fd, process.pid)
        except OSError:
            return False
        return True

    def kill(self, why: Reason) -> None:
        """End it at once: it does not do its work."""
        if self._process is not None:
            log.error("%s: %s; it is killed", self.name, why)
            self.why = why
            self._process.kill()

    def stop(self, *, wait_s: float = STOP_S) -> None:
        """Let it end what is open and leave; kill it when that takes too long."""
        process, reader = self._process, self._reader
        if process is None or reader is None:
            return
        self.send(messages.Stop())
        reader.join(wait_s)
        if reader.is_alive():
            process.kill()
            reader.join()
        process.join()
        self._clear()

    def _start(self, now_s: float) -> None:
        ours, theirs = self._context.Pipe()
        self.lives += 1
        self._started_s = self.heard_s = now_s
        self._process = self._context.Process(
            target=self._target, args=(theirs, messages.encode(self._job())), name=self.name
        )
        self._process.start()
        theirs.close()
        self._connection = ours
        self._reader = threading.Thread(
            target=self._read, args=(ours,), name=f"hear {self.name}", daemon=True
        )
        self._reader.start()

    def _read(self, connection: Connection) -> None:
        try:
            while True:
                payload = connection.recv_bytes(messages.MESSAGE_BYTES_MAX)
                self.heard_s = time.monotonic()
                self._on_message(payload)
        except (EOFError, OSError):
            self._on_end()

    def _bury(self, now_s: float) -> None:
        process = self._process
        if process is not None:
            process.kill()  # it may have closed its pipe and live on
            process.join()
            if self.why is None:
                self.why = _last_words(process.exitcode)
        self._failures = 1 if now_s - self._started_s >= STEADY_S else self._failures + 1
        wait_s = min(FIRST_WAIT_S * 2.0 ** (self._failures - 1), LONGEST_WAIT_S)
        log.error("%s ended: %s; it starts again in %.2g s", self.name, self.why, wait_s)
        self._due_s = now_s + wait_s
        self._clear()

    def _clear(self) -> None:
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            self._process.close()
        self._process = self._connection = self._reader = None


def _last_words(code: int | None) -> Reason:
    if code is None or code >= 0:
        return because("child.code", code=str(code))
    said = signal.strsignal(-code) or "unknown"
    return because("child.signal", signal=str(-code), name=said.lower())
