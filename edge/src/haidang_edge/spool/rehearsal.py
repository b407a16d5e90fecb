"""A node's time for a rehearsal: while a file is there, the clock is one that was never set.

A board without a battery starts in 1970 and counts from there. Whoever rehearses that sets no real
clock: the file's presence does.
"""

from pathlib import Path

from haidang_edge.spool.clock import SystemTime


class RehearsedTime:
    """A `TimeSource`: the machine's clock, taken for synchronised, or one that began in 1970."""

    def __init__(self, unset: Path) -> None:
        """While the file `unset` is there, time begins anew at 1970 when it came."""
        self._unset, self._system = unset, SystemTime()
        self._since_mono_ns: int | None = None

    def boot(self) -> str:
        """See `TimeSource`."""
        return self._system.boot()

    def mono_ns(self) -> int:
        """See `TimeSource`."""
        return self._system.mono_ns()

    def wall_ns(self) -> int:
        """See `TimeSource`."""
        if self.synced():
            return self._system.wall_ns()
        now_ns = self.mono_ns()
        if self._since_mono_ns is None:
            self._since_mono_ns = now_ns
        return now_ns - self._since_mono_ns

    def synced(self) -> bool:
        """See `TimeSource`."""
        if self._unset.exists():
            return False
        self._since_mono_ns = None
        return True
