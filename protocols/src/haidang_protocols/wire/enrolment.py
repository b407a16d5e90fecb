"""What a node and the centre say to each other so that the node gets its certificate.

A token is what a technician types or scans: a secret that works once, the fingerprint of the
centre's certificate authority, and check digits. The fingerprint makes the first connection safe:
whoever stands between the node and the centre can show neither the authority nor learn the secret.
"""

import base64
import hashlib
import zlib
from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from haidang_protocols.errors import UserError
from haidang_protocols.wire.versions import always

ENROLMENT_VERSION = 1
SECRET_BYTES = 16
FINGERPRINT_BYTES = 16
CA_PATH = "/v1/ca"
CRL_PATH = "/v1/crl"
ENROL_PATH = "/v1/enrol"
RENEW_PATH = "/v1/renew"

_FORMAT = 1
_CHECK_BYTES = 2
_TOKEN_BYTES = 1 + SECRET_BYTES + FINGERPRINT_BYTES + _CHECK_BYTES
_GROUP = 7
_RENEWAL = b"haidang renewal\n"

Pem = Annotated[str, Meta(max_length=16384)]


class TokenUnreadableError(UserError):
    """A token was not typed as it was given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token taken apart; `fingerprint` begins the SHA-256 of the authority's certificate."""

    secret: bytes
    fingerprint: bytes

    def text(self) -> str:
        """The token as people type it: 56 of a-z 2-7, in groups of seven."""
        body = bytes([_FORMAT]) + self.secret + self.fingerprint
        letters = base64.b32encode(body + _check(body)).decode("ascii").lower()
        return "-".join(letters[at : at + _GROUP] for at in range(0, len(letters), _GROUP))

    def fits(self, authority_der: bytes) -> bool:
        """Whether a certificate is the authority that the token names."""
        return fingerprint(authority_der) == self.fingerprint


def fingerprint(authority_der: bytes) -> bytes:
    """The first 16 bytes of the SHA-256 of a certificate in DER."""
    return hashlib.sha256(authority_der).digest()[:FINGERPRINT_BYTES]


def parse_token(text: str) -> Token:
    """Read a token as it was typed; case, spaces and dashes do not matter."""
    letters = "".join(text.split()).replace("-", "").upper()
    try:
        body = base64.b32decode(letters)
    except ValueError as error:
        raise TokenUnreadableError(
            "the token holds something else than a-z and 2-7, or lacks letters: type it again"
        ) from error
    if len(body) != _TOKEN_BYTES:
        raise TokenUnreadableError(
            f"the token has {len(letters)} letters; a token has 56: type it again"
        )
    content, check = body[:-_CHECK_BYTES], body[-_CHECK_BYTES:]
    if _check(content) != check:
        raise TokenUnreadableError("the token's check digits do not fit: type it again")
    if content[0] != _FORMAT:
        raise TokenUnreadableError(
            f"the token is of format {content[0]}; this version reads {_FORMAT}: update haidang"
        )
    return Token(secret=content[1 : 1 + SECRET_BYTES], fingerprint=content[1 + SECRET_BYTES :])


def _check(content: bytes) -> bytes:
    return (zlib.crc32(content) & 0xFFFF).to_bytes(_CHECK_BYTES, "big")


class EnrolRequest(Struct, frozen=True, kw_only=True):
    """On ENROL_PATH: the secret in hexadecimal and the certificate request made on the node."""

    v: int = always(ENROLMENT_VERSION)
    secret: Annotated[str, Meta(pattern=f"^[0-9a-f]{{{2 * SECRET_BYTES}}}$")]
    csr: Pem
    hardware: Annotated[str, Meta(max_length=200)] = ""


class RenewRequest(Struct, frozen=True, kw_only=True):
    """On RENEW_PATH: a request for a new key, signed by the key of the certificate in hand.

    To send it twice does no harm: the answer serves nobody but the holder of the new key.
    """

    v: int = always(ENROLMENT_VERSION)
    certificate: Pem
    csr: Pem
    signature: Annotated[str, Meta(max_length=400)]


class Enrolled(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to both: who the node is, its certificate, its authority, and its broker."""

    v: int = always(ENROLMENT_VERSION)
    centre: str
    site: str
    node: str
    certificate: Pem
    ca: Pem
    broker_host: str
    broker_port: Annotated[int, Meta(ge=1, le=65535)]


class Refusal(Struct, frozen=True, kw_only=True):
    """An error of the enrolment service (RFC 9457); `reason` is a word that programs read."""

    status: int
    detail: str
    reason: str = ""
    title: str = ""


def renewal_bytes(csr_pem: str) -> bytes:
    """What the old key signs."""
    return _RENEWAL + csr_pem.encode("utf-8")


def encode(message: EnrolRequest | RenewRequest | Enrolled) -> bytes:
    """A message as its body."""
    return msgspec.json.encode(message)
