"""Alarms into the outbox on receipt; straight to staff while the database is down."""

import logging
import queue
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from haidang_cloud.errors import StateUnavailableError
from haidang_cloud.state import outbox
from haidang_cloud.state.database import State
from haidang_cloud.state.outbox import Alarm
from haidang_protocols.wire.records import Event

log = logging.getLogger(__name__)

RETRY_S = 0.5
TOLD_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class _Job:
    alarms: list[Alarm]
    events: list[tuple[str, Event]]
    done: threading.Event


class AlarmDesk:
    """One thread: what comes in is in the outbox, or told directly, within milliseconds."""

    def __init__(self, state: State, tell: Callable[[str, Event], None]) -> None:
        """`tell(record id, event)` publishes a provisional case to staff."""
        self._state, self._tell = state, tell
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._told: deque[str] = deque(maxlen=TOLD_KEPT)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="alarms", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; what is not in the outbox is not acknowledged, so it comes again."""
        self._stopping.set()
        self._jobs.put(None)
        self._thread.join()

    def put(
        self, alarms: list[Alarm], events: list[tuple[str, Event]], done: threading.Event
    ) -> None:
        """Take alarms; `done` is set once they are in the outbox."""
        self._jobs.put(_Job(alarms, events, done))

    def _run(self) -> None:
        owed: list[_Job] = []
        while not self._stopping.is_set():
            try:
                job = self._jobs.get(timeout=RETRY_S if owed else None)
            except queue.Empty:
                job = None
            if job is not None:
                owed.append(job)
            owed = [left for left in owed if not self._store(left)]

    def _store(self, job: _Job) -> bool:
        told = set(self._told)
        alarms = [replace(a, told=a.record_id in told) for a in job.alarms]
        try:
            outbox.add(self._state, alarms)
        except StateUnavailableError as error:
            for record, event in job.events:
                if record not in told:
                    log.warning("%s; alarm %s is told to staff directly", error, record)
                    self._tell(record, event)
                    self._told.append(record)
            return False
        job.done.set()
        return True
