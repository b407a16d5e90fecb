"""Says which cases staff must hear of, to one teller at a time, until the broker has the message.

A case has a version that every change raises, and the version that the broker has confirmed. A
teller claims what lies between for a short while; should it die, another one tells.
"""

from collections.abc import Iterable

import sqlalchemy as sa

from haidang_cloud.cases.model import CaseView, view
from haidang_cloud.state.bell import ring
from haidang_cloud.state.database import State
from haidang_cloud.state.tables import case

CLAIM_NS = 2 * 10**9
BATCH = 100


class CaseTeller:
    """What one centre's staff have not heard of."""

    def __init__(self, state: State, centre: str) -> None:
        """Use `state`."""
        self._state = state
        self._untold = sa.and_(case.c.centre == centre, case.c.told_version < case.c.version)

    def claim(self, *, now_ns: int) -> list[CaseView]:
        """Cases to be told now by whoever asks, oldest change first."""
        free = self._untold & (
            (case.c.telling_version < case.c.version) | (case.c.telling_until_ns <= now_ns)
        )
        with self._state.read() as connection:
            if connection.execute(sa.select(case.c.id).where(free).limit(1)).first() is None:
                return []
        wanted = sa.select(case.c.id).where(free).order_by(case.c.changed_ns).limit(BATCH)
        with self._state.write() as connection:
            ids = connection.execute(wanted.with_for_update(skip_locked=True)).scalars().all()
            claimed = connection.execute(
                case.update()
                .where(case.c.id.in_(ids))
                .values(telling_version=case.c.version, telling_until_ns=now_ns + CLAIM_NS)
                .returning(*case.c)
            ).all()
        return sorted((view(row) for row in claimed), key=lambda one: one.changed_ns)

    def told(self, views: Iterable[CaseView]) -> None:
        """The broker has these, as they are here; a change since then is told by itself."""
        for one in views:
            # one by one: a transaction that holds several cases could wait for another such
            with self._state.write() as connection:
                connection.execute(
                    case.update()
                    .where(case.c.id == one.id, case.c.told_version < one.version)
                    .values(told_version=one.version)
                )


def tell_again(state: State, connection: sa.Connection, centre: str, number: str) -> None:
    """Let staff hear once more how a case stands, if there is one of that id."""
    connection.execute(
        case.update()
        .where(case.c.centre == centre, case.c.id == number)
        .values(version=case.c.version + 1)
    )
    ring(state, connection)
