"""The ingest worker: a network loop, a writer, an alarm desk; the room tells the order of work."""

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from haidang_cloud.broker import BrokerSettings, Connection
from haidang_cloud.ingest.alarms import AlarmDesk
from haidang_cloud.ingest.judge import NO_SEQS, Directory, Judge
from haidang_cloud.ingest.writer import Batch, Stores, Writer
from haidang_cloud.state.deadletter import Letter
from haidang_cloud.state.ledger import SpoolKey
from haidang_protocols.wire import messages, topics
from haidang_protocols.wire.acl import INGEST_GROUP, INGEST_READS
from haidang_protocols.wire.names import RecordId
from haidang_protocols.wire.records import Event
from haidang_protocols.wire.seqset import SeqSet
from haidang_protocols.wire.topics import NodeLeaf, NodeTopic
from haidang_protocols.wire.watermark import encode_watermark, watermark_of

log = logging.getLogger(__name__)

BATCH_RECORDS = 5000
LINGER_S = 0.05
IDLE_LINGER_S = 0.004
QUEUE_RECORDS = 20_000
WATERMARK_S = 1.0
OUTAGE_S = 1.0
REPORT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """This worker's name in the group, and its broker."""

    name: str
    broker: BrokerSettings


class IngestWorker:
    """Runs in the calling thread until `stop`."""

    def __init__(
        self,
        settings: WorkerSettings,
        stores: Stores,
        directory: Callable[[], Directory],
        *,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """`directory()` gives the catalogue in force; it may change at any time."""
        self._settings, self._stores, self._directory = settings, stores, directory
        self._now_ns = now_ns
        self._centre = stores.centre
        self._stop = threading.Event()
        self._batch = Batch()
        self._queued = 0
        self._writing = 0
        self._todo: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[tuple[Batch, dict[SpoolKey, SeqSet]]] = queue.SimpleQueue()
        self._known: dict[SpoolKey, SeqSet] = {}
        self._marks: dict[SpoolKey, SeqSet] = {}
        self._marked_s: dict[SpoolKey, float] = {}
        self._tell: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
        self._judge = Judge(directory(), self._known_of)
        self._counts = {"records": 0, "messages": 0, "refused": 0, "shed": 0}
        self._report_s = time.monotonic()
        self._writer = Writer(stores, now_ns=now_ns, wait=self._stop.wait)
        self._trouble_s: float | None = None
        self._alarms = AlarmDesk(stores.state, self._tell_staff)
        self._filters = tuple(
            topics.shared(INGEST_GROUP, topics.node_filter(self._centre, leaf))
            for leaf in INGEST_READS
        )
        self._state_topic = topics.ingest_topic(self._centre, settings.name)
        self._connection = Connection(
            settings.broker,
            client_id=f"ingest-{settings.name}",
            will=(self._state_topic, messages.encode(messages.IngestState(online=False))),
            on_up=self._up,
            on_message=self._message,
        )

    # --- life -------------------------------------------------------------------------------

    def run(self) -> None:
        """Take in and store until `stop`; then leave the group and store what is under way."""
        writing = threading.Thread(target=self._write, name="write", daemon=True)
        writing.start()
        self._alarms.start()
        try:
            while not self._stop.is_set():
                self._turn()
        finally:
            self._todo.put(None)
            writing.join()
            self._finish()
            self._connection.unsubscribe(self._filters)
            state = messages.IngestState(online=False, at=self._now_ns())
            self._connection.publish(self._state_topic, messages.encode(state), retain=True)
            self._connection.close()
            self._alarms.stop()

    def stop(self) -> None:
        """Ask `run` to end; may be called from any thread or a signal handler."""
        self._stop.set()
        self._connection.wake()

    # --- the network loop -------------------------------------------------------------------

    def _turn(self) -> None:
        full = self._queued + self._batch.taken.records >= QUEUE_RECORDS
        took = self._connection.turn(self._timeout_s(), read=not full or self._outage())
        now_s = time.monotonic()
        if self._due(now_s, idle=not took):
            self._hand_over()
        self._finish()
        self._mark(now_s)
        while not self._tell.empty():
            self._connection.publish(*self._tell.get())
        if now_s - self._report_s >= REPORT_S:
            self._report_s = now_s
            log.info("taken so far: %s", self._counts)

    def _timeout_s(self) -> float:
        if self._batch.acks or self._batch.taken.lines:
            return IDLE_LINGER_S if not self._writing else LINGER_S
        return 0.25 if self._marks else 1.0

    def _due(self, now_s: float, *, idle: bool) -> bool:
        """Whether the batch goes: full, an alarm in it, waited enough, or nothing else to do."""
        taken = self._batch.taken
        if not (self._batch.acks or taken.lines or taken.letters):
            return False
        if taken.records >= BATCH_RECORDS or taken.alarms:
            return True
        waited_s = now_s - self._batch.begun_s
        return waited_s >= LINGER_S or (idle and not self._writing)

    def _hand_over(self) -> None:
        batch, self._batch = self._batch, Batch()
        if not batch.taken.alarms:
            batch.told.set()
        self._queued += batch.taken.records
        self._writing += 1
        self._todo.put(batch)
        directory = self._directory()
        if directory is not self._judge.directory:
            self._judge = Judge(directory, self._known_of)

    def _message(self, generation: int, packet: int, topic: str, payload: bytes) -> None:
        batch = self._batch
        if not batch.acks:
            batch.begun_s = time.monotonic()
        self._counts["messages"] += 1
        now_ns = self._now_ns()
        try:
            found = topics.parse(topic)
        except topics.TopicRefusedError as error:
            letter = Letter(
                centre=self._centre,
                topic=topic,
                reason="malformed",
                message=str(error),
                payload=payload,
                at_ns=now_ns,
            )
            batch.taken.letters.append(letter)
            batch.acks.append((generation, packet))
            return
        if not isinstance(found, NodeTopic) or self._shed(found, topic, payload, now_ns):
            self._connection.ack(generation, packet)
            return
        # before it is judged: an alarm hands the batch over at once
        batch.acks.append((generation, packet))
        self._take(batch, found, topic, payload, now_ns)

    def _take(self, batch: Batch, topic: NodeTopic, text: str, payload: bytes, now_ns: int) -> None:
        before = batch.taken.records
        alarms, events = len(batch.taken.alarms), len(batch.taken.events)
        self._judge.take(batch.taken, topic, text, payload, now_ns)
        self._counts["records"] += batch.taken.records - before
        if len(batch.taken.alarms) > alarms:
            # at once, by themselves: they wait for no archive and no time series
            self._alarms.put(batch.taken.alarms[alarms:], batch.taken.events[events:], batch.told)
            self._hand_over()

    def _outage(self) -> bool:
        """Whether storing has failed for a while: then reading goes on, for the alarms' sake."""
        if not self._writer.trouble:
            self._trouble_s = None
            return False
        if self._trouble_s is None:
            self._trouble_s = time.monotonic()
        return time.monotonic() - self._trouble_s >= OUTAGE_S

    def _shed(self, topic: NodeTopic, text: str, payload: bytes, now_ns: int) -> bool:
        """With a full queue and nothing stored: take the alarms, the spool sends the rest again.

        The broker is told that it may forget the message; the node is not: its watermark stands.
        """
        if self._queued < QUEUE_RECORDS or not self._outage():
            return False
        batch = Batch()
        if topic.leaf is NodeLeaf.RECORDS:
            self._judge.take(batch.taken, topic, text, payload, now_ns)
            if batch.taken.alarms:
                self._alarms.put(batch.taken.alarms, batch.taken.events, batch.told)
        self._counts["shed"] += 1
        return True

    def _known_of(self, key: SpoolKey) -> SeqSet:
        return self._known.get(key, NO_SEQS)

    def _finish(self) -> None:
        """Acknowledge what the writer has stored."""
        while not self._done.empty():
            batch, merged = self._done.get()
            self._queued -= batch.taken.records
            self._writing -= 1
            for generation, packet in batch.acks:
                self._connection.ack(generation, packet)
            self._counts["refused"] += len(batch.taken.letters)
            self._known.update(merged)
            self._marks.update(merged)

    def _mark(self, now_s: float) -> None:
        """Publish watermarks: at once where none went out lately, else once a second."""
        for key in list(self._marks):
            if now_s - self._marked_s.get(key, -WATERMARK_S) < WATERMARK_S:
                continue
            self._marked_s[key] = now_s
            mark = watermark_of(key.spool, self._marks.pop(key))
            topic = topics.node_topic(self._centre, key.site, key.node, NodeLeaf.STORED)
            self._connection.publish(topic, encode_watermark(mark), retain=True)

    def _up(self) -> None:
        log.info("ingest %s is up", self._settings.name)
        self._connection.subscribe(self._filters)
        state = messages.IngestState(online=True, at=self._now_ns())
        self._connection.publish(self._state_topic, messages.encode(state), retain=True)

    # --- other threads ----------------------------------------------------------------------

    def _write(self) -> None:
        while (batch := self._todo.get()) is not None:
            merged = self._writer.store(batch)
            if merged is None:
                return
            self._done.put((batch, merged))
            self._connection.wake()

    def _tell_staff(self, record: str, event: Event) -> None:
        scope, place = self._directory().owner(event)
        told = messages.alert(
            event,
            record=RecordId(record),
            scope=scope,
            place=place,
            at=self._now_ns(),
            provisional=True,
        )
        topic = topics.case_topic(self._centre, scope, event.severity)
        self._tell.put((topic, messages.encode(told)))
        self._connection.wake()
