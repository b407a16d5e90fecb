"""The line to staff: cases go out over MQTT, answers come in, both with the database in between.

An answer is acknowledged to the broker only when its transaction is done; the session outlives the
worker, so that what is answered while it restarts comes later.
"""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from haidang_cloud.broker import BrokerSettings, Connection
from haidang_cloud.cases.answers import AnswerDesk, Outcome
from haidang_cloud.cases.desk import CaseDesk
from haidang_cloud.cases.model import CaseView, Owner
from haidang_cloud.cases.teller import BATCH, CaseTeller
from haidang_cloud.errors import StateUnavailableError
from haidang_cloud.people import Accounts, Rights
from haidang_cloud.state.bell import Bell
from haidang_cloud.state.database import State
from haidang_protocols.wire import messages, topics

WAIT_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class LineSettings:
    """This worker's name (its session at the broker goes by it), its centre and the broker."""

    name: str
    centre: str
    broker: BrokerSettings


@dataclass(frozen=True, slots=True)
class _Message:
    generation: int
    packet: int
    topic: str
    payload: bytes


class CaseLine:
    """`run` in one thread; `serve_cases` and `serve_answers` again and again in two others."""

    def __init__(
        self,
        settings: LineSettings,
        state: State,
        accounts: Accounts,
        *,
        owner: Callable[[], Owner],
        rights: Callable[[], Rights],
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """`owner` and `rights` give what is in force; it may change at any time."""
        self._settings, self._owner, self._rights, self._now_ns = settings, owner, rights, now_ns
        self._desk = CaseDesk(state, settings.centre)
        self._teller = CaseTeller(state, settings.centre)
        self._answers = AnswerDesk(state, settings.centre, accounts)
        self._bell = Bell(state)
        self._stop = threading.Event()
        self._out: queue.SimpleQueue[CaseView] = queue.SimpleQueue()
        self._under_way: dict[int, CaseView] = {}
        self._inbox: queue.SimpleQueue[_Message | CaseView] = queue.SimpleQueue()
        self._held: _Message | CaseView | None = None
        self._more = False
        self._acks: queue.SimpleQueue[tuple[int, int]] = queue.SimpleQueue()
        self.counts = {"alarms": 0, "told": 0, "answers": 0, "refused": 0}
        self._connection = Connection(
            settings.broker,
            client_id=f"{settings.centre}.worker.{settings.name}",
            on_up=self._up,
            on_message=lambda *message: self._inbox.put(_Message(*message)),
            on_published=self._published,
            clean=False,
        )

    # --- the network ------------------------------------------------------------------------

    @property
    def up(self) -> bool:
        """Whether the broker is there."""
        return self._connection.up

    def run(self) -> None:
        """Talk to the broker until `stop`."""
        while not self._stop.is_set():
            self._connection.turn(1.0, read=True)
            self._send()

    def close(self) -> None:
        """Send what is left and leave, once nobody serves any more; the session stays."""
        self._send()
        self._connection.close()
        self._bell.close()

    def stop(self) -> None:
        """Ask `run` to end; may be called from any thread or a signal handler."""
        self._stop.set()
        self._connection.wake()

    def _send(self) -> None:
        while not self._acks.empty():
            self._connection.ack(*self._acks.get())
        while not self._out.empty():
            told = self._out.get()
            topic = topics.case_topic(self._settings.centre, told.scope, told.severity)
            number = self._connection.publish(topic, messages.encode(told.message()))
            self._under_way[number] = told

    def _up(self) -> None:
        self._connection.subscribe([topics.answer_filter(self._settings.centre)])

    def _published(self, number: int) -> None:
        told = self._under_way.pop(number, None)
        if told is not None:
            self._inbox.put(told)

    # --- the database -----------------------------------------------------------------------

    def serve_cases(self) -> None:
        """Wait for news, make cases of alarms, and tell what staff have not heard."""
        if not self._more:
            self._bell.wait(WAIT_S)
        now_ns = self._now_ns()
        taken = self._desk.consume(self._owner(), now_ns=now_ns)
        self.counts["alarms"] += taken
        # whoever reaches the broker tells
        claimed = self._teller.claim(now_ns=now_ns) if self._connection.up else []
        for told in claimed:
            self._out.put(told)
        if claimed:
            self._connection.wake()
        settled = self._answers.settle_waiting(now_ns=now_ns)
        self._more = BATCH in (taken, len(claimed), settled)

    def serve_answers(self) -> None:
        """Take one answer, or note what the broker has; kept until the database has it."""
        if self._held is None:
            try:
                self._held = self._inbox.get(timeout=WAIT_S)
            except queue.Empty:
                return
        item, self._held = self._held, None
        try:
            self._settle(item)
        except StateUnavailableError:
            self._held = item
            raise

    def _settle(self, item: _Message | CaseView) -> None:
        if isinstance(item, CaseView):
            self._teller.told([item])
            self.counts["told"] += 1
            return
        outcome = self._answers.take(
            item.topic, item.payload, self._rights(), now_ns=self._now_ns()
        )
        self.counts["answers"] += outcome is not Outcome.KNOWN
        self.counts["refused"] += outcome is Outcome.REFUSED
        self._acks.put((item.generation, item.packet))
        self._connection.wake()

    def forget(self) -> int:
        """Remove answers that are a month old."""
        return self._answers.forget(now_ns=self._now_ns())
