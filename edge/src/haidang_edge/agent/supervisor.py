"""The supervisor: starts the children, keeps them alive, swaps catalogues, tells how all is.

An alarm never waits for it: each child is heard by a thread of its own, which writes to the spool.
The main thread turns twice a second and does what has time: starting, burying, linking, swapping.
"""

import fcntl
import logging
import multiprocessing
import os
import signal
import socket
import threading
import time
from importlib.metadata import version
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import msgspec

from haidang_edge.agent import board, entry, messages
from haidang_edge.agent.cameras import CameraKeeper, EngineKeeper, Limits
from haidang_edge.agent.child import Child
from haidang_edge.agent.config import NodeConfig
from haidang_edge.agent.declared import Declarations, Declared
from haidang_edge.agent.facts import Facts, ModelFacts, Question
from haidang_edge.agent.messages import Beat, CameraJob, EngineJob, Pulse, Ready, Refused, Told
from haidang_edge.agent.notify import Notifier
from haidang_edge.agent.recorder import Recorder
from haidang_edge.errors import NodeConfigError, SpoolError
from haidang_edge.publish import Hooks, Publisher
from haidang_edge.spool import ClockFixes, NodeClock, Spool
from haidang_protocols.catalogue.model import Camera
from haidang_protocols.wire.errors import MessageRefusedError
from haidang_protocols.wire.messages import Birth, Heartbeat
from haidang_protocols.wire.records import Event

log = logging.getLogger(__name__)

TURN_S = 0.5
CLOCK_EVERY_S = 1.0
LOOK_AT_CATALOGUE_S = 2.0
INSPECT_S = 60.0
PUBLISHER_STUCK_S = 60.0
_PRELOAD = ["haidang_edge.agent.warm"]
_ENVIRONMENT = {
    # one picture at a time is scaled, one matrix is small: pools of threads cost memory only
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
}


