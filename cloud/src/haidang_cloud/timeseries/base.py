"""What the time series promise, whatever keeps them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

FieldValue = float | int | bool | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One point; `t` is nanoseconds since 1970 UTC."""

    measurement: str
    tags: Mapping[str, str]
    t: int
    fields: Mapping[str, FieldValue]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A line that the store will never take, and its own words why."""

    index: int
    why: str


class TimeSeries(Protocol):
    """A store of points by bucket.

    Points are idempotent: the same measurement, tags and time again overwrite field by field.
    Every call raises `StoreUnavailableError` (try again) or `StoreMisconfiguredError` (a person
    must mend it).
    """

    def ensure(self, bucket: str, *, retention_s: int = 0) -> None:
        """Make a bucket where there is none; 0 keeps for ever."""

    def drop(self, bucket: str) -> None:
        """Remove a bucket with all that is in it."""

    def read_token(self, bucket: str) -> str:
        """A secret that reads this bucket and nothing else; empty where no server checks it."""

    def write(self, bucket: str, lines: Sequence[bytes]) -> list[Refusal]:
        """Store lines (line protocol, ns); returns those that are refused for good."""

    def read(
        self,
        bucket: str,
        measurement: str,
        *,
        from_ns: int = 0,
        to_ns: int = 2**62,
        tags: Mapping[str, str] | None = None,
    ) -> Iterator[Point]:
        """Points of a measurement, both ends inclusive, by series and time."""

    def count(self, bucket: str, measurement: str, field: str) -> int:
        """How many points of a measurement have a field."""

    def close(self) -> None:
        """Let connections go."""


def private_bucket(centre: str) -> str:
    """All of a centre's points; nobody but the centre itself reads it."""
    return f"{centre}-private"


def scope_bucket(centre: str, scope: str) -> str:
    """What one scope may see."""
    return f"{centre}-scope-{scope}"
