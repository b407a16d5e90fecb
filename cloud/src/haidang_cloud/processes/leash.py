"""Becomes a command that dies with whoever started it: `leash.py PARENT COMMAND…`.

Run as a file, by an interpreter that loads nothing else; `leashed` says how.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_NO_PARENT = 70


def leashed(*command: str) -> list[str]:
    """What starts a command so that it ends, at the latest, with this thread."""
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


def main() -> None:
    """Ask the kernel to be killed with the parent, then become the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(_NO_PARENT)  # it died before we asked to be told
    os.execvp(command[0], command)  # noqa: S606  # no shell is wanted


if __name__ == "__main__":
    main()
