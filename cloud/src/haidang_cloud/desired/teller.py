"""Tells every node its part of the catalogue in force: at each new version, and at each connection.

At each connection, since a broker may have forgotten what it was told to keep.
"""

import logging
from collections.abc import Callable, Iterator

from haidang_cloud.broker import BrokerSettings, Line
from haidang_cloud.desired.carrier import Carrier
from haidang_cloud.desired.signing import Seal, seal_of, stamp_of
from haidang_cloud.state import versions
from haidang_cloud.state.database import State
from haidang_protocols.catalogue import Catalogue, CatalogueRefusedError
from haidang_protocols.catalogue.part import encode_part, parts
from haidang_protocols.wire import messages, topics
from haidang_protocols.wire.records import MESSAGE_BYTES_MAX
from haidang_protocols.wire.topics import NodeLeaf

log = logging.getLogger(__name__)

InForce = Callable[[], tuple[int, Catalogue]]
"""The catalogue in force and its number; 0 for one that nobody has published."""


class DesiredTeller:
    """Used by one thread, while another one runs `line`."""

    def __init__(
        self, line: Line, state: State, broker: BrokerSettings, *, centre: str, in_force: InForce
    ) -> None:
        """Sign with the key of `broker`."""
        self._line, self._state, self._broker = line, state, broker
        self._centre, self._in_force = centre, in_force
        self._told: tuple[int, int, int] | None = None
        self._topics: dict[int, frozenset[str]] = {}

    def wanted(self) -> bool:
        """Whether nodes may not know what they are wanted to run; quick."""
        number, _ = self._in_force()
        return number > 0 and self._line.up and self._told != self._now(number)

    def tell(self) -> None:
        """Tell all of them; what the broker did not get stays wanted.

        Raises `CloudConfigError` when nothing can be signed, `StateUnavailableError` when the
        version before cannot be looked up.
        """
        number, catalogue = self._in_force()
        if number == 0:
            return
        now = self._now(number)
        carrier = Carrier(self._line)
        seal = seal_of(self._broker, centre=self._centre)
        for topic, payload in self._messages(number, catalogue, seal):
            if not carrier.say(topic, payload):
                return
        if carrier.through():
            self._told = now
            log.info("the broker has catalogue version %d for its nodes", number)

    def _now(self, number: int) -> tuple[int, int, int]:
        """What must be told anew once it changes; a signature lives as long as its certificate."""
        return self._line.generation, number, stamp_of(self._broker)

    def _messages(
        self, number: int, catalogue: Catalogue, seal: Seal
    ) -> Iterator[tuple[str, bytes]]:
        for part in parts(catalogue, number):
            payload = messages.encode(seal(encode_part(part)))
            if len(payload) <= MESSAGE_BYTES_MAX:
                yield self._topic(part.catalogue.nodes[0].site, part.node), payload
            else:
                # a broker ends the connection of whoever sends more: nobody would be told any case
                log.error(
                    "node %s is not told version %d: its part has %d bytes, at most %d are "
                    "allowed; give some of its cameras to another node",
                    part.node,
                    number,
                    len(payload),
                    MESSAGE_BYTES_MAX,
                )
        # it comes last, since reading an old version takes its time
        for topic in sorted(self._left_behind(number, catalogue)):
            yield topic, b""

    def _left_behind(self, number: int, catalogue: Catalogue) -> frozenset[str]:
        """Topics at which a version before told a node that is not there any more."""
        ours = self._topics_of(catalogue)
        if number not in self._topics and number - 1 not in self._topics:
            self._topics[number - 1] = self._topics_before(number - 1)
        # those of versions in between as well, where some came at once
        before = frozenset[str]().union(*self._topics.values())
        self._topics = {number - 1: before - ours, number: ours}
        return before - ours

    def _topics_before(self, number: int) -> frozenset[str]:
        version = versions.read(self._state, self._centre, number)
        if version is None:
            return frozenset()
        try:
            return self._topics_of(version.catalogue())
        except CatalogueRefusedError as error:
            # it was checked when it was published, but by another version of Haidang
            log.warning("whom version %d told is not known: %s", number, error)
            return frozenset()

    def _topics_of(self, catalogue: Catalogue) -> frozenset[str]:
        return frozenset(self._topic(node.site, node.id) for node in catalogue.nodes)

    def _topic(self, site: str, node: str) -> str:
        return topics.node_topic(self._centre, site, node, NodeLeaf.DESIRED)
