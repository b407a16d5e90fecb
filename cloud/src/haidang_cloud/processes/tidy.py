"""Keeps a lake tidy, in a process of its own that ends: small files joined, old ones removed.

To join a day's files takes memory for all of them, and what an allocator holds back of it stays
with the process: a worker that did it itself grew with every round.
"""

import subprocess
import sys
import time
from pathlib import Path

from haidang_cloud.errors import LakeError
from haidang_cloud.lake import Lake, Roller
from haidang_cloud.processes.config import load_config, state_of
from haidang_cloud.processes.leash import leashed
from haidang_protocols.errors import HaidangError

LONGEST_S = 3600.0


def tidy_apart(config_path: Path, *, time_zone: str) -> None:
    """Run `tidy` in a process of its own; raises `LakeError` with its last words when it fails."""
    command = leashed(sys.executable, "-m", __name__, str(config_path), time_zone)
    try:
        # a session of its own: Ctrl-C at a terminal is for the worker, which waits for this one
        done = subprocess.run(  # noqa: S603  # ourselves
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=LONGEST_S,
            start_new_session=True,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LakeError(f"the lake is not tidied: {error}") from error
    if done.returncode:
        words = done.stderr.strip().splitlines() or [f"its process ended with {done.returncode}"]
        raise LakeError(f"the lake is not tidied: {words[-1]}")


def tidy(config_path: Path, *, time_zone: str) -> None:
    """Join small files; remove retired ones, strangers, and archives that are rolled."""
    config = load_config(config_path)
    state = state_of(config)
    try:
        lake = Lake(Path(config.lake), state, centre=config.centre, time_zone=time_zone)
        lake.compact(now_ns=time.time_ns())
        lake.clean(now_ns=time.time_ns())
        Roller(lake, holder="tidy").clean()
    finally:
        state.close()


def main() -> int:
    """What `tidy_apart` starts."""
    path, time_zone = sys.argv[1:]
    try:
        tidy(Path(path), time_zone=time_zone)
    except HaidangError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
