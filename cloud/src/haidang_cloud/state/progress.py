"""Up to which time a job that goes by time has done its work, so that a restart goes on there."""

import sqlalchemy as sa

from haidang_cloud.state.database import State
from haidang_cloud.state.tables import progress


def read(state: State, centre: str, name: str) -> int | None:
    """Nanoseconds since 1970 UTC; None when the job never ran."""
    wanted = sa.select(progress.c.at_ns).where(progress.c.centre == centre, progress.c.name == name)
    with state.read() as connection:
        return connection.execute(wanted).scalar()


def save(state: State, centre: str, name: str, at_ns: int) -> None:
    """Note how far a job has come."""
    adding = state.insert(progress).values(centre=centre, name=name, at_ns=at_ns)
    with state.write() as connection:
        connection.execute(
            adding.on_conflict_do_update(
                index_elements=["centre", "name"], set_={"at_ns": adding.excluded.at_ns}
            )
        )
