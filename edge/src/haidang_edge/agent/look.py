"""A frame into records: gate, detector, tracker, rules, redacted picture; no thread, no pipe."""

import logging
from collections.abc import Callable, Iterator

import numpy as np
from msgspec.structs import replace

from haidang_edge.agent.messages import CameraJob, Told
from haidang_edge.capture import Frame, Gate, GateSettings
from haidang_edge.detect import Detections
from haidang_edge.privacy import Snapshot, crop_around, redact
from haidang_edge.rules import Rules, start_score
from haidang_edge.track import Tracker, TrackerSettings
from haidang_protocols.catalogue.model import Rule
from haidang_protocols.wire.records import Box, Event, Observation, Phase

log = logging.getLogger(__name__)

Infer = Callable[[Frame], Detections | None]
"""What the model sees; None while there is no model to ask."""


class Looker:
    """One camera's memory, from frame to frame."""

    def __init__(self, job: CameraJob, infer: Infer, *, mono_ns: int) -> None:
        """Begin at `mono_ns`."""
        self._job, self._infer = job, infer
        self.epoch_ns = job.epoch_ns
        self.looked = 0
        self._gate = self._new_gate()
        # milliseconds since boot: above all ids of an earlier life of this camera
        self._tracker = Tracker(_settings(job), first_id=mono_ns // 1_000_000 + 1)
        self._rules = Rules(
            job.camera,
            labels=job.model.labels,
            counted=job.counted,
            time_zone=job.time_zone,
            event_prefix=job.life,
            mono_ns=mono_ns,
        )

    def frame(self, frame: Frame) -> Iterator[Told]:
        """What a frame tells."""
        now, wall_ns = frame.mono_ns, frame.mono_ns + self.epoch_ns
        if self._job.camera.gate and not self._gate.look(
            frame.luma, now, tracks_alive=self._tracker.alive
        ):
            yield from _plain(self._rules.tick(mono_ns=now, wall_ns=wall_ns, frame=True))
            return
        detections = self._infer(frame)
        if detections is None:
            yield from self.idle(now)
            return
        self.looked += 1
        tracks = self._tracker.update(detections, now)
        pictures = _Pictures(frame, detections, self._job.model.labels)
        for record in self._rules.look(tracks, mono_ns=now, wall_ns=wall_ns):
            yield self._told(record, pictures)

    def idle(self, mono_ns: int) -> Iterator[Told]:
        """What time alone tells, while there is nothing to look at."""
        told = self._rules.tick(mono_ns=mono_ns, wall_ns=mono_ns + self.epoch_ns, frame=False)
        return _plain(told)

    def swap(self, job: CameraJob, *, mono_ns: int) -> Iterator[Told]:
        """Go on by another version of the catalogue; source, model and rate are the same."""
        if job.camera.idle_look_s != self._job.camera.idle_look_s:
            self._job = job
            self._gate = self._new_gate()
        self._job = job
        self._tracker.settings = _settings(job)
        return _plain(self._rules.swap(job.camera, counted=job.counted, mono_ns=mono_ns))

    def close(self, mono_ns: int) -> Iterator[Told]:
        """End what is open."""
        return _plain(self._rules.close(mono_ns=mono_ns))

    def _new_gate(self) -> Gate:
        return Gate(GateSettings(idle_look_s=self._job.camera.idle_look_s))

    def _told(self, record: Event | Observation, pictures: "_Pictures") -> Told:
        if not isinstance(record, Event) or record.phase is Phase.END or record.box is None:
            return Told(record=record)
        rule = next(rule for rule in self._job.camera.rules if rule.id == record.rule)
        snapshot = pictures.of(record.box, rule) if rule.snapshot else None
        if snapshot is None:
            return Told(record=record)
        return Told(record=replace(record, snapshot=True), jpeg=snapshot.jpeg, crop=snapshot.crop)


class _Pictures:
    """Redacted pictures out of one frame; the full picture is made once, when first needed."""

    def __init__(self, frame: Frame, detections: Detections, labels: tuple[str, ...]) -> None:
        self._frame, self._detections, self._labels = frame, detections, labels
        self._picture: np.ndarray | None = None

    def of(self, box: Box, rule: Rule) -> Snapshot | None:
        """The event's picture; None when it cannot be made safe: then it does not leave."""
        released: list[Box] = []
        withheld: list[Box] = []
        for x0, y0, x1, y1, score, cls in self._detections.tolist():
            if self._labels[int(cls)] not in rule.release:
                withheld.append((x0, y0, x1, y1))
            elif score >= rule.min_score:
                released.append((x0, y0, x1, y1))
        try:
            if self._picture is None:
                self._picture = self._frame.picture()
            crop = crop_around(box, width=self._frame.width, height=self._frame.height)
            return redact(self._picture, crop=crop, released=released, withheld=withheld)
        except Exception:  # fail-closed: whatever went wrong, the event goes without a picture
            log.exception("no picture of rule %s", rule.id)
            return None


def _settings(job: CameraJob) -> TrackerSettings:
    return TrackerSettings(start_score=start_score(job.camera))


def _plain(records: list[Event | Observation]) -> Iterator[Told]:
    return (Told(record=record) for record in records)