class Supervisor:
    """See the module."""

    def __init__(self, config: NodeConfig, *, limits: Limits | None = None) -> None:
        """Open the spool and judge the catalogue; raises `UserError` or `SpoolError`."""
        self._config, self._limits = config, limits or Limits()
        self._context = _fork_server()
        self._stopping = False
        self._failed = False
        folder = Path(config.spool.folder)
        self._lock_fd = _alone(folder)
        self._spool = Spool(config.spool_settings())
        try:
            self._clock = NodeClock(folder, trust_wall=config.trust_wall)
            self._declarations = Declarations(config, self._inspect)
            self._recorder = Recorder(self._spool, self._clock, node=config.node, folder=folder)
            self._publisher = Publisher(
                self._spool,
                identity=config.identity(),
                broker=config.broker_settings(),
                clock=self._clock,
                fixes=ClockFixes(folder),
                hooks=Hooks(
                    birth=self.birth,
                    heartbeat=self.heartbeat,
                    case_of=self._case_of,
                    commands={
                        "status": self._status,
                        "restart_camera": self._restart_camera,
                        "reload": self._reload,
                    },
                ),
            )
        except BaseException:
            self._spool.close()
            raise
        self._notifier = Notifier()
        self._reading = threading.Lock()
        self._cameras: dict[str, CameraKeeper] = {}
        self._engines: dict[ModelFacts, EngineKeeper] = {}
        self._in_force: Declared | None = None
        self._restarts: set[str] = set()
        self._told_sizes: list[Any] = []

    def run(self) -> int:
        """Work until SIGTERM or SIGINT; returns the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        self._publisher.start()
        self._arrange()
        threading.Thread(target=self._watch_catalogue, name="catalogue", daemon=True).start()
        self._notifier.ready()
        try:
            self._turn()
        finally:
            self._close()
        return 1 if self._failed else 0

    # --- the main thread --------------------------------------------------------------------

    def _turn(self) -> None:
        clock_s = 0.0
        while not self._stopping:
            now_s = time.monotonic()
            if self._declarations.current is not self._in_force:
                self._arrange()
            self._tend(now_s)
            if now_s >= clock_s:
                clock_s = now_s + CLOCK_EVERY_S
                self._tell_time()
                self._recorder.save()
            if self._fault():
                self._failed = True
                return
            self._notifier.progress(now_s)
            time.sleep(TURN_S)

    def _tend(self, now_s: float) -> None:
        for keeper in self._keepers():
            fault = keeper.fault(now_s, self._limits) if keeper.child.alive else ""
            if fault:
                keeper.child.kill(fault)
            keeper.child.tend(now_s)
        for camera in self._cameras.values():
            if camera.camera.id in self._restarts:
                self._restarts.discard(camera.camera.id)
                camera.child.stop()
            if camera.needs_link(now_s, self._limits):
                _link(camera, now_s)
        sizes = [camera.birth() for camera in self._cameras.values()]
        if sizes != self._told_sizes:
            self._told_sizes = sizes
            self._publisher.announce()

    def _keepers(self) -> list[CameraKeeper | EngineKeeper]:
        return [*list(self._engines.values()), *list(self._cameras.values())]

    def _fault(self) -> bool:
        """Whether the node itself cannot go on: the service manager is to start it anew."""
        if not self._spool.alive:
            log.critical("the spool has failed; nothing can be made durable")
            return True
        if self._publisher.stuck_s() > PUBLISHER_STUCK_S:
            log.critical("the publisher hangs")
            return True
        return False

    def _tell_time(self) -> None:
        now = self._clock.state()
        for camera in self._cameras.values():
            camera.child.send(messages.Clock(epoch_ns=now.wall - now.mono))

    def _close(self) -> None:
        self._notifier.stopping()
        for camera in self._cameras.values():
            camera.child.stop()
        for engine in self._engines.values():
            engine.child.stop()
        self._recorder.save()
        self._publisher.stop()
        self._clock.save()
        self._spool.close()

    def _on_signal(self, number: int, _frame: object) -> None:
        log.info("signal %d: the node ends", number)
        self._stopping = True

    # --- children ---------------------------------------------------------------------------

    def _arrange(self) -> None:
        """Children as the catalogue in force wants them; those it leaves as they are go on."""
        declared = self._declarations.current
        wanted = {camera.id: camera for camera in declared.cameras}
        for camera_id in [c for c in self._cameras if c not in wanted]:
            self._cameras.pop(camera_id).child.stop()
        for camera in declared.cameras:
            self._arrange_camera(camera, declared)
        used = {id(keeper.engine) for keeper in self._cameras.values()}
        for model in [m for m, engine in self._engines.items() if id(engine) not in used]:
            self._engines.pop(model).child.stop()
        self._in_force = declared
        self._publisher.announce()

    def _arrange_camera(self, camera: Camera, declared: Declared) -> None:
        known = self._cameras.get(camera.id)
        engine = self._engine(declared.models[camera.model])
        if known is not None and known.engine is engine and self._goes_on(known.camera, camera):
            known.camera = camera
            known.child.send(messages.Watch(job=self._camera_job(camera.id)))
            return
        if known is not None:
            known.child.stop()
        child = Child(
            self._context,
            f"camera {camera.id}",
            target=entry.camera,
            job=lambda: self._camera_job(camera.id),
            on_message=lambda payload: self._hear_camera(camera.id, payload),
            on_end=lambda: self._camera_ended(camera.id),
        )
        self._cameras[camera.id] = CameraKeeper(camera, child, engine)

    def _goes_on(self, old: Camera, new: Camera) -> bool:
        """Whether the camera's process can: what it opened, and its day, have not changed."""
        before, now = self._in_force, self._declarations.current
        same_day = before is not None and (
            before.catalogue.centre.time_zone == now.catalogue.centre.time_zone
        )
        return same_day and (old.source, old.fps) == (new.source, new.fps)

    def _engine(self, model: ModelFacts) -> EngineKeeper:
        if model not in self._engines:
            job = EngineJob(models=self._config.models, model=model)
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

    def _camera_job(self, camera_id: str) -> CameraJob:
        declared = self._declarations.current
        keeper = self._cameras[camera_id]
        now = self._clock.state()
        return CameraJob(
            camera=keeper.camera,
            model=keeper.engine.model,
            counted=declared.counted(keeper.camera),
            time_zone=declared.catalogue.centre.time_zone,
            source_folder=self._declarations.source_folder,
            loop_files=self._config.loop_files,
            life=f"{now.boot}-{camera_id}-{now.mono // 1_000_000:x}",
            epoch_ns=now.wall - now.mono,
        )

    def _hear_camera(self, camera_id: str, payload: bytes) -> None:
        said = messages.FROM_CAMERA.decode(payload)
        if isinstance(said, Told):
            self._recorder.take(said)
            return
        keeper = self._cameras.get(camera_id)
        if keeper is None:
            return
        if isinstance(said, Pulse):
            keeper.pulse, keeper.refused, keeper.child.why = said, "", ""
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
            keeper.ready_life, keeper.refused, keeper.child.why = keeper.child.lives, "", ""
        elif isinstance(said, Beat):
            keeper.beat = said
        elif isinstance(said, Refused):
            keeper.refused = said.why

    # --- the catalogue ----------------------------------------------------------------------

    def _watch_catalogue(self) -> None:
        while not self._stopping:
            time.sleep(LOOK_AT_CATALOGUE_S)
            with self._reading:
                if self._declarations.touched() and self._declarations.read_anew():
                    self._publisher.announce()

    def _inspect(self, question: Question) -> Facts:
        """Ask a child what only the large libraries know."""
        ours, theirs = self._context.Pipe()
        asked = msgspec.json.encode(question)
        child = self._context.Process(target=entry.inspection, args=(theirs, asked))
        child.start()
        theirs.close()
        try:
            if not ours.poll(INSPECT_S):
                raise NodeConfigError(f"models in {question.models}: no answer in {INSPECT_S:g} s")
            return msgspec.json.decode(ours.recv_bytes(), type=Facts)
        except EOFError as error:
            raise NodeConfigError(
                f"models in {question.models} could not be looked at; the log says why"
            ) from error
        finally:
            ours.close()
            child.kill()
            child.join()
            child.close()

    # --- what the publisher asks ------------------------------------------------------------

    def birth(self) -> Birth:
        """Who the node is."""
        declared = self._declarations.current
        return Birth(
            spool=self._spool.id,
            next_seq=self._spool.next_seq,
            agent=version("haidang-edge"),
            cameras=tuple(keeper.birth() for keeper in list(self._cameras.values())),
            models={name: facts.sha256 for name, facts in declared.models.items()},
            clock=self._clock.state(),
            reason=self._declarations.reason,
        )

    def heartbeat(self) -> Heartbeat:
        """How the node is."""
        now = self._clock.state()
        oldest_ns = self._spool.oldest_ns()
        return Heartbeat(
            at=now.wall,
            clock=now,
            cameras=tuple(keeper.health() for keeper in list(self._cameras.values())),
            inference_p95_ms=max(
                (e.beat.p95_ms for e in list(self._engines.values())), default=0.0
            ),
            spool_depth=self._spool.depth(),
            spool_bytes=self._spool.bytes_used(),
            oldest_unsent_s=max(0.0, (time.time_ns() - oldest_ns) / 1e9) if oldest_ns else 0.0,
            dropped=self._spool.dropped(),
            temperature_c=board.temperature_c(),
            throttled=board.throttled(),
            last_reason=self._declarations.reason or self._publisher.last_reason,
        )

    def _case_of(self, event: Event) -> tuple[str, str] | None:
        declared = self._declarations.current
        camera = declared.camera(event.camera)
        if camera is None:
            return None
        return declared.catalogue.owner_scope(camera, event.rule), camera.place

    def _status(self, _arguments: dict[str, object]) -> dict[str, object]:
        heartbeat: dict[str, object] = msgspec.to_builtins(self.heartbeat())
        birth: dict[str, object] = msgspec.to_builtins(self.birth())
        children = {
            keeper.child.name: {"pid": keeper.child.pid, "lives": keeper.child.lives}
            for keeper in self._keepers()
        }
        return {"birth": birth, "heartbeat": heartbeat, "children": children}

    def _restart_camera(self, arguments: dict[str, object]) -> dict[str, object]:
        camera = arguments.get("camera")
        if not isinstance(camera, str) or camera not in self._cameras:
            known = ", ".join(sorted(self._cameras)) or "none"
            raise MessageRefusedError("malformed", f"no camera {camera!r}; known: {known}")
        self._restarts.add(camera)
        return {"camera": camera}

    def _reload(self, _arguments: dict[str, object]) -> dict[str, object]:
        with self._reading:
            changed = self._declarations.read_anew(even_if_same=True)
        if changed:
            self._publisher.announce()
        if self._declarations.reason:
            raise MessageRefusedError("malformed", self._declarations.reason)
        return {"cameras": [camera.id for camera in self._declarations.current.cameras]}


def _alone(folder: Path) -> int:
    """Hold the spool's folder for as long as this process lives; two writers would ruin it."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(folder / "agent.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise NodeConfigError(f"spool {folder}: {error.strerror}") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(fd)
        raise NodeConfigError(f"spool {folder}: another agent is at work with it") from error
    return fd


def _fork_server() -> ForkServerContext:
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOAD)
    return context


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


def run(config: NodeConfig) -> int:
    """Run the node; raises `UserError` for what a person must mend."""
    try:
        return Supervisor(config).run()
    except SpoolError as error:
        raise NodeConfigError(str(error)) from error
