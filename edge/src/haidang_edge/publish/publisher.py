"""The sender: reads the spool, fills the window, listens to the watermark; nothing else trims."""

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from haidang_edge.publish.session import Session, Will
from haidang_edge.publish.settings import BrokerSettings, Identity, Pace
from haidang_edge.publish.window import Bucket, Window
from haidang_edge.spool import ClockFixes, Entry, NodeClock, Spool
from haidang_protocols.wire import messages, topics
from haidang_protocols.wire.errors import MessageRefusedError
from haidang_protocols.wire.names import record_id
from haidang_protocols.wire.reasons import Reason
from haidang_protocols.wire.records import (
    Event,
    GapReason,
    Phase,
    RecordClass,
    decode_record,
    encode_batch,
    split_batches,
)
from haidang_protocols.wire.seqset import SeqSet
from haidang_protocols.wire.snapshot import decode_snapshot
from haidang_protocols.wire.topics import NodeLeaf
from haidang_protocols.wire.watermark import decode_watermark

log = logging.getLogger(__name__)

BATCHED = (RecordClass.ALARM, RecordClass.GAP, RecordClass.EVENT, RecordClass.OBSERVATION)
HEARTBEAT_S = 10.0
QUEUE_MAX = 40
"""Messages handed to paho and unconfirmed: twice what may be in flight, no more in its memory."""

STOP_S = 5.0
ALARM_ROOM = 500
STALE_ALARM_NS = 600_000_000_000
"""An alarm older than this calls nobody to a camera; it still reaches the centre."""

