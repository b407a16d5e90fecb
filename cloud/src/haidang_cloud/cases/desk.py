"""Raises cases from the outbox and moves them on by answers; each change is one transaction."""

import logging
import secrets

import msgspec
import sqlalchemy as sa

from haidang_cloud.cases import life
from haidang_cloud.cases.model import Answer, CaseConflictError, CaseView, Owner, Step, view
from haidang_cloud.cases.teller import BATCH
from haidang_cloud.errors import RefusedError
from haidang_cloud.people import audit
from haidang_cloud.state import outbox
from haidang_cloud.state.bell import ring
from haidang_cloud.state.database import State
from haidang_cloud.state.outbox import Alarm
from haidang_cloud.state.tables import case, case_step
from haidang_protocols.wire.errors import MessageRefusedError
from haidang_protocols.wire.messages import DELAYED_AFTER_NS, CaseState
from haidang_protocols.wire.names import RecordId, case_id_of
from haidang_protocols.wire.records import Event, Phase, decode_record

log = logging.getLogger(__name__)

KIND = "alert"
_LOCK = 0x6361_7365


class CaseDesk:
    """The alerts of one centre."""

    def __init__(self, state: State, centre: str) -> None:
        """Use `state`."""
        self._state, self._centre = state, centre

    # --- raising ----------------------------------------------------------------------------

    def consume(self, owner: Owner, *, now_ns: int) -> int:
        """Make cases of what waits in the outbox; returns how many alarms were taken."""
        with self._state.read() as connection:
            if not outbox.waiting(connection, self._centre, limit=1):
                return 0
        with self._state.write() as connection:
            if self._state.postgres:
                # one at a time: the end of an event must not overtake its beginning
                key = audit.lock_key(self._centre)
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK, key)))
            waiting = outbox.waiting(connection, self._centre, limit=BATCH)
            for alarm in waiting:
                self._take(connection, alarm, owner, now_ns)
            if waiting:
                outbox.consumed(connection, [alarm.id for alarm in waiting], now_ns)
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
                node=alarm.node,
                record=alarm.record_id,
                scope=scope,
                place=place,
                **_raised(event, now_ns),
            )
            .on_conflict_do_nothing()
            .returning(case.c.id)
        ).first()
        if added is not None:
            _write_word(connection, number, "raised", "", CaseState.RAISED.value, now_ns=now_ns)

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
            .values(ended_ns=event.t, **self._changed(now_ns))
            .returning(case.c.id, case.c.state)
        ).first()
        if row is not None:
            _write_word(connection, row.id, "ended", row.state, row.state, now_ns=now_ns)

    # --- answers ----------------------------------------------------------------------------

    def answer(self, number: str, answer: Answer, *, now_ns: int) -> CaseView:
        """Take an answer.

        Raises `CaseConflictError`, which says who was first, or `RefusedError` for a case that is
        not there.
        """
        with self._state.write() as connection:
            found = self.lock(connection, number)
            if found is None:
                raise RefusedError("unknown.case", f"there is no case {number!r}")
            return self.move(connection, found, answer, now_ns=now_ns)

    def note(self, number: str, *, actor: str, note: str, now_ns: int) -> CaseView:
        """Add words to a case, whatever its state: nobody is answered for, staff hear of it.

        Raises `RefusedError` for no words, and for a case that is not there.
        """
        if not note.strip():
            raise RefusedError("value.note", "a note has words")
        with self._state.write() as connection:
            found = self.lock(connection, number)
            if found is None:
                raise RefusedError("unknown.case", f"there is no case {number!r}")
            state = found.state.value
            step = Step(
                at_ns=now_ns,
                actor=actor,
                via="console",
                action="note",
                from_state=state,
                to_state=state,
                note=note,
            )
            _write_step(connection, number, step, answer_id=secrets.token_hex(16))
            changed = connection.execute(
                case.update()
                .where(case.c.id == number)
                .values(note=note, **self._changed(now_ns))
                .returning(*case.c)
            ).one()
            audit.write(
                self._state,
                connection,
                self._centre,
                actor=actor,
                action="case.note",
                about=f"case/{number}",
                now_ns=now_ns,
            )
            ring(self._state, connection)
        return view(changed)

    def lock(self, connection: sa.Connection, number: str) -> CaseView | None:
        """A case that nobody else moves until the transaction ends."""
        wanted = sa.select(case).where(case.c.centre == self._centre, case.c.id == number)
        row = connection.execute(wanted.with_for_update()).one_or_none()
        return None if row is None else view(row)

    def move(
        self, connection: sa.Connection, found: CaseView, answer: Answer, *, now_ns: int
    ) -> CaseView:
        """Move a locked case on; raises `CaseConflictError` before anything is written."""
        if answer.id and _is_known(connection, found.id, answer.id):
            return found
        goal = life.after(found.state, answer.kind)
        if goal is None:
            raise CaseConflictError(found, answer.kind)
        step = Step(
            at_ns=now_ns,
            actor=answer.actor,
            via=answer.via,
            action=answer.kind.value,
            from_state=found.state.value,
            to_state=goal.value,
            note=answer.note,
        )
        _write_step(connection, found.id, step, answer_id=answer.id or secrets.token_hex(16))
        changed = connection.execute(
            case.update()
            .where(case.c.id == found.id)
            .values(state=goal.value, by=answer.actor, note=answer.note, **self._changed(now_ns))
            .returning(*case.c)
        ).one()
        audit.write(
            self._state,
            connection,
            self._centre,
            actor=answer.actor,
            action=f"case.{answer.kind.value}",
            about=f"case/{found.id}",
            detail={"via": answer.via, "from": found.state.value, "to": goal.value},
            now_ns=now_ns,
        )
        ring(self._state, connection)
        return view(changed)

    def _changed(self, now_ns: int) -> dict[str, sa.ColumnElement[int]]:
        """A change is a new version; its time is later than that of the one before."""
        later = sa.func.greatest if self._state.postgres else sa.func.max
        return {
            "version": case.c.version + 1,
            "changed_ns": later(case.c.changed_ns + 1, sa.literal(now_ns, sa.BigInteger())),
        }


