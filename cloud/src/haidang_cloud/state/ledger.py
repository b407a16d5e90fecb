"""The ledger: which sequences of which spool are stored; merged under its lock, never replaced.

Two workers that store parts of one spool at once must both be counted: a row is locked, read,
merged and written in one transaction, rows always in the same order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import sqlalchemy as sa

from haidang_cloud.state import deadletter, dirty, nodes
from haidang_cloud.state.database import State
from haidang_cloud.state.tables import ledger
from haidang_protocols.wire.seqset import SeqSet

_RANGES = msgspec.json.Decoder(list[tuple[int, int]])


@dataclass(frozen=True, slots=True, order=True)
class SpoolKey:
    """One spool of one node."""

    node: str
    spool: str
    site: str


def decode_ranges(text: str) -> SeqSet:
    """Ranges as the ledger keeps them."""
    return SeqSet(_RANGES.decode(text))


def encode_ranges(seqs: SeqSet) -> str:
    """Ranges as the ledger keeps them."""
    return msgspec.json.encode(seqs.ranges()).decode()


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
    change = (
        ledger.update()
        .where(
            ledger.c.centre == centre,
            ledger.c.node == sa.bindparam("at_node"),
            ledger.c.spool == sa.bindparam("at_spool"),
        )
        .values(ranges=sa.bindparam("to_ranges"), updated_ns=now_ns)
    )
    connection.execute(
        change,
        [
            {"at_node": key.node, "at_spool": key.spool, "to_ranges": encode_ranges(seqs)}
            for key, seqs in merged.items()
        ],
    )
    return merged


def _locked(
    state: State, connection: sa.Connection, centre: str, keys: Sequence[SpoolKey]
) -> dict[tuple[str, str], str]:
    wanted = sa.select(ledger.c.node, ledger.c.spool, ledger.c.ranges).where(
        ledger.c.centre == centre, ledger.c.spool.in_([key.spool for key in keys])
    )
    wanted = wanted.order_by(ledger.c.node, ledger.c.spool)
    if state.postgres:
        wanted = wanted.with_for_update()
    return {(row.node, row.spool): row.ranges for row in connection.execute(wanted)}


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
