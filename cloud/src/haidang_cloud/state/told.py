"""What a centre's nodes were told last: one row, and a lease of the worker that answers for it."""

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec
import sqlalchemy as sa

from haidang_cloud.state import leases
from haidang_cloud.state.database import State
from haidang_cloud.state.tables import desired_told, lease


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What was told last, as far as a worker needs it to find out whether it has to tell.

    Attributes:
        number: the version; 0 before the first.
        holder: the worker that told it, or tells it now; "" where nobody is sure of it.
        until_ns: when the holder's lease ends.
    """

    number: int
    holder: str
    until_ns: int

    def open_to(self, holder: str, number: int, *, now_ns: int) -> bool:
        """Whether `holder` may tell version `number`, which is never one below."""
        if number != self.number:
            return number > self.number
        return self.holder == holder or self.until_ns <= now_ns


def read(state: State, centre: str) -> Told:
    """What was told last."""
    with state.read() as connection:
        return _read(connection, centre)


def claim(
    state: State,
    centre: str,
    holder: str,
    number: int,
    topics: Iterable[str],
    *,
    now_ns: int,
    for_ns: int,
) -> frozenset[str] | None:
    """Begin to tell a version at `topics`: from now on `holder` answers for it.

    The topics are noted before anything is said, so that none is forgotten by who dies meanwhile.
    Returns those told before that nobody has cleared; None where `holder` may not tell this.
    """
    with state.write() as connection:
        connection.execute(
            state.insert(desired_told)
            .values(centre=centre, number=0, holder="", topics="[]")
            .on_conflict_do_nothing()
        )
        here = desired_told.c.centre == centre
        kept = sa.select(desired_told.c.topics).where(here)
        if state.postgres:
            # two who claim at once come one after the other
            kept = kept.with_for_update()
        before = msgspec.json.decode(connection.execute(kept).scalar_one(), type=frozenset[str])
        if not _read(connection, centre).open_to(holder, number, now_ns=now_ns):
            return None
        connection.execute(
            desired_told.update()
            .where(here)
            .values(number=number, holder=holder, topics=_json(before.union(topics)))
        )
        leases.seize(state, connection, _lease(centre), holder, until_ns=now_ns + for_ns)
    return before


def keep(state: State, centre: str, holder: str, *, now_ns: int, for_ns: int) -> bool:
    """Prolong the lease; False when somebody else answers for what is told."""
    return (
        leases.take(state, _lease(centre), holder, now_ns=now_ns, for_ns=for_ns)
        and read(state, centre).holder == holder
    )


def settle(state: State, centre: str, holder: str, number: int, topics: Iterable[str]) -> bool:
    """Note that the broker has a version, and at which topics; False when others told since."""
    with state.write() as connection:
        done = connection.execute(
            desired_told.update()
            .where(
                desired_told.c.centre == centre,
                desired_told.c.number == number,
                desired_told.c.holder == holder,
            )
            .values(topics=_json(topics))
            .returning(desired_told.c.number)
        )
        return done.first() is not None


def doubt(state: State, centre: str, number: int) -> None:
    """Have a newer version told again: some of `number` may have come to the broker after it."""
    with state.write() as connection:
        connection.execute(
            desired_told.update()
            .where(desired_told.c.centre == centre, desired_told.c.number > number)
            .values(holder="")
        )


def leave(state: State, centre: str, holder: str) -> None:
    """Let another worker answer for what is told."""
    leases.give_back(state, _lease(centre), holder)


def _read(connection: sa.Connection, centre: str) -> Told:
    # a lease counts while it is its holder's: another one's is of no use
    its = (lease.c.name == _lease(centre)) & (lease.c.holder == desired_told.c.holder)
    row = connection.execute(
        sa.select(desired_told.c.number, desired_told.c.holder, lease.c.until_ns)
        .select_from(desired_told.outerjoin(lease, its))
        .where(desired_told.c.centre == centre)
    ).one_or_none()
    if row is None:
        return Told(number=0, holder="", until_ns=0)
    return Told(number=row.number, holder=row.holder, until_ns=row.until_ns or 0)


def _lease(centre: str) -> str:
    return f"desired:{centre}"


def _json(topics: Iterable[str]) -> str:
    return msgspec.json.encode(sorted(topics)).decode()
