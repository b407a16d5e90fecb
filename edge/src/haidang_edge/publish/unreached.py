"""Why a broker cannot be reached, in a few words for a technician."""

import socket
import ssl

_NOT_YET_VALID, _EXPIRED = 9, 10
_WRONG_NAME = frozenset({62, 64})
_OTHER_AUTHORITY = frozenset({2, 7, 18, 19, 20, 21, 30})
"""OpenSSL's codes: an issuer that is not known, or one that only bears the name of ours."""


def why_unreached(error: BaseException | None, *, host: str) -> str:
    """What a failed connection was about; `host` is as the configuration names it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _certificate(error, host)
    if isinstance(error, ssl.SSLEOFError | ConnectionResetError | BrokenPipeError):
        return "it breaks off at once"
    if isinstance(error, ssl.SSLError):
        return f"it does not speak TLS 1.3 there ({error.reason or error})"
    if isinstance(error, socket.gaierror):
        return f"there is no address for {host!r}"
    if isinstance(error, TimeoutError):
        return "no answer"
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(said)[:1].lower() + str(said)[1:]


def _certificate(error: ssl.SSLCertVerificationError, host: str) -> str:
    code = error.verify_code
    if code == _NOT_YET_VALID:
        return "by this node's clock its certificate is not valid yet"
    if code == _EXPIRED:
        return "by this node's clock its certificate has ended"
    if code in _WRONG_NAME:
        return f"its certificate is not for {host!r}"
    if code in _OTHER_AUTHORITY:
        return "its certificate is not of our authority"
    return f"its certificate does not fit: {error.verify_message}"
