"""What the centre raises: few kinds, each telling its handler what it must know."""

from haidang_protocols.errors import HaidangError, UserError


class CloudConfigError(UserError):
    """The centre's configuration does not fit; the message lists every mistake."""


class StateUnavailableError(HaidangError):
    """The relational database does not answer: try again later, nothing was stored."""


class StoreUnavailableError(HaidangError):
    """The time series do not answer; `retry_after_s` is what they asked for, 0 when nothing."""

    def __init__(self, message: str, *, retry_after_s: float = 0.0) -> None:
        """Keep how long to wait."""
        super().__init__(message)
        self.retry_after_s = retry_after_s


class StoreMisconfiguredError(HaidangError):
    """The time series refuse us: token, bucket or organisation; a person must mend it."""


class LakeError(HaidangError):
    """The lake cannot be written or read."""


class RefusedError(UserError):
    """A person asked for what may not be; `reason` is a word that programs read."""

    def __init__(self, reason: str, message: str) -> None:
        """Keep both."""
        super().__init__(message)
        self.reason = reason


class AuditBrokenError(HaidangError):
    """The audit log is not what was written."""
