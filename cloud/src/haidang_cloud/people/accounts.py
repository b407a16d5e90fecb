"""People: who they are, how they prove it, and what tokens act for them.

Secrets are kept as hashes only: passwords by argon2id, sessions, tokens and links by SHA-256 (they
are 256 random bits, a slow hash would add nothing).
"""

import hashlib
import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from haidang_cloud.errors import RefusedError
from haidang_cloud.people import audit
from haidang_cloud.people.rights import Rights
from haidang_cloud.state.database import State
from haidang_cloud.state.tables import api_token, one_time_link, person, person_grant, session
from haidang_protocols.catalogue import Catalogue
from haidang_protocols.catalogue.model import Grant, Right
from haidang_protocols.wire.names import check_name

SESSION_NS = 12 * 3600 * 10**9
LINK_NS = 24 * 3600 * 10**9
PASSWORD_MIN = 10
PASSWORD_MAX = 256
HASHES_AT_ONCE = 2
FIRST = "first"
PASSWORD = "password"  # noqa: S105  # what a link is for
ENTRY = "entry"
UNKNOWN = "unknown"
FROM_CATALOGUE = "catalogue"
BY_HAND = "hand"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who has proved who they are."""

    id: int
    login: str
    name: str
    grants: tuple[Grant, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An API token as its owner sees it; the secret is shown once, when it is made."""

    id: int
    label: str
    created_ns: int
    expires_ns: int
    revoked_ns: int | None


def _managing_role(catalogue: Catalogue) -> str:
    """Of the roles that may manage people, the one with most rights."""
    managing = [role for role in catalogue.roles if Right.PEOPLE_MANAGE in role.rights]
    if not managing:
        raise RefusedError("catalogue.no_manager", "the catalogue has no role with people.manage")
    return max(managing, key=lambda role: len(role.rights)).id


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


