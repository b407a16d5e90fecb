"""What the node raises; every one of them is a sentence for a technician."""

from haidang_protocols.errors import HaidangError, UserError


class NodeConfigError(UserError):
    """The node's configuration or catalogue does not fit."""


class SpoolError(HaidangError):
    """The spool cannot do what it must; the message says where and why."""
