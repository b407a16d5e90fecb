"""Brings many messages to the broker, few at a time, and knows when it has them all."""

import queue

from haidang_cloud.broker import Line

WINDOW = 100
"""Messages on their way at once: an alarm's case waits behind no more of them."""

WAIT_S = 0.2


class Carrier:
    """Speaks over one connection of a line: with that one gone nothing is sure, and it gives up."""

    def __init__(self, line: Line) -> None:
        """Use the connection that is there now."""
        self._line, self._generation = line, line.generation
        self._confirmed: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._under_way = 0

    def say(self, topic: str, payload: bytes) -> bool:
        """Say something to be retained once there is room; False when the connection is gone."""
        if self._under_way >= WINDOW and not self._wait():
            return False
        self._line.say(topic, payload, retain=True, done=self._done)
        self._under_way += 1
        return True

    def through(self) -> bool:
        """Wait until the broker has all; False when the connection is gone."""
        while self._under_way:
            if not self._wait():
                return False
        return True

    def _done(self) -> None:
        self._confirmed.put(None)

    def _wait(self) -> bool:
        while True:
            try:
                self._confirmed.get(timeout=WAIT_S)
            except queue.Empty:
                if not self._goes_on():
                    return False
            else:
                self._under_way -= 1
                return True

    def _goes_on(self) -> bool:
        line = self._line
        return line.up and line.generation == self._generation and not line.leaving
