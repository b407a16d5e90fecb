"""What may happen to certificates, in the order in which it must: sign, keep, then tell the broker.

Every step may be repeated. A node whose connection died after we signed asks again with the same
token and the same key, and gets the same certificate.
"""

import base64
import binascii
import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from haidang_fleet.broker.identities import Identity
from haidang_fleet.enrolment import authority as ca
from haidang_fleet.enrolment.authority import Authority, Revoked
from haidang_fleet.enrolment.registry import Certified, Ledger, Registry, TokenRow
from haidang_fleet.errors import RefusedError
from haidang_protocols.wire import enrolment as wire

GRACE_DAYS = 30
"""A node that was off when its certificate ended may still renew it for this long."""

PROBE_DAYS = 1


class Broker(Protocol):
    """What the desk tells the broker; each call may be repeated, and raises when it failed."""

    def admit(self, identity: Identity) -> None:
        """Let an identity do what is its to do."""

    def expel(self, cn: str) -> None:
        """End a name's connection and take all its rights."""

    def publish(self, crl: bytes) -> None:
        """Put a revocation list where the broker reads it."""

    def confirm(self, certificate: str, key: bytes) -> None:
        """Return when the broker goes by the list: when it refuses a certificate that is in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A certificate with the key that was made for it, where we made it."""

    certificate: str
    key: bytes
    not_after: datetime


def utc_now() -> datetime:
    """The time, in whole seconds, as certificates have it."""
    return datetime.now(UTC).replace(microsecond=0)


