"""Leases: one process at a time does a job; a holder that dies loses it by time."""

import sqlalchemy as sa

from haidang_cloud.state.database import State
from haidang_cloud.state.tables import lease


def take(state: State, name: str, holder: str, *, now_ns: int, for_ns: int) -> bool:
    """Take or prolong a lease; False while somebody else holds it."""
    adding = state.insert(lease).values(name=name, holder=holder, until_ns=now_ns + for_ns)
    free = (lease.c.until_ns <= now_ns) | (lease.c.holder == holder)
    with state.write() as connection:
        done = connection.execute(
            adding.on_conflict_do_update(
                index_elements=["name"],
                set_={"holder": holder, "until_ns": now_ns + for_ns},
                where=free,
            ).returning(lease.c.name)
        )
        # a driver's row count says nothing dependable of an upsert; a returned row does
        return done.first() is not None


def seize(
    state: State, connection: sa.Connection, name: str, holder: str, *, until_ns: int
) -> None:
    """Within a transaction: take a lease whoever holds it."""
    adding = state.insert(lease).values(name=name, holder=holder, until_ns=until_ns)
    connection.execute(
        adding.on_conflict_do_update(
            index_elements=["name"], set_={"holder": holder, "until_ns": until_ns}
        )
    )


def give_back(state: State, name: str, holder: str) -> None:
    """End a lease early."""
    with state.write() as connection:
        connection.execute(lease.delete().where(lease.c.name == name, lease.c.holder == holder))


def held(state: State, connection: sa.Connection, name: str, holder: str) -> bool:
    """Within a transaction: whether nobody took the lease from `holder`, nor can until it ends."""
    wanted = sa.select(lease.c.holder).where(lease.c.name == name)
    if state.postgres:
        wanted = wanted.with_for_update()
    return connection.execute(wanted).scalar() == holder
