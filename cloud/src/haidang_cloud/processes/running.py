"""What every process of the centre does alike: log lines, memory, signals."""

import ctypes
import logging
import signal
import sys
from collections.abc import Callable
from types import FrameType

_LIBC = ctypes.CDLL(None)
_MALLOPT, _TRIM = (getattr(_LIBC, name, None) for name in ("mallopt", "malloc_trim"))

M_ARENA_MAX = -8
"""Of glibc's malloc.h."""


def log_to_stderr(*, verbose: bool = False) -> None:
    """One line an entry, with time and place; the service manager keeps them."""
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    # its messages repeat ours, one level lower
    logging.getLogger("alembic").setLevel(logging.WARNING)


def few_arenas() -> None:
    """Let threads share glibc's heaps; call it before the first thread.

    By default each thread gets a heap of its own, up to eight a core, and what one lets go serves
    no other: processes that live for weeks grow. With one interpreter lock two heaps are enough.
    """
    if _MALLOPT is not None:
        _MALLOPT(M_ARENA_MAX, 2)


def give_back() -> None:
    """Give the system what lies free between what is used, where the C library can (glibc)."""
    if _TRIM is not None:
        _TRIM(0)


def on_signal(stop: Callable[[], None]) -> None:
    """Call `stop` at SIGTERM and SIGINT."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        stop()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)
