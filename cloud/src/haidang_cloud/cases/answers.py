"""Answers over MQTT: an API token says who speaks, the topic in which scope.

Every worker gets every answer, and the broker sends one again that was not acknowledged: a row by
the answer's hash lets the first one count. An answer to a case that is not there yet (a guard
post heard of it from the node, or while the database was down) waits for it.
"""

import hashlib
import re
from dataclasses import dataclass, replace
from enum import StrEnum

import sqlalchemy as sa

from haidang_cloud.cases.desk import CaseDesk
from haidang_cloud.cases.model import Answer
from haidang_cloud.cases.teller import BATCH, tell_again
from haidang_cloud.errors import RefusedError
from haidang_cloud.people import Accounts, Rights, audit
from haidang_cloud.state.bell import ring
from haidang_cloud.state.database import State
from haidang_cloud.state.tables import case, case_answer
from haidang_protocols.catalogue.model import Right
from haidang_protocols.wire import topics
from haidang_protocols.wire.errors import MessageRefusedError
from haidang_protocols.wire.messages import AnswerKind, CaseAnswer, decode

VIA = "mqtt"
UNKNOWN = "unknown"
WAIT_NS = 24 * 3600 * 10**9
KEEP_NS = 30 * 24 * 3600 * 10**9
_CASE = re.compile(r"^alert-[a-z0-9][a-z0-9_-]{0,47}-[0-9a-f]{16}-[1-9][0-9]{0,18}$")


class Outcome(StrEnum):
    """What became of an answer; `known` is one that was here before and is not kept twice."""

    TAKEN = "taken"
    REFUSED = "refused"
    WAITING = "waiting"
    KNOWN = "known"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """An answer from somebody who is known."""

    id: str
    case: str
    scope: str
    kind: AnswerKind
    actor: str
    note: str

    def answer(self) -> Answer:
        return Answer(kind=self.kind, actor=self.actor, via=VIA, note=self.note, id=self.id)


class _AnswerRefusedError(RefusedError):
    """Refused before it could be kept; carries what is known of it."""

    def __init__(self, code: str, message: str, *, of: "_Said", **values: str | float) -> None:
        super().__init__(code, message, **values)
        self.said = of


