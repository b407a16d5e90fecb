"""The children of a node: started as the catalogue wants, linked, heard, kept alive alone."""

import os
import socket
import threading
from collections.abc import Callable
from multiprocessing.context import ForkServerContext

from haidang_edge.agent import entry, messages
from haidang_edge.agent.child import Child
from haidang_edge.agent.declared import Declared
from haidang_edge.agent.facts import ModelFacts
from haidang_edge.agent.keepers import CameraKeeper, EngineKeeper, Limits
from haidang_edge.agent.messages import Beat, CameraJob, EngineJob, Pulse, Ready, Refused, Told
from haidang_edge.agent.recorder import Recorder
from haidang_edge.spool import NodeClock
from haidang_protocols.catalogue.model import Camera


class Crew:
    """One keeper per camera and per model. All but the `hear` methods is for the main thread.

    What others read (`cameras`, `engines`) is copied before it is walked over.
    """

    def __init__(
        self,
        context: ForkServerContext,
        *,
        clock: NodeClock,
        recorder: Recorder,
        models: str,
        source_folder: str,
        loop_files: bool,
        limits: Limits,
        on_change: Callable[[], None],
    ) -> None:
        """Nobody yet; `on_change` follows whatever a birth tells."""
        self._context, self._clock, self._recorder = context, clock, recorder
        self._models, self._source_folder = models, source_folder
        self._loop_files, self._limits, self._on_change = loop_files, limits, on_change
        self._cameras: dict[str, CameraKeeper] = {}
        self._engines: dict[ModelFacts, EngineKeeper] = {}
        self._in_force: Declared | None = None
        self._restarts: set[str] = set()
        self._restarting = threading.Lock()
        self._births: list[object] = []

    @property
    def cameras(self) -> tuple[CameraKeeper, ...]:
        """The cameras, in the catalogue's order as far as they came together."""
        return tuple(self._cameras.values())

    @property
    def engines(self) -> tuple[EngineKeeper, ...]:
        """The models at work."""
        return tuple(self._engines.values())

    @property
    def keepers(self) -> tuple[CameraKeeper | EngineKeeper, ...]:
        """All of them."""
        return (*self.engines, *self.cameras)

    def arrange(self, declared: Declared) -> None:
        """Children as `declared` wants them; those that it leaves as they are go on."""
        if declared is self._in_force:
            return
        before, self._in_force = self._in_force, declared
        wanted = {camera.id for camera in declared.cameras}
        for camera_id in [c for c in self._cameras if c not in wanted]:
            self._cameras.pop(camera_id).child.stop()
        for camera in declared.cameras:
            self._arrange_camera(camera, declared, before)
        used = {keeper.engine.model for keeper in self._cameras.values()}
        for model in [model for model in self._engines if model not in used]:
            self._engines.pop(model).child.stop()
        self._on_change()

    def tend(self, now_s: float) -> None:
        """Replace who hangs, bury who died, start who is due, link who is not."""
        for keeper in self.keepers:
            fault = keeper.fault(now_s, self._limits) if keeper.child.alive else None
            if fault is not None:
                keeper.child.kill(fault)
            keeper.child.tend(now_s)
        with self._restarting:
            restarts, self._restarts = self._restarts, set()
        for camera in self.cameras:
            if camera.camera.id in restarts:
                camera.child.stop()
            if camera.needs_link(now_s, self._limits):
                _link(camera, now_s)
        births: list[object] = [camera.birth() for camera in self.cameras]
        if births != self._births:
            self._births = births
            self._on_change()

    def restart(self, camera: str) -> bool:
        """Have a camera started anew at the next turn, by any thread; False when there is none."""
        with self._restarting:
            if camera in self._cameras:
                self._restarts.add(camera)
                return True
        return False

    def tell_time(self) -> None:
        """Give every camera the node's clock, by which it judges schedules."""
        now = self._clock.state()
        for camera in self.cameras:
            camera.child.send(messages.Clock(epoch_ns=now.wall - now.mono))

    def stop(self) -> None:
        """Let every camera end what is open, then every engine leave."""
        for keeper in reversed(self.keepers):
            keeper.child.stop()

    # --- cameras and engines ----------------------------------------------------------------

    def _arrange_camera(self, camera: Camera, declared: Declared, before: Declared | None) -> None:
        known = self._cameras.get(camera.id)
        engine = self._engine(declared.models[camera.model])
        same_day = before is not None and before.time_zone == declared.time_zone
        if known is not None:
            old = known.camera
            same_capture = (old.source, old.fps) == (camera.source, camera.fps)
            if known.engine is engine and same_capture and same_day:
                known.camera = camera
                known.child.send(messages.Watch(job=self._job(camera.id)))
                return
            known.child.stop()
        child = Child(
            self._context,
            f"camera {camera.id}",
            target=entry.camera,
            job=lambda: self._job(camera.id),
            on_message=lambda payload: self._hear_camera(camera.id, payload),
            on_end=lambda: self._camera_ended(camera.id),
        )
        self._cameras[camera.id] = CameraKeeper(camera, child, engine)

    def _engine(self, model: ModelFacts) -> EngineKeeper:
        if model not in self._engines:
            job = EngineJob(models=self._models, model=model)
            child = Child(
                self._context,
                f"engine {model.name}",
                target=entry.engine,
                job=lambda: job,
                on_message=lambda payload: self._hear_engine(model, payload),
                on_end=lambda: None,
            )
            self._engines[model] = EngineKeeper(model, child)
        return self._engines[model]

    def _job(self, camera_id: str) -> CameraJob:
        keeper, declared = self._cameras[camera_id], self._in_force
        if declared is None:
            raise RuntimeError("no catalogue is in force yet")
        now = self._clock.state()
        return CameraJob(
            camera=keeper.camera,
            model=keeper.engine.model,
            counted=declared.counted(keeper.camera),
            time_zone=declared.time_zone,
            source_folder=self._source_folder,
            loop_files=self._loop_files,
            life=f"{now.boot}-{camera_id}-{now.mono // 1_000_000:x}",
            epoch_ns=now.wall - now.mono,
        )

    # --- each child's own thread ------------------------------------------------------------

    def _hear_camera(self, camera_id: str, payload: bytes) -> None:
        said = messages.FROM_CAMERA.decode(payload)
        if isinstance(said, Told):
            self._recorder.take(said)
            return
        keeper = self._cameras.get(camera_id)
        if keeper is None:
            return
        if isinstance(said, Pulse):
            keeper.pulse, keeper.refused, keeper.child.why = said, None, None
        else:
            keeper.refused = said.why

    def _camera_ended(self, camera_id: str) -> None:
        self._recorder.camera_gone(camera_id)
        keeper = self._cameras.get(camera_id)
        if keeper is not None:
            keeper.pulse = None  # it spoke of a life that is over

    def _hear_engine(self, model: ModelFacts, payload: bytes) -> None:
        said = messages.FROM_ENGINE.decode(payload)
        keeper = self._engines.get(model)
        if keeper is None:
            return
        if isinstance(said, Ready):
            keeper.ready_life, keeper.refused, keeper.child.why = keeper.child.lives, None, None
        elif isinstance(said, Beat):
            keeper.beat = said
        elif isinstance(said, Refused):
            keeper.refused = said.why


def _link(camera: CameraKeeper, now_s: float) -> None:
    """Give a camera and its engine both ends of a new link."""
    model, engine = camera.engine.model, camera.engine
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    slot = os.memfd_create(f"haidang-{camera.camera.id}", os.MFD_CLOEXEC)
    try:
        os.ftruncate(slot, model.width * model.height * 3)
        told = messages.Attach(camera=camera.camera.id, width=model.width, height=model.height)
        camera.linked, camera.linked_s = (camera.child.lives, engine.child.lives), now_s
        engine.child.send(told, theirs.fileno(), slot)
        camera.child.send(told, ours.fileno(), slot)
    finally:
        os.close(slot)
        ours.close()
        theirs.close()
