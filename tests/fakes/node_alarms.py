"""Staff with a stopwatch: which alarms they hear of, how, and how long after they were made."""

import threading
import time
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from fakes.node_accounts import Notes
from haidang_protocols.wire import messages, topics
from haidang_protocols.wire.messages import CaseMessage, CaseState
from haidang_protocols.wire.names import parse_record_id
from haidang_protocols.wire.records import RecordClass, decode_record
from haidang_protocols.wire.topics import NodeLeaf


@dataclass(frozen=True, slots=True)
class Heard:
    """A message on an alarm, `after_s` the record was made."""

    seq: int
    case: str
    after_s: float
    provisional: bool
    direct: bool


class Ear:
    """Listens to the cases of a centre and to what nodes tell directly."""

    def __init__(self, port: int, *, centre: str = "c") -> None:
        self.heard: list[Heard] = []
        self._centre = centre
        self._ready = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._connected
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = self._message
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        if not self._ready.wait(10):
            raise TimeoutError("the broker took no subscription")

    def _connected(self, *_: object) -> None:
        self._client.subscribe(
            [
                (topics.case_filter(self._centre), 1),
                (topics.node_filter(self._centre, NodeLeaf.ALARM), 1),
            ]
        )

    def _message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        now_ns = time.time_ns()
        told = messages.decode(bytes(message.payload), CaseMessage)
        if told.state is CaseState.RAISED:
            _, _, seq = parse_record_id(told.record)
            direct = message.topic.endswith(f"/{NodeLeaf.ALARM}")
            after_s = (now_ns - told.t) / 1e9
            self.heard.append(Heard(seq, told.case, after_s, told.provisional, direct))

    def first(self) -> dict[int, Heard]:
        """The first message on each alarm."""
        found: dict[int, Heard] = {}
        for one in self.heard:
            found.setdefault(one.seq, one)
        return found

    def final(self) -> set[int]:
        """The alarms that the centre itself has made a case of."""
        return {one.seq for one in self.heard if not one.provisional}

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def alarms_of(notes: Notes, *, since_ns: int = 0, until_ns: int = 1 << 62) -> set[int]:
    """The alarms that a node's spool settled, of those made in a time."""
    alarms = [seq for seq in notes.settled if notes.made[seq].cls is RecordClass.ALARM]
    times = {seq: decode_record(notes.made[seq].raw.encode()).t for seq in alarms}
    return {seq for seq, t in times.items() if since_ns <= t < until_ns}
