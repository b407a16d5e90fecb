"""Times as people and programs outside read them: UTC, to the microsecond."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_NS = 253_402_300_799 * 10**9
"""The end of the year 9999: a node's clock may say anything."""


def utc(t_ns: int) -> datetime:
    """Nanoseconds since 1970 as a time."""
    return _EPOCH + timedelta(microseconds=min(t_ns, _LATEST_NS) // 1000)


def utc_or_none(t_ns: int | None) -> datetime | None:
    """The same, where there may be none."""
    return None if t_ns is None else utc(t_ns)
