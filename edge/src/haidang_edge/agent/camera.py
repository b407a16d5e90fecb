"""A camera's child: one thread takes frames, one looks at the newest, one talks."""

import logging
import os
import threading
import time
from collections import deque
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle
from pathlib import Path

import msgspec

from haidang_edge.agent import messages, process
from haidang_edge.agent.link import Asking, LinkLostError
from haidang_edge.agent.look import Looker
from haidang_edge.agent.mailbox import Mailbox
from haidang_edge.agent.messages import Attach, CameraJob, Clock, FromCamera, Told, Watch
from haidang_edge.capture import (
    CaptureSettings,
    Frame,
    Source,
    SourceAddressError,
    open_source,
    reopening,
)
from haidang_edge.detect import Detections
from haidang_protocols.wire.messages import CameraState
from haidang_protocols.wire.reasons import Reason, because, sentence

log = logging.getLogger(__name__)

PULSE_S = 1.0
GIVE_BACK_S = 10.0
"""How often memory that is free goes back: it takes a few milliseconds."""
RATE_OVER = 10
"""Pulses over which the frame rate is told."""


def run(connection: Connection, job: bytes) -> None:
    """Watch until the supervisor says stop or is gone."""
    told = msgspec.msgpack.decode(job, type=CameraJob)
    process.begin(f"camera {told.camera.id}")
    _Child(connection, told).run()


class _Child:
    """The three threads and what they share."""

    def __init__(self, connection: Connection, job: CameraJob) -> None:
        self._connection, self._job = connection, job
        self._sending = threading.Lock()
        self._newest: Mailbox[Frame] = Mailbox()
        self._state = CameraState.CONNECTING
        self._why: Reason | None = None
        self._size = (0, 0)
        self._frames, self._frame_ns = 0, 0
        self._rate: deque[tuple[int, int]] = deque(maxlen=RATE_OVER)
        self._capture_ns = self._look_ns = _now_ns()
        self._blind: Reason | None = because("model.none")
        self._link: Asking | None = None
        self._fresh_link: Asking | None = None
        self._fresh_job: CameraJob | None = None
        self._looker = Looker(job, self._infer, mono_ns=_now_ns())

    def run(self) -> None:
        threading.Thread(target=self._look, name="look", daemon=True).start()
        threading.Thread(target=self._talk, name="talk", daemon=True).start()
        try:
            self._capture()
        except SourceAddressError as error:
            self._send(messages.Refused(why=because("camera.address", why=str(error))))
            return
        # a file came to its end: there is nothing to take, but the supervisor still asks
        while True:
            self._capture_ns = _now_ns()
            time.sleep(PULSE_S)

    # --- the main thread: frames ------------------------------------------------------------

    def _capture(self) -> None:
        for frame in reopening(self._open, on_state=self._on_state, stop=threading.Event()):
            self._frames += 1
            self._frame_ns = self._capture_ns = frame.mono_ns
            self._size = (frame.width, frame.height)
            self._newest.put(frame)

    def _open(self) -> Source:
        job = self._job
        return open_source(
            job.camera.source,
            width=job.model.width,
            height=job.model.height,
            settings=CaptureSettings(
                fps=job.camera.fps,
                letterbox=job.model.letterbox,
                loop=job.loop_files,
                pace=True,
            ),
            folder=Path(job.source_folder),
        )

    def _on_state(self, state: CameraState, why: Reason | None) -> None:
        self._capture_ns = _now_ns()
        if state is CameraState.CONNECTING and self._why:
            return  # while it is opened again, why it was lost says more
        if (state, why) != (self._state, self._why):
            log.info("%s: %s %s", self._job.camera.id, state, sentence(why))
        self._state, self._why = state, why

    # --- the looking thread: frames into records --------------------------------------------

    def _look(self) -> None:
        looker = self._looker
        while True:
            frame = self._newest.take(PULSE_S)
            self._look_ns = _now_ns()
            if self._newest.closed:
                self._tell_all(list(looker.close(_now_ns())))
                self._connection.close()
                os._exit(0)  # whatever the decoder is waiting for, it is not waited for
            job, self._fresh_job = self._fresh_job, None
            if job is not None:
                self._tell_all(list(looker.swap(job, mono_ns=_now_ns())))
            for told in looker.idle(_now_ns()) if frame is None else looker.frame(frame):
                self._send(told)

    def _tell_all(self, told: list[Told]) -> None:
        for one in told:
            self._send(one)

    def _infer(self, frame: Frame) -> Detections | None:
        fresh, self._fresh_link = self._fresh_link, None
        if fresh is not None:
            if self._link is not None:
                self._link.close()
            self._link, self._blind = fresh, None
        if self._link is None:
            return None
        try:
            return self._link.infer(frame)
        except LinkLostError as error:
            log.warning("%s: %s", self._job.camera.id, error)
            self._link.close()
            self._link, self._blind = None, error.why
            return None

    # --- the talking thread: the supervisor -------------------------------------------------

    def _talk(self) -> None:
        pulse_s = give_back_s = time.monotonic()
        while True:
            if self._connection.poll(max(0.0, pulse_s - time.monotonic())):
                self._listen()
            if time.monotonic() >= pulse_s:
                pulse_s = time.monotonic() + PULSE_S
                self._send(self._pulse())
            if time.monotonic() >= give_back_s:
                give_back_s = time.monotonic() + GIVE_BACK_S
                process.give_back()

    def _listen(self) -> None:
        try:
            told = messages.TO_CAMERA.decode(self._connection.recv_bytes())
            if isinstance(told, Attach):
                fds = recv_handle(self._connection), recv_handle(self._connection)
                self._fresh_link = Asking(*fds, width=told.width, height=told.height)
            elif isinstance(told, Watch):
                self._fresh_job = told.job
            elif isinstance(told, Clock):
                self._looker.epoch_ns = told.epoch_ns
            else:
                self._newest.close()
        except (EOFError, OSError):
            os._exit(0)  # the supervisor is gone

    def _pulse(self) -> messages.Pulse:
        now_ns = _now_ns()
        self._rate.append((now_ns, self._frames))
        (then_ns, then_frames), _ = self._rate[0], None
        passed_s = (now_ns - then_ns) / 1e9
        return messages.Pulse(
            state=self._state,
            why=self._why,
            frame_ns=self._frame_ns,
            fps=round((self._frames - then_frames) / passed_s, 2) if passed_s else 0.0,
            looked=self._looker.looked,
            width=self._size[0],
            height=self._size[1],
            capture_ns=self._capture_ns,
            look_ns=self._look_ns,
            blind=self._blind,
        )

    def _send(self, message: FromCamera) -> None:
        payload = messages.encode(message)
        with self._sending:
            try:
                self._connection.send_bytes(payload)
            except OSError:
                os._exit(0)  # the supervisor is gone


def _now_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
