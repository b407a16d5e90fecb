"""What the fleet raises; `reason` is a stable word that programs read."""

from haidang_protocols.errors import HaidangError, UserError


class FleetConfigError(UserError):
    """The fleet's configuration does not fit; the message lists every mistake."""


class RefusedError(UserError):
    """Something asked of the fleet may not be.

    Reasons: token_unknown, token_used, token_expired, not_enrolled, revoked, expired,
    bad_request, other_centre, already_enrolled.
    """

    def __init__(self, reason: str, message: str) -> None:
        """Keep the reason beside the sentence."""
        super().__init__(message)
        self.reason = reason


class BrokerUnavailableError(HaidangError):
    """The broker does not answer, or refuses its administrator; nothing is half done: try again."""
