"""Raises cases from the outbox, takes answers, and says which cases staff must hear of.

A case has a version that every change raises, and the version that staff were told last. Whoever
dies between a change and its telling leaves the two apart, and another worker tells it.
"""

import logging
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa

from haidang_cloud.cases import life
from haidang_cloud.errors import RefusedError
from haidang_cloud.people import audit
from haidang_cloud.state import outbox
from haidang_cloud.state.bell import CHANNEL
from haidang_cloud.state.database import State
from haidang_cloud.state.outbox import Alarm
from haidang_cloud.state.tables import case, case_step
from haidang_protocols.wire.errors import MessageRefusedError
from haidang_protocols.wire.messages import (
    DELAYED_AFTER_NS,
    AnswerKind,
    CaseMessage,
    CaseState,
)
from haidang_protocols.wire.names import RecordId, case_id_of
from haidang_protocols.wire.records import Box, Event, Phase, RuleKind, decode_record
from haidang_protocols.wire.topics import Severity

log = logging.getLogger(__name__)

KIND = "alert"
_BOX = msgspec.json.Decoder(Box | None)

Owner = Callable[[Event], tuple[str, str]]
"""Scope and place that an event belongs to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What somebody said of a case; the same `id` again is the same answer."""

    kind: AnswerKind
    actor: str
    via: str
    note: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line of a case's history."""

    at_ns: int
    actor: str
    via: str
    action: str
    from_state: str
    to_state: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseView:
    """A case as it is read."""

    id: str
    centre: str
    kind: str
    scope: str
    place: str
    node: str
    camera: str
    rule: str
    type: RuleKind
    zone: str
    cls: str
    severity: Severity
    state: CaseState
    record: str
    event: str
    t_ns: int
    raised_ns: int
    ended_ns: int | None
    by: str
    delayed: bool
    synced: bool
    snapshot: bool
    box: Box | None
    note: str
    version: int
    told_version: int
    changed_ns: int

    def message(self, now_ns: int) -> CaseMessage:
        """The case as staff are told it."""
        return CaseMessage(
            case=self.id,
            scope=self.scope,
            severity=self.severity,
            state=self.state,
            record=self.record,
            t=self.t_ns,
            at=now_ns,
            camera=self.camera,
            place=self.place,
            rule=self.rule,
            type=self.type,
            zone=self.zone,
            cls=self.cls,
            box=self.box,
            by=self.by,
            note=self.note,
            snapshot=self.snapshot,
            delayed=self.delayed,
            synced=self.synced,
        )


def _view(row: Any) -> CaseView:  # noqa: ANN401  # a row of `case`
    fields = dict(row._mapping)  # noqa: SLF001  # SQLAlchemy's documented way to a row's mapping
    fields["type"] = RuleKind(fields["type"])
    fields["severity"] = Severity(fields["severity"])
    fields["state"] = CaseState(fields["state"])
    fields["box"] = _BOX.decode(fields["box"])
    return CaseView(**fields)


