"""The supervisor: opens the spool, starts the children, swaps catalogues, watches over all.

An alarm never waits for it: each child is heard by a thread of its own, which writes to the spool.
The main thread turns twice a second and does what has time.
"""

import fcntl
import logging
import multiprocessing
import os
import signal
import threading
import time
from multiprocessing.context import ForkServerContext
from pathlib import Path

import msgspec

from haidang_edge.agent import entry
from haidang_edge.agent.config import NodeConfig
from haidang_edge.agent.crew import Crew
from haidang_edge.agent.declared import Declarations, UnfitError
from haidang_edge.agent.desired import Seal, hash_of
from haidang_edge.agent.facts import Facts, Question
from haidang_edge.agent.keepers import Limits
from haidang_edge.agent.notify import Notifier
from haidang_edge.agent.recorder import Recorder
from haidang_edge.agent.telling import Telling
from haidang_edge.errors import NodeConfigError
from haidang_edge.publish import Hooks, Publisher
from haidang_edge.spool import ClockFixes, NodeClock, Spool, TimeSource
from haidang_protocols.wire.errors import MessageRefusedError
from haidang_protocols.wire.messages import Heartbeat
from haidang_protocols.wire.reasons import because

log = logging.getLogger(__name__)

TURN_S = 0.5
CLOCK_EVERY_S = 1.0
LOOK_AT_CATALOGUE_S = 2.0
REFUSED_AGAIN_S = 60.0
"""What was refused is judged again: a model that was missing may have come meanwhile."""
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

    def __init__(
        self,
        config: NodeConfig,
        *,
        limits: Limits | None = None,
        time_source: TimeSource | None = None,
    ) -> None:
        """Judge the catalogue, open the spool; raises `UserError` or `SpoolError`."""
        folder = Path(config.spool.folder)
        self._context = _fork_server()
        self._lock_fd = _alone(folder)
        self._declarations = Declarations(config, self._inspect)
        self._clock = NodeClock(folder, source=time_source, trust_wall=config.trust_wall)
        authority = config.broker_settings().ca if not config.broker.plain else None
        self._seal = Seal(config.identity(), authority, self._clock)
        self._spool = spool_of(config, self._clock)
        self._recorder = Recorder(self._spool, self._clock, node=config.node, folder=folder)
        self._crew = Crew(
            self._context,
            clock=self._clock,
            recorder=self._recorder,
            models=config.models,
            source_folder=self._declarations.source_folder,
            loop_files=config.loop_files,
            limits=limits or Limits(),
            on_change=self._announce,
        )
        self._telling = Telling(
            spool=self._spool,
            clock=self._clock,
            declarations=self._declarations,
            crew=self._crew,
        )
        self._publisher = self._new_publisher(config, folder)
        self._notifier = Notifier()
        self._reading = threading.Lock()
        self._stopping = False

    def run(self) -> int:
        """Work until SIGTERM or SIGINT (0), or until the node itself cannot go on (1)."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        self._publisher.start()
        threading.Thread(target=self._watch_catalogue, name="catalogue", daemon=True).start()
        try:
            self._crew.arrange(self._declarations.current)
            self._notifier.ready()
            return self._turn()
        finally:
            self._close()

    # --- the main thread --------------------------------------------------------------------

    def _turn(self) -> int:
        clock_s = 0.0
        while not self._stopping:
            now_s = time.monotonic()
            self._crew.arrange(self._declarations.current)
            self._crew.tend(now_s)
            if now_s >= clock_s:
                clock_s = now_s + CLOCK_EVERY_S
                self._crew.tell_time()
                self._recorder.save()
            fault = self._fault()
            if fault:
                log.critical("%s; the node ends, to be started anew", fault)
                return 1
            self._notifier.progress(now_s)
            time.sleep(TURN_S)
        return 0

    def _fault(self) -> str:
        """Why the node itself cannot go on, "" while it can."""
        if not self._spool.alive:
            return "the spool has failed: nothing can be made durable"
        stuck_s = self._publisher.stuck_s()
        return f"the publisher hangs for {stuck_s:.0f} s" if stuck_s > PUBLISHER_STUCK_S else ""

    def _close(self) -> None:
        self._notifier.stopping()
        self._crew.stop()
        self._recorder.save()
        self._publisher.stop()
        self._clock.save()
        self._spool.close()

    def _on_signal(self, number: int, _frame: object) -> None:
        log.info("signal %d: the node ends", number)
        self._stopping = True

    # --- the publisher ----------------------------------------------------------------------

    def _new_publisher(self, config: NodeConfig, folder: Path) -> Publisher:
        hooks = Hooks(
            birth=self._telling.birth,
            heartbeat=self._heartbeat,
            case_of=self._telling.case_of,
            desired=self._desired,
            commands={
                "status": self._telling.status,
                "restart_camera": self._restart_camera,
                "reload": self._reload,
            },
        )
        return Publisher(
            self._spool,
            identity=config.identity(),
            broker=config.broker_settings(),
            clock=self._clock,
            fixes=ClockFixes(folder),
            hooks=hooks,
        )

    def _announce(self) -> None:
        self._publisher.announce()

    def _heartbeat(self) -> Heartbeat:
        return self._telling.heartbeat(broker_reason=self._publisher.last_reason)

    def _restart_camera(self, arguments: dict[str, object]) -> dict[str, object]:
        camera = str(arguments.get("camera", ""))
        if not self._crew.restart(camera):
            known = ", ".join(sorted(keeper.camera.id for keeper in self._crew.cameras)) or "none"
            raise MessageRefusedError("malformed", f"no camera {camera!r}; known: {known}")
        return {"camera": camera}

    def _reload(self, _arguments: dict[str, object]) -> dict[str, object]:
        self._read_catalogue(even_if_same=True)
        if self._declarations.reason:
            raise MessageRefusedError("malformed", self._declarations.reason)
        return {"cameras": [camera.id for camera in self._declarations.current.cameras]}

    # --- the catalogue ----------------------------------------------------------------------

    def _watch_catalogue(self) -> None:
        again_s = time.monotonic() + REFUSED_AGAIN_S
        while not self._stopping:
            time.sleep(LOOK_AT_CATALOGUE_S)
            if self._declarations.touched():
                self._read_catalogue()
            elif self._declarations.refused and time.monotonic() >= again_s:
                again_s = time.monotonic() + REFUSED_AGAIN_S
                self._read_catalogue(even_if_same=True)

    def _read_catalogue(self, *, even_if_same: bool = False) -> None:
        with self._reading:
            changed = self._declarations.read_anew(even_if_same=even_if_same)
        if changed:
            self._announce()

    def _desired(self, payload: bytes) -> None:
        """What the centre wants this node to run."""
        with self._reading:
            changed = self._offer(payload)
        if changed:
            self._announce()

    def _offer(self, payload: bytes) -> bool:
        if not payload:
            return self._declarations.disbelieve(UnfitError(because("catalogue.unwanted")))
        try:
            message = self._seal.envelope(payload)
            sha256 = hash_of(message)
            if self._declarations.knows(sha256):
                return self._declarations.heard_again()
            part = self._seal.read(message)
        except UnfitError as error:
            return self._declarations.disbelieve(error)
        return self._declarations.offer(part, sha256)

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


def spool_of(config: NodeConfig, clock: NodeClock) -> Spool:
    """The node's spool; gaps have no frame to be timed by, so they take the node's own time."""
    return Spool(config.spool_settings(), wall_ns=lambda: clock.state().wall)


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


def run(config: NodeConfig, *, time_source: TimeSource | None = None) -> int:
    """Run the node; raises an error with one sentence for what a person must mend."""
    return Supervisor(config, time_source=time_source).run()
