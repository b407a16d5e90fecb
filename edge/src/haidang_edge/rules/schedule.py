"""When a rule is on: parts such as `fri-mon 22:00-05:00` in the centre's time zone."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class _Part:
    """Hours of some days; hours past midnight belong to the day on which they began."""

    days: frozenset[int]
    start: int
    end: int

    def on(self, day: int, minute: int) -> bool:
        if self.start < self.end:
            return day in self.days and self.start <= minute < self.end
        evening = day in self.days and minute >= self.start
        return evening or ((day - 1) % 7 in self.days and minute < self.end)


class Schedule:
    """Whether now is in one of the parts; no part means always."""

    def __init__(self, parts: Iterable[str], zone: ZoneInfo) -> None:
        """Read parts that the catalogue has checked already."""
        self._parts = tuple(_part(text) for text in parts)
        self._zone = zone

    def on(self, wall_ns: int) -> bool:
        """Whether it is on at `wall_ns`, nanoseconds since 1970 UTC."""
        if not self._parts:
            return True
        local = datetime.fromtimestamp(wall_ns / 1e9, self._zone)
        day, minute = local.weekday(), local.hour * 60 + local.minute
        return any(part.on(day, minute) for part in self._parts)


def _part(text: str) -> _Part:
    days, hours = text.split(" ")
    first, _, last = days.partition("-")
    start = DAYS.index(first)
    length = (DAYS.index(last or first) - start) % 7 + 1
    begins, ends = hours.split("-")
    return _Part(
        frozenset((start + n) % 7 for n in range(length)), _minutes(begins), _minutes(ends)
    )


def _minutes(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)
