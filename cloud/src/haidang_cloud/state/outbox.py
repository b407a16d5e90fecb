"""The outbox: alarm-class records, put in on receipt with no judgement, taken out by the cases."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from haidang_cloud.state.bell import ring
from haidang_cloud.state.database import State
from haidang_cloud.state.tables import outbox

_ADD = {
    True: postgresql.insert(outbox).on_conflict_do_nothing(),
    False: sqlite.insert(outbox).on_conflict_do_nothing(),
}
"""Made once, by whether it is PostgreSQL: to build a statement takes longer than to run it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """An alarm-class record; `told` says that staff heard of it before it was stored."""

    centre: str
    record_id: str
    site: str
    node: str
    received_ns: int
    payload: bytes
    told: bool = False
    id: int = 0


def add(state: State, alarms: Sequence[Alarm]) -> None:
    """Put alarms in, by themselves, at once; the same record twice is one row."""
    if not alarms:
        return
    rows = [
        {
            "centre": alarm.centre,
            "record_id": alarm.record_id,
            "site": alarm.site,
            "node": alarm.node,
            "received_ns": alarm.received_ns,
            "payload": alarm.payload,
            "told": alarm.told,
        }
        for alarm in alarms
    ]
    with state.write() as connection:
        connection.execute(_ADD[state.postgres], rows if len(rows) > 1 else rows[0])
        ring(state, connection)


def waiting(connection: sa.Connection, centre: str, *, limit: int = 100) -> list[Alarm]:
    """Alarms that nobody has consumed, in order of arrival."""
    wanted = (
        sa.select(outbox)
        .where(outbox.c.centre == centre, outbox.c.consumed_ns.is_(None))
        .order_by(outbox.c.id)
        .limit(limit)
    )
    return [
        Alarm(
            centre=row.centre,
            record_id=row.record_id,
            site=row.site,
            node=row.node,
            received_ns=row.received_ns,
            payload=row.payload,
            told=row.told,
            id=row.id,
        )
        for row in connection.execute(wanted)
    ]


def unconsumed(state: State, centre: str, records: Sequence[str]) -> set[str]:
    """Which of these records still wait for somebody to make cases of them."""
    wanted = sa.select(outbox.c.record_id).where(
        outbox.c.centre == centre,
        outbox.c.record_id.in_(records),
        outbox.c.consumed_ns.is_(None),
    )
    with state.read() as connection:
        return set(connection.execute(wanted).scalars())


def consumed(connection: sa.Connection, ids: Sequence[int], now_ns: int) -> None:
    """Mark alarms as consumed, within the transaction that made cases of them."""
    connection.execute(outbox.update().where(outbox.c.id.in_(ids)).values(consumed_ns=now_ns))
