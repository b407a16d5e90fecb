"""A node as the broker sees it, and a staff member's ear: what a test sends is what goes out."""

import threading
import time
from collections.abc import Sequence
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.subscribeoptions import SubscribeOptions

from haidang_protocols.wire import messages, topics
from haidang_protocols.wire.records import (
    Event,
    Phase,
    Record,
    RuleKind,
    encode_batch,
    encode_record,
)
from haidang_protocols.wire.topics import NodeLeaf, Severity
from haidang_protocols.wire.watermark import Watermark, decode_watermark

SPOOL = "00000000000000ab"
START = 1_764_043_200_000_000_000  # 2025-11-25 04:00 UTC


def event(n: int = 0, **changes: Any) -> Event:
    """An event of the minimal catalogue's camera."""
    values: dict[str, Any] = {
        "t": START + n,
        "camera": "gate-east",
        "rule": "night-intrusion",
        "type": RuleKind.INTRUSION,
        "phase": Phase.BEGIN,
        "event": f"e{n}",
        "severity": Severity.CRITICAL,
        "zone": "yard",
        "cls": "person",
        "score": 0.5,
    }
    return Event(**{**values, **changes})


def envelope(
    records: Sequence[tuple[int, Record | bytes]],
    *,
    spool: str = SPOOL,
    centre: str = "demo",
    site: str = "gate",
    node: str = "gate-1",
    sent: int = 1,
) -> bytes:
    """A batch as a node sends it; bytes go in as they are."""
    raw = [(seq, r if isinstance(r, bytes) else encode_record(r)) for seq, r in records]
    return encode_batch(spool=spool, centre=centre, site=site, node=node, records=raw, sent=sent)


def events(first: int, last: int, **changes: Any) -> bytes:
    """A batch of events numbered `first` to `last`."""
    return envelope([(n, event(n, **changes)) for n in range(first, last + 1)])


class Sender:
    """Publishes as one node and hears its watermarks, and what staff are told."""

    def __init__(
        self, port: int, *, centre: str = "demo", site: str = "gate", node: str = "gate-1"
    ) -> None:
        self.where = (centre, site, node)
        self.marks: list[tuple[float, Watermark]] = []
        self.cases: list[messages.CaseMessage] = []
        self.ingest: list[tuple[str, bool]] = []
        self._lock = threading.Lock()
        self._up = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        self._client.max_inflight_messages_set(1000)
        self._client.on_connect = self._connected
        self._client.on_subscribe = lambda *_: self._up.set()
        self._client.on_message = lambda _c, _u, message: self._on(
            message.topic, bytes(message.payload)
        )
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        if not self._up.wait(10):
            raise TimeoutError("no broker")

    def _connected(self, *_: object) -> None:
        centre, site, node = self.where
        stored = topics.node_filter(centre, NodeLeaf.STORED, site=site, node=node)
        wanted = (stored, topics.case_filter(centre), topics.ingest_filter(centre))
        self._client.subscribe([(topic, SubscribeOptions(qos=1)) for topic in wanted])

    def _on(self, topic: str, payload: bytes) -> None:
        found = topics.parse(topic)
        with self._lock:
            if isinstance(found, topics.NodeTopic):
                self.marks.append((time.monotonic(), decode_watermark(payload)))
            elif isinstance(found, topics.CaseTopic):
                self.cases.append(messages.decode(payload, messages.CaseMessage))
            elif isinstance(found, topics.IngestTopic):
                state = messages.decode(payload, messages.IngestState)
                self.ingest.append((found.worker, state.online))

    def send(self, payload: bytes, *, leaf: NodeLeaf = NodeLeaf.RECORDS, **options: Any) -> None:
        """Publish, and wait until the broker has it; options: tail, topic, qos."""
        qos = options.pop("qos", 1)
        topic = options.pop("topic", None) or topics.node_topic(
            *self.where, leaf, options.pop("tail", None)
        )
        told = self._client.publish(topic, payload, qos=qos)
        told.wait_for_publish(10)

    def post(self, payloads: Sequence[bytes]) -> None:
        """Publish batches of records without waiting for each."""
        topic = topics.node_topic(*self.where, NodeLeaf.RECORDS)
        told = [self._client.publish(topic, payload, qos=1) for payload in payloads]
        for one in told:
            one.wait_for_publish(30)

    def upto(self, spool: str = SPOOL) -> int:
        """The newest watermark of a spool, 0 when there was none."""
        with self._lock:
            return max((m.upto for _, m in self.marks if m.spool == spool), default=0)

    def stored(self, spool: str = SPOOL) -> set[int]:
        """What the watermarks of a spool say together."""
        with self._lock:
            told = [m.stored() for _, m in self.marks if m.spool == spool]
        return {n for seqs in told for first, last in seqs.ranges() for n in range(first, last + 1)}

    def close(self) -> None:
        """Leave."""
        self._client.disconnect()
        self._client.loop_stop()
