"""The ledger: which sequences of which spool are stored; merged under its lock, never replaced.

Two workers that store parts of one spool at once must both be counted: a row is locked, read,
merged and written in one transaction, rows always in the same order.
"""

from collections.abc import Mapping, Sequence

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from haidang_cloud.state import deadletter, dirty, nodes
from haidang_cloud.state.database import State
from haidang_cloud.state.tables import ledger
from haidang_protocols.wire.seqset import SeqSet

_RANGES = msgspec.json.Decoder(list[tuple[int, int]])
_RANGES_ENCODER = msgspec.json.Encoder()

# made once: to build a statement takes longer than to run it
_CHANGE_ONE = (
    ledger.update()
    .where(
        ledger.c.centre == sa.bindparam("of_centre"),
        ledger.c.node == sa.bindparam("of_node"),
        ledger.c.spool == sa.bindparam("of_spool"),
    )
    .values(ranges=sa.bindparam("to_ranges"), updated_ns=sa.bindparam("at_ns"))
)
_TEXTS = ARRAY(sa.Text())
_merged = (
    sa.func.unnest(
        sa.bindparam("nodes", type_=_TEXTS),
        sa.bindparam("spools", type_=_TEXTS),
        sa.bindparam("ranges", type_=_TEXTS),
    )
    .table_valued("node", "spool", "ranges")
    .render_derived()
)
_CHANGE_ALL = (
    ledger.update()
    .where(
        ledger.c.centre == sa.bindparam("of_centre"),
        ledger.c.node == _merged.c.node,
        ledger.c.spool == _merged.c.spool,
    )
    .values(ranges=_merged.c.ranges, updated_ns=sa.bindparam("at_ns"))
)
_READ = sa.select(ledger.c.node, ledger.c.spool, ledger.c.ranges).where(
    ledger.c.centre == sa.bindparam("of_centre")
)
_READ_SOME = _READ.where(ledger.c.spool.in_(sa.bindparam("spools", expanding=True)))
_LOCK_SOME = (
    _READ.where(ledger.c.spool == sa.any_(sa.bindparam("spools", type_=_TEXTS)))
    .order_by(ledger.c.node, ledger.c.spool)
    .with_for_update()
)


class SpoolKey(msgspec.Struct, frozen=True, order=True):
    """One spool of one node; hashed a few times for every message."""

    node: str
    spool: str
    site: str


def decode_ranges(text: str) -> SeqSet:
    """Ranges as the ledger keeps them."""
    return SeqSet(_RANGES.decode(text))


def encode_ranges(seqs: SeqSet) -> str:
    """Ranges as the ledger keeps them."""
    return _RANGES_ENCODER.encode(seqs.ranges()).decode()


def commit(
    state: State,
    centre: str,
    stored: Mapping[SpoolKey, SeqSet],
    *,
    dead: Sequence[deadletter.Letter] = (),
    windows: Sequence[dirty.Window] = (),
    births: Sequence[nodes.Born] = (),
    now_ns: int,
) -> dict[SpoolKey, SeqSet]:
    """One transaction: merge what is stored, keep dead letters and births, mark windows.

    Returns each spool's whole set after the merge. Raises `StateUnavailableError`; then nothing is
    kept.
    """
    merged: dict[SpoolKey, SeqSet] = {}
    with state.write() as connection:
        if stored:
            merged = _merge(state, connection, centre, stored, now_ns)
        deadletter.add(state, connection, dead)
        dirty.mark(state, connection, centre, windows, now_ns)
        nodes.mark(state, connection, centre, births)
    return merged


def _merge(
    state: State,
    connection: sa.Connection,
    centre: str,
    stored: Mapping[SpoolKey, SeqSet],
    now_ns: int,
) -> dict[SpoolKey, SeqSet]:
    keys = sorted(stored)
    known = _locked(state, connection, centre, keys)
    missing = [key for key in keys if (key.node, key.spool) not in known]
    if missing:
        rows = [
            {
                "centre": centre,
                "node": key.node,
                "spool": key.spool,
                "site": key.site,
                "ranges": "[]",
                "updated_ns": now_ns,
            }
            for key in missing
        ]
        connection.execute(state.insert(ledger).on_conflict_do_nothing(), rows)
        known |= _locked(state, connection, centre, missing)
    merged = {}
    for key in keys:
        seqs = decode_ranges(known[key.node, key.spool])
        seqs.update(stored[key])
        merged[key] = seqs
    _change(state, connection, centre, merged, now_ns)
    return merged


def _change(
    state: State,
    connection: sa.Connection,
    centre: str,
    merged: Mapping[SpoolKey, SeqSet],
    now_ns: int,
) -> None:
    """Write the merged sets; PostgreSQL gets them as columns of one statement."""
    common = {"of_centre": centre, "at_ns": now_ns}
    rows = [(key.node, key.spool, encode_ranges(seqs)) for key, seqs in merged.items()]
    if state.postgres:
        nodes, spools, ranges = (list(column) for column in zip(*rows, strict=True))
        connection.execute(
            _CHANGE_ALL, {**common, "nodes": nodes, "spools": spools, "ranges": ranges}
        )
        return
    connection.execute(
        _CHANGE_ONE,
        [
            {**common, "of_node": node, "of_spool": spool, "to_ranges": ranges}
            for node, spool, ranges in rows
        ],
    )


def _locked(
    state: State, connection: sa.Connection, centre: str, keys: Sequence[SpoolKey]
) -> dict[tuple[str, str], str]:
    rows = connection.execute(
        _LOCK_SOME if state.postgres else _READ_SOME,
        {"of_centre": centre, "spools": [key.spool for key in keys]},
    )
    return {(node, spool): ranges for node, spool, ranges in rows}


def read(state: State, centre: str) -> dict[SpoolKey, SeqSet]:
    """All that a centre has stored, by spool."""
    with state.read() as connection:
        rows = connection.execute(sa.select(ledger).where(ledger.c.centre == centre)).all()
    return {SpoolKey(row.node, row.spool, row.site): decode_ranges(row.ranges) for row in rows}


def read_spools(state: State, centre: str, spools: Sequence[str]) -> dict[SpoolKey, SeqSet]:
    """What is stored of some spools."""
    with state.read() as connection:
        rows = connection.execute(
            sa.select(ledger).where(ledger.c.centre == centre, ledger.c.spool.in_(spools))
        ).all()
    return {SpoolKey(row.node, row.spool, row.site): decode_ranges(row.ranges) for row in rows}
