"""Slows down whoever guesses passwords.

Counted in the memory of one process: a guess already costs it an argon2 hash and a line in the
audit log, and a restart or a second API process grants no more than as many guesses again. By name
and address together, so that nobody can lock somebody else out; by address alone, so that nobody
tries many names; by name alone more generously, against many addresses.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from haidang_cloud.errors import RefusedError

WINDOW_S = 300.0
KEYS_MAX = 10_000
BOTH_MAX = 5
ADDRESS_MAX = 30
LOGIN_MAX = 50


class ThrottledError(RefusedError):
    """Too many wrong passwords; `retry_after_s` says when the next may be tried."""

    def __init__(self, retry_after_s: float) -> None:
        """Keep how long to wait."""
        super().__init__(
            "throttled",
            f"too many wrong passwords; try again in {retry_after_s:.0f} s",
            seconds=int(retry_after_s) + 1,
        )
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class _Key:
    login: str
    address: str


class Throttle:
    """Counts what failed within the last five minutes."""

    def __init__(self, *, now_s: Callable[[], float] = time.monotonic) -> None:
        """Begin with nothing counted."""
        self._now_s = now_s
        self._lock = threading.Lock()
        self._failed: dict[_Key, deque[float]] = {}

    def check(self, login: str, address: str) -> None:
        """Raise `ThrottledError` while one of the three limits is reached."""
        now_s = self._now_s()
        with self._lock:
            for key, most in _limits(login, address):
                times = self._failed.get(key, deque())
                while times and times[0] <= now_s - WINDOW_S:
                    times.popleft()
                if len(times) >= most:
                    raise ThrottledError(times[0] + WINDOW_S - now_s)

    def failed(self, login: str, address: str) -> None:
        """Count a wrong password."""
        now_s = self._now_s()
        with self._lock:
            for key, most in _limits(login, address):
                # what was counted first goes first: a flood of names must not fill the memory
                times = self._failed.pop(key, None) or deque(maxlen=most)
                times.append(now_s)
                self._failed[key] = times
            while len(self._failed) > KEYS_MAX:
                del self._failed[next(iter(self._failed))]

    def passed(self, login: str, address: str) -> None:
        """Forget what this person mistyped here."""
        with self._lock:
            self._failed.pop(_Key(login, address), None)


def _limits(login: str, address: str) -> tuple[tuple[_Key, int], ...]:
    return (
        (_Key(login, address), BOTH_MAX),
        (_Key("", address), ADDRESS_MAX),
        (_Key(login, ""), LOGIN_MAX),
    )
