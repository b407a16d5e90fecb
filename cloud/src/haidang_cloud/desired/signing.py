"""Signs with the key by which this process is known to the broker: there is no second one to guard.

Key and certificate are renewed while a process runs, so they are read for each batch anew.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from haidang_cloud.broker import BrokerSettings
from haidang_cloud.errors import CloudConfigError
from haidang_protocols.wire.desired import Desired, may_sign

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

Seal = Callable[[str], Desired]
"""Makes a message of a body."""


def stamp_of(settings: BrokerSettings) -> int:
    """Another number once the certificate was renewed; 0 where there is none."""
    if settings.plain or settings.cert is None:
        return 0
    try:
        return settings.cert.stat().st_mtime_ns
    except OSError:
        return 0  # `seal_of` says what is wrong with it


def seal_of(settings: BrokerSettings, *, centre: str) -> Seal:
    """The seal of this process as its files are now; a broker on the same machine needs none.

    Raises `CloudConfigError` for files that do not serve.
    """
    if settings.plain:
        return lambda body: Desired(body=body)
    if settings.cert is None or settings.key is None:
        raise CloudConfigError("broker: cert and key are needed to sign what nodes run")
    # 3 MB of memory, which nobody needs on a broker of one's own machine
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding

    certificate, key = _certificate(settings.cert), _key(settings.key)
    if certificate.public_key() != key.public_key():
        raise CloudConfigError(f"broker: key {settings.key} is not of {settings.cert}")
    _check_name(certificate, settings.cert, centre)
    text, way = certificate.public_bytes(Encoding.PEM).decode("ascii"), ec.ECDSA(SHA256())
    return lambda body: Desired(body=body, certificate=text, signature=key.sign(body.encode(), way))


def _certificate(path: Path) -> "x509.Certificate":
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(_read(path))
    except ValueError as error:
        raise CloudConfigError(f"broker: {path} is no certificate: {error}") from error


def _key(path: Path) -> "ec.EllipticCurvePrivateKey":
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(_read(path), password=None)
    # a TypeError says that there is a password on it
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise CloudConfigError(f"broker: {path} is no key to sign with: {error}") from error
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    raise CloudConfigError(f"broker: key {path} is not on the curve P-256, the only one in use")


def _check_name(certificate: "x509.Certificate", path: Path, centre: str) -> None:
    """Better one sentence here than one from every node."""
    from cryptography.x509.oid import NameOID

    names = [str(n.value) for n in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if len(names) != 1 or not may_sign(names[0], centre):
        raise CloudConfigError(
            f"broker: {path} is of {', '.join(names) or 'nobody'}; what nodes run is signed by a "
            f"{centre}.worker.NAME"
        )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CloudConfigError(f"broker: {path}: cannot be read: {error.strerror}") from error
