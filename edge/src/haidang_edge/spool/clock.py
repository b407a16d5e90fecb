"""The node's time: boot id, monotonic and wall clock, and timestamps fixed once.

A board without a battery starts in 1970. Until its clock is synchronised, time goes on from the
last one that the node knew, so that the order of a camera's records does not turn round: neither
when the process is killed nor when the board starts again.
"""

import ctypes
import logging
import threading
import time
from pathlib import Path
from typing import Protocol

import msgspec

from haidang_edge.spool.files import Files, SystemFiles
from haidang_protocols.wire.errors import UNREADABLE
from haidang_protocols.wire.messages import ClockState

log = logging.getLogger(__name__)

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
SAVE_EVERY_NS = 60_000_000_000
LEAD_MAX_NS = 240_000_000_000
"""How far a camera's time may run ahead of a clock that was set back: the centre takes no more."""

_TIME_ERROR = 5
_STA_UNSYNC = 0x0040


class TimeSource(Protocol):
    """Where time comes from."""

    def boot(self) -> str:
        """First 8 digits of the kernel's boot id."""

    def mono_ns(self) -> int:
        """Nanoseconds since boot, sleep included."""

    def wall_ns(self) -> int:
        """Nanoseconds since 1970 UTC, right or wrong."""

    def synced(self) -> bool:
        """Whether the kernel says that the wall clock is synchronised."""


class _Timex(ctypes.Structure):
    # struct timex of Linux; only `status` is read, the rest is room for the kernel to write to
    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 512),
    )


class SystemTime:
    """Linux's clocks."""

    def __init__(self) -> None:
        """Read the boot id once: it cannot change under us."""
        self._boot = BOOT_ID.read_text(encoding="ascii").strip().replace("-", "")[:8]
        self._libc = ctypes.CDLL(None, use_errno=True)

    def boot(self) -> str:
        """See `TimeSource`."""
        return self._boot

    def mono_ns(self) -> int:
        """See `TimeSource`."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def wall_ns(self) -> int:
        """See `TimeSource`."""
        return time.time_ns()

    def synced(self) -> bool:
        """See `TimeSource`; by adjtimex(2), which needs no privilege to read."""
        state = _Timex()
        answer: int = self._libc.adjtimex(ctypes.byref(state))
        return answer not in (-1, _TIME_ERROR) and not state.status & _STA_UNSYNC


class _Known(msgspec.Struct, frozen=True):
    wall_ns: int
    boot: str = ""
    mono_ns: int = 0


class NodeClock:
    """Fixes the time of each record once, strictly increasing per camera. Thread-safe."""

    def __init__(
        self,
        folder: Path,
        *,
        source: TimeSource | None = None,
        files: Files | None = None,
        trust_wall: bool = False,
    ) -> None:
        """Go on from the last time known in `folder`.

        `trust_wall` takes the wall clock for synchronised whatever the kernel says: for machines
        whose host keeps the time.
        """
        self._source: TimeSource = source or SystemTime()
        self._files: Files = files or SystemFiles()
        self._path = folder / "clock.json"
        self._trust = trust_wall
        self._lock = threading.Lock()
        self._last: dict[str, tuple[int, int]] = {}
        self._floor, self._floor_mono = self._resume(self._source.mono_ns())
        self._saved_mono: int | None = None

    def _resume(self, mono: int) -> tuple[int, int]:
        """A wall time that goes on from the one before, and the monotonic time that it had."""
        try:
            known = msgspec.json.decode(self._path.read_bytes(), type=_Known)
        except (OSError, *UNREADABLE):
            return 0, mono
        if known.boot == self._source.boot() and known.mono_ns <= mono:
            return known.wall_ns, known.mono_ns
        # records may have been made until just before the next saving
        return known.wall_ns + SAVE_EVERY_NS, mono

    def state(self) -> ClockState:
        """The clock now; `wall` never runs behind the last time known while unsynchronised."""
        with self._lock:
            return self._state(self._source.mono_ns())

    def _state(self, mono: int) -> ClockState:
        synced = self._trust or self._source.synced()
        wall = self._source.wall_ns()
        if not synced:
            wall = max(wall, self._floor + (mono - self._floor_mono))
        if self._saved_mono is None or mono - self._saved_mono >= SAVE_EVERY_NS:
            self._save(wall, mono)
        return ClockState(boot=self._source.boot(), mono=mono, wall=wall, synced=synced)

    def fix(self, camera: str, *, at_mono_ns: int | None = None) -> ClockState:
        """Time of a record of `camera` that was true at `at_mono_ns` (now): `wall` is its `t`.

        Both times are strictly greater than those of the camera's record before. One exception: a
        clock that was set back by minutes had been wrong, and records from the future that it left
        behind do not hold up those that follow.
        """
        with self._lock:
            now = self._state(self._source.mono_ns())
            mono = now.mono if at_mono_ns is None else at_mono_ns
            wall = now.wall - (now.mono - mono)
            before = self._last.get(camera)
            if before is not None:
                mono = max(mono, before[0] + 1)
                if not now.synced or before[1] - wall <= LEAD_MAX_NS:
                    wall = max(wall, before[1] + 1)
            self._last[camera] = (mono, wall)
            return ClockState(boot=now.boot, mono=mono, wall=max(wall, 0), synced=now.synced)

    def save(self) -> None:
        """Keep the time for the next start."""
        with self._lock:
            now = self._state(self._source.mono_ns())
            self._save(now.wall, now.mono)

    def _save(self, wall: int, mono: int) -> None:
        self._floor, self._floor_mono, self._saved_mono = wall, mono, mono
        known = _Known(wall, self._source.boot(), mono)
        try:
            self._files.replace(self._path, msgspec.json.encode(known))
        except OSError as error:
            # a full disk must not stop the clock; the next start then begins a little earlier
            log.warning("%s: cannot be saved: %s", self._path.name, error.strerror)
