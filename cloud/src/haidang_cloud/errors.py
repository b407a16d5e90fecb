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
    """A person asked for what may not be.

    Attributes:
        code: a stable word for programs, such as `unknown.case`: the console has a sentence for
            each of them in each of its languages.
        values: what belongs into that sentence.
        reason: the first part of `code`, which says what kind of refusal it is.
    """

    def __init__(self, code: str, message: str, /, **values: str | float) -> None:
        """Say it to programs, and to people in English."""
        super().__init__(message)
        self.code, self.values = code, values
        self.reason = code.partition(".")[0]


class AuditBrokenError(HaidangError):
    """The audit log is not what was written."""
