"""Who holds which certificate, which tokens wait, and who did what: one SQLite file.

A database and not plain files, because a token's use, the certificate signed for it, the ones that
it replaces and the journal's line are one transaction: of two nodes that show one token at the same
moment one is signed, and a power cut leaves all of it or nothing. The journal only ever grows;
triggers refuse anything else.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from haidang_fleet.broker.identities import Identity, Kind
from haidang_fleet.errors import FleetConfigError, RefusedError

BUSY_TIMEOUT_S = 10.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS token (
  secret_sha256 TEXT PRIMARY KEY, centre TEXT NOT NULL, site TEXT NOT NULL, node TEXT NOT NULL,
  replaces INTEGER NOT NULL, made_at INTEGER NOT NULL, made_by TEXT NOT NULL,
  expires_at INTEGER NOT NULL, used_at INTEGER, serial TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS certificate (
  serial TEXT PRIMARY KEY, cn TEXT NOT NULL, kind TEXT NOT NULL, centre TEXT NOT NULL,
  name TEXT NOT NULL, site TEXT NOT NULL, scope TEXT NOT NULL, key_sha256 TEXT NOT NULL,
  not_after INTEGER NOT NULL, issued_at INTEGER NOT NULL, pem TEXT NOT NULL,
  revoked_at INTEGER
) STRICT;
CREATE INDEX IF NOT EXISTS certificate_cn ON certificate (cn);
CREATE TABLE IF NOT EXISTS counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS probe (serial TEXT PRIMARY KEY, until INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS journal (
  id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, actor TEXT NOT NULL,
  action TEXT NOT NULL, subject TEXT NOT NULL, detail TEXT NOT NULL
) STRICT;
CREATE TRIGGER IF NOT EXISTS journal_stays BEFORE DELETE ON journal
  BEGIN SELECT RAISE(ABORT, 'the journal is never shortened'); END;
CREATE TRIGGER IF NOT EXISTS journal_is_as_written BEFORE UPDATE ON journal
  BEGIN SELECT RAISE(ABORT, 'the journal is never changed'); END;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRow:
    """A token as it is kept: without its secret."""

    secret_sha256: str
    identity: Identity
    replaces: bool
    expires_at: datetime
    serial: int | None = None

    @property
    def used(self) -> bool:
        """Whether a certificate was signed for it."""
        return self.serial is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Certified:
    """A certificate that we signed."""

    serial: int
    identity: Identity
    key_sha256: str
    not_after: datetime
    pem: str
    revoked_at: datetime | None = None

    def valid(self, now: datetime) -> bool:
        """Whether it still counts."""
        return self.revoked_at is None and now < self.not_after


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the journal."""

    at: datetime
    actor: str
    action: str
    subject: str
    detail: str


class Registry:
    """The file; a transaction gives a `Ledger` to read and write."""

    def __init__(self, path: Path) -> None:
        """Open it, made on first use."""
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._connection() as connection:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.executescript(_SCHEMA)
            path.chmod(0o600)
        except (OSError, sqlite3.Error) as error:
            raise FleetConfigError(f"the registry {path}: {error}") from error

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        try:
            connection.execute("PRAGMA synchronous = FULL")
            connection.row_factory = sqlite3.Row
            yield connection
        finally:
            connection.close()

    @contextmanager
    def transaction(self) -> Iterator["Ledger"]:
        """All of it or nothing; one writer at a time."""
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield Ledger(connection)
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")


