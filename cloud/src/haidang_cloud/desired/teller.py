"""Tells every node its part of the catalogue in force: at each new version, and at each connection.

At each connection, since a broker may have forgotten what it was told to keep. One worker of the
centre answers for that, by a lease; another one takes over when it is gone. None tells less than
was told before: a worker of an older Haidang may not be able to read what others told.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from haidang_cloud.broker import BrokerSettings, Line
from haidang_cloud.desired.carrier import Carrier
from haidang_cloud.desired.signing import Seal, seal_of, stamp_of
from haidang_cloud.errors import StateUnavailableError
from haidang_cloud.state import told
from haidang_cloud.state.database import State
from haidang_protocols.catalogue import Catalogue
from haidang_protocols.catalogue.part import encode_part, parts
from haidang_protocols.wire import messages, topics
from haidang_protocols.wire.records import MESSAGE_BYTES_MAX
from haidang_protocols.wire.topics import NodeLeaf, NodeTopic

log = logging.getLogger(__name__)

LEASE_S = 15.0
LOOK_S = 5.0
SECOND_NS = 10**9

InForce = Callable[[], tuple[int, Catalogue]]
"""The catalogue in force and its number; 0 for one that nobody has published."""

_Now = tuple[int, int, int]


class DesiredTeller:
    """Used by one thread, while another one runs `line`."""

    def __init__(
        self,
        line: Line,
        state: State,
        broker: BrokerSettings,
        *,
        centre: str,
        holder: str,
        in_force: InForce,
        lease_s: float = LEASE_S,
        look_s: float = LOOK_S,
    ) -> None:
        """Sign with the key of `broker`; `holder` is this worker's own name for the lease.

        A worker without news of its own looks every `look_s` who answers for what is told.
        """
        self._line, self._state, self._broker = line, state, broker
        self._centre, self._holder, self._in_force = centre, holder, in_force
        self._lease_ns, self._look_s = int(lease_s * SECOND_NS), look_s
        self._told: _Now | None = None
        self._looked: _Now | None = None
        self._look_again_s = 0.0
        # a version of which the broker may have some, 0 where it has what it was sent
        self._begun = 0

    def wanted(self) -> bool:
        """Whether there is news, or it is time to look; quick."""
        number, _ = self._in_force()
        if number == 0 or not self._line.up:
            return False
        return self._looked != self._now(number) or time.monotonic() >= self._look_again_s

    def tell(self) -> None:
        """Tell all nodes, if that is this worker's to do; what the broker did not get stays wanted.

        Raises `CloudConfigError` when nothing can be signed, `StateUnavailableError` when it cannot
        be looked up who was told what.
        """
        number, catalogue = self._in_force()
        if number == 0:
            return
        now, self._looked = self._now(number), None
        last = told.read(self._state, self._centre)
        self._settle_begun(last.number)
        if last.number == number and last.holder == self._holder and self._told == now:
            done = self._keep()
        elif last.open_to(self._holder, number, now_ns=time.time_ns()):
            done = self._bring(number, catalogue, now)
        else:
            done = True
        if done:
            self._looked, self._look_again_s = now, time.monotonic() + self._look_s

    def leave(self) -> None:
        """Let another worker take over at once, when nobody calls `tell` any more."""
        try:
            told.leave(self._state, self._centre, self._holder)
        except StateUnavailableError as error:
            log.warning("the lease of what nodes are told ends by time: %s", error)

    def _now(self, number: int) -> _Now:
        """What must be told anew once it changes; a signature lives as long as its certificate."""
        return self._line.generation, number, stamp_of(self._broker)

    def _settle_begun(self, last: int) -> None:
        """What we did not end may have come to the broker after what somebody else told since."""
        if last > self._begun > 0:
            told.doubt(self._state, self._centre, self._begun)
        self._begun = 0

    def _keep(self) -> bool:
        return told.keep(
            self._state,
            self._centre,
            self._holder,
            now_ns=time.time_ns(),
            for_ns=self._lease_ns,
        )

    def _bring(self, number: int, catalogue: Catalogue, now: _Now) -> bool:
        """Whether the broker has it all, or it is another worker's to tell."""
        # before the claim: who cannot sign leaves it to the others
        seal = seal_of(self._broker, centre=self._centre)
        ours = {self._topic(node.site, node.id) for node in catalogue.nodes}
        before = told.claim(
            self._state,
            self._centre,
            self._holder,
            number,
            ours,
            now_ns=time.time_ns(),
            for_ns=self._lease_ns,
        )
        if before is None:
            return True
        self._begun = number
        moved, gone = _left(before - ours, catalogue)
        if not self._carry(self._messages(number, catalogue, seal, moved), gone, number):
            return False
        kept = ours.union(*moved.values())
        if not told.settle(self._state, self._centre, self._holder, number, kept):
            return False
        self._begun, self._told = 0, now
        log.info("the broker acknowledged catalogue version %d for its nodes", number)
        return True

    def _carry(self, said: Iterable[tuple[str, bytes]], gone: Iterable[str], number: int) -> bool:
        """Whether the broker acknowledged all, and nothing came in between."""
        carrier = Carrier(self._line)
        self._look_again_s = time.monotonic() + self._look_s
        for topic, payload in said:
            if not self._goes_on(number) or not carrier.say(topic, payload):
                return False
        return all(carrier.say(topic, b"") for topic in gone) and carrier.through()

    def _goes_on(self, number: int) -> bool:
        """Whether this version is still to be told, and by us."""
        if self._in_force()[0] != number:
            return False
        if time.monotonic() < self._look_again_s:
            return True
        self._look_again_s = time.monotonic() + self._look_s
        return self._keep()

    def _messages(
        self, number: int, catalogue: Catalogue, seal: Seal, moved: Mapping[str, list[str]]
    ) -> Iterator[tuple[str, bytes]]:
        for part in parts(catalogue, number):
            payload = messages.encode(seal(encode_part(part)))
            if len(payload) <= MESSAGE_BYTES_MAX:
                yield self._topic(part.catalogue.nodes[0].site, part.node), payload
                for topic in moved.get(part.node, ()):
                    yield topic, payload
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

    def _topic(self, site: str, node: str) -> str:
        return topics.node_topic(self._centre, site, node, NodeLeaf.DESIRED)


def _left(before: Iterable[str], catalogue: Catalogue) -> tuple[dict[str, list[str]], list[str]]:
    """Topics of old by their node, and those of nodes that are no more.

    A node that moved listens where it was until somebody changes its configuration: only there can
    it hear that its site is another one now.
    """
    moved: dict[str, list[str]] = {}
    gone: list[str] = []
    there = {node.id for node in catalogue.nodes}
    for topic in sorted(before):
        parsed = topics.parse(topic)
        if isinstance(parsed, NodeTopic) and parsed.node in there:
            moved.setdefault(parsed.node, []).append(topic)
        else:
            gone.append(topic)
    return moved, gone
