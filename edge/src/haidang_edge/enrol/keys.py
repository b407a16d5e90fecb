"""The folder with the node's key and certificate: a power cut at any point leaves a pair that fits.

Each certificate has a folder of its own beside its key, written and fsynced before the link
`current` is turned to it. A key that waits for its certificate is kept in `pending`, so that a
request whose answer was lost is asked again for the same key.
"""

import os
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from haidang_protocols.errors import UserError
from haidang_protocols.wire.enrolment import Enrolled
from haidang_protocols.wire.errors import UNREADABLE

CURRENT = "current"
KEY_FILE = "node.key"
CERT_FILE = "node.crt"
CA_FILE = "ca.crt"

_PENDING = "pending.key"
_STATE = "enrolment.json"


class EnrolmentError(UserError):
    """The node did not get its certificate; the sentence says why and what to do."""


class Enrolment(msgspec.Struct, frozen=True, kw_only=True):
    """What the node remembers of its enrolment; `token` is the used secret's hash."""

    url: str
    centre: str
    site: str
    node: str
    broker_host: str
    broker_port: int
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The certificate in use, with its key and its authority."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    ca_pem: str

    def spent(self, now: datetime) -> float:
        """How much of the certificate's life is over, as a share."""
        begin, end = self.certificate.not_valid_before_utc, self.certificate.not_valid_after_utc
        return (now - begin) / (end - begin)


class KeyFolder:
    """All reading and writing of keys and certificates."""

    def __init__(self, path: Path) -> None:
        """Use `path`; `prepare` makes it."""
        self.path = path

    def prepare(self) -> None:
        """Make the folder, closed to others; raises `EnrolmentError` when that cannot be."""
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.path.chmod(0o700)
        except OSError as error:
            raise EnrolmentError(
                f"{self.path}: {error.strerror}; run as the user of the agent, or give --dir"
            ) from error

    # --- what is there ----------------------------------------------------------------------

    def state(self) -> Enrolment | None:
        """What is remembered; None on a node that never enrolled."""
        path = self.path / _STATE
        try:
            return msgspec.json.decode(path.read_bytes(), type=Enrolment)
        except FileNotFoundError:
            return None
        except (OSError, *UNREADABLE) as error:
            raise EnrolmentError(f"{path}: cannot be read: {error}") from error

    def held(self) -> Held:
        """The certificate in use."""
        at = self.path / CURRENT
        try:
            key = serialization.load_pem_private_key((at / KEY_FILE).read_bytes(), None)
            certificate = x509.load_pem_x509_certificate((at / CERT_FILE).read_bytes())
            ca_pem = (at / CA_FILE).read_text(encoding="ascii")
        except FileNotFoundError as error:
            raise EnrolmentError(
                f"{self.path}: this node is not enrolled: run `haidang node enrol` with a token"
            ) from error
        except (OSError, ValueError) as error:
            raise EnrolmentError(f"{at}: cannot be read: {error}; enrol again") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise EnrolmentError(f"{at / KEY_FILE}: is no key on a curve; enrol again")
        return Held(key=key, certificate=certificate, ca_pem=ca_pem)

    # --- a new key --------------------------------------------------------------------------

    def pending(self) -> ec.EllipticCurvePrivateKey:
        """The key that waits for its certificate, made and fsynced when there is none."""
        path = self.path / _PENDING
        try:
            if path.exists():
                kept = serialization.load_pem_private_key(path.read_bytes(), None)
                if isinstance(kept, ec.EllipticCurvePrivateKey):
                    return kept
        except ValueError:
            # half a file from a power cut: nothing was signed for it
            path.unlink()
        except OSError as error:
            raise EnrolmentError(f"{path}: cannot be read: {error.strerror}") from error
        key = ec.generate_private_key(ec.SECP256R1())
        self._write(path, _key_pem(key), mode=0o600)
        return key

    def install(self, answer: Enrolled, *, url: str, token: str) -> Held:
        """Put a certificate in use for the waiting key; raises when it is not for that key."""
        key = self.pending()
        certificate = check(answer, key)
        generation = self.path / f"{certificate.serial_number:x}"
        try:
            generation.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise EnrolmentError(f"{generation}: {error.strerror}") from error
        self._write(generation / KEY_FILE, _key_pem(key), mode=0o600)
        self._write(generation / CERT_FILE, answer.certificate.encode("ascii"), mode=0o644)
        self._write(generation / CA_FILE, answer.ca.encode("ascii"), mode=0o644)
        before = self._turn(generation)
        state = Enrolment(
            url=url,
            centre=answer.centre,
            site=answer.site,
            node=answer.node,
            broker_host=answer.broker_host,
            broker_port=answer.broker_port,
            token=token,
        )
        self._write(self.path / _STATE, msgspec.json.encode(state), mode=0o600)
        (self.path / _PENDING).unlink(missing_ok=True)
        self._forget(keep={generation.name, before})
        return self.held()

    def _turn(self, generation: Path) -> str:
        """Turn `current` to a folder; returns where it pointed before."""
        link = self.path / CURRENT
        before = link.readlink().name if link.is_symlink() else ""
        beside = self.path / f".{CURRENT}"
        beside.unlink(missing_ok=True)
        beside.symlink_to(generation.name)
        beside.replace(link)
        _sync_folder(self.path)
        return before

    def _forget(self, *, keep: set[str]) -> None:
        """Remove pairs that are older than the one before: a running agent may still read that."""
        for folder in self.path.iterdir():
            if folder.is_dir() and not folder.is_symlink() and folder.name not in keep:
                shutil.rmtree(folder)

    def _write(self, path: Path, data: bytes, *, mode: int) -> None:
        beside = path.with_name(f".{path.name}")
        try:
            fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
            with os.fdopen(fd, "wb") as out:
                os.fchmod(out.fileno(), mode)
                out.write(data)
                out.flush()
                os.fsync(out.fileno())
            beside.replace(path)
            _sync_folder(path.parent)
        except OSError as error:
            raise EnrolmentError(f"{path}: cannot be written: {error.strerror}") from error


def request_for(key: ec.EllipticCurvePrivateKey) -> str:
    """A certificate request; the centre decides the name, so it asks for none."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "node")])
    csr = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return csr.public_bytes(serialization.Encoding.PEM).decode("ascii")


def check(answer: Enrolled, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    """The certificate of an answer, if it is for our key and of the authority it comes with."""
    try:
        certificate = x509.load_pem_x509_certificate(answer.certificate.encode("ascii"))
        certificate.verify_directly_issued_by(
            x509.load_pem_x509_certificate(answer.ca.encode("ascii"))
        )
    except (ValueError, TypeError, InvalidSignature) as error:
        raise EnrolmentError(
            "the centre's answer holds no certificate of its authority; tell the centre"
        ) from error
    if certificate.public_key() != key.public_key():
        raise EnrolmentError("the centre signed another key than ours; tell the centre")
    return certificate


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
