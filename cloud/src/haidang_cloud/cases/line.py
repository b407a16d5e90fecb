"""The line to staff: cases go out over MQTT, answers come in, both with the database in between.

An answer is acknowledged to the broker only when its transaction is done; the session outlives the
worker, so that what is answered while it restarts comes later.
"""

import queue
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from haidang_cloud.broker import Line
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


@dataclass(frozen=True, slots=True)
class _Message:
    generation: int
    packet: int
    topic: str
    payload: bytes


class CaseLine:
    """`serve_cases` and `serve_answers` again and again in two threads, while `line` runs."""

    def __init__(
        self,
        line: Line,
        state: State,
        accounts: Accounts,
        *,
        centre: str,
        owner: Callable[[], Owner],
        rights: Callable[[], Rights],
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """`owner` and `rights` give what is in force; it may change at any time."""
        self._line, self._centre = line, centre
        self._owner, self._rights, self._now_ns = owner, rights, now_ns
        self._desk = CaseDesk(state, centre)
        self._teller = CaseTeller(state, centre)
        self._answers = AnswerDesk(state, centre, accounts)
        self._bell = Bell(state)
        self._inbox: queue.SimpleQueue[_Message | CaseView] = queue.SimpleQueue()
        self._held: _Message | CaseView | None = None
        self._more = False
        self.counts = {"alarms": 0, "told": 0, "answers": 0, "refused": 0}
        line.hear(
            [topics.answer_filter(centre)],
            lambda *message: self._inbox.put(_Message(*message)),
        )

    def serve_cases(self) -> None:
        """Wait for news, make cases of alarms, and tell what staff have not heard."""
        if not self._more:
            self._bell.wait(WAIT_S)
        now_ns = self._now_ns()
        taken = self._desk.consume(self._owner(), now_ns=now_ns)
        self.counts["alarms"] += taken
        # whoever reaches the broker tells
        claimed = self._teller.claim(now_ns=now_ns) if self._line.up else []
        for told in claimed:
            self._tell(told)
        settled = self._answers.settle_waiting(now_ns=now_ns)
        self._more = BATCH in (taken, len(claimed), settled)

    def _tell(self, told: CaseView) -> None:
        topic = topics.case_topic(self._centre, told.scope, told.severity)
        # told only once the broker has it; one that gets lost is claimed again
        self._line.say(topic, messages.encode(told.message()), done=partial(self._inbox.put, told))

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
        self._line.ack(item.generation, item.packet)

    def forget(self) -> int:
        """Remove answers that are a month old."""
        return self._answers.forget(now_ns=self._now_ns())

    def close(self) -> None:
        """Wait for no more news, once nobody serves any more."""
        self._bell.close()