class AnswerDesk:
    """Takes the answers of one centre's staff."""

    def __init__(self, state: State, centre: str, accounts: Accounts) -> None:
        """`accounts` know whose a token is."""
        self._state, self._centre, self._accounts = state, centre, accounts
        self._desk = CaseDesk(state, centre)

    def take(self, topic: str, payload: bytes, rights: Rights, *, now_ns: int) -> Outcome:
        """Take one message; when this returns, what became of it is stored for good."""
        try:
            said = self._read(topic, payload, rights, now_ns)
        except _AnswerRefusedError as error:
            with self._state.write() as connection:
                if not self._keep(connection, error.said, now_ns):
                    return Outcome.KNOWN
                return self._refuse(connection, error.said, error, now_ns)
        with self._state.write() as connection:
            if not self._keep(connection, said, now_ns):
                return Outcome.KNOWN
            return self._settle(connection, said, now_ns)

    def _read(self, topic: str, payload: bytes, rights: Rights, now_ns: int) -> _Said:
        said = _Said(
            id=_digest(topic.encode(), payload),
            case=topic.rpartition("/")[2],
            scope="",
            kind=AnswerKind.ACKNOWLEDGED,
            actor=UNKNOWN,
            note="",
        )
        try:
            where = topics.parse(topic)
            answer = decode(payload, CaseAnswer)
        except (topics.TopicRefusedError, MessageRefusedError) as error:
            raise _AnswerRefusedError("malformed", str(error), of=said) from error
        if not isinstance(where, topics.AnswerTopic) or where.centre != self._centre:
            raise _AnswerRefusedError("malformed", f"{topic!r} is no answer's topic", of=said)
        said = replace(
            said,
            id=_digest(topic.encode(), answer.token.encode(), f"{answer.answer} {answer.at}"),
            case=where.case,
            scope=where.scope,
            kind=answer.answer,
            note=answer.note,
        )
        person = self._accounts.of_token(answer.token, now_ns=now_ns)
        if person is None:
            raise _AnswerRefusedError("token", "the token is not known or has ended", of=said)
        said = replace(said, actor=person.login)
        if not rights.allows(person.grants, Right.CASE_ANSWER, said.scope):
            raise _AnswerRefusedError(
                "forbidden.answer",
                f"{person.login} may not answer in scope {said.scope!r}",
                of=said,
                login=person.login,
                scope=said.scope,
            )
        return said

    def _settle(self, connection: sa.Connection, said: _Said, now_ns: int) -> Outcome:
        """Move the case, refuse, or let the answer wait for its case."""
        found = self._desk.lock(connection, said.case)
        if found is None:
            if _CASE.match(said.case) is None:
                refusal = RefusedError("unknown.case", "there is no such case")
                return self._refuse(connection, said, refusal, now_ns)
            self._mark(connection, said.id, Outcome.WAITING)
            ring(self._state, connection)
            return Outcome.WAITING
        if found.scope != said.scope:
            # not in which scope it is: who answers need not see that one
            sentence = f"the case is none of scope {said.scope!r}"
            refusal = RefusedError("scope", sentence, scope=said.scope)
            return self._refuse(connection, said, refusal, now_ns)
        try:
            self._desk.move(connection, found, said.answer(), now_ns=now_ns)
        except RefusedError as error:
            return self._refuse(connection, said, error, now_ns)
        return self._mark(connection, said.id, Outcome.TAKEN)

    # --- answers that wait --------------------------------------------------------------------

    def settle_waiting(self, *, now_ns: int) -> int:
        """Take the answers whose case is there by now, and refuse those that waited a day."""
        over = case_answer.c.received_ns <= now_ns - WAIT_NS
        wanted = (
            sa.select(case_answer)
            .outerjoin(case, (case.c.id == case_answer.c.case) & (case.c.centre == self._centre))
            .where(
                case_answer.c.centre == self._centre,
                case_answer.c.outcome == Outcome.WAITING.value,
                case.c.id.is_not(None) | over,
            )
            .order_by(case_answer.c.received_ns)
            .limit(BATCH)
        )
        with self._state.read() as connection:
            rows = connection.execute(wanted).all()
        for row in rows:
            said = _Said(
                id=row.id,
                case=row.case,
                scope=row.scope,
                kind=AnswerKind(row.kind),
                actor=row.actor,
                note=row.note,
            )
            self._settle_late(said, received_ns=row.received_ns, now_ns=now_ns)
        return len(rows)

    def _settle_late(self, said: _Said, *, received_ns: int, now_ns: int) -> None:
        with self._state.write() as connection:
            still = connection.execute(
                case_answer.update()
                .where(case_answer.c.id == said.id, case_answer.c.outcome == Outcome.WAITING.value)
                .values(outcome=Outcome.TAKEN.value)
            )
            if still.rowcount != 1:
                return  # another worker was quicker
            outcome = self._settle(connection, said, now_ns)
            if outcome is Outcome.WAITING and received_ns <= now_ns - WAIT_NS:
                refusal = RefusedError("unknown.late", "no such case came within a day")
                self._refuse(connection, said, refusal, now_ns)

    def forget(self, *, now_ns: int) -> int:
        """Remove old answers: their steps and the audit stay; returns how many."""
        with self._state.write() as connection:
            gone = connection.execute(
                case_answer.delete().where(
                    case_answer.c.centre == self._centre,
                    case_answer.c.received_ns < now_ns - KEEP_NS,
                    case_answer.c.outcome != Outcome.WAITING.value,
                )
            )
        return gone.rowcount

    # --- rows -------------------------------------------------------------------------------

    def _keep(self, connection: sa.Connection, said: _Said, now_ns: int) -> bool:
        """Keep an answer as taken until it is settled; False when it was here before."""
        added = connection.execute(
            self._state.insert(case_answer)
            .values(
                id=said.id,
                centre=self._centre,
                case=said.case,
                scope=said.scope,
                kind=said.kind.value,
                actor=said.actor,
                note=said.note,
                received_ns=now_ns,
                outcome=Outcome.TAKEN.value,
                reason="",
            )
            .on_conflict_do_nothing()
            .returning(case_answer.c.id)
        )
        return added.first() is not None

    def _mark(
        self, connection: sa.Connection, number: str, outcome: Outcome, reason: str = ""
    ) -> Outcome:
        connection.execute(
            case_answer.update()
            .where(case_answer.c.id == number)
            .values(outcome=outcome.value, reason=reason)
        )
        return outcome

    def _refuse(
        self, connection: sa.Connection, said: _Said, error: RefusedError, now_ns: int
    ) -> Outcome:
        """Log it, and tell the case once more: who answered sees how it stands and by whom."""
        tell_again(self._state, connection, self._centre, said.case)
        audit.write(
            self._state,
            connection,
            self._centre,
            actor=said.actor,
            action="case.answer_refused",
            about=f"case/{said.case[:200]}",
            detail={
                "via": VIA,
                "scope": said.scope,
                "answer": said.kind.value,
                "reason": error.reason,
                "why": str(error)[:500],
                "code": error.code,
                "values": error.values,
            },
            now_ns=now_ns,
        )
        return self._mark(connection, said.id, Outcome.REFUSED, error.reason)


def _digest(*parts: bytes | str) -> str:
    whole = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        whole.update(len(raw).to_bytes(4, "big"))
        whole.update(raw)
    return whole.hexdigest()