class Desk:
    """The authority, the registry and the broker, at one desk."""

    def __init__(
        self,
        authority: Authority,
        registry: Registry,
        broker: Broker,
        *,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """Work with what is given."""
        self.authority, self.registry, self._broker, self._now = authority, registry, broker, now

    # --- tokens and nodes -------------------------------------------------------------------

    def token(self, identity: Identity, *, hours: float, by: str, replaces: bool = False) -> str:
        """A token for a node; with `replaces` its present certificate ends when it is used."""
        now = self._now()
        secret = secrets.token_bytes(wire.SECRET_BYTES)
        row = TokenRow(
            secret_sha256=_hash(secret),
            identity=identity,
            replaces=replaces,
            expires_at=now + timedelta(hours=hours),
        )
        with self.registry.transaction() as ledger:
            self._check_free(ledger, identity, now=now, replaces=replaces)
            ledger.add_token(row, at=now, actor=by)
        return wire.Token(secret=secret, fingerprint=self.authority.fingerprint).text()

    def _check_free(
        self, ledger: Ledger, identity: Identity, *, now: datetime, replaces: bool
    ) -> None:
        owner = ledger.owner(identity.cn, now=now)
        if owner is None:
            return
        if owner.centre != identity.centre:
            raise RefusedError(
                "other_centre",
                f"{identity.cn!r} is a node of centre {owner.centre!r}: nodes that share a broker "
                "need different names",
            )
        if not replaces:
            raise RefusedError(
                "already_enrolled",
                f"{identity.cn!r} has a valid certificate; to put new hardware in its place give "
                "--replace: the old certificate ends when the new one is signed",
            )

    def enrol(self, secret: bytes, csr: str, *, hardware: str = "") -> tuple[Identity, str]:
        """Sign a node's request for its token; then admit it on the broker."""
        now = self._now()
        key = ca.read_csr(csr)
        with self.registry.transaction() as ledger:
            token = ledger.token(_hash(secret))
            if token is None:
                raise RefusedError(
                    "token_unknown",
                    "the centre knows no such token: it may have been replaced by a newer one; "
                    "ask for a new token",
                )
            certified = self._for_token(ledger, token, key, now=now, hardware=hardware)
            ended = any(one.revoked_at is not None for one in ledger.of(token.identity.cn))
        if token.replaces and ended:
            # on a second try as well: the first may have found no broker
            self.enforce(token.identity.cn)
        self._broker.admit(token.identity)
        return token.identity, certified.pem

    def _for_token(
        self,
        ledger: Ledger,
        token: TokenRow,
        key: ec.EllipticCurvePublicKey,
        *,
        now: datetime,
        hardware: str,
    ) -> Certified:
        cn = token.identity.cn
        if token.serial is not None:
            signed = ledger.by_serial(token.serial)
            if signed is not None and signed.key_sha256 == ca.key_id(key) and signed.valid(now):
                return signed
            raise RefusedError(
                "token_used",
                f"the token for {cn} was used already, by another key: if that was not you, tell "
                "the centre; ask for a new token",
            )
        if now >= token.expires_at:
            raise RefusedError(
                "token_expired",
                f"the token for {cn} ended at {token.expires_at.isoformat()}: ask for a new token",
            )
        self._check_free(ledger, token.identity, now=now, replaces=token.replaces)
        if token.replaces:
            ledger.revoke(cn, at=now, actor=cn, why="replaced by new hardware")
        certified = self._sign(token.identity, key, now=now, days=ca.NODE_DAYS)
        how = f"enrolled by token; hardware {hardware or 'not told'}"
        ledger.add_certificate(certified, at=now, actor=cn, how=how)
        ledger.use_token(token, certified, at=now)
        return certified

    def renew(self, certificate: str, csr: str, signature: str) -> tuple[Identity, str]:
        """A new certificate for a new key, asked for by the key of the one in hand."""
        now = self._now()
        key = ca.read_csr(csr)
        held = ca.read_certificate(certificate)
        try:
            proof = base64.b64decode(signature, validate=True)
        except binascii.Error as error:
            raise RefusedError("bad_request", "the signature is not base64") from error
        if not ca.signed_by(held, proof, wire.renewal_bytes(csr)):
            raise RefusedError("bad_request", "the request is not signed by the certificate's key")
        with self.registry.transaction() as ledger:
            old = self._renewable(ledger, held, now=now)
            again = ledger.by_key(ca.key_id(key))
            if again is None or not again.valid(now):
                again = self._sign(old.identity, key, now=now, days=ca.NODE_DAYS)
                ledger.add_certificate(again, at=now, actor=old.identity.cn, how="renewed")
        self._broker.admit(old.identity)
        return old.identity, again.pem

    def _renewable(self, ledger: Ledger, held: x509.Certificate, *, now: datetime) -> Certified:
        old = ledger.by_serial(held.serial_number)
        if old is None or old.key_sha256 != ca.key_id(ca.on_p256(held.public_key())):
            raise RefusedError("not_enrolled", "the centre never signed this certificate")
        cn = old.identity.cn
        if old.revoked_at is not None:
            raise RefusedError(
                "revoked",
                f"the certificate of {cn} was revoked at {old.revoked_at.isoformat()}: ask the "
                "centre why, and for a new token",
            )
        if now >= old.not_after + timedelta(days=GRACE_DAYS):
            raise RefusedError(
                "expired",
                f"the certificate of {cn} ended at {old.not_after.isoformat()}, more than "
                f"{GRACE_DAYS} days ago: ask for a new token",
            )
        return old

    def _sign(
        self, identity: Identity, key: ec.EllipticCurvePublicKey, *, now: datetime, days: int
    ) -> Certified:
        certificate = self.authority.sign_client(key, cn=identity.cn, now=now, days=days)
        return Certified(
            serial=certificate.serial_number,
            identity=identity,
            key_sha256=ca.key_id(key),
            not_after=certificate.not_valid_after_utc,
            pem=ca.pem(certificate),
        )

    # --- services ---------------------------------------------------------------------------

    def service(self, identity: Identity, *, by: str) -> Signed:
        """A key and a certificate for a process, a member of staff or a site's broker."""
        now = self._now()
        key = ca.new_key()
        with self.registry.transaction() as ledger:
            certified = self._sign(identity, key.public_key(), now=now, days=ca.SERVICE_DAYS)
            ledger.add_certificate(certified, at=now, actor=by, how=f"{identity.kind} made")
        return Signed(certificate=certified.pem, key=ca.key_pem(key), not_after=certified.not_after)

    def server(self, names: Sequence[str], *, by: str) -> Signed:
        """A key and a certificate for a server of ours."""
        now = self._now()
        key = ca.new_key()
        certificate = self.authority.sign_server(
            key.public_key(), names=names, now=now, days=ca.SERVER_DAYS
        )
        with self.registry.transaction() as ledger:
            detail = f"server made; serial {certificate.serial_number:x}"
            ledger.note(by, "certificate", ", ".join(names), detail, at=now)
        return Signed(
            certificate=ca.pem(certificate),
            key=ca.key_pem(key),
            not_after=certificate.not_valid_after_utc,
        )

    # --- the end of a certificate -----------------------------------------------------------

    def revoke(self, cn: str, *, by: str, why: str) -> int:
        """End every certificate of a name and cut it off; returns how many ended just now.

        When the broker cannot be told, the certificates have ended all the same: ask again.
        """
        now = self._now()
        with self.registry.transaction() as ledger:
            if not ledger.of(cn):
                raise RefusedError("not_enrolled", f"{cn!r} never had a certificate of ours")
            ended = ledger.revoke(cn, at=now, actor=by, why=why)
        self.enforce(cn)
        return len(ended)

    def enforce(self, cn: str) -> None:
        """Cut a name off: first no new connection, then the end of the one that there is."""
        self.refresh()
        self._broker.expel(cn)

    def crl(self) -> bytes:
        """The revocation list as of now."""
        with self.registry.transaction() as ledger:
            return self._crl(ledger)

    def refresh(self) -> None:
        """Put a new revocation list in force at the broker.

        It names a certificate made to be refused: only the broker's refusal shows that it reads it.
        """
        now = self._now()
        key = ca.new_key()
        probe = self.authority.sign_client(
            key.public_key(), cn="fleet.probe", now=now, days=PROBE_DAYS
        )
        with self.registry.transaction() as ledger:
            ledger.add_probe(probe.serial_number, until=probe.not_valid_after_utc, now=now)
            # within the transaction: of two lists made at once the fuller one is written last
            self._broker.publish(self._crl(ledger))
        self._broker.confirm(ca.pem(probe), ca.key_pem(key))

    def _crl(self, ledger: Ledger) -> bytes:
        now = self._now()
        ended = [
            Revoked(serial=one.serial, at=one.revoked_at)
            for one in ledger.all()
            if one.revoked_at is not None and now < one.not_after + timedelta(days=1)
        ]
        probes = [Revoked(serial=serial, at=now) for serial in ledger.probes()]
        number = ledger.next_number("crl")
        return self.authority.crl([*ended, *probes], number=number, now=now)

    def certified(self) -> list[Identity]:
        """Everybody with a certificate that counts, once each."""
        now = self._now()
        with self.registry.transaction() as ledger:
            valid = {one.identity.cn: one.identity for one in ledger.all() if one.valid(now)}
        return sorted(valid.values(), key=lambda identity: identity.cn)


def _hash(secret: bytes) -> str:
    return hashlib.sha256(secret).hexdigest()
