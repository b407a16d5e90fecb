"""A centre that a test holds in its hand: it stores what it is told to, and answers watermarks."""

import threading
from collections.abc import Callable

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from haidang_protocols.wire import messages, topics
from haidang_protocols.wire.names import parse_record_id
from haidang_protocols.wire.records import Record, decode_batch, decode_record
from haidang_protocols.wire.seqset import SeqSet
from haidang_protocols.wire.snapshot import decode_snapshot
from haidang_protocols.wire.topics import NodeLeaf
from haidang_protocols.wire.watermark import encode_watermark, watermark_of


class Centre:
    """Listens to one node on a plain broker."""

    def __init__(self, port: int, *, centre: str = "c", site: str = "s", node: str = "n") -> None:
        self.where = (centre, site, node)
        self.records: dict[int, Record] = {}
        self.raw: dict[int, set[bytes]] = {}
        self.pictures: dict[str, bytes] = {}
        self.deliveries: list[list[int]] = []
        self.told: list[tuple[str, bytes]] = []
        self.stored = SeqSet()
        self.stores: Callable[[int], bool] = lambda _: True
        self.lock = threading.RLock()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        self._client.on_connect = self._connected
        self._client.on_message = lambda _c, _u, message: self._on(
            message.topic, bytes(message.payload)
        )
        self._client.reconnect_delay_set(1, 1)
        self._client.connect_async("127.0.0.1", port)
        self._client.loop_start()

    def _connected(self, *_: object) -> None:
        self._client.subscribe(f"{topics.ROOT}/#", qos=1)

    def _on(self, topic: str, payload: bytes) -> None:
        found = topics.parse(topic)
        with self.lock:
            if isinstance(found, topics.NodeTopic) and found.leaf is NodeLeaf.RECORDS:
                batch = decode_batch(payload)
                self.deliveries.append(batch.seqs)
                for seq, raw in zip(batch.seqs, batch.records, strict=True):
                    self.raw.setdefault(seq, set()).add(bytes(raw))
                    self._store(batch.spool, seq, decode_record(raw))
            elif isinstance(found, topics.NodeTopic) and found.leaf is NodeLeaf.SNAPSHOT:
                header, jpeg = decode_snapshot(payload)
                parse_record_id(header.record)
                self.pictures[header.record] = jpeg
                self._store(header.spool, header.seq, None)
            else:
                self.told.append((topic, payload))

    def _store(self, spool: str, seq: int, record: Record | None) -> None:
        if not self.stores(seq):
            return
        if record is not None:
            self.records[seq] = record
        self.stored.add(seq)
        self.answer(spool)

    def answer(self, spool: str) -> None:
        """Publish the watermark as it stands."""
        payload = encode_watermark(watermark_of(spool, self.stored))
        topic = topics.node_topic(*self.where, NodeLeaf.STORED)
        self._client.publish(topic, payload, qos=1, retain=True)

    def say(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish anything."""
        self._client.publish(topic, payload, qos=1, retain=retain)

    def ingest(self, *, online: bool, worker: str = "w1") -> None:
        """Say whether an ingest worker is up."""
        state = messages.encode(messages.IngestState(online=online))
        self.say(topics.ingest_topic(self.where[0], worker), state, retain=True)

    def heard(self, leaf: NodeLeaf) -> list[bytes]:
        """Payloads that came on one of the node's topics."""
        topic = topics.node_topic(*self.where, leaf)
        with self.lock:
            return [payload for at, payload in self.told if at == topic]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
