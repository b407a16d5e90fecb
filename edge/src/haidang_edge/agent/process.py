"""What every child does first: dies with its parent, leaves signals to it, falls as a whole."""

import ctypes
import logging
import os
import signal
import sys
import threading

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_LIBC = ctypes.CDLL(None)
_TRIM = getattr(_LIBC, "malloc_trim", None)
_PR_SET_PDEATHSIG = 1
_FAILED = 70

log = logging.getLogger(__name__)


def begin(name: str) -> None:
    """Prepare this process as the child `name`."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() == 1:
        os._exit(_FAILED)  # the parent died before we asked to be told
    # a service manager or a terminal signals all at once; the supervisor says when to leave
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT, stream=sys.stderr)
    logging.getLogger("libav").setLevel(logging.CRITICAL)
    threading.excepthook = _fall
    threading.current_thread().name = name


def give_back() -> None:
    """Give the system what lies free between what is used, where the C library can (glibc).

    Pictures come and go in the heap, and small things settle among them: a camera's process held up
    to 56 MB that nobody used.
    """
    if _TRIM is not None:
        _TRIM(0)


def _fall(failed: threading.ExceptHookArgs) -> None:
    """A thread that fails takes its process along: the supervisor starts a whole one."""
    if failed.exc_value is not None:
        where = failed.thread.name if failed.thread else "a thread"
        log.critical("%s failed", where, exc_info=failed.exc_value)
    os._exit(_FAILED)
