"""What the node says of itself: birth, heartbeat, status; and whom an alarm is told to."""

from importlib.metadata import version

import msgspec

from haidang_edge.agent import board
from haidang_edge.agent.crew import Crew
from haidang_edge.agent.declared import Declarations
from haidang_edge.spool import NodeClock, Spool
from haidang_protocols.wire.messages import Birth, Heartbeat
from haidang_protocols.wire.reasons import Reason, sentence
from haidang_protocols.wire.records import Event


class Telling:
    """Asked by the publisher's threads; looks, and changes nothing."""

    def __init__(
        self, *, spool: Spool, clock: NodeClock, declarations: Declarations, crew: Crew
    ) -> None:
        """Look at these."""
        self._spool, self._clock = spool, clock
        self._declarations, self._crew = declarations, crew

    def birth(self) -> Birth:
        """Who the node is."""
        declared = self._declarations.current
        return Birth(
            spool=self._spool.id,
            next_seq=self._spool.next_seq,
            agent=version("haidang-edge"),
            cameras=tuple(keeper.birth() for keeper in self._crew.cameras),
            models={name: facts.sha256 for name, facts in declared.models.items()},
            clock=self._clock.state(),
            catalogue=declared.version,
            reason=self._declarations.reason,
            because=self._declarations.because,
        )

    def heartbeat(self, *, broker_reason: Reason | None = None) -> Heartbeat:
        """How the node is."""
        now = self._clock.state()
        oldest_ns = self._spool.oldest_ns()
        return Heartbeat(
            at=now.wall,
            clock=now,
            cameras=tuple(keeper.health() for keeper in self._crew.cameras),
            inference_p95_ms=max((e.beat.p95_ms for e in self._crew.engines), default=0.0),
            spool_depth=self._spool.depth(),
            spool_bytes=self._spool.bytes_used(),
            oldest_unsent_s=max(0.0, (now.wall - oldest_ns) / 1e9) if oldest_ns else 0.0,
            dropped=self._spool.dropped(),
            temperature_c=board.temperature_c(),
            throttled=board.throttled(),
            last_reason=self._declarations.reason or sentence(broker_reason),
            because=self._declarations.because or broker_reason,
        )

    def status(self, _arguments: dict[str, object]) -> dict[str, object]:
        """Both, and the children by process id: the answer to the command `status`."""
        return {
            "birth": msgspec.to_builtins(self.birth()),
            "heartbeat": msgspec.to_builtins(self.heartbeat()),
            "children": {
                keeper.child.name: {"pid": keeper.child.pid, "lives": keeper.child.lives}
                for keeper in self._crew.keepers
            },
        }

    def case_of(self, event: Event) -> tuple[str, str] | None:
        """Scope and place of an alarm that the node tells the site directly."""
        declared = self._declarations.current
        camera = declared.camera(event.camera)
        if camera is None:
            return None
        return declared.catalogue.owner_scope(camera, event.rule), camera.place
