"""What every process of the centre does alike: log lines, signals."""

import logging
import signal
import sys
from collections.abc import Callable
from types import FrameType


def log_to_stderr(*, verbose: bool = False) -> None:
    """One line an entry, with time and place; the service manager keeps them."""
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    # its messages repeat ours, one level lower
    logging.getLogger("alembic").setLevel(logging.WARNING)


def on_signal(stop: Callable[[], None]) -> None:
    """Call `stop` at SIGTERM and SIGINT."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        stop()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)
