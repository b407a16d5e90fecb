"""The base of every error that a person can mend: its text is shown, never a traceback."""


class HaidangError(Exception):
    """Base of all errors that Haidang raises on purpose."""


class UserError(HaidangError):
    """Something a person gave is wrong; the message says what, where, and what is allowed."""
