"""The audit log: a chain of hashes, so that a line changed, removed or slipped in is found.

Each line's hash covers the line and the hash before it. Cutting off the end leaves a chain that is
whole; therefore the newest hash is also written to a file outside of the database (`Anchor`), which
is best kept where the database's administrator cannot write.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from haidang_cloud.errors import AuditBrokenError, CloudConfigError
from haidang_cloud.state.database import State
from haidang_cloud.state.tables import audit

FIRST = "0" * 64
_LOCK = 0x6175_6469
PAGE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the log."""

    number: int
    at_ns: int
    actor: str
    action: str
    object: str
    detail: Mapping[str, Any]
    previous: str
    hash: str


def write(
    state: State,
    connection: sa.Connection,
    centre: str,
    *,
    actor: str,
    action: str,
    about: str,
    detail: Mapping[str, object] | None = None,
    now_ns: int,
) -> None:
    """Add a line within the transaction that does the thing: both stand, or neither."""
    if state.postgres:
        # one after the other: a number and the hash before it belong to one line only
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK, lock_key(centre))))
    last = connection.execute(
        sa.select(audit.c.number, audit.c.hash)
        .where(audit.c.centre == centre)
        .order_by(audit.c.number.desc())
        .limit(1)
    ).one_or_none()
    number, previous = (last.number + 1, last.hash) if last else (1, FIRST)
    row = {
        "centre": centre,
        "number": number,
        "at_ns": now_ns,
        "actor": actor,
        "action": action,
        "object": about,
        "detail": msgspec.json.encode(detail or {}, order="sorted").decode(),
        "previous": previous,
    }
    connection.execute(audit.insert().values(**row, hash=_hash(row)))


def lock_key(centre: str) -> int:
    """A centre as the second half of a PostgreSQL advisory lock."""
    return int.from_bytes(hashlib.sha256(centre.encode()).digest()[:4], "big", signed=True)


def _hash(row: Mapping[str, object]) -> str:
    return hashlib.sha256(msgspec.json.encode(row, order="sorted")).hexdigest()


def _rows(state: State, centre: str) -> Iterator[Any]:
    after = 0
    while True:
        wanted = (
            sa.select(audit)
            .where(audit.c.centre == centre, audit.c.number > after)
            .order_by(audit.c.number)
            .limit(PAGE)
        )
        with state.read() as connection:
            rows = connection.execute(wanted).mappings().all()
        yield from rows
        if len(rows) < PAGE:
            return
        after = rows[-1]["number"]


def newest(state: State, centre: str, *, limit: int = 200, before: int = 2**62) -> list[Line]:
    """The newest lines, newest first."""
    wanted = (
        sa.select(audit)
        .where(audit.c.centre == centre, audit.c.number < before)
        .order_by(audit.c.number.desc())
        .limit(limit)
    )
    with state.read() as connection:
        rows = connection.execute(wanted).mappings().all()
    return [
        Line(
            **{k: v for k, v in row.items() if k not in ("centre", "detail")},
            detail=msgspec.json.decode(row["detail"]),
        )
        for row in rows
    ]


def verify(state: State, centre: str, anchors: Sequence[tuple[int, str]] = ()) -> tuple[int, str]:
    """Check the whole chain; returns its last number and hash.

    Raises `AuditBrokenError` naming the first line that is not what was written.
    """
    wanted: dict[int, str] = {}
    for anchored, digest in anchors:
        if wanted.setdefault(anchored, digest) != digest:
            raise AuditBrokenError(f"audit: line {anchored} was anchored as two different lines")
    number, previous = 0, FIRST
    for row in _rows(state, centre):
        line = dict(row)
        said = line.pop("hash")
        if line["number"] != number + 1:
            raise AuditBrokenError(f"audit: line {number + 1} is missing")
        number = line["number"]
        if line["previous"] != previous:
            raise AuditBrokenError(f"audit: line {number} does not follow line {number - 1}")
        if _hash(line) != said:
            raise AuditBrokenError(f"audit: line {number} was changed after it was written")
        if wanted.pop(number, said) != said:
            raise AuditBrokenError(f"audit: line {number} is not the one that was anchored")
        previous = said
    if wanted:
        raise AuditBrokenError(
            f"audit: the log ends at line {number}, but line {max(wanted)} was anchored: "
            "its end was cut off"
        )
    return number, previous


class Anchor:
    """A file with one line `number hash` per anchoring; only ever appended to.

    A last line without its end is one that was being written when the power went: it counts as
    none.
    """

    def __init__(self, path: Path) -> None:
        """Use `path`; it is made with the first anchor."""
        self._path = path

    def read(self) -> list[tuple[int, str]]:
        """What was anchored; raises `AuditBrokenError` for a line that is none."""
        found = []
        for at, line in enumerate(self._text().splitlines(), 1):
            number, _, digest = line.partition(" ")
            if not number.isdigit() or len(digest) != len(FIRST):
                raise AuditBrokenError(f"{self._path}, line {at}: {line!r} is no anchor")
            found.append((int(number), digest))
        return found

    def add(self, state: State, centre: str) -> None:
        """Anchor the newest line, unless it is.

        Raises `AuditBrokenError` when the line that was anchored last is no longer there as it was:
        nothing is anchored on top of that.
        """
        last = newest(state, centre, limit=1)
        known = self.read()[-1:]
        for number, digest in known:
            there = newest(state, centre, limit=1, before=number + 1)
            if not there or (there[0].number, there[0].hash) != (number, digest):
                raise AuditBrokenError(f"audit: line {number} is not the one that was anchored")
        if not last or (last[0].number, last[0].hash) in known:
            return
        try:
            self._append(f"{last[0].number} {last[0].hash}\n".encode())
        except OSError as error:
            raise CloudConfigError(
                f"audit_head {self._path}: cannot be written: {error.strerror}"
            ) from error

    def _append(self, line: bytes) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab") as file:
            whole = len(self._text().encode())
            if file.tell() > whole:
                file.truncate(whole)
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

    def _text(self) -> str:
        """The file's whole lines."""
        if not self._path.is_file():
            return ""
        whole, end, _ = self._path.read_text(encoding="utf-8").rpartition("\n")
        return whole + end