def _raised(event: Event, now_ns: int) -> dict[str, object]:
    """What an event says of the case that it raises."""
    return {
        "kind": KIND,
        "camera": event.camera,
        "rule": event.rule,
        "type": event.type.value,
        "zone": event.zone,
        "cls": event.cls,
        "severity": event.severity.value,
        "state": CaseState.RAISED.value,
        "event": event.event,
        "t_ns": event.t,
        "raised_ns": now_ns,
        "by": "",
        "delayed": now_ns - event.t > DELAYED_AFTER_NS,
        "synced": event.synced,
        "snapshot": event.snapshot,
        "box": msgspec.json.encode(event.box).decode(),
        "note": "",
        "version": 1,
        "telling_version": 0,
        "telling_until_ns": 0,
        "told_version": 0,
        "changed_ns": now_ns,
    }


def _is_known(connection: sa.Connection, number: str, answer_id: str) -> bool:
    wanted = sa.select(case_step.c.id).where(
        case_step.c.case == number, case_step.c.answer_id == answer_id
    )
    return connection.execute(wanted).first() is not None


def _write_word(
    connection: sa.Connection,
    number: str,
    said: str,
    from_state: str,
    to_state: str,
    *,
    now_ns: int,
) -> None:
    """A step that the node said; each of its words counts once."""
    step = Step(
        at_ns=now_ns,
        actor="",
        via="node",
        action=said,
        from_state=from_state,
        to_state=to_state,
    )
    _write_step(connection, number, step, answer_id=said)


def _write_step(connection: sa.Connection, number: str, step: Step, *, answer_id: str) -> None:
    connection.execute(
        case_step.insert().values(
            case=number,
            at_ns=step.at_ns,
            actor=step.actor,
            via=step.via,
            action=step.action,
            from_state=step.from_state,
            to_state=step.to_state,
            note=step.note,
            answer_id=answer_id,
        )
    )
