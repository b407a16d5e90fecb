"""Dead letters: what could not be taken, with its reason; kept until a person replays it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from haidang_cloud.state.database import State
from haidang_cloud.state.tables import dead_letter

MESSAGE_MAX = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message or a record that was refused; `seq` is 0 where it has none.

    Two letters are the same when their payloads are, or `alike` where it is given.
    """

    centre: str
    topic: str
    reason: str
    message: str
    payload: bytes
    at_ns: int
    node: str = ""
    spool: str = ""
    seq: int = 0
    alike: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A dead letter as it is kept."""

    id: int
    topic: str
    node: str
    spool: str
    seq: int
    reason: str
    message: str
    payload: bytes
    first_ns: int
    last_ns: int
    tries: int
    replayed_ns: int | None


def add(state: State, connection: sa.Connection, letters: Sequence[Letter]) -> None:
    """Keep letters within a transaction; the same one again counts a try."""
    if not letters:
        return
    rows = {}
    for letter in letters:
        row = {
            "centre": letter.centre,
            "topic": letter.topic,
            "node": letter.node,
            "spool": letter.spool,
            "seq": letter.seq,
            "reason": letter.reason,
            # no database keeps a NUL in a text, and the words of a refusal quote what came
            "message": letter.message.replace("\0", "\\0")[:MESSAGE_MAX],
            "payload": letter.payload,
            "sha256": hashlib.sha256(letter.alike or letter.payload).hexdigest(),
            "first_ns": letter.at_ns,
            "last_ns": letter.at_ns,
            "tries": 1,
        }
        rows[row["sha256"], letter.spool, letter.seq, letter.reason] = row
    adding = state.insert(dead_letter)
    connection.execute(
        adding.on_conflict_do_update(
            index_elements=["centre", "sha256", "spool", "seq", "reason"],
            set_={"last_ns": adding.excluded.last_ns, "tries": dead_letter.c.tries + 1},
        ),
        list(rows.values()),
    )


def keep(state: State, letters: Sequence[Letter]) -> None:
    """Keep letters in a transaction of their own."""
    with state.write() as connection:
        add(state, connection, letters)


def find(
    state: State,
    centre: str,
    *,
    reason: str | None = None,
    number: int | None = None,
    replayed: bool = False,
    payloads: bool = True,
    limit: int = 1000,
    after: int = 0,
) -> list[Kept]:
    """Letters of a centre behind the number `after`, oldest first.

    Those replayed only when asked for. Without `payloads` they are empty: there may be 1000 of
    256 KiB.
    """
    left_out = ("centre", "sha256") if payloads else ("centre", "sha256", "payload")
    columns = [column for column in dead_letter.c if column.name not in left_out]
    wanted = sa.select(*columns).where(dead_letter.c.centre == centre, dead_letter.c.id > after)
    if reason is not None:
        wanted = wanted.where(dead_letter.c.reason == reason)
    if number is not None:
        wanted = wanted.where(dead_letter.c.id == number)
    if not replayed:
        wanted = wanted.where(dead_letter.c.replayed_ns.is_(None))
    with state.read() as connection:
        rows = connection.execute(wanted.order_by(dead_letter.c.id).limit(limit)).mappings().all()
    return [Kept(**{"payload": b"", **row}) for row in rows]


def mark_replayed(connection: sa.Connection, number: int, now_ns: int) -> None:
    """A letter was taken after all."""
    connection.execute(
        dead_letter.update().where(dead_letter.c.id == number).values(replayed_ns=now_ns)
    )
