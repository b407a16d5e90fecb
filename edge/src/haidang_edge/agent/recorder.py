"""From what a camera tells to durable records: time fixed once, pictures after events.

It remembers which events are open, over a restart too: when a camera's process dies, or the node
lost its power, what had begun still gets its one end.
"""

import hashlib
import logging
import threading
from pathlib import Path

import msgspec
from msgspec.structs import replace

from haidang_edge.agent.messages import Told
from haidang_edge.spool import Files, NodeClock, Spool, SystemFiles
from haidang_protocols.wire.errors import UNREADABLE
from haidang_protocols.wire.names import record_id
from haidang_protocols.wire.records import (
    Box,
    Event,
    Observation,
    Phase,
    RecordClass,
    encode_record,
)
from haidang_protocols.wire.snapshot import SnapshotHeader, encode_snapshot

log = logging.getLogger(__name__)

FILE = "open_events.json"


class Recorder:
    """See the module; thread-safe, and each camera's records are to come from one thread."""

    def __init__(
        self,
        spool: Spool,
        clock: NodeClock,
        *,
        node: str,
        folder: Path,
        files: Files | None = None,
    ) -> None:
        """Take up what was open when the node last ran."""
        self._spool, self._clock, self._node = spool, clock, node
        self._path = folder / FILE
        self._files: Files = files or SystemFiles()
        self._lock = threading.Lock()
        self._open: dict[str, Event] = {}
        self._dirty = False
        self._end_what_was_left()

    def take(self, told: Told) -> None:
        """Make a camera's record durable; its picture follows it."""
        record = told.record
        at = self._clock.fix(record.camera, at_mono_ns=record.mono)
        fixed = replace(record, t=at.wall, boot=at.boot, mono=at.mono, synced=at.synced)
        seq = self._spool.append(_class_of(fixed), encode_record(fixed))
        if isinstance(fixed, Event):
            self._note(fixed)
            if told.jpeg and told.crop is not None:
                self._take_picture(fixed, seq, told.jpeg, told.crop)

    def camera_gone(self, camera: str) -> None:
        """End what a camera's process left open when it died."""
        with self._lock:
            left = [event for event in self._open.values() if event.camera == camera]
        for event in left:
            self._end(event)

    def save(self) -> None:
        """Remember what is open, when that has changed."""
        with self._lock:
            if not self._dirty:
                return
            payload = msgspec.json.encode(list(self._open.values()))
            self._dirty = False
        try:
            self._files.replace(self._path, payload)
        except OSError as error:
            # a full disk stops nothing here: what is open is known as long as we run
            log.warning("%s: cannot be saved: %s", self._path.name, error.strerror)

    def _end_what_was_left(self) -> None:
        try:
            left = msgspec.json.decode(self._path.read_bytes(), type=list[Event])
        except FileNotFoundError:
            return
        except (OSError, *UNREADABLE) as error:
            log.warning("%s is left out: %s", self._path.name, error)
            return
        for event in left:
            self._open[event.event] = event
            self._end(event)
        self.save()

    def _end(self, event: Event) -> None:
        now = self._clock.state()
        held_s = round((now.mono - event.mono) / 1e9, 3) if now.boot == event.boot else None
        ended = replace(event, phase=Phase.END, mono=now.mono, duration_s=held_s, snapshot=False)
        self.take(Told(record=ended))

    def _note(self, event: Event) -> None:
        with self._lock:
            if event.phase is Phase.BEGIN:
                self._open[event.event] = event
            elif self._open.pop(event.event, None) is None:
                return
            self._dirty = True

    def _take_picture(self, event: Event, seq: int, jpeg: bytes, crop: Box) -> None:
        def build(own: int) -> bytes:
            header = SnapshotHeader(
                spool=self._spool.id,
                seq=own,
                record=record_id(self._node, self._spool.id, seq),
                camera=event.camera,
                t=event.t,
                crop=crop,
                sha256=hashlib.sha256(jpeg).hexdigest(),
            )
            return encode_snapshot(header, jpeg)

        self._spool.append_built(RecordClass.SNAPSHOT, build)


def _class_of(record: Event | Observation) -> RecordClass:
    if isinstance(record, Observation):
        return RecordClass.OBSERVATION
    return RecordClass.ALARM if record.alarm else RecordClass.EVENT
