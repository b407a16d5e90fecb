"""Listens to the broker: cases as staff are told them, and what nodes say of themselves.

The session is clean and messages are acknowledged on receipt: the database has what counts, this is
only sooner.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping

from msgspec.structs import replace

from haidang_cloud.broker import BrokerSettings, Connection
from haidang_cloud.console.hub import rows
from haidang_cloud.console.hub.model import LiveModel
from haidang_protocols.wire import messages, topics
from haidang_protocols.wire.errors import MessageRefusedError
from haidang_protocols.wire.messages import Birth, CaseMessage, Heartbeat, IngestState, NodeState
from haidang_protocols.wire.names import NameRefusedError
from haidang_protocols.wire.topics import (
    CaseTopic,
    IngestTopic,
    NodeLeaf,
    NodeTopic,
    TopicRefusedError,
)

log = logging.getLogger(__name__)

TURN_S = 1.0
_LEAVES = (NodeLeaf.BIRTH, NodeLeaf.STATE, NodeLeaf.HEARTBEAT)


class Ear:
    """`run` in a thread of its own until `stop`."""

    def __init__(
        self,
        model: LiveModel,
        settings: BrokerSettings,
        *,
        centre: str,
        name: str,
        names: Callable[[], Mapping[str, str]],
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """Prepare.

        Args:
            model: what is heard goes there.
            settings: the broker.
            centre: whose topics.
            name: of this console; two of the same name would take each other's place.
            names: people by log-in name.
            now_ns: the clock.
        """
        self._model, self._centre, self._names, self._now_ns = model, centre, names, now_ns
        self._stop = threading.Event()
        self._connection = Connection(
            settings,
            client_id=f"{centre}.console.{name}",
            on_up=self._up,
            on_message=self._message,
        )

    def run(self) -> None:
        """Listen until `stop`."""
        while not self._stop.is_set():
            self._connection.turn(TURN_S, read=True)
            self._model.set_well(broker=self._connection.up)
        self._connection.close()

    def stop(self) -> None:
        """Ask `run` to end."""
        self._stop.set()
        self._connection.wake()

    def _up(self) -> None:
        nodes = (topics.node_filter(self._centre, leaf) for leaf in _LEAVES)
        cases, ingest = topics.case_filter(self._centre), topics.ingest_filter(self._centre)
        self._connection.subscribe([*nodes, cases, ingest])

    def _message(self, generation: int, packet: int, topic: str, payload: bytes) -> None:
        self._connection.ack(generation, packet)
        try:
            self._take(topics.parse(topic), payload)
        except (TopicRefusedError, MessageRefusedError, NameRefusedError) as error:
            log.warning("%s: %s", topic[:200], error)

    def _take(self, topic: topics.Topic, payload: bytes) -> None:
        if isinstance(topic, CaseTopic):
            self._hear(messages.decode(payload, CaseMessage))
        elif isinstance(topic, NodeTopic):
            self._take_node(topic, payload)
        elif isinstance(topic, IngestTopic):
            state = messages.decode(payload, IngestState)
            self._model.set_ingest(topic.worker, online=state.online)

    def _hear(self, told: CaseMessage) -> None:
        """A message says less than the database: a row of the same change replaces it."""
        row = rows.case_of_message(told, self._names())
        with self._model.lock:
            known = self._model.cases.get(row.id)
            if known is not None:
                row = replace(row, raised=known.raised, ended=known.ended)
            self._model.put_case(row, stamp_ns=told.at - 1)

    def _take_node(self, topic: NodeTopic, payload: bytes) -> None:
        now_ns = self._now_ns()
        if topic.leaf is NodeLeaf.STATE:
            state = messages.decode(payload, NodeState)
            self._model.change_node(topic.node, rows.state_fields(state))
        elif topic.leaf is NodeLeaf.BIRTH:
            self._model.put_birth(topic.node, messages.decode(payload, Birth), at_ns=now_ns)
        elif topic.leaf is NodeLeaf.HEARTBEAT:
            self._beat(topic.node, messages.decode(payload, Heartbeat), now_ns)

    def _beat(self, node: str, beat: Heartbeat, now_ns: int) -> None:
        with self._model.lock:
            self._model.change_node(node, rows.heartbeat_fields(beat, at_ns=now_ns))
            for health in beat.cameras:
                known = self._model.cameras.get(health.id)
                row = rows.camera_of_health(health, known, at=now_ns // rows.MS_NS)
                self._model.put_camera(row)
