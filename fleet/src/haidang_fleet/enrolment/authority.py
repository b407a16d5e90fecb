"""The centre's own certificate authority: one root, short certificates, a revocation list.

Nodes have no battery behind their clock: after a power cut it may stand at the day their image was
made. What a node checks (the root, the server's certificate) is therefore valid from a day well
before it was made; what the centre checks (a node's certificate) from a day before.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from haidang_fleet import files
from haidang_fleet.errors import FleetConfigError, RefusedError
from haidang_protocols.wire import enrolment as wire

ROOT_DAYS = 3650
ROOT_BACKDATED_DAYS = 730
SERVER_DAYS = 365
SERVICE_DAYS = 365
NODE_DAYS = 30
CLIENT_BACKDATED_DAYS = 1
CRL_DAYS = 30

CA_FILE = "ca.crt"
KEY_FILE = "ca.key"

_NO_USE = {
    "content_commitment": False,
    "key_encipherment": False,
    "data_encipherment": False,
    "key_agreement": False,
    "encipher_only": False,
    "decipher_only": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoked:
    """A certificate that no longer counts."""

    serial: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Authority:
    """The root's certificate and key, in memory."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def make(cls, folder: Path, *, name: str, now: datetime) -> Self:
        """Make a root in `folder`; refused where there is one: nothing signed would fit it."""
        if (folder / KEY_FILE).exists() or (folder / CA_FILE).exists():
            raise RefusedError("exists", f"{folder}: there is an authority already; it stays")
        key = new_key()
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=ROOT_BACKDATED_DAYS))
            .not_valid_after(now + timedelta(days=ROOT_DAYS))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=False, key_cert_sign=True, crl_sign=True, **_NO_USE
                ),
                critical=True,
            )
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .sign(key, hashes.SHA256())
        )
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        files.write(folder / KEY_FILE, key_pem(key), mode=files.PRIVATE)
        files.write(folder / CA_FILE, pem(certificate).encode())
        return cls(certificate, key)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The root of `folder`; refused when its key is open to others."""
        key_path = folder / KEY_FILE
        if not key_path.exists():
            raise FleetConfigError(f"{folder}: there is no authority; run `haidang fleet ca make`")
        if key_path.stat().st_mode & 0o077:
            raise FleetConfigError(f"{key_path}: others may read it: chmod 600 {key_path}")
        try:
            key = serialization.load_pem_private_key(
                files.read(key_path, what="the authority's key"), None
            )
            certificate = x509.load_pem_x509_certificate(
                files.read(folder / CA_FILE, what="the authority's certificate")
            )
        except ValueError as error:
            raise FleetConfigError(f"{folder}: the authority cannot be read: {error}") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise FleetConfigError(f"{key_path}: is no key on a curve")
        if certificate.public_key() != key.public_key():
            raise FleetConfigError(f"{folder}: {CA_FILE} and {KEY_FILE} do not belong together")
        return cls(certificate, key)

    @property
    def der(self) -> bytes:
        """The root's certificate, as its fingerprint is taken."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def fingerprint(self) -> bytes:
        """What a token carries of it."""
        return wire.fingerprint(self.der)

    def sign_client(
        self, key: ec.EllipticCurvePublicKey, *, cn: str, now: datetime, days: int
    ) -> x509.Certificate:
        """A client's certificate: its CN is its name on the broker."""
        begin = now - timedelta(days=CLIENT_BACKDATED_DAYS)
        builder = self._leaf(key, cn=cn, begin=begin, end=now + timedelta(days=days))
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        return builder.add_extension(usage, critical=False).sign(self.key, hashes.SHA256())

    def sign_server(
        self, key: ec.EllipticCurvePublicKey, *, names: Sequence[str], now: datetime, days: int
    ) -> x509.Certificate:
        """A server's certificate for host names and addresses; the first is its CN."""
        begin = self.certificate.not_valid_before_utc
        builder = self._leaf(key, cn=names[0], begin=begin, end=now + timedelta(days=days))
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        alternatives = x509.SubjectAlternativeName([_general_name(name) for name in names])
        return (
            builder.add_extension(usage, critical=False)
            .add_extension(alternatives, critical=False)
            .sign(self.key, hashes.SHA256())
        )

    def _leaf(
        self, key: ec.EllipticCurvePublicKey, *, cn: str, begin: datetime, end: datetime
    ) -> x509.CertificateBuilder:
        root = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cn)]))
            .issuer_name(self.certificate.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(min(end, self.certificate.not_valid_after_utc))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=True, key_cert_sign=False, crl_sign=False, **_NO_USE
                ),
                critical=True,
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(root.value),
                critical=False,
            )
        )

    def crl(self, revoked: Iterable[Revoked], *, number: int, now: datetime) -> bytes:
        """The revocation list in PEM.

        A broker locks everybody out once a list is past its `next_update`, so a list lives for
        `CRL_DAYS` and is made again every day.
        """
        root = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(now - timedelta(days=CLIENT_BACKDATED_DAYS))
            .next_update(now + timedelta(days=CRL_DAYS))
            .add_extension(x509.CRLNumber(number), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(root.value),
                critical=False,
            )
        )
        for one in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(one.serial)
            builder = builder.add_revoked_certificate(entry.revocation_date(one.at).build())
        signed = builder.sign(self.key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM)


def new_key() -> ec.EllipticCurvePrivateKey:
    """A key on P-256."""
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A private key as its file holds it."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def pem(certificate: x509.Certificate) -> str:
    """A certificate as text."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")


def key_id(key: ec.EllipticCurvePublicKey) -> str:
    """A public key's name: the SHA-256 of its usual form."""
    digest = hashes.Hash(hashes.SHA256())
    digest.update(
        key.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return digest.finalize().hex()


def read_csr(text: str) -> ec.EllipticCurvePublicKey:
    """The public key of a certificate request that its own key signed; its names are ignored."""
    try:
        csr = x509.load_pem_x509_csr(text.encode("utf-8"))
        signed = csr.is_signature_valid
    except ValueError as error:
        raise RefusedError("bad_request", f"the certificate request: {error}") from error
    if not signed:
        raise RefusedError("bad_request", "the certificate request is not signed by its own key")
    return on_p256(csr.public_key())


def read_certificate(text: str) -> x509.Certificate:
    """A certificate from its text."""
    try:
        return x509.load_pem_x509_certificate(text.encode("utf-8"))
    except ValueError as error:
        raise RefusedError("bad_request", f"the certificate: {error}") from error


def names_of(text: str) -> tuple[str, ...]:
    """The names and addresses that a server's certificate is good for."""
    kind = x509.SubjectAlternativeName
    names = read_certificate(text).extensions.get_extension_for_class(kind).value
    return tuple(str(name.value) for name in names)


def signed_by(certificate: x509.Certificate, signature: bytes, data: bytes) -> bool:
    """Whether the key of `certificate` signed `data`."""
    try:
        on_p256(certificate.public_key()).verify(signature, data, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def on_p256(key: object) -> ec.EllipticCurvePublicKey:
    """A public key, if it is of the one kind in use."""
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    raise RefusedError("bad_request", "the key is not on the curve P-256, the only one in use")


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
