"""The catalogue in force: numbered versions, each with a name and a reason; the newest counts."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa

from haidang_cloud.state.database import State
from haidang_cloud.state.tables import catalogue_version
from haidang_protocols.catalogue import Catalogue, load_texts
from haidang_protocols.wire.errors import UNREADABLE

_LOCK = 0x6361_7461


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A checked catalogue as it was published: file name → YAML text.

    `checked` is what the texts declare, as JSON; "" where that was not kept.
    """

    number: int
    texts: Mapping[str, str]
    sha256: str
    by: str
    why: str
    at_ns: int
    checked: str = ""

    def catalogue(self) -> Catalogue:
        """What it declares; raises `CatalogueRefusedError` for what this Haidang cannot read."""
        try:
            kept = msgspec.json.decode(self.checked, type=Catalogue)
        except UNREADABLE:
            return load_texts(self.texts)
        # another Haidang may know more than we do: what it said besides must not be left out
        return kept if _json(kept) == self.checked else load_texts(self.texts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """Who published a version and why, without what it declares."""

    number: int
    sha256: str
    by: str
    why: str


def newest_number(state: State, centre: str) -> int:
    """The number in force, 0 when there is none yet."""
    wanted = sa.select(sa.func.max(catalogue_version.c.number)).where(
        catalogue_version.c.centre == centre
    )
    with state.read() as connection:
        return connection.execute(wanted).scalar() or 0


def newest(state: State, centre: str) -> Version | None:
    """The version in force."""
    return _one(state, sa.select(catalogue_version).where(catalogue_version.c.centre == centre))


def read(state: State, centre: str, number: int) -> Version | None:
    """The version of a number."""
    return _one(
        state,
        sa.select(catalogue_version).where(
            catalogue_version.c.centre == centre, catalogue_version.c.number == number
        ),
    )


def publications(state: State, centre: str, numbers: Collection[int]) -> dict[int, Publication]:
    """Who published versions, by number; those that are not kept are left out."""
    kept = catalogue_version.c
    wanted = sa.select(kept.number, kept.sha256, kept.by, kept.why).where(
        kept.centre == centre, kept.number.in_(numbers)
    )
    with state.read() as connection:
        rows = connection.execute(wanted).mappings().all()
    return {row["number"]: Publication(**row) for row in rows}


def _one(state: State, wanted: sa.Select[Any]) -> Version | None:
    wanted = wanted.order_by(catalogue_version.c.number.desc()).limit(1)
    with state.read() as connection:
        row = connection.execute(wanted).one_or_none()
    if row is None:
        return None
    return Version(
        number=row.number,
        texts=msgspec.json.decode(row.texts, type=dict[str, str]),
        sha256=row.sha256,
        by=row.by,
        why=row.why,
        at_ns=row.at_ns,
        checked=row.checked,
    )


def _json(catalogue: Catalogue) -> str:
    return msgspec.json.encode(catalogue).decode()


def digest(texts: Mapping[str, str]) -> str:
    """What tells two catalogues apart."""
    return hashlib.sha256(msgspec.json.encode(texts, order="sorted")).hexdigest()


def put(
    state: State,
    connection: sa.Connection,
    catalogue: Catalogue,
    texts: Mapping[str, str],
    *,
    by: str,
    why: str,
    now_ns: int,
) -> tuple[int, bool]:
    """Publish a catalogue within a transaction, unless it is what is in force.

    `texts` are what it was read from. Returns its number, and whether that is new.
    """
    centre = catalogue.centre.id
    if state.postgres:
        # two who publish at once come one after the other
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    last = connection.execute(
        sa.select(catalogue_version.c.number, catalogue_version.c.sha256)
        .where(catalogue_version.c.centre == centre)
        .order_by(catalogue_version.c.number.desc())
        .limit(1)
    ).one_or_none()
    found = digest(texts)
    if last is not None and last.sha256 == found:
        return int(last.number), False
    number = 1 if last is None else int(last.number) + 1
    connection.execute(
        catalogue_version.insert().values(
            centre=centre,
            number=number,
            texts=msgspec.json.encode(dict(texts)).decode(),
            sha256=found,
            by=by,
            why=why,
            at_ns=now_ns,
            checked=_json(catalogue),
        )
    )
    return number, True
