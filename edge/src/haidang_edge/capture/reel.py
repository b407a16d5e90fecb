"""What a source is at its bottom: something that gives decoded pictures, each with its time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from av import VideoFrame


class Reel(Protocol):
    """Decoded pictures, one after the other.

    Attributes:
        width: of its pictures; `height` likewise.
        broken: packets that could not be decoded.
    """

    width: int
    height: int
    broken: int

    def pictures(self) -> Iterator[tuple[VideoFrame, float | None]]:
        """Every picture with its time, seconds from the first one; None where it has none."""

    def close(self) -> None:
        """Let go of what is open; again is well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticker:
    """The clock that a reel goes by, and how it waits.

    Attributes:
        now_ns: nanoseconds, never going back.
        sleep: seconds.
    """

    now_ns: Callable[[], int]
    sleep: Callable[[float], None]

    def wait_until(self, mono_ns: int) -> None:
        """Sleep until then; not at all when it is past."""
        wait_s = (mono_ns - self.now_ns()) / 1e9
        if wait_s > 0:
            self.sleep(wait_s)