class CaseDesk:
    """The alerts of one centre."""

    def __init__(self, state: State, centre: str) -> None:
        """Use `state`."""
        self._state, self._centre = state, centre

    # --- raising ----------------------------------------------------------------------------

    def consume(self, owner: Owner, *, now_ns: int, limit: int = 100) -> int:
        """Make cases of what waits in the outbox; returns how many alarms were taken."""
        with self._state.write() as connection:
            waiting = outbox.waiting(connection, self._centre, limit=limit, lock=True)
            for alarm in waiting:
                self._take(connection, alarm, owner, now_ns)
            if waiting:
                outbox.consumed(connection, [alarm.id for alarm in waiting], now_ns)
                self._ring(connection)
        return len(waiting)

    def _take(self, connection: sa.Connection, alarm: Alarm, owner: Owner, now_ns: int) -> None:
        try:
            event = decode_record(alarm.payload)
        except MessageRefusedError as error:
            # ingest judged it: only another version of Haidang can have put it there
            log.error("alarm %s cannot be read and raises no case: %s", alarm.record_id, error)  # noqa: TRY400  # data, not a fault of ours
            return
        if not isinstance(event, Event):
            return
        if event.phase is Phase.END:
            self._end(connection, alarm, event, now_ns)
        else:
            self._raise(connection, alarm, event, owner, now_ns)

    def _raise(
        self, connection: sa.Connection, alarm: Alarm, event: Event, owner: Owner, now_ns: int
    ) -> None:
        scope, place = owner(event)
        number = case_id_of(RecordId(alarm.record_id))
        added = connection.execute(
            self._state.insert(case)
            .values(
                id=number,
                centre=self._centre,
                kind=KIND,
                scope=scope,
                place=place,
                node=alarm.node,
                camera=event.camera,
                rule=event.rule,
                type=event.type.value,
                zone=event.zone,
                cls=event.cls,
                severity=event.severity.value,
                state=CaseState.RAISED.value,
                record=alarm.record_id,
                event=event.event,
                t_ns=event.t,
                raised_ns=now_ns,
                by="",
                delayed=now_ns - event.t > DELAYED_AFTER_NS,
                synced=event.synced,
                snapshot=event.snapshot,
                box=msgspec.json.encode(event.box).decode(),
                note="",
                version=1,
                told_version=0,
                changed_ns=now_ns,
            )
            .on_conflict_do_nothing()
            .returning(case.c.id)
        ).first()
        if added is not None:
            self._step(
                connection,
                number,
                Answer(kind=AnswerKind.ACKNOWLEDGED, actor="", via="node", id="raised"),
                action="raised",
                states=("", CaseState.RAISED.value),
                now_ns=now_ns,
            )

    def _end(self, connection: sa.Connection, alarm: Alarm, event: Event, now_ns: int) -> None:
        """What was seen is over; the case is not: a person ends it."""
        row = connection.execute(
            case.update()
            .where(
                case.c.centre == self._centre,
                case.c.node == alarm.node,
                case.c.event == event.event,
                case.c.ended_ns.is_(None),
            )
            .values(ended_ns=event.t, version=case.c.version + 1, changed_ns=now_ns)
            .returning(case.c.id, case.c.state)
        ).first()
        if row is not None:
            self._step(
                connection,
                row.id,
                Answer(kind=AnswerKind.DONE, actor="", via="node", id="ended"),
                action="ended",
                states=(row.state, row.state),
                now_ns=now_ns,
            )

    # --- answers ----------------------------------------------------------------------------

    def answer(self, number: str, answer: Answer, *, now_ns: int) -> CaseView:
        """Take an answer; raises `RefusedError` (unknown, conflict) saying who was first."""
        with self._state.write() as connection:
            wanted = sa.select(case).where(case.c.centre == self._centre, case.c.id == number)
            if self._state.postgres:
                wanted = wanted.with_for_update()
            row = connection.execute(wanted).one_or_none()
            if row is None:
                raise RefusedError("unknown", f"there is no case {number!r}")
            found = _view(row)
            if answer.id and self._is_known(connection, number, answer.id):
                return found
            goal = life.after(found.state, answer.kind)
            if goal is None:
                raise RefusedError("conflict", _conflict(found, answer.kind))
            self._step(
                connection,
                number,
                answer,
                action=answer.kind.value,
                states=(found.state.value, goal.value),
                now_ns=now_ns,
            )
            changed = connection.execute(
                case.update()
                .where(case.c.id == number)
                .values(
                    state=goal.value,
                    by=answer.actor,
                    note=answer.note,
                    version=case.c.version + 1,
                    changed_ns=now_ns,
                )
                .returning(*case.c)
            ).one()
            audit.write(
                self._state,
                connection,
                self._centre,
                actor=answer.actor,
                action=f"case.{answer.kind.value}",
                about=f"case/{number}",
                detail={"via": answer.via, "from": found.state.value, "to": goal.value},
                now_ns=now_ns,
            )
            self._ring(connection)
        return _view(changed)

    def _is_known(self, connection: sa.Connection, number: str, answer_id: str) -> bool:
        wanted = sa.select(case_step.c.id).where(
            case_step.c.case == number, case_step.c.answer_id == answer_id
        )
        return connection.execute(wanted).first() is not None

    def _step(
        self,
        connection: sa.Connection,
        number: str,
        answer: Answer,
        *,
        action: str,
        states: tuple[str, str],
        now_ns: int,
    ) -> None:
        connection.execute(
            case_step.insert().values(
                case=number,
                at_ns=now_ns,
                actor=answer.actor,
                via=answer.via,
                action=action,
                from_state=states[0],
                to_state=states[1],
                note=answer.note,
                answer_id=answer.id or secrets.token_hex(16),
            )
        )

    def _ring(self, connection: sa.Connection) -> None:
        if self._state.postgres:
            connection.execute(sa.select(sa.func.pg_notify(CHANNEL, "")))

    # --- telling ----------------------------------------------------------------------------

    def untold(self, *, older_than_ns: int, limit: int = 100) -> list[CaseView]:
        """Cases whose last change staff have not heard of, oldest change first."""
        wanted = (
            sa.select(case)
            .where(
                case.c.centre == self._centre,
                case.c.told_version < case.c.version,
                case.c.changed_ns <= older_than_ns,
            )
            .order_by(case.c.changed_ns)
            .limit(limit)
        )
        with self._state.read() as connection:
            return [_view(row) for row in connection.execute(wanted)]

    def told(self, views: Iterable[CaseView]) -> None:
        """Staff heard of these, as they are here; a change since then is told again."""
        with self._state.write() as connection:
            for view in views:
                connection.execute(
                    case.update()
                    .where(case.c.id == view.id, case.c.told_version < view.version)
                    .values(told_version=view.version)
                )

    # --- reading ----------------------------------------------------------------------------

    def read(self, number: str) -> CaseView | None:
        """One case."""
        wanted = sa.select(case).where(case.c.centre == self._centre, case.c.id == number)
        with self._state.read() as connection:
            row = connection.execute(wanted).one_or_none()
        return None if row is None else _view(row)

    def steps(self, number: str) -> list[Step]:
        """A case's history, in order."""
        wanted = sa.select(case_step).where(case_step.c.case == number).order_by(case_step.c.id)
        with self._state.read() as connection:
            return [
                Step(
                    at_ns=row.at_ns,
                    actor=row.actor,
                    via=row.via,
                    action=row.action,
                    from_state=row.from_state,
                    to_state=row.to_state,
                    note=row.note,
                )
                for row in connection.execute(wanted)
            ]

    def find(
        self,
        scopes: Iterable[str],
        *,
        states: Sequence[CaseState] = life.OPEN,
        limit: int = 200,
        before_ns: int = 2**62,
    ) -> list[CaseView]:
        """Cases of some scopes, newest first."""
        wanted = (
            sa.select(case)
            .where(
                case.c.centre == self._centre,
                case.c.scope.in_(list(scopes)),
                case.c.state.in_([state.value for state in states]),
                case.c.raised_ns < before_ns,
            )
            .order_by(case.c.raised_ns.desc())
            .limit(limit)
        )
        with self._state.read() as connection:
            return [_view(row) for row in connection.execute(wanted)]


def _conflict(found: CaseView, kind: AnswerKind) -> str:
    who = f" by {found.by}" if found.by else ""
    may = ", ".join(answer.value for answer in life.allowed(found.state)) or "nothing more"
    return f"the case is {found.state.value}{who}; {kind.value} is not taken now, but {may}"
