"""Windows of time whose projections must be made again: marked by ingest, cleared by the worker."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from haidang_cloud.state.database import State
from haidang_cloud.state.tables import dirty_window


def _marking(adding: Any, least: Any, greatest: Any) -> Any:  # noqa: ANN401  # two dialects' alike
    return adding.on_conflict_do_update(
        index_elements=["centre", "dataset", "place"],
        set_={
            "from_ns": least(dirty_window.c.from_ns, adding.excluded.from_ns),
            "to_ns": greatest(dirty_window.c.to_ns, adding.excluded.to_ns),
            # another mark while a projection runs must not be cleared with it
            "stamp": greatest(dirty_window.c.stamp + 1, adding.excluded.stamp),
        },
    )


_MARK = {
    True: _marking(postgresql.insert(dirty_window), sa.func.least, sa.func.greatest),
    False: _marking(sqlite.insert(dirty_window), sa.func.min, sa.func.max),
}
"""Made once, by whether it is PostgreSQL: to build a statement takes longer than to run it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Records of `dataset` at `place` came for `from_ns` … `to_ns`, both inclusive."""

    dataset: str
    place: str
    from_ns: int
    to_ns: int
    stamp: int = 0


def mark(
    state: State,
    connection: sa.Connection,
    centre: str,
    windows: Sequence[Window],
    now_ns: int,
) -> None:
    """Mark windows within a transaction; one row per place grows to hold them all."""
    if not windows:
        return
    joined: dict[tuple[str, str], tuple[int, int]] = {}
    for window in windows:
        key = (window.dataset, window.place)
        low, high = joined.get(key, (window.from_ns, window.to_ns))
        joined[key] = (min(low, window.from_ns), max(high, window.to_ns))
    rows = [
        {
            "centre": centre,
            "dataset": dataset,
            "place": place,
            "from_ns": low,
            "to_ns": high,
            "stamp": now_ns,
        }
        for (dataset, place), (low, high) in sorted(joined.items())
    ]
    connection.execute(_MARK[state.postgres], rows)


def read(state: State, centre: str, dataset: str) -> list[Window]:
    """The windows that wait."""
    wanted = sa.select(dirty_window).where(
        dirty_window.c.centre == centre, dirty_window.c.dataset == dataset
    )
    with state.read() as connection:
        rows = connection.execute(wanted).all()
    return [
        Window(
            dataset=row.dataset,
            place=row.place,
            from_ns=row.from_ns,
            to_ns=row.to_ns,
            stamp=row.stamp,
        )
        for row in rows
    ]


def clear(state: State, centre: str, window: Window) -> bool:
    """Forget a window, unless it was marked again since it was read."""
    with state.write() as connection:
        gone = connection.execute(
            dirty_window.delete().where(
                dirty_window.c.centre == centre,
                dirty_window.c.dataset == window.dataset,
                dirty_window.c.place == window.place,
                dirty_window.c.stamp == window.stamp,
            )
        )
    return gone.rowcount == 1
