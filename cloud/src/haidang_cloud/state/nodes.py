"""What nodes said of themselves when they came up: their births, newest first known."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import sqlalchemy as sa

from haidang_cloud.state.database import State
from haidang_cloud.state.tables import node
from haidang_protocols.wire.messages import Birth


@dataclass(frozen=True, slots=True, kw_only=True)
class Born:
    """A node's birth and when it was heard."""

    site: str
    node: str
    birth: Birth
    seen_ns: int


def mark(state: State, connection: sa.Connection, centre: str, births: Sequence[Born]) -> None:
    """Keep births within a transaction; the newest of a node stands."""
    for born in births:
        adding = state.insert(node).values(
            centre=centre,
            node=born.node,
            site=born.site,
            birth=msgspec.json.encode(born.birth).decode(),
            seen_ns=born.seen_ns,
        )
        connection.execute(
            adding.on_conflict_do_update(
                index_elements=["centre", "node"],
                set_={key: adding.excluded[key] for key in ("site", "birth", "seen_ns")},
            )
        )


def read(state: State, centre: str) -> list[Born]:
    """Every node that was ever heard of."""
    with state.read() as connection:
        rows = connection.execute(
            sa.select(node).where(node.c.centre == centre).order_by(node.c.node)
        ).all()
    return [
        Born(
            site=row.site,
            node=row.node,
            birth=msgspec.json.decode(row.birth, type=Birth),
            seen_ns=row.seen_ns,
        )
        for row in rows
    ]