class Ledger:
    """What may be asked and done within one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Work on an open transaction."""
        self._db = connection

    # --- tokens -----------------------------------------------------------------------------

    def add_token(self, token: TokenRow, *, at: datetime, actor: str) -> None:
        """Keep a new token; a waiting one of the same node no longer counts."""
        who = token.identity
        self._db.execute(
            "DELETE FROM token WHERE centre = ? AND node = ? AND used_at IS NULL",
            (who.centre, who.name),
        )
        self._db.execute(
            "INSERT INTO token (secret_sha256, centre, site, node, replaces, made_at, made_by, "
            "expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                token.secret_sha256,
                who.centre,
                who.site,
                who.name,
                int(token.replaces),
                _number(at),
                actor,
                _number(token.expires_at),
            ),
        )
        self.note(actor, "token", who.cn, f"valid until {token.expires_at.isoformat()}", at=at)

    def token(self, secret_sha256: str) -> TokenRow | None:
        """The token of a secret's hash."""
        row = self._db.execute(
            "SELECT * FROM token WHERE secret_sha256 = ?", (secret_sha256,)
        ).fetchone()
        if row is None:
            return None
        return TokenRow(
            secret_sha256=row["secret_sha256"],
            identity=Identity.node(row["centre"], row["site"], row["node"]),
            replaces=bool(row["replaces"]),
            expires_at=_time(row["expires_at"]),
            serial=None if row["serial"] is None else int(row["serial"], 16),
        )

    def use_token(self, token: TokenRow, certified: Certified, *, at: datetime) -> None:
        """Mark a token as used for a certificate."""
        self._db.execute(
            "UPDATE token SET used_at = ?, serial = ? WHERE secret_sha256 = ?",
            (_number(at), f"{certified.serial:x}", token.secret_sha256),
        )

    # --- certificates -----------------------------------------------------------------------

    def add_certificate(self, one: Certified, *, at: datetime, actor: str, how: str) -> None:
        """Keep a certificate that was signed."""
        who = one.identity
        self._db.execute(
            "INSERT INTO certificate (serial, cn, kind, centre, name, site, scope, key_sha256, "
            "not_after, issued_at, pem) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                f"{one.serial:x}",
                who.cn,
                str(who.kind),
                who.centre,
                who.name,
                who.site,
                who.scope,
                one.key_sha256,
                _number(one.not_after),
                _number(at),
                one.pem,
            ),
        )
        self.note(actor, "certificate", who.cn, f"{how}; serial {one.serial:x}", at=at)

    def by_serial(self, serial: int) -> Certified | None:
        """The certificate of a serial number."""
        return next(self._certificates("serial = ?", f"{serial:x}"), None)

    def by_key(self, key_sha256: str) -> Certified | None:
        """The newest certificate of a key."""
        return next(self._certificates("key_sha256 = ?", key_sha256), None)

    def of(self, cn: str) -> list[Certified]:
        """All certificates of a name, newest first."""
        return list(self._certificates("cn = ?", cn))

    def all(self) -> list[Certified]:
        """All certificates, newest first."""
        return list(self._certificates("1 = ?", 1))

    def _certificates(self, where: str, value: object) -> Iterator[Certified]:
        query = f"SELECT * FROM certificate WHERE {where} ORDER BY issued_at DESC, rowid DESC"  # noqa: S608  # ours
        for row in self._db.execute(query, (value,)):
            yield Certified(
                serial=int(row["serial"], 16),
                identity=Identity(
                    kind=Kind(row["kind"]),
                    centre=row["centre"],
                    name=row["name"],
                    site=row["site"],
                    scope=row["scope"],
                ),
                key_sha256=row["key_sha256"],
                not_after=_time(row["not_after"]),
                pem=row["pem"],
                revoked_at=None if row["revoked_at"] is None else _time(row["revoked_at"]),
            )

    def revoke(self, cn: str, *, at: datetime, actor: str, why: str) -> list[Certified]:
        """End every certificate of a name that still counts; returns them."""
        ended = [one for one in self.of(cn) if one.revoked_at is None]
        for one in ended:
            self._db.execute(
                "UPDATE certificate SET revoked_at = ? WHERE serial = ?",
                (_number(at), f"{one.serial:x}"),
            )
            self.note(actor, "revoked", cn, f"{why}; serial {one.serial:x}", at=at)
        return ended

    def owner(self, cn: str, *, now: datetime) -> Identity | None:
        """Who holds a name by a certificate that counts."""
        return next((one.identity for one in self.of(cn) if one.valid(now)), None)

    # --- certificates made to be refused ------------------------------------------------------

    def add_probe(self, serial: int, *, until: datetime, now: datetime) -> None:
        """Remember one, and forget those that have ended."""
        self._db.execute("DELETE FROM probe WHERE until <= ?", (_number(now),))
        self._db.execute(
            "INSERT INTO probe (serial, until) VALUES (?, ?)", (f"{serial:x}", _number(until))
        )

    def probes(self) -> list[int]:
        """The serial numbers of all that are remembered."""
        return [int(row["serial"], 16) for row in self._db.execute("SELECT serial FROM probe")]

    # --- the rest ---------------------------------------------------------------------------

    def next_number(self, name: str) -> int:
        """A number that grows by one each time."""
        self._db.execute(
            "INSERT INTO counter (name, value) VALUES (?, 1) "
            "ON CONFLICT (name) DO UPDATE SET value = value + 1",
            (name,),
        )
        row = self._db.execute("SELECT value FROM counter WHERE name = ?", (name,)).fetchone()
        return int(row["value"])

    def note(self, actor: str, action: str, subject: str, detail: str, *, at: datetime) -> None:
        """Write a line into the journal: nothing is done by nobody."""
        if not actor.strip():
            raise RefusedError("bad_request", "who does it? Give a name: --by NAME")
        self._db.execute(
            "INSERT INTO journal (at, actor, action, subject, detail) VALUES (?, ?, ?, ?, ?)",
            (_number(at), actor, action, subject, detail),
        )

    def journal(self) -> list[Entry]:
        """Everything that was done, oldest first."""
        return [
            Entry(
                at=_time(row["at"]),
                actor=row["actor"],
                action=row["action"],
                subject=row["subject"],
                detail=row["detail"],
            )
            for row in self._db.execute("SELECT * FROM journal ORDER BY id")
        ]


def _number(at: datetime) -> int:
    return int(at.timestamp())


def _time(number: int) -> datetime:
    return datetime.fromtimestamp(number, UTC)
