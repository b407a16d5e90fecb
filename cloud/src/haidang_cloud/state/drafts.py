"""Drafts of the catalogue: somebody proposes one, somebody publishes or drops it, for good."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec
import sqlalchemy as sa

from haidang_cloud.state.database import State
from haidang_cloud.state.tables import catalogue_draft

_TEXTS = msgspec.json.Decoder(dict[str, str])


class Outcome(StrEnum):
    """What became of a draft."""

    OPEN = "open"
    PUBLISHED = "published"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A whole catalogue as somebody wants it.

    Attributes:
        base: the version that it was drawn on.
        about: what it changes, such as `camera/gate-east`.
        number: the version that it became.
    """

    id: int
    base: int
    about: str
    texts: Mapping[str, str]
    by: str
    why: str
    at_ns: int
    outcome: Outcome
    decided_by: str
    decided_ns: int | None
    number: int | None


def add(
    state: State,
    connection: sa.Connection,
    centre: str,
    *,
    base: int,
    about: str,
    texts: Mapping[str, str],
    by: str,
    why: str,
    now_ns: int,
) -> int:
    """Keep a checked draft within a transaction; gives its number."""
    added = connection.execute(
        state.insert(catalogue_draft)
        .values(
            centre=centre,
            base=base,
            about=about,
            texts=msgspec.json.encode(dict(texts)).decode(),
            by=by,
            why=why,
            at_ns=now_ns,
            outcome=Outcome.OPEN.value,
            decided_by="",
        )
        .returning(catalogue_draft.c.id)
    )
    return int(added.scalar_one())


def find(state: State, centre: str, *, about: str, limit: int = 20) -> list[Draft]:
    """Drafts about one thing, the newest first."""
    wanted = (
        sa.select(catalogue_draft)
        .where(catalogue_draft.c.centre == centre, catalogue_draft.c.about == about)
        .order_by(catalogue_draft.c.id.desc())
        .limit(limit)
    )
    with state.read() as connection:
        return [_draft(row) for row in connection.execute(wanted)]


def read(state: State, centre: str, number: int) -> Draft | None:
    """One draft."""
    wanted = sa.select(catalogue_draft).where(
        catalogue_draft.c.centre == centre, catalogue_draft.c.id == number
    )
    with state.read() as connection:
        row = connection.execute(wanted).one_or_none()
    return None if row is None else _draft(row)


def decide(
    connection: sa.Connection,
    draft: int,
    outcome: Outcome,
    *,
    by: str,
    now_ns: int,
    number: int | None = None,
) -> bool:
    """Publish or drop a draft within a transaction; False when that was done before."""
    changed = connection.execute(
        catalogue_draft.update()
        .where(catalogue_draft.c.id == draft, catalogue_draft.c.outcome == Outcome.OPEN.value)
        .values(outcome=outcome.value, decided_by=by, decided_ns=now_ns, number=number)
    )
    return changed.rowcount == 1


def _draft(row: Any) -> Draft:  # noqa: ANN401  # a row of `catalogue_draft`
    return Draft(
        id=row.id,
        base=row.base,
        about=row.about,
        texts=_TEXTS.decode(row.texts),
        by=row.by,
        why=row.why,
        at_ns=row.at_ns,
        outcome=Outcome(row.outcome),
        decided_by=row.decided_by,
        decided_ns=row.decided_ns,
        number=row.number,
    )
