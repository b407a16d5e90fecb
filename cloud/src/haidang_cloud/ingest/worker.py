"""The ingest worker: a network loop, a writer, an alarm desk; the room tells the order of work."""

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from haidang_cloud.broker import BrokerSettings, Connection
from haidang_cloud.ingest.alarms import AlarmDesk
from haidang_cloud.ingest.directory import Directory
from haidang_cloud.ingest.judge import NO_SEQS, Judge
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
QUEUE_LOAD = 20_000
"""Records, and messages beside them, that wait to be stored; then reading pauses."""

QUEUE_BYTES = 64 << 20
WATERMARK_S = 1.0
OUTAGE_S = 1.0
REPORT_S = 60.0
LEAVE_S = 5.0
QUIET_S = 0.2
KNOWN_SPOOLS = 50_000
TOPICS_KEPT = 8192

_parse = lru_cache(maxsize=TOPICS_KEPT)(topics.parse)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """This worker's name in the group, and its broker.

    Attributes:
        slow_s: a store that is busy with one batch for so long counts as one that is away.
    """

    name: str
    broker: BrokerSettings
    slow_s: float = 5.0


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
        self._give_up = threading.Event()
        self._broken: BaseException | None = None
        self._batch = Batch()
        self._queued = 0
        self._queued_bytes = 0
        self._writing = 0
        self._todo: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[tuple[Batch, dict[SpoolKey, SeqSet]]] = queue.SimpleQueue()
        self._known: dict[SpoolKey, SeqSet] = {}
        self._marks: dict[SpoolKey, SeqSet] = {}
        self._marked_s: dict[str, float] = {}
        self._tell: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
        self._judge = Judge(directory(), self._known_of)
        self._counts = {"records": 0, "messages": 0, "refused": 0, "shed": 0}
        self._report_s = time.monotonic()
        self._writer = Writer(stores, now_ns=now_ns, wait=self._give_up.wait)
        self._trouble_s: float | None = None
        self._out = False
        self._alarms = AlarmDesk(stores.state, self._centre, self._tell_staff, failed=self._fail)
        self._published = self._confirmed = 0
        self._filters = tuple(
            topics.shared(INGEST_GROUP, topics.node_filter(self._centre, leaf))
            for leaf in INGEST_READS
        )
        self._state_topic = topics.ingest_topic(self._centre, settings.name)
        self._connection = Connection(
            settings.broker,
            client_id=f"{self._centre}.ingest.{settings.name}",
            will=(self._state_topic, messages.encode(messages.IngestState(online=False))),
            on_up=self._up,
            on_message=self._message,
            on_published=self._confirm,
        )

    # --- life -------------------------------------------------------------------------------

    def run(self) -> None:
        """Take in and store until `stop`; then leave the group and store what is under way.

        Raises what broke a thread of its own, should that ever be: then the process must end.
        """
        writing = threading.Thread(target=self._write, name="write", daemon=True)
        writing.start()
        self._alarms.start()
        try:
            while not self._stop.is_set():
                self._turn()
            self._leave()
        finally:
            self._give_up.set()
            self._todo.put(None)
            writing.join()
            self._alarms.stop()
            self._connection.close()
        if self._broken is not None:
            raise self._broken

    @property
    def load(self) -> int:
        """Records, and messages beside them, that were taken in and are not stored."""
        return self._queued + self._batch.load

    def stop(self) -> None:
        """Ask `run` to end; may be called from any thread or a signal handler."""
        self._stop.set()
        self._connection.wake()

    def _fail(self, error: BaseException) -> None:
        self._broken = error
        self.stop()

    def _leave(self) -> None:
        """Out of the group first, so that others take over; then store and tell what is here."""
        until_s = time.monotonic() + (LEAVE_S if self._broken is None else 0.0)
        self._connection.unsubscribe(self._filters)
        quiet_s = time.monotonic() + QUIET_S
        while (now_s := time.monotonic()) < until_s:
            if self._turn(leaving=True):
                quiet_s = now_s + QUIET_S
            if now_s > quiet_s and not (self._writing or self._batch.acks or self._alarms.owing):
                break
        self._say_state(online=False)
        while self._published > self._confirmed and time.monotonic() < until_s:
            self._connection.turn(0.05, read=True)

    # --- the network loop -------------------------------------------------------------------

    def _turn(self, *, leaving: bool = False) -> bool:
        self._out = self._outage()
        took = self._connection.turn(self._timeout_s(), read=self._out or not self._full())
        now_s = time.monotonic()
        self._finish()
        if self._due(now_s, idle=not took):
            self._hand_over()
        self._mark(now_s, all_of_them=leaving)
        if self._alarms.owing:
            self._alarms.look()
        while not self._tell.empty():
            self._publish(*self._tell.get())
        if now_s - self._report_s >= REPORT_S:
            self._report_s = now_s
            log.info("taken so far: %s", self._counts)
            if self._writer.trouble:
                log.error("still nothing can be stored: %s", self._writer.trouble)
        return took

    def _full(self) -> bool:
        batch = self._batch
        load = self._queued + batch.taken.records + len(batch.acks)
        return load >= QUEUE_LOAD or self._queued_bytes + batch.bytes >= QUEUE_BYTES

    def _timeout_s(self) -> float:
        if self._batch.acks:
            return IDLE_LINGER_S if not self._writing else LINGER_S
        return 0.1 if self._marks or self._alarms.owing or self._stop.is_set() else 1.0

    def _due(self, now_s: float, *, idle: bool) -> bool:
        """Whether the batch goes: full, waited enough, an alarm in it or nothing else to do."""
        batch = self._batch
        if not batch.acks:
            return False
        if batch.taken.records >= BATCH_RECORDS:
            return True
        # behind one in hand and one that waits, a larger batch gets there no later
        if now_s - batch.begun_s >= LINGER_S:
            return self._writing < 2
        return not self._writing and (idle or bool(batch.told))

    def _hand_over(self) -> None:
        batch, self._batch = self._batch, Batch()
        self._queued += batch.load
        self._queued_bytes += batch.bytes
        self._writing += 1
        self._todo.put(batch)

    def _message(self, generation: int, packet: int, topic: str, payload: bytes) -> None:
        batch = self._batch
        if not batch.acks:
            self._begin(batch)
        self._counts["messages"] += 1
        now_ns = self._now_ns()
        try:
            found = _parse(topic)
        except topics.TopicRefusedError as error:
            self._refuse_topic(topic, payload, error, now_ns)
        else:
            if not isinstance(found, NodeTopic) or self._shed(found, topic, payload, now_ns):
                self._connection.ack(generation, packet)
                return
            self._take(batch, found, topic, payload, now_ns)
        batch.acks.append((generation, packet))
        batch.bytes += len(payload)
        if batch.told and not self._writing:
            self._hand_over()
        if self._full():
            self._connection.rest()

    def _begin(self, batch: Batch) -> None:
        batch.begun_s = time.monotonic()
        directory = self._directory()
        if directory is not self._judge.directory:
            self._judge = Judge(directory, self._known_of)

    def _refuse_topic(
        self, topic: str, payload: bytes, error: topics.TopicRefusedError, now_ns: int
    ) -> None:
        letter = Letter(
            centre=self._centre,
            topic=topic,
            reason="malformed",
            message=str(error),
            payload=payload,
            at_ns=now_ns,
        )
        self._batch.taken.letters.append(letter)

    def _take(self, batch: Batch, topic: NodeTopic, text: str, payload: bytes, now_ns: int) -> None:
        taken = batch.taken
        records, alarms = taken.records, len(taken.alarms)
        self._judge.take(taken, topic, text, payload, now_ns)
        self._counts["records"] += taken.records - records
        if len(taken.alarms) > alarms:
            # by themselves: they wait for no archive and no time series
            batch.told.append(self._alarms.put(taken.alarms[alarms:], taken.events[alarms:]))

    def _outage(self) -> bool:
        """Whether storing has failed, or hung, for a while: then reading goes on for the alarms."""
        now_s = time.monotonic()
        if not self._writer.trouble:
            self._trouble_s = None
        elif self._trouble_s is None:
            self._trouble_s = now_s
        failing = self._trouble_s is not None and now_s - self._trouble_s >= OUTAGE_S
        return failing or self._writer.busy_s() >= self._settings.slow_s

    def _shed(self, topic: NodeTopic, text: str, payload: bytes, now_ns: int) -> bool:
        """With a full queue and nothing stored: take the alarms, the spool sends the rest again.

        The broker is told that it may forget the message; the node is not: its watermark stands.
        """
        if not self._out or not self._full():
            return False
        batch = Batch()
        if topic.leaf is NodeLeaf.RECORDS:
            self._judge.take(batch.taken, topic, text, payload, now_ns)
            if batch.taken.alarms:
                self._alarms.put(batch.taken.alarms, batch.taken.events, spare=True)
        self._counts["shed"] += 1
        return True

    def _known_of(self, key: SpoolKey) -> SeqSet:
        return self._known.get(key, NO_SEQS)

    def _finish(self) -> None:
        """Acknowledge what the writer has stored."""
        while not self._done.empty():
            batch, merged = self._done.get()
            self._queued -= batch.load
            self._queued_bytes -= batch.bytes
            self._writing -= 1
            self._connection.ack_all(batch.acks)
            self._counts["refused"] += len(batch.taken.letters)
            for key, seqs in merged.items():
                # the spool heard of last stands last: the first is forgotten
                self._known.pop(key, None)
                self._known[key] = seqs
            while len(self._known) > KNOWN_SPOOLS:
                del self._known[next(iter(self._known))]
            self._marks.update(merged)

    def _mark(self, now_s: float, *, all_of_them: bool) -> None:
        """Publish watermarks: at once where a node has had none lately, else once a second."""
        for key in list(self._marks):
            last_s = self._marked_s.get(key.node)
            if last_s is not None and now_s - last_s < WATERMARK_S and not all_of_them:
                continue
            self._marked_s[key.node] = now_s
            mark = watermark_of(key.spool, self._marks.pop(key))
            topic = topics.node_topic(self._centre, key.site, key.node, NodeLeaf.STORED)
            self._publish(topic, encode_watermark(mark), retain=True)

    # --- the connection ---------------------------------------------------------------------

    def _up(self) -> None:
        log.info("ingest %s is up", self._settings.name)
        if not self._stop.is_set():
            self._connection.subscribe(self._filters)
            self._say_state(online=True)

    def _say_state(self, *, online: bool) -> None:
        state = messages.IngestState(online=online, at=self._now_ns())
        self._publish(self._state_topic, messages.encode(state), retain=True)

    def _publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        self._published += 1
        self._connection.publish(topic, payload, retain=retain)

    def _confirm(self, _number: int) -> None:
        self._confirmed += 1

    # --- other threads ----------------------------------------------------------------------

    def _write(self) -> None:
        try:
            while (batch := self._todo.get()) is not None:
                merged = self._writer.store(batch)
                if merged is None:
                    return
                self._done.put((batch, merged))
                self._connection.wake()
        except BaseException as error:  # noqa: BLE001  # handed over; `run` ends by it
            self._fail(error)

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
