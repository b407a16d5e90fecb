"""A process's line to the broker: one connection for all that it says and hears.

Whoever runs it has the network; the others hand over what they say and acknowledge. The session
outlives the process, so that what comes while it restarts comes later.
"""

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from haidang_cloud.broker.connection import BrokerSettings, Connection

TURN_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    topic: str
    payload: bytes
    retain: bool
    done: Callable[[], None] | None


class Line:
    """`run` in one thread; `say`, `ack` and `stop` from any."""

    def __init__(self, settings: BrokerSettings, *, client_id: str) -> None:
        """Prepare; the session at the broker goes by `client_id`.

        Raises `CloudConfigError` when the certificate's files do not serve.
        """
        self._stop = threading.Event()
        self._said: queue.SimpleQueue[_Said] = queue.SimpleQueue()
        self._acks: queue.SimpleQueue[tuple[int, int]] = queue.SimpleQueue()
        self._under_way: dict[int, Callable[[], None]] = {}
        self._filters: Sequence[str] = ()
        self._take: Callable[[int, int, str, bytes], None] = self._drop
        self._connection = Connection(
            settings,
            client_id=client_id,
            on_up=self._up,
            on_message=self._heard,
            on_published=self._published,
            clean=False,
        )

    @property
    def up(self) -> bool:
        """Whether the broker is there."""
        return self._connection.up

    @property
    def generation(self) -> int:
        """Grows with each connection; 0 before the first."""
        return self._connection.generation

    @property
    def leaving(self) -> bool:
        """Whether `run` ends: the broker's word on what is said may not come any more."""
        return self._stop.is_set()

    def hear(self, filters: Sequence[str], take: Callable[[int, int, str, bytes], None]) -> None:
        """Ask for messages, before `run`.

        `take` gets generation, packet, topic and payload of each, in the thread of `run`; whoever
        has dealt with one says so by `ack`.
        """
        self._filters, self._take = filters, take

    def say(
        self,
        topic: str,
        payload: bytes,
        *,
        retain: bool = False,
        done: Callable[[], None] | None = None,
    ) -> None:
        """Publish at QoS 1; `done` is called in the thread of `run` once the broker has it.

        What is said while the broker is away is lost, and its `done` is never called.
        """
        self._said.put(_Said(topic=topic, payload=payload, retain=retain, done=done))
        self._connection.wake()

    def ack(self, generation: int, packet: int) -> None:
        """Acknowledge a message, unless the connection that it came over is gone."""
        self._acks.put((generation, packet))
        self._connection.wake()

    def run(self) -> None:
        """Talk to the broker until `stop`."""
        try:
            while not self._stop.is_set():
                self._connection.turn(TURN_S, read=True)
                self._send()
        finally:
            # whatever ended it, nobody shall wait for the broker's word any longer
            self._stop.set()

    def stop(self) -> None:
        """Ask `run` to end; may be called from a signal handler too."""
        self._stop.set()
        self._connection.wake()

    def close(self) -> None:
        """Send what is left and leave, once nobody speaks any more; the session stays."""
        self._send()
        self._connection.close()

    def _send(self) -> None:
        while not self._acks.empty():
            self._connection.ack(*self._acks.get())
        while not self._said.empty():
            said = self._said.get()
            # While the broker is away nothing is kept for it: hours of it would have no bound, and
            # would come late, behind what has changed since. Whoever speaks knows by `done` what
            # the broker has, and says the rest again as it then stands.
            if self._connection.up:
                self._publish(said)

    def _publish(self, said: _Said) -> None:
        number = self._connection.publish(said.topic, said.payload, retain=said.retain)
        if said.done is not None:
            self._under_way[number] = said.done

    def _up(self) -> None:
        if self._filters:
            self._connection.subscribe(self._filters)

    def _heard(self, generation: int, packet: int, topic: str, payload: bytes) -> None:
        self._take(generation, packet, topic, payload)

    def _drop(self, generation: int, packet: int, _topic: str, _payload: bytes) -> None:
        """An older program asked for it in this session, and nobody hears it now."""
        self.ack(generation, packet)

    def _published(self, number: int) -> None:
        done = self._under_way.pop(number, None)
        if done is not None:
            done()
