"""Alarms into the outbox on receipt; straight to staff where nobody makes cases of them in time.

That is while the database is down or hangs, and when what it had just taken in stays in the outbox:
it may have gone down a moment later, or no worker runs.

Staff are told of an alarm once in a worker's life. Another worker, or this one after a restart, may
tell it again while the database is still away: the case id is the same, so it is the same case.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from haidang_cloud.errors import StateUnavailableError
from haidang_cloud.state import outbox
from haidang_cloud.state.database import State
from haidang_cloud.state.outbox import Alarm
from haidang_protocols.wire.records import Event, Phase

log = logging.getLogger(__name__)

RETRY_S = 0.5
PATIENCE_S = 0.7
"""A database that says nothing, or a worker that takes nothing, for this long does not keep staff
waiting."""

TOLD_KEPT = 10_000
SPARE_MAX = 20_000


@dataclass(slots=True)
class _Countdown:
    """How many of one call's alarms are still owed."""

    left: int
    done: threading.Event = field(default_factory=threading.Event)

    def one(self) -> None:
        self.left -= 1
        if self.left == 0:
            self.done.set()


@dataclass(slots=True)
class _Owed:
    alarm: Alarm
    event: Event
    since_s: float
    waiting: list[_Countdown] = field(default_factory=list)


class AlarmDesk:
    """One thread that stores; the network loop calls `put` and `look`."""

    def __init__(
        self,
        state: State,
        centre: str,
        tell: Callable[[str, Event], None],
        *,
        failed: Callable[[BaseException], None],
    ) -> None:
        """Prepare.

        Args:
            state: where the outbox is.
            centre: whose alarms these are.
            tell: publishes a provisional case to staff, given record id and event.
            failed: hears of what should never happen.
        """
        self._state, self._centre, self._tell, self._failed = state, centre, tell, failed
        self._owed: dict[str, _Owed] = {}
        self._fresh: dict[str, _Owed] = {}
        self._told: dict[str, None] = {}
        self._lock = threading.Lock()
        self._news = threading.Event()
        self._stopping = False
        self._down = ""
        self._thread = threading.Thread(target=self._run, name="alarms", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after one more try; what is not in the outbox is not acknowledged: it comes again."""
        self._stopping = True
        self._news.set()
        self._thread.join()

    @property
    def owing(self) -> bool:
        """Whether something is on its way into the outbox."""
        return bool(self._owed)

    def put(
        self, alarms: Sequence[Alarm], events: Sequence[Event], *, spare: bool = False
    ) -> threading.Event:
        """Take alarms; what is returned is set once all of them are in the outbox.

        With `spare` nobody waits for it: beyond a bound they are only told, the spool sends again.
        """
        countdown = _Countdown(len(alarms))
        now_s = time.monotonic()
        with self._lock:
            if not (spare and len(self._owed) > SPARE_MAX):
                for alarm, event in zip(alarms, events, strict=True):
                    owed = self._owed.setdefault(alarm.record_id, _Owed(alarm, event, now_s))
                    owed.waiting.append(countdown)
        if self._down:
            self._tell_all([(a.record_id, e) for a, e in zip(alarms, events, strict=True)])
        self._news.set()
        return countdown.done

    def look(self) -> None:
        """Tell staff of what the database has kept waiting for too long."""
        late_s = time.monotonic() - PATIENCE_S
        with self._lock:
            late = [(record, o.event) for record, o in self._owed.items() if o.since_s < late_s]
        self._tell_all(late)

    def _tell_all(self, events: Sequence[tuple[str, Event]]) -> None:
        with self._lock:
            fresh = {
                record: event
                for record, event in events
                # the end of an alarm calls nobody, and would look like a second one
                if record not in self._told and event.phase is not Phase.END
            }
            self._told.update(dict.fromkeys(fresh))
            while len(self._told) > TOLD_KEPT:
                del self._told[next(iter(self._told))]
        for record, event in fresh.items():
            log.warning("%s: alarm %s is told to staff directly", self._down or "no word", record)
            self._tell(record, event)

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._news.wait(self._pause_s())
                self._news.clear()
                self._store()
                self._follow()
        except BaseException as error:  # noqa: BLE001  # handed over; the worker ends by it
            self._failed(error)

    def _pause_s(self) -> float | None:
        if self._down:
            return RETRY_S
        eldest = next(iter(self._fresh.values()), None)
        return None if eldest is None else max(0.0, eldest.since_s + PATIENCE_S - time.monotonic())

    def _store(self) -> None:
        with self._lock:
            owed = dict(self._owed)
            alarms = [replace(o.alarm, told=record in self._told) for record, o in owed.items()]
        try:
            outbox.add(self._state, alarms)
        except StateUnavailableError as error:
            self._down = str(error)
            self._tell_all([(record, o.event) for record, o in (self._fresh | owed).items()])
            self._fresh.clear()
            return
        self._down = ""
        self._fresh |= owed
        with self._lock:
            for record in owed:
                for countdown in self._owed.pop(record).waiting:
                    countdown.one()

    def _follow(self) -> None:
        """Tell staff of what has been in the outbox for too long."""
        late_s = time.monotonic() - PATIENCE_S
        late = {record: one for record, one in self._fresh.items() if one.since_s <= late_s}
        if not late:
            return
        for record in late:
            del self._fresh[record]
        try:
            left = outbox.unconsumed(self._state, self._centre, list(late))
        except StateUnavailableError as error:
            self._down = str(error)
            left = set(late)
        self._tell_all([(record, one.event) for record, one in late.items() if record in left])
