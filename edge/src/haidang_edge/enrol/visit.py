"""A visit to the centre: a token, or the certificate in hand, against a new certificate."""

import base64
import hashlib
from collections.abc import Callable
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from haidang_edge.enrol import https
from haidang_edge.enrol.https import Server, TryAgainError
from haidang_edge.enrol.keys import EnrolmentError, Held, KeyFolder, request_for
from haidang_protocols.wire import enrolment as wire

RENEW_AFTER = 2 / 3
"""Renewal is due after this share of a certificate's life: there is a third left for trying."""

TRIES = 4
FIRST_PAUSE_S = 1.0

Sleep = Callable[[float], None]


def enrol(
    folder: KeyFolder,
    *,
    url: str,
    token: str,
    hardware: str,
    now: datetime,
    sleep: Sleep,
) -> Held:
    """Get the node's first certificate; to call it again after any failure is safe.

    The secret is sent to nobody but a server whose authority the token names.
    """
    parsed = wire.parse_token(token)
    server = https.parse_url(url)
    folder.prepare()
    used = hashlib.sha256(parsed.secret).hexdigest()
    state = folder.state()
    if state is not None and state.token == used:
        return folder.held()
    ca_pem = https.fetch_authority(server, now=now)
    authority = x509.load_pem_x509_certificate(ca_pem.encode("ascii"))
    if not parsed.fits(authority.public_bytes(serialization.Encoding.DER)):
        raise EnrolmentError(
            f"{server} shows another authority than the token names: somebody may stand between, "
            "or the token is of another centre. The token was not sent"
        )
    trusted = Server(host=server.host, port=server.port, ca_pem=ca_pem)
    request = wire.EnrolRequest(
        secret=parsed.secret.hex(), csr=request_for(folder.pending()), hardware=hardware
    )
    answer = _persist(trusted, wire.ENROL_PATH, wire.encode(request), now=now, sleep=sleep)
    return folder.install(answer, url=url, token=used)


def due(held: Held, *, now: datetime) -> bool:
    """Whether it is time to renew."""
    return held.spent(now) >= RENEW_AFTER


def renew(folder: KeyFolder, *, now: datetime, sleep: Sleep, url: str = "") -> Held:
    """A new key and certificate, asked for by the key in use."""
    held = folder.held()
    state = folder.state()
    if state is None:
        raise EnrolmentError(f"{folder.path}: this node is not enrolled")
    address = url or state.url
    server = https.parse_url(address)
    trusted = Server(host=server.host, port=server.port, ca_pem=held.ca_pem)
    csr = request_for(folder.pending())
    signature = held.key.sign(wire.renewal_bytes(csr), ec.ECDSA(hashes.SHA256()))
    request = wire.RenewRequest(
        certificate=held.certificate.public_bytes(serialization.Encoding.PEM).decode("ascii"),
        csr=csr,
        signature=base64.b64encode(signature).decode("ascii"),
    )
    answer = _persist(trusted, wire.RENEW_PATH, wire.encode(request), now=now, sleep=sleep)
    return folder.install(answer, url=address, token=state.token)


def _persist(
    server: Server, path: str, body: bytes, *, now: datetime, sleep: Sleep
) -> wire.Enrolled:
    """Ask; when the answer was lost, or the centre is not ready, ask the same again."""
    pause_s = FIRST_PAUSE_S
    for left in reversed(range(TRIES)):
        try:
            return https.ask(server, path, body, now=now)
        except TryAgainError:
            if not left:
                raise
            sleep(pause_s)
            pause_s *= 2
    raise AssertionError("the last try returns or raises")
