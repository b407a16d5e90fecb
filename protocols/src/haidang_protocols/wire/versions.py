"""The version with which every message begins."""

import msgspec


def always(version: int) -> int:
    """A field `v` that is written even when it is the default.

    Left out with the other defaults, it would be filled in by each reader with its own version.
    """
    return msgspec.field(default_factory=lambda: version)
