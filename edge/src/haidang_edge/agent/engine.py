"""An engine's child: one model, loaded once, that answers all cameras in turn."""

import logging
import selectors
import time
from collections import deque
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle
from pathlib import Path

import msgspec
import numpy as np

from haidang_edge.agent import messages, process
from haidang_edge.agent.link import Answering, Pixels
from haidang_edge.agent.messages import Attach, EngineJob
from haidang_edge.detect import Detections, Engine, ModelError, ModelStore, open_engine
from haidang_protocols.wire.reasons import because

log = logging.getLogger(__name__)

BEAT_S = 1.0
TIMES_KEPT = 512
FAINT_SCORE = 0.2
"""Boxes fainter than a model's own limit keep a track alive through a bad moment."""


def run(connection: Connection, job: bytes) -> None:
    """Serve until the supervisor says stop or is gone."""
    told = msgspec.msgpack.decode(job, type=EngineJob)
    process.begin(f"engine {told.model.name}")
    try:
        model = ModelStore(Path(told.models)).load(told.model.name)
        least = min(FAINT_SCORE, model.manifest.min_score)
        engine = open_engine(model, min_score=least)
        connection.send_bytes(messages.encode(messages.Ready()))
        # while it serves too: only what a model sees tells that its labels are too few
        _Server(connection, engine).serve()
    except ModelError as error:
        refused = messages.Refused(why=because("model.refused", why=str(error)))
        connection.send_bytes(messages.encode(refused))


class _Server:
    """Waits for questions, answers them in the order they came."""

    def __init__(self, connection: Connection, engine: Engine) -> None:
        self._connection, self._engine = connection, engine
        self._selector = selectors.DefaultSelector()
        self._selector.register(connection, selectors.EVENT_READ)
        self._times_ms: deque[float] = deque(maxlen=TIMES_KEPT)
        self._served = 0

    def serve(self) -> None:
        beat_s = time.monotonic()
        while True:
            ready = self._selector.select(max(0.0, beat_s - time.monotonic()))
            for key, _ in ready:
                if key.data is None:
                    if not self._listen():
                        return
                elif not key.data.answer(self._infer):
                    self._selector.unregister(key.fileobj)
                    key.data.close()
            if time.monotonic() >= beat_s:
                beat_s = time.monotonic() + BEAT_S
                p95 = float(np.percentile(self._times_ms, 95)) if self._times_ms else 0.0
                beat = messages.Beat(p95_ms=round(p95, 2), served=self._served)
                self._connection.send_bytes(messages.encode(beat))

    def _listen(self) -> bool:
        """Do what the supervisor says; False when it is time to leave."""
        try:
            told = messages.TO_ENGINE.decode(self._connection.recv_bytes())
            if not isinstance(told, Attach):
                return False
            fds = recv_handle(self._connection), recv_handle(self._connection)
        except (EOFError, OSError):
            return False
        link = Answering(*fds, width=told.width, height=told.height)
        self._selector.register(link.socket, selectors.EVENT_READ, link)
        log.info("camera %s is attached", told.camera)
        return True

    def _infer(self, pixels: Pixels, covers: tuple[float, float]) -> Detections:
        start_s = time.perf_counter()
        found = self._engine.infer(pixels, covers=covers)
        self._times_ms.append((time.perf_counter() - start_s) * 1e3)
        self._served += 1
        return found
