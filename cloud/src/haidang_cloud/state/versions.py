"""The catalogue in force: numbered versions, each with a name and a reason; the newest counts."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import sqlalchemy as sa

from haidang_cloud.state.database import State
from haidang_cloud.state.tables import catalogue_version


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A checked catalogue as it was published: file name → YAML text."""

    number: int
    texts: Mapping[str, str]
    sha256: str
    by: str
    why: str
    at_ns: int


def newest_number(state: State, centre: str) -> int:
    """The number in force, 0 when there is none yet."""
    wanted = sa.select(sa.func.max(catalogue_version.c.number)).where(
        catalogue_version.c.centre == centre
    )
    with state.read() as connection:
        return connection.execute(wanted).scalar() or 0


def newest(state: State, centre: str) -> Version | None:
    """The version in force."""
    wanted = (
        sa.select(catalogue_version)
        .where(catalogue_version.c.centre == centre)
        .order_by(catalogue_version.c.number.desc())
        .limit(1)
    )
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
    )


def digest(texts: Mapping[str, str]) -> str:
    """What tells two catalogues apart."""
    return hashlib.sha256(msgspec.json.encode(texts, order="sorted")).hexdigest()


def add(
    connection: sa.Connection,
    centre: str,
    texts: Mapping[str, str],
    *,
    by: str,
    why: str,
    now_ns: int,
) -> int:
    """Publish a checked catalogue within a transaction; returns its number."""
    highest = connection.execute(
        sa.select(sa.func.max(catalogue_version.c.number)).where(
            catalogue_version.c.centre == centre
        )
    ).scalar()
    number = (highest or 0) + 1
    connection.execute(
        catalogue_version.insert().values(
            centre=centre,
            number=number,
            texts=msgspec.json.encode(dict(texts)).decode(),
            sha256=digest(texts),
            by=by,
            why=why,
            at_ns=now_ns,
        )
    )
    return number
