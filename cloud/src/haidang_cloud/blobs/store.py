"""Files by SHA-256, a row for each, an access log; retention removes the file and keeps the row.

Who looks at one picture leaves a line. Who looks at whatever a camera saw last, as a wall does all
day, leaves one for as long as that goes on: the pictures are those of that camera in that time.
"""

import contextlib
import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from haidang_cloud.errors import LakeError
from haidang_cloud.state.database import State
from haidang_cloud.state.tables import blob, blob_access

_LOCK = 0x626C_6F62
_CROP = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """A picture's row; `deleted_ns` says when retention took the file.

    `crop` is the share of the camera's picture that it shows: left, top, right, bottom.
    """

    record: str
    sha256: str
    media_type: str
    bytes: int
    camera: str
    created_ns: int
    expires_ns: int
    deleted_ns: int | None
    crop: tuple[float, float, float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A line of the access log: who looked, at what, from when to when, how often.

    `record` is the picture, of several the first; `why` is the case or camera that it was seen as.
    """

    id: int
    actor: str
    why: str
    record: str
    at_ns: int
    last_ns: int
    looks: int


class Blobs:
    """A centre's pictures."""

    def __init__(self, folder: Path, state: State, *, centre: str) -> None:
        """Keep files below `folder`."""
        self._folder, self._state, self._centre = folder, state, centre

    def put(
        self,
        record: str,
        content: bytes,
        *,
        camera: str,
        now_ns: int,
        keep_ns: int,
        media_type: str = "image/jpeg",
        purpose: str = "snapshot",
        crop: tuple[float, float, float, float] | None = None,
    ) -> str:
        """Keep a picture for a record, synced; the first one of a record stands.

        Returns its SHA-256; raises `LakeError` when it cannot be written.
        """
        digest = hashlib.sha256(content).hexdigest()
        row = {
            "centre": self._centre,
            "record": record,
            "sha256": digest,
            "media_type": media_type,
            "bytes": len(content),
            "purpose": purpose,
            "camera": camera,
            "crop": None if crop is None else msgspec.json.encode(crop).decode(),
            "created_ns": now_ns,
            "expires_ns": now_ns + keep_ns,
        }
        with self._state.write() as connection:
            self._lock(connection, digest)
            added = connection.execute(
                self._state.insert(blob)
                .values(row)
                .on_conflict_do_nothing()
                .returning(blob.c.record)
            )
            if added.first() is not None:
                self._write(digest, content)
        return digest

    def _lock(self, connection: sa.Connection, digest: str) -> None:
        """Nobody removes a file while somebody else gives it one more row."""
        if self._state.postgres:
            key = int(digest[:8], 16) - 2**31
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK, key)))

    def find(self, record: str) -> Blob | None:
        """A record's picture, without looking at it."""
        wanted = sa.select(blob).where(blob.c.centre == self._centre, blob.c.record == record)
        with self._state.read() as connection:
            row = connection.execute(wanted).one_or_none()
        return None if row is None else _blob(row)

    def newest(self, *, now_ns: int, since_ns: int = 0) -> list[Blob]:
        """The newest picture of each camera that can still be opened, came it after `since_ns`."""
        last = (
            sa.select(blob.c.camera, sa.func.max(blob.c.created_ns).label("created_ns"))
            .where(
                blob.c.centre == self._centre,
                blob.c.created_ns > since_ns,
                blob.c.deleted_ns.is_(None),
                blob.c.expires_ns > now_ns,
            )
            .group_by(blob.c.camera)
            .subquery()
        )
        wanted = sa.select(blob).join(
            last, (blob.c.camera == last.c.camera) & (blob.c.created_ns == last.c.created_ns)
        )
        wanted = wanted.where(blob.c.centre == self._centre, blob.c.deleted_ns.is_(None))
        with self._state.read() as connection:
            found = {row.camera: _blob(row) for row in connection.execute(wanted)}
        return list(found.values())

    def recent(self, camera: str, *, limit: int, since_ns: int, now_ns: int) -> list[Blob]:
        """A camera's pictures that came after `since_ns` and can be opened, the newest first."""
        wanted = (
            sa.select(blob)
            .where(
                blob.c.centre == self._centre,
                blob.c.camera == camera,
                blob.c.created_ns > since_ns,
                blob.c.deleted_ns.is_(None),
                blob.c.expires_ns > now_ns,
            )
            .order_by(blob.c.created_ns.desc())
            .limit(limit)
        )
        with self._state.read() as connection:
            return [_blob(row) for row in connection.execute(wanted)]

    def open(
        self, record: str, *, actor: str, why: str, now_ns: int, sitting_ns: int = 0
    ) -> bytes | None:
        """A record's picture for `actor`; the look is logged before anything is shown.

        Looks for the same `why` that follow one another within `sitting_ns` are one line.
        """
        found = self.find(record)
        if found is None or found.deleted_ns is not None or found.expires_ns <= now_ns:
            return None
        with self._state.write() as connection:
            since_ns = now_ns - sitting_ns
            if not sitting_ns or not self._go_on(connection, actor, why, since_ns, now_ns):
                self._begin(connection, found, actor, why, now_ns=now_ns)
        try:
            content = self._path(found.sha256).read_bytes()
        except OSError as error:
            raise LakeError(f"picture of {record}: {error.strerror or error}") from error
        if hashlib.sha256(content).hexdigest() != found.sha256:
            raise LakeError(f"picture of {record} is not what was stored: its hash has changed")
        return content

    def _go_on(
        self, connection: sa.Connection, actor: str, why: str, since_ns: int, now_ns: int
    ) -> bool:
        """Add a look to the line that it belongs to; False when there is none."""
        line = (
            sa.select(sa.func.max(blob_access.c.id))
            .where(
                blob_access.c.centre == self._centre,
                blob_access.c.actor == actor,
                blob_access.c.why == why,
                blob_access.c.last_ns >= since_ns,
            )
            .scalar_subquery()
        )
        added = connection.execute(
            blob_access.update()
            .where(blob_access.c.id == line)
            .values(last_ns=now_ns, looks=blob_access.c.looks + 1)
        )
        return added.rowcount > 0

    def _begin(
        self, connection: sa.Connection, found: Blob, actor: str, why: str, *, now_ns: int
    ) -> None:
        row = {
            "centre": self._centre,
            "at_ns": now_ns,
            "last_ns": now_ns,
            "looks": 1,
            "record": found.record,
            "sha256": found.sha256,
            "actor": actor,
            "why": why,
        }
        connection.execute(blob_access.insert().values(row))

    def looks(self, *, limit: int, before: int = 2**62) -> list[Look]:
        """Who looked at pictures, the newest first; older ones by `before`, a line's id."""
        names = ("id", "actor", "why", "record", "at_ns", "last_ns", "looks")
        wanted = (
            sa.select(*(blob_access.c[name] for name in names))
            .where(blob_access.c.centre == self._centre, blob_access.c.id < before)
            .order_by(blob_access.c.id.desc())
            .limit(limit)
        )
        with self._state.read() as connection:
            return [Look(**row) for row in connection.execute(wanted).mappings()]

    def forget_looks(self, *, before_ns: int) -> int:
        """Remove lines of the access log that ended before that; returns how many."""
        over = blob_access.delete().where(
            blob_access.c.centre == self._centre, blob_access.c.last_ns < before_ns
        )
        with self._state.write() as connection:
            return connection.execute(over).rowcount

    def expire(self, *, now_ns: int) -> int:
        """Remove files whose time is over, unless another row still keeps them."""
        wanted = sa.select(blob).where(
            blob.c.centre == self._centre,
            blob.c.deleted_ns.is_(None),
            blob.c.expires_ns <= now_ns,
        )
        with self._state.read() as connection:
            over = connection.execute(wanted).all()
        for row in over:
            with self._state.write() as connection:
                self._lock(connection, row.sha256)
                connection.execute(
                    blob.update()
                    .where(blob.c.centre == self._centre, blob.c.record == row.record)
                    .values(deleted_ns=now_ns)
                )
                kept = connection.execute(
                    sa.select(blob.c.record)
                    .where(blob.c.sha256 == row.sha256, blob.c.deleted_ns.is_(None))
                    .limit(1)
                ).first()
                if kept is None:
                    # before the transaction ends: should it fail, the row still asks for it
                    self._path(row.sha256).unlink(missing_ok=True)
        return len(over)

    def _path(self, digest: str) -> Path:
        return self._folder / digest[:2] / digest

    def _write(self, digest: str, content: bytes) -> None:
        path = self._path(digest)
        if path.is_file():
            return
        fresh = path.with_name(f".{digest}.{secrets.token_hex(4)}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with fresh.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            fresh.rename(path)
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            with contextlib.suppress(OSError):
                fresh.unlink()
            raise LakeError(f"picture {path}: {error.strerror or error}") from error


def _blob(row: Any) -> Blob:  # noqa: ANN401  # a row of `blob`
    return Blob(
        record=row.record,
        sha256=row.sha256,
        media_type=row.media_type,
        bytes=row.bytes,
        camera=row.camera,
        created_ns=row.created_ns,
        expires_ns=row.expires_ns,
        deleted_ns=row.deleted_ns,
        crop=None if row.crop is None else msgspec.json.decode(row.crop, type=_CROP),
    )