Handler = Callable[[dict[str, object]], Mapping[str, object]]
"""A command's work: arguments in, result out; `MessageRefusedError` is told to who asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """What the agent gives the publisher.

    Attributes:
        birth, heartbeat: the messages as they are now.
        case_of: scope and place of a camera's rule, for an alarm told directly; None: tell nobody.
        commands: verb → handler.
        desired: takes what the centre wants the node to run; it may be slow.
    """

    birth: Callable[[], messages.Birth]
    heartbeat: Callable[[], messages.Heartbeat]
    case_of: Callable[[Event], tuple[str, str] | None] = lambda _: None
    commands: Mapping[str, Handler] = field(default_factory=dict)
    desired: Callable[[bytes], None] = lambda _: None


class _Asked(NamedTuple):
    """Something to do that the sender does not wait for; a command is answered whatever happens."""

    work: Callable[[], None]
    command: str = ""


class Publisher:
    """See the module. One thread of its own, woken by the spool, the broker and time."""

    def __init__(
        self,
        spool: Spool,
        *,
        identity: Identity,
        broker: BrokerSettings,
        clock: NodeClock,
        fixes: ClockFixes,
        hooks: Hooks,
        pace: Pace | None = None,
    ) -> None:
        """Prepare; `start` connects."""
        self._spool, self._me, self._clock, self._fixes = spool, identity, clock, fixes
        self._hooks, self._pace = hooks, pace or Pace()
        self._window = Window(self._pace)
        self._bucket = Bucket(self._pace.backlog_per_s)
        self._after: dict[RecordClass, int] = {}
        self._told: set[int] = set()
        self._alarms: dict[int, tuple[float, bytes]] = {}
        self._ingest: dict[str, bool] = {}
        self._inbox: list[tuple[str, bytes]] = []
        self._reason: Reason | None = None
        self._logged: Reason | None = None
        self._came_up = self._announced = False
        self._turned_s = time.monotonic()
        self._asked: queue.SimpleQueue[_Asked | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = False
        self._session = Session(
            broker,
            client_id=identity.node,
            will=Will(
                topic=self._topic(NodeLeaf.STATE),
                payload=messages.encode(messages.NodeState(online=False)),
            ),
            subscriptions=(
                self._topic(NodeLeaf.STORED),
                self._topic(NodeLeaf.DESIRED),
                topics.node_filter(
                    identity.centre, NodeLeaf.COMMAND, site=identity.site, node=identity.node
                ),
                topics.ingest_filter(identity.centre),
            ),
            on_up=self._on_up,
            on_down=self._on_down,
            on_message=self._on_message,
            on_sent=self._wake.set,
        )
        spool.listen(self._wake.set)
        self._thread = threading.Thread(target=self._run, name="publish", daemon=True)
        self._worker = threading.Thread(target=self._work, name="commands", daemon=True)

    # --- face -------------------------------------------------------------------------------

    def start(self) -> None:
        """Connect and send until `stop`."""
        self._session.start()
        self._thread.start()
        self._worker.start()

    def stop(self) -> None:
        """Say goodbye and end; what is not stored waits in the spool."""
        self._stopping = True
        self._wake.set()
        self._thread.join()
        self._asked.put(None)
        self._worker.join(STOP_S)  # what takes longer is left: it changes nothing half
        state = messages.NodeState(online=False, at=self._clock.state().wall)
        self._session.publish(self._topic(NodeLeaf.STATE), messages.encode(state), retain=True)
        self._session.stop()

    @property
    def connected(self) -> bool:
        """Whether the broker is there."""
        return self._session.up

    @property
    def last_reason(self) -> Reason | None:
        """Why the broker was last lost, in its words."""
        return self._reason

    def announce(self) -> None:
        """Publish the birth again: something that it tells has changed."""
        self._announced = True
        self._wake.set()

    def stuck_s(self) -> float:
        """How long ago the sender last turned; it does so every few seconds, broker or none."""
        return time.monotonic() - self._turned_s

    def trims(self, payload: bytes) -> SeqSet:
        """What a message on `…/stored` lets the spool forget: the one place where it shrinks."""
        watermark = decode_watermark(payload)
        return watermark.stored() if watermark.spool == self._spool.id else SeqSet()

    # --- from paho's thread -----------------------------------------------------------------

    def _on_up(self) -> None:
        self._came_up, self._logged = True, None
        self._wake.set()

    def _on_down(self, reason: Reason) -> None:
        if reason != self._logged:
            log.warning("broker: %s", reason)
        self._reason = self._logged = reason

    def _on_message(self, topic: str, payload: bytes) -> None:
        with self._lock:
            self._inbox.append((topic, payload))
        self._wake.set()

    # --- the sender's thread ----------------------------------------------------------------

    def _run(self) -> None:
        beat_s = time.monotonic()
        while not self._stopping:
            self._wake.wait(self._sleep_s(beat_s))
            self._wake.clear()
            self._receive()
            now_s = self._turned_s = time.monotonic()
            if not self._session.up:
                continue
            if self._came_up:
                self._came_up = False
                self._greet()
                self._window.restart(now_s, unconfirmed=self._session.unconfirmed)
            elif self._announced:
                self._greet()
            if now_s >= beat_s:
                beat_s = now_s + HEARTBEAT_S
                payload = messages.encode(self._hooks.heartbeat())
                self._session.publish(self._topic(NodeLeaf.HEARTBEAT), payload, qos=0)
            self._tell_late_alarms(now_s)
            if self._centre_listens():
                self._send(now_s)

    def _sleep_s(self, beat_s: float) -> float:
        soon = 0.5 if self._window.sent or self._alarms else 5.0
        if self._spool.depth() > len(self._window.sent):
            soon = min(soon, max(self._pace.linger_s, 0.05))
        return min(soon, max(0.05, beat_s - time.monotonic()))

    def _greet(self) -> None:
        self._announced = False
        state = messages.NodeState(online=True, at=self._clock.state().wall)
        self._session.publish(
            self._topic(NodeLeaf.BIRTH), messages.encode(self._hooks.birth()), retain=True
        )
        self._session.publish(self._topic(NodeLeaf.STATE), messages.encode(state), retain=True)

    def _centre_listens(self) -> bool:
        """Whether an ingest worker is up; where none was ever seen, it is worth a try."""
        return not self._ingest or any(self._ingest.values())

    def _receive(self) -> None:
        with self._lock:
            inbox, self._inbox = self._inbox, []
        for topic, payload in inbox:
            try:
                self._handle(topics.parse(topic), payload)
            except (MessageRefusedError, topics.TopicRefusedError) as error:
                log.warning("message on %s is left out: %s", topic, error)

    def _handle(self, topic: topics.Topic, payload: bytes) -> None:
        if isinstance(topic, topics.IngestTopic):
            was, up = self._centre_listens(), any(self._ingest.values())
            state = messages.decode(payload, messages.IngestState) if payload else None
            online = self._ingest[topic.worker] = bool(state and state.online)
            if online and (not was or self._window.in_doubt()):
                # workers keep no session: what was under way when the last one left went nowhere
                self._window.restart(time.monotonic(), unconfirmed=self._session.unconfirmed)
            if online and not up:
                # nor does a shared subscription hear what is retained: who came up meanwhile is
                # unknown to the centre
                self._announced = True
        elif isinstance(topic, topics.NodeTopic) and topic.leaf is NodeLeaf.STORED:
            self._stored(self.trims(payload))
        elif isinstance(topic, topics.NodeTopic) and topic.leaf is NodeLeaf.COMMAND:
            command = messages.decode(payload, messages.NodeCommand)
            work = partial(self._answer, topic.tail or "", command)
            self._asked.put(_Asked(work, command=command.id))
        elif isinstance(topic, topics.NodeTopic) and topic.leaf is NodeLeaf.DESIRED:
            self._asked.put(_Asked(partial(self._hooks.desired, payload)))

    def _stored(self, done: SeqSet) -> None:
        self._spool.stored(done)
        now_s = time.monotonic()
        self._window.stored(done, now_s)
        for seq in [seq for seq in self._alarms if seq in done]:
            del self._alarms[seq]
        self._told = {seq for seq in self._told if seq not in done}

    # --- the commands' thread: however long one takes, no alarm waits for it -----------------

    def _work(self) -> None:
        while (asked := self._asked.get()) is not None:
            try:
                asked.work()
            except Exception:  # whoever owns the broker must not end this by what they send
                log.exception("a command, or what the centre wants, came to nothing")
                if asked.command:
                    why = "the node could not do it; its log says why"
                    self._say(messages.Reply(id=asked.command, ok=False, why=why))

    def _answer(self, verb: str, command: messages.NodeCommand) -> None:
        self._say(self._reply(verb, command))

    def _say(self, reply: messages.Reply) -> None:
        self._session.publish(self._topic(NodeLeaf.REPLY), messages.encode(reply))

    def _reply(self, verb: str, command: messages.NodeCommand) -> messages.Reply:
        handler = self._hooks.commands.get(verb)
        if handler is None:
            known = ", ".join(sorted(self._hooks.commands)) or "none"
            return messages.Reply(id=command.id, ok=False, why=f"no verb {verb!r}; known: {known}")
        try:
            return messages.Reply(id=command.id, ok=True, result=dict(handler(command.arguments)))
        except MessageRefusedError as error:
            return messages.Reply(id=command.id, ok=False, why=str(error))

    # --- sending ----------------------------------------------------------------------------

    def _send(self, now_s: float) -> None:
        if self._window.stalled(now_s, unconfirmed=self._session.unconfirmed):
            log.warning("nothing was stored for a while: %d records go again", self._window.size())
        for seq, cls in self._window.hopeless(now_s):
            log.error("record %d cannot be read by the centre: a gap takes its place", seq)
            self._spool.give_up(SeqSet([(seq, seq)]), cls, reason=GapReason.UNREADABLE)
            del self._window.sent[seq]
        self._send_again()
        self._fill_holes(now_s)
        for cls in BATCHED:
            if not self._send_class(cls, now_s):
                return
        self._send_snapshots()

    def _fill_holes(self, now_s: float) -> None:
        upto = self._window.behind()
        if upto:
            for cls in BATCHED:
                self._send_class(cls, now_s, upto=upto)
            self._send_snapshots(upto=upto)

    def _send_again(self) -> None:
        due = [seq for seq in self._window.due() if self._session.queued() < QUEUE_MAX]
        by_class: dict[RecordClass, list[int]] = {}
        for seq in due:
            by_class.setdefault(self._window.sent[seq].cls, []).append(seq)
        for cls in sorted(by_class, key=list(RecordClass).index):
            wanted = by_class[cls]
            after = wanted[0] - 1
            while wanted and self._session.queued() < QUEUE_MAX:
                entries = self._spool.read(cls, after=after, limit=200)
                chosen = [entry for entry in entries if entry.seq in self._window.sent]
                if not entries or entries[0].seq > wanted[-1]:
                    break
                after = entries[-1].seq
                again = [e for e in chosen if self._window.sent[e.seq].due]
                if cls is RecordClass.SNAPSHOT:
                    self._publish_snapshots(again)
                else:
                    alone = [e for e in again if self._window.alone(e.seq)]
                    self._publish_batches([e for e in again if e not in alone])
                    for entry in alone:
                        self._publish_batches([entry])

    def _send_class(self, cls: RecordClass, now_s: float, *, upto: int = 0) -> bool:
        """Send new records of a class; False when the window or the client's queue is full.

        With `upto` those up to there find room whatever the window holds.
        """
        while True:
            room = 50 if upto else self._room(cls)
            if not room or self._session.queued() >= QUEUE_MAX:
                return False
            after = self._after.get(cls, 0)
            entries = self._spool.read(cls, after=after, limit=min(50, room))
            if upto:
                entries = [entry for entry in entries if entry.seq <= upto]
            if not entries:
                return True
            fresh = self._allowed(cls, entries, now_s)
            sent = self._publish_batches(fresh)
            if sent:
                self._after[cls] = fresh[sent - 1].seq
            if sent < len(entries):
                return True

    def _room(self, cls: RecordClass) -> int:
        """An alarm finds room though everything else waits for a centre that stores nothing."""
        return self._window.room() + (ALARM_ROOM if cls is RecordClass.ALARM else 0)

    def _allowed(self, cls: RecordClass, entries: list[Entry], now_s: float) -> list[Entry]:
        """The entries that may go now: backlog by the bucket, half-full batches after a while."""
        if cls in (RecordClass.ALARM, RecordClass.GAP):
            return entries
        now_ns = time.time_ns()
        age_s = (now_ns - entries[0].appended_ns) / 1e9
        if age_s > self._pace.backlog_age_s:
            return entries[: self._bucket.take(len(entries), now_s)]
        if len(entries) < 50 and 0 <= age_s < self._pace.linger_s:
            return []
        return entries

    def _publish_batches(self, entries: Iterable[Entry]) -> int:
        """Publish entries of one class; returns how many; an unset clock holds some back."""
        ready: list[tuple[int, bytes]] = []
        classes: dict[int, RecordClass] = {}
        now, now_s = self._clock.state(), time.monotonic()
        for entry in entries:
            alarm = entry.cls is RecordClass.ALARM
            payload = self._fixes.render(entry.seq, entry.payload, now, alarm=alarm)
            if payload is None:
                break
            ready.append((entry.seq, payload))
            if alarm and entry.seq not in self._told:
                self._alarms.setdefault(entry.seq, (now_s, payload))
            classes[entry.seq] = entry.cls
        for batch in split_batches(ready):
            envelope = encode_batch(
                spool=self._spool.id,
                centre=self._me.centre,
                site=self._me.site,
                node=self._me.node,
                records=batch,
                sent=now.wall,
            )
            message = self._session.publish(self._topic(NodeLeaf.RECORDS), envelope)
            for seq, _ in batch:
                self._window.take(seq, classes[seq], now_s, message)
        return len(ready)

    def _send_snapshots(self, *, upto: int = 0) -> None:
        after = self._after.get(RecordClass.SNAPSHOT, 0)
        while (upto or self._window.room()) and self._session.queued() < QUEUE_MAX // 4:
            entries = self._spool.read(RecordClass.SNAPSHOT, after=after, limit=1)
            if not entries or (upto and entries[0].seq > upto):
                return
            self._publish_snapshots(entries)
            after = self._after[RecordClass.SNAPSHOT] = entries[-1].seq

    def _publish_snapshots(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            header, _ = decode_snapshot(entry.payload)
            topic = self._topic(NodeLeaf.SNAPSHOT, header.record)
            message = self._session.publish(topic, entry.payload)
            self._window.take(entry.seq, entry.cls, time.monotonic(), message)

    def _tell_late_alarms(self, now_s: float) -> None:
        """An alarm that the centre has not stored in time is told on the site's broker directly."""
        for seq, (sent_s, payload) in list(self._alarms.items()):
            if now_s - sent_s < self._pace.alarm_patience_s and self._centre_listens():
                continue
            if self._tell(seq, payload):
                self._told.add(seq)
                del self._alarms[seq]
        if self._centre_listens():
            return
        # nobody is there to send to: alarms still reach those who stand beside the camera
        after = max(self._told, default=0)
        for entry in self._spool.read(RecordClass.ALARM, after=after, limit=50):
            stale = time.time_ns() - entry.appended_ns > STALE_ALARM_NS
            if entry.seq not in self._told and (stale or self._tell(entry.seq, entry.payload)):
                self._told.add(entry.seq)

    def _tell(self, seq: int, payload: bytes) -> bool:
        event = decode_record(payload)
        if not isinstance(event, Event) or event.phase is Phase.END:
            return True  # only what begins calls somebody
        found = self._hooks.case_of(event)
        if found is None:
            return True
        scope, place = found
        record = record_id(self._me.node, self._spool.id, seq)
        told = messages.alert(
            event,
            record=record,
            scope=scope,
            place=place,
            at=self._clock.state().wall,
            provisional=True,
        )
        return bool(self._session.publish(self._topic(NodeLeaf.ALARM), messages.encode(told)))

    def _topic(self, leaf: NodeLeaf, tail: str | None = None) -> str:
        return topics.node_topic(self._me.centre, self._me.site, self._me.node, leaf, tail)
