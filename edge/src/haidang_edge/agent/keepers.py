"""The supervisor's side of cameras and engines: what each child said last, and when it hangs."""

import time
from dataclasses import dataclass, field

from haidang_edge.agent.child import Child
from haidang_edge.agent.facts import ModelFacts
from haidang_edge.agent.messages import Beat, Pulse
from haidang_protocols.catalogue.model import Camera
from haidang_protocols.wire.messages import CameraBirth, CameraHealth, CameraState
from haidang_protocols.wire.reasons import Reason, because, sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When a child counts as hung, in seconds.

    Attributes:
        quiet_s: it has said nothing for so long.
        start_s: the same for a child that has not said anything yet: models take a while to load.
        capture_s: its decoder has not come back; above every timeout and wait of its own.
        look_s: nobody looks; above the time that an engine is waited for.
        blind_s: an attached camera says that it has no model: it gets another link.
    """

    quiet_s: float = 10.0
    start_s: float = 60.0
    capture_s: float = 60.0
    look_s: float = 30.0
    blind_s: float = 3.0


@dataclass(slots=True)
class EngineKeeper:
    """An engine's child; `ready` in the life `life`."""

    model: ModelFacts
    child: Child
    beat: Beat = field(default_factory=lambda: Beat(p95_ms=0.0, served=0))
    ready_life: int = 0
    refused: Reason | None = None

    @property
    def ready(self) -> bool:
        """Whether it can be asked."""
        return self.child.alive and self.ready_life == self.child.lives

    def fault(self, now_s: float, limits: Limits) -> Reason | None:
        """Why it must be replaced, None when it need not."""
        allowed_s = limits.quiet_s if self.ready else limits.start_s
        quiet_s = now_s - self.child.heard_s
        return because("child.mute", seconds=round(quiet_s)) if quiet_s > allowed_s else None


@dataclass(slots=True)
class CameraKeeper:
    """A camera's child; `linked` are the lives of camera and engine that share a link."""

    camera: Camera
    child: Child
    engine: EngineKeeper
    pulse: Pulse | None = None
    refused: Reason | None = None
    linked: tuple[int, int] = (0, 0)
    linked_s: float = 0.0

    def needs_link(self, now_s: float, limits: Limits) -> bool:
        """Whether both ends live and do not share a working link."""
        if not self.child.alive or not self.engine.ready:
            return False
        if self.linked != (self.child.lives, self.engine.child.lives):
            return True
        blind = self.pulse is not None and self.pulse.blind is not None
        return blind and now_s - self.linked_s > limits.blind_s

    def fault(self, now_s: float, limits: Limits) -> Reason | None:
        """Why it must be replaced, None when it need not."""
        quiet_s = now_s - self.child.heard_s
        if quiet_s > (limits.start_s if self.pulse is None else limits.quiet_s):
            return because("child.mute", seconds=round(quiet_s))
        if self.pulse is None:
            return None
        now_ns = boottime_ns()
        for code, then_ns, most_s in (
            ("child.stuck", self.pulse.capture_ns, limits.capture_s),
            ("child.idle", self.pulse.look_ns, limits.look_s),
        ):
            stuck_s = (now_ns - then_ns) / 1e9
            if stuck_s > most_s:
                return because(code, seconds=round(stuck_s))
        return None

    def health(self) -> CameraHealth:
        """For a heartbeat."""
        pulse, restarts = self.pulse, max(self.child.lives - 1, 0)
        if pulse is None or not self.child.alive:
            starting = self.child.lives <= 1 and self.child.why is None
            why = self.refused or self.child.why
            return CameraHealth(
                id=self.camera.id,
                state=CameraState.CONNECTING if starting else CameraState.DOWN,
                why=sentence(why),
                restarts=restarts,
                because=why,
            )
        age_s = (boottime_ns() - pulse.frame_ns) / 1e9 if pulse.frame_ns else -1.0
        why = pulse.why or self._blindness(pulse)
        return CameraHealth(
            id=self.camera.id,
            state=pulse.state,
            why=sentence(why),
            frame_age_s=round(age_s, 3),
            fps=pulse.fps,
            looked=pulse.looked,
            restarts=restarts,
            because=why,
        )

    def birth(self) -> CameraBirth:
        """For the node's birth."""
        width, height = (self.pulse.width, self.pulse.height) if self.pulse else (0, 0)
        return CameraBirth(id=self.camera.id, model=self.camera.model, width=width, height=height)

    def _blindness(self, pulse: Pulse) -> Reason | None:
        if pulse.blind is None:
            return None
        return self.engine.refused or self.engine.child.why or pulse.blind


def boottime_ns() -> int:
    """Nanoseconds since boot, sleep included: the clock of all that the children tell."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