class Accounts:
    """The people of one centre."""

    def __init__(self, state: State, centre: str, *, hasher: PasswordHasher | None = None) -> None:
        """Use `state`; `hasher` decides what a guess costs."""
        self._state, self._centre = state, centre
        self._hasher = hasher or PasswordHasher()
        # each guess takes 64 MiB: many at once must not take the machine
        self._hashing = threading.BoundedSemaphore(HASHES_AT_ONCE)
        self._nobody = ""

    # --- one-time links ---------------------------------------------------------------------

    def has_manager(self, catalogue: Catalogue) -> bool:
        """Whether somebody can log in who may manage the people of the whole centre."""
        rights = Rights(catalogue)
        wanted = sa.select(person).where(
            person.c.centre == self._centre, person.c.active, person.c.password_hash.is_not(None)
        )
        with self._state.read() as connection:
            rows = connection.execute(wanted).all()
        return any(rights.everywhere(self._whole(row).grants, Right.PEOPLE_MANAGE) for row in rows)

    def managers(self, catalogue: Catalogue) -> frozenset[str]:
        """Who may manage the people of the whole centre once `catalogue` is in force, by login."""
        by_hand = (
            sa.select(person.c.login, person_grant.c.role, person_grant.c.scope)
            .join(person_grant, person_grant.c.person == person.c.id)
            .where(
                person.c.centre == self._centre,
                person.c.active,
                person_grant.c.source == BY_HAND,
            )
        )
        with self._state.read() as connection:
            rows = connection.execute(by_hand).all()
        granted = {one.login: list(one.grants) for one in catalogue.people}
        for row in rows:
            granted.setdefault(row.login, []).append(Grant(role=row.role, scope=row.scope))
        rights = Rights(catalogue)
        return frozenset(
            login
            for login, grants in granted.items()
            if rights.everywhere(grants, Right.PEOPLE_MANAGE)
        )

    def first_link(self, *, now_ns: int) -> str:
        """A secret that makes the first administrator, once, within a day; older ones end."""
        with self._state.write() as connection:
            return self._link(connection, FIRST, "", now_ns)

    def use_first_link(
        self,
        secret: str,
        catalogue: Catalogue,
        *,
        login: str,
        name: str,
        password: str,
        now_ns: int,
    ) -> None:
        """Make the first administrator; raises `RefusedError` when the link does not count."""
        check_name(login, what="login")
        hashed = self._hash(password)
        role = _managing_role(catalogue)
        scope = catalogue.scope_of_centre().id
        if self.has_manager(catalogue):
            raise RefusedError(
                "link.first_used", "there is an administrator by now; ask them for a link"
            )
        with self._state.write() as connection:
            self._use(connection, secret, FIRST, now_ns)
            number = self._person(connection, login, name, now_ns)
            connection.execute(
                person.update()
                .where(person.c.id == number)
                .values(password_hash=hashed, name=name or login, active=True)
            )
            self._grant(connection, number, [Grant(role=role, scope=scope)], BY_HAND)
            audit.write(
                self._state,
                connection,
                self._centre,
                actor=login,
                action="person.first_admin",
                about=login,
                detail={"role": role, "scope": scope},
                now_ns=now_ns,
            )

    def password_link(self, login: str, *, actor: str, now_ns: int) -> str:
        """A secret by which somebody gives themselves a password, once, within a day.

        Raises `RefusedError` when there is nobody of that name.
        """
        return self._give_link(PASSWORD, login, actor=actor, now_ns=now_ns)

    def use_password_link(self, secret: str, password: str, *, now_ns: int) -> str:
        """Set the password of whom the link is for; returns their log-in name."""
        hashed = self._hash(password)
        with self._state.write() as connection:
            login = self._use(connection, secret, PASSWORD, now_ns)
            self._set_password(connection, login, hashed, actor=login, now_ns=now_ns)
        return login

    def entry_link(self, login: str, *, actor: str, now_ns: int) -> str:
        """A secret that lets somebody in without a password, once, within a day.

        Raises `RefusedError` when there is nobody of that name.
        """
        return self._give_link(ENTRY, login, actor=actor, now_ns=now_ns)

    def use_entry_link(self, secret: str, *, now_ns: int) -> str:
        """Begin a session for whom the link is for; returns the session's secret."""
        with self._state.write() as connection:
            login = self._use(connection, secret, ENTRY, now_ns)
            return self._begin(connection, self._known(connection, login), login, now_ns)

    def _give_link(self, purpose: str, login: str, *, actor: str, now_ns: int) -> str:
        with self._state.write() as connection:
            self._known(connection, login)
            secret = self._link(connection, purpose, login, now_ns)
            audit.write(
                self._state,
                connection,
                self._centre,
                actor=actor,
                action=f"person.{purpose}_link",
                about=login,
                now_ns=now_ns,
            )
        return secret

    def _link(self, connection: sa.Connection, purpose: str, login: str, now_ns: int) -> str:
        secret = secrets.token_urlsafe(32)
        connection.execute(
            one_time_link.delete().where(
                one_time_link.c.centre == self._centre,
                one_time_link.c.purpose == purpose,
                one_time_link.c.login == login,
                one_time_link.c.used_ns.is_(None),
            )
        )
        connection.execute(
            one_time_link.insert().values(
                token_hash=_digest(secret),
                centre=self._centre,
                purpose=purpose,
                login=login,
                expires_ns=now_ns + LINK_NS,
            )
        )
        return secret

    def _use(self, connection: sa.Connection, secret: str, purpose: str, now_ns: int) -> str:
        """Whom a link is for; it is used up with the transaction."""
        used = connection.execute(
            one_time_link.update()
            .where(
                one_time_link.c.token_hash == _digest(secret),
                one_time_link.c.centre == self._centre,
                one_time_link.c.purpose == purpose,
                one_time_link.c.used_ns.is_(None),
                one_time_link.c.expires_ns > now_ns,
            )
            .values(used_ns=now_ns)
            .returning(one_time_link.c.login)
        ).first()
        if used is None:
            raise RefusedError("link.over", "this link was used, has expired or never was")
        return str(used.login)

    # --- people -----------------------------------------------------------------------------

    def synchronise(self, connection: sa.Connection, catalogue: Catalogue, now_ns: int) -> None:
        """Make the catalogue's people and their grants stand; what was granted by hand stays.

        Somebody who left the catalogue keeps their history and loses what it granted.
        """
        mine = sa.select(person.c.id).where(person.c.centre == self._centre)
        connection.execute(
            person_grant.delete().where(
                person_grant.c.source == FROM_CATALOGUE, person_grant.c.person.in_(mine)
            )
        )
        for declared in catalogue.people:
            number = self._person(connection, declared.login, declared.name, now_ns)
            connection.execute(
                person.update().where(person.c.id == number).values(name=declared.name)
            )
            self._grant(connection, number, declared.grants, FROM_CATALOGUE)

    def everybody(self) -> list[Person]:
        """All who can be known, by log-in name."""
        wanted = sa.select(person).where(person.c.centre == self._centre, person.c.active)
        with self._state.read() as connection:
            rows = connection.execute(wanted.order_by(person.c.login)).all()
        return [self._whole(row) for row in rows]

    def _known(self, connection: sa.Connection, login: str) -> int:
        wanted = sa.select(person.c.id).where(
            person.c.centre == self._centre, person.c.login == login, person.c.active
        )
        found = connection.execute(wanted).scalar()
        if found is None:
            raise RefusedError(
                "unknown.person", f"there is nobody with the log-in name {login!r}", login=login
            )
        return int(found)

    def _set_password(
        self, connection: sa.Connection, login: str, hashed: str, *, actor: str, now_ns: int
    ) -> None:
        """A new password ends the sessions that the old one began."""
        number = self._known(connection, login)
        connection.execute(
            person.update().where(person.c.id == number).values(password_hash=hashed)
        )
        connection.execute(session.delete().where(session.c.person == number))
        audit.write(
            self._state,
            connection,
            self._centre,
            actor=actor,
            action="person.password",
            about=login,
            now_ns=now_ns,
        )

    def _hash(self, password: str) -> str:
        if not PASSWORD_MIN <= len(password) <= PASSWORD_MAX:
            raise RefusedError(
                "password",
                f"a password has {PASSWORD_MIN} to {PASSWORD_MAX} characters",
                least=PASSWORD_MIN,
                most=PASSWORD_MAX,
            )
        with self._hashing:
            return self._hasher.hash(password)

    def _person(self, connection: sa.Connection, login: str, name: str, now_ns: int) -> int:
        connection.execute(
            self._state.insert(person)
            .values(
                centre=self._centre,
                login=login,
                name=name or login,
                active=True,
                created_ns=now_ns,
            )
            .on_conflict_do_nothing()
        )
        found = connection.execute(
            sa.select(person.c.id).where(person.c.centre == self._centre, person.c.login == login)
        ).scalar_one()
        return int(found)

    def _grant(
        self, connection: sa.Connection, number: int, grants: Sequence[Grant], source: str
    ) -> None:
        for grant in grants:
            connection.execute(
                self._state.insert(person_grant)
                .values(person=number, role=grant.role, scope=grant.scope, source=source)
                .on_conflict_do_nothing()
            )

    # --- sessions and tokens ----------------------------------------------------------------

    def log_in(self, login: str, password: str, *, now_ns: int) -> tuple[Person, str]:
        """A session's secret for who knows the password; raises `RefusedError` for all others."""
        with self._state.read() as connection:
            row = connection.execute(
                sa.select(person).where(
                    person.c.centre == self._centre, person.c.login == login, person.c.active
                )
            ).one_or_none()
        known = row.password_hash if row is not None else None
        if not self._verify(known, password) or row is None:
            self._note_refusal(login, now_ns)
            raise RefusedError("credentials", "log-in name or password is wrong")
        with self._state.write() as connection:
            secret = self._begin(connection, row.id, login, now_ns)
        return self._whole(row), secret

    def _begin(self, connection: sa.Connection, number: int, login: str, now_ns: int) -> str:
        """A new session's secret."""
        secret = secrets.token_urlsafe(32)
        connection.execute(session.delete().where(session.c.expires_ns <= now_ns))
        connection.execute(
            session.insert().values(
                token_hash=_digest(secret),
                person=number,
                created_ns=now_ns,
                expires_ns=now_ns + SESSION_NS,
            )
        )
        audit.write(
            self._state,
            connection,
            self._centre,
            actor=login,
            action="session.begin",
            about=login,
            now_ns=now_ns,
        )
        return secret

    def _verify(self, hashed: str | None, password: str) -> bool:
        """Whether it is the password; somebody who is not there costs as much time."""
        with self._hashing:
            self._nobody = self._nobody or self._hasher.hash(secrets.token_urlsafe())
            try:
                self._hasher.verify(hashed or self._nobody, password[: PASSWORD_MAX + 1])
            except (VerificationError, InvalidHashError):
                return False
        return hashed is not None

    def _note_refusal(self, login: str, now_ns: int) -> None:
        with self._state.write() as connection:
            audit.write(
                self._state,
                connection,
                self._centre,
                actor=UNKNOWN,
                action="session.refused",
                about=login[:100],
                now_ns=now_ns,
            )

    def log_out(self, secret: str) -> None:
        """End a session."""
        with self._state.write() as connection:
            connection.execute(session.delete().where(session.c.token_hash == _digest(secret)))

    def of_session(self, secret: str, *, now_ns: int) -> Person | None:
        """Who a session's secret belongs to, None when it does not count."""
        return self._by(
            session.c.person,
            (session.c.token_hash == _digest(secret)) & (session.c.expires_ns > now_ns),
        )

    def of_token(self, secret: str, *, now_ns: int) -> Person | None:
        """Who an API token acts for, None when it does not count."""
        return self._by(
            api_token.c.person,
            (api_token.c.token_hash == _digest(secret))
            & (api_token.c.expires_ns > now_ns)
            & api_token.c.revoked_ns.is_(None),
        )

    def make_token(self, owner: Person, *, label: str, days: int, now_ns: int) -> tuple[int, str]:
        """A new API token: its number, and the secret that is shown once."""
        secret = f"hd_{secrets.token_urlsafe(32)}"
        with self._state.write() as connection:
            number = connection.execute(
                api_token.insert()
                .values(
                    token_hash=_digest(secret),
                    person=owner.id,
                    label=label,
                    created_ns=now_ns,
                    expires_ns=now_ns + days * 86_400 * 10**9,
                )
                .returning(api_token.c.id)
            ).scalar_one()
            audit.write(
                self._state,
                connection,
                self._centre,
                actor=owner.login,
                action="token.make",
                about=f"token/{number}",
                detail={"label": label, "days": days},
                now_ns=now_ns,
            )
        return int(number), secret

    def tokens(self, owner: Person) -> list[Token]:
        """A person's tokens."""
        wanted = sa.select(api_token).where(api_token.c.person == owner.id)
        with self._state.read() as connection:
            rows = connection.execute(wanted.order_by(api_token.c.id)).all()
        return [
            Token(
                id=row.id,
                label=row.label,
                created_ns=row.created_ns,
                expires_ns=row.expires_ns,
                revoked_ns=row.revoked_ns,
            )
            for row in rows
        ]

    def revoke_token(self, owner: Person, number: int, *, now_ns: int) -> bool:
        """End one of a person's tokens; False when they have no such one."""
        with self._state.write() as connection:
            row = connection.execute(
                api_token.update()
                .where(
                    api_token.c.id == number,
                    api_token.c.person == owner.id,
                    api_token.c.revoked_ns.is_(None),
                )
                .values(revoked_ns=now_ns)
                .returning(api_token.c.id)
            ).first()
            if row is not None:
                audit.write(
                    self._state,
                    connection,
                    self._centre,
                    actor=owner.login,
                    action="token.revoke",
                    about=f"token/{number}",
                    now_ns=now_ns,
                )
        return row is not None

    def _by(self, column: Any, where: sa.ColumnElement[bool]) -> Person | None:  # noqa: ANN401
        wanted = (
            sa.select(person)
            .join(column.table, column == person.c.id)
            .where(where, person.c.centre == self._centre, person.c.active)
        )
        with self._state.read() as connection:
            row = connection.execute(wanted).one_or_none()
        return None if row is None else self._whole(row)

    def _whole(self, row: Any) -> Person:  # noqa: ANN401  # a row of `person`
        with self._state.read() as connection:
            grants = connection.execute(
                sa.select(person_grant.c.role, person_grant.c.scope)
                .where(person_grant.c.person == row.id)
                .distinct()
            ).all()
        held = tuple(Grant(role=g.role, scope=g.scope) for g in grants)
        return Person(id=row.id, login=row.login, name=row.name, grants=held)
