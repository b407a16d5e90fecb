"""What the wire raises when a message cannot be read."""

from haidang_protocols.errors import HaidangError


class MessageRefusedError(HaidangError):
    """A payload is not what its topic promises; `reason` is a stable word for dead letters.

    Reasons: malformed, version, oversized, forged, future, unknown_camera.
    """

    def __init__(self, reason: str, message: str) -> None:
        """Keep the reason beside the sentence."""
        super().__init__(message)
        self.reason = reason
