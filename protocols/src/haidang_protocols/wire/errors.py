"""What the wire raises when a message cannot be read."""

import msgspec

from haidang_protocols.errors import HaidangError

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are no message; the last for what is nested too deeply, which
it finds also in fields that nobody asked for."""


class MessageRefusedError(HaidangError):
    """A payload is not what its topic promises; `reason` is a stable word for dead letters.

    Reasons: malformed, version, oversized, forged, future, unknown_camera.
    """

    def __init__(self, reason: str, message: str) -> None:
        """Keep the reason beside the sentence."""
        super().__init__(message)
        self.reason = reason
