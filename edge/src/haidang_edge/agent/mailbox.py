"""One place for the newest frame: whoever looks is never behind, however slowly it looks."""

import threading
from typing import Generic, TypeVar

_T = TypeVar("_T")


class Mailbox(Generic[_T]):
    """A newer item replaces one that nobody took; `closed` wakes who waits."""

    def __init__(self) -> None:
        """Empty and open."""
        self._filled = threading.Condition()
        self._item: _T | None = None
        self.closed = False

    def put(self, item: _T) -> None:
        """Leave an item."""
        with self._filled:
            self._item = item
            self._filled.notify()

    def take(self, timeout_s: float) -> _T | None:
        """The newest item, None when there was none in time or the box is closed."""
        with self._filled:
            self._filled.wait_for(lambda: self._item is not None or self.closed, timeout_s)
            item, self._item = self._item, None
            return None if self.closed else item

    def close(self) -> None:
        """Wake who waits, for the last time."""
        with self._filled:
            self.closed = True
            self._filled.notify_all()
