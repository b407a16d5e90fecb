"""HTTPS to the enrolment service; every way in which it fails is a sentence for a technician."""

import http.client
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

import msgspec
from cryptography import x509

from haidang_edge.enrol.keys import EnrolmentError
from haidang_protocols.wire import enrolment as wire
from haidang_protocols.wire.errors import UNREADABLE

TIMEOUT_S = 20.0
ANSWER_BYTES_MAX = 65536
DEFAULT_PORT = 8444

_NOT_YET_VALID, _EXPIRED = 9, 10
_WRONG_NAME = frozenset({62, 64})


class TryAgainError(EnrolmentError):
    """The centre may have done what was asked, or soon can: the same request is worth repeating."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where the enrolment service is, and the authority that it must show; "" for not known yet."""

    host: str
    port: int
    ca_pem: str = ""

    def __str__(self) -> str:
        """As it is told to people."""
        return f"https://{self.host}:{self.port}"


def parse_url(url: str) -> Server:
    """The server of an address as it was typed."""
    parts = urlsplit(url if "://" in url else f"https://{url}")
    try:
        port = parts.port or DEFAULT_PORT
    except ValueError:
        port = 0
    if parts.scheme != "https" or not parts.hostname or not port or parts.path not in ("", "/"):
        raise EnrolmentError(f"--url {url!r}: give it as https://HOST or https://HOST:PORT")
    return Server(host=parts.hostname, port=port)


def fetch_authority(server: Server, *, now: datetime) -> str:
    """The authority that a server says it has: not to be believed before a token names it."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    status, body, told = _exchange(server, context, "GET", wire.CA_PATH, None)
    if status != http.client.OK:
        raise EnrolmentError(f"{server} answered {status}: is that the enrolment service?")
    try:
        text = body.decode("ascii")
        begin = x509.load_pem_x509_certificate(body).not_valid_before_utc
    except ValueError as error:
        raise EnrolmentError(
            f"{server} shows no certificate authority: is that the enrolment service?"
        ) from error
    if now < begin:
        raise EnrolmentError(_clock(now, told))
    return text


def ask(server: Server, path: str, body: bytes, *, now: datetime) -> wire.Enrolled:
    """Send a request to a server that shows the right authority; its answer, or its refusal."""
    context = ssl.create_default_context(cadata=server.ca_pem)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        status, answer, _ = _exchange(server, context, "POST", path, body)
    except ssl.SSLCertVerificationError as error:
        raise EnrolmentError(_verification(server, error, now)) from error
    try:
        if status == http.client.OK:
            return msgspec.json.decode(answer, type=wire.Enrolled)
        refusal = msgspec.json.decode(answer, type=wire.Refusal)
    except UNREADABLE as error:
        raise EnrolmentError(f"{server} answered {status}, which says nothing to us") from error
    if status == http.client.SERVICE_UNAVAILABLE:
        raise TryAgainError(f"the centre cannot do it just now: {refusal.detail}")
    raise EnrolmentError(f"the centre refused: {refusal.detail}")


def _exchange(
    server: Server, context: ssl.SSLContext, method: str, path: str, body: bytes | None
) -> tuple[int, bytes, str]:
    """Status, body, and the server's own time; a certificate that does not fit is raised as is."""
    connection = http.client.HTTPSConnection(
        server.host, server.port, timeout=TIMEOUT_S, context=context
    )
    try:
        _connect(connection, server)
        try:
            headers = {"Content-Type": "application/json"} if body is not None else {}
            connection.request(method, path, body=body, headers=headers)
            answer = connection.getresponse()
            payload = answer.read(ANSWER_BYTES_MAX)
        except (OSError, http.client.HTTPException) as error:
            raise TryAgainError(
                f"the connection to {server} died before its answer came "
                f"({_short(error)}): run the same command again"
            ) from error
        return answer.status, payload, answer.headers.get("Date", "")
    finally:
        connection.close()


def _connect(connection: http.client.HTTPSConnection, server: Server) -> None:
    try:
        connection.connect()
    except ssl.SSLCertVerificationError:
        raise
    except ssl.SSLError as error:
        raise EnrolmentError(
            f"{server} does not speak as the enrolment service does ({error.reason}): check the "
            "address and its port"
        ) from error
    except socket.gaierror as error:
        raise EnrolmentError(
            f"no address for {server.host!r}: is the network up, and the name right? "
            f"({error.strerror})"
        ) from error
    except TimeoutError as error:
        raise EnrolmentError(
            f"{server} did not answer within {TIMEOUT_S:g} s: is there a way from this network?"
        ) from error
    except OSError as error:
        raise EnrolmentError(
            f"{server} cannot be reached: {_short(error)}; is the network up, the port right?"
        ) from error


def _verification(server: Server, error: ssl.SSLCertVerificationError, now: datetime) -> str:
    if error.verify_code in (_NOT_YET_VALID, _EXPIRED):
        return _clock(now, "")
    if error.verify_code in _WRONG_NAME:
        return (
            f"the server's certificate is not for {server.host!r}: type the address as the centre "
            "gave it"
        )
    return (
        f"{server} shows a certificate of another authority than the token names "
        f"({error.verify_message}): somebody may stand between. Nothing was sent"
    )


def _clock(now: datetime, told: str) -> str:
    server = f"; the server says {told}" if told else ""
    return (
        f"this node's clock says {now.astimezone(UTC).isoformat(timespec='seconds')}, outside the "
        f"days when the centre's certificates are valid{server}: set it (timedatectl set-time …, "
        "or a network with a time server), then run the same command again"
    )


def _short(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
