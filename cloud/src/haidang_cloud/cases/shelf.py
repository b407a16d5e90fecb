"""Cases to be read: one, its history, and pages of many."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from haidang_cloud.cases import life
from haidang_cloud.cases.model import CaseView, Step, view
from haidang_cloud.state.database import State
from haidang_cloud.state.tables import case, case_step
from haidang_protocols.wire.messages import CaseState

AT_ONCE = 500


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a page ends: cases raised in the same instant are told apart by their id."""

    raised_ns: int
    id: str


class CaseShelf:
    """The alerts of one centre, to be looked at."""

    def __init__(self, state: State, centre: str) -> None:
        """Use `state`."""
        self._state, self._centre = state, centre

    def read(self, number: str) -> CaseView | None:
        """One case."""
        wanted = sa.select(case).where(case.c.centre == self._centre, case.c.id == number)
        with self._state.read() as connection:
            row = connection.execute(wanted).one_or_none()
        return None if row is None else view(row)

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
        after: Place | None = None,
    ) -> list[CaseView]:
        """Cases of some scopes, newest first; `after` is the last of the page before."""
        wanted = sa.select(case).where(
            case.c.centre == self._centre,
            case.c.scope.in_(sorted(scopes)),
            case.c.state.in_([state.value for state in states]),
        )
        if after is not None:
            wanted = wanted.where(
                sa.tuple_(case.c.raised_ns, case.c.id) < sa.tuple_(after.raised_ns, after.id)
            )
        wanted = wanted.order_by(case.c.raised_ns.desc(), case.c.id.desc()).limit(limit)
        with self._state.read() as connection:
            return [view(row) for row in connection.execute(wanted)]

    def changes(self, since_ns: int) -> list[tuple[str, int]]:
        """Which cases changed after `since_ns`, of whatever scope, and when they last did."""
        wanted = (
            sa.select(case.c.id, case.c.changed_ns)
            .where(case.c.centre == self._centre, case.c.changed_ns > since_ns)
            .order_by(case.c.changed_ns, case.c.id)
        )
        with self._state.read() as connection:
            return [(row.id, row.changed_ns) for row in connection.execute(wanted)]

    def some(self, numbers: Sequence[str]) -> list[CaseView]:
        """Cases by their ids, in no order."""
        found: list[CaseView] = []
        with self._state.read() as connection:
            for first in range(0, len(numbers), AT_ONCE):
                mine = case.c.id.in_(numbers[first : first + AT_ONCE])
                wanted = sa.select(case).where(case.c.centre == self._centre, mine)
                found += [view(row) for row in connection.execute(wanted)]
        return found

    def open_now(self) -> list[tuple[str, int]]:
        """Every open case, of whatever scope, and when it last changed."""
        states = [state.value for state in life.OPEN]
        wanted = sa.select(case.c.id, case.c.changed_ns).where(
            case.c.centre == self._centre, case.c.state.in_(states)
        )
        with self._state.read() as connection:
            return [(row.id, row.changed_ns) for row in connection.execute(wanted)]
