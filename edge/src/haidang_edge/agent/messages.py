"""What the supervisor and its children say to each other; short, by pipe, never a picture's pixels.

A redacted snapshot is the one larger thing that travels here: it is a small JPEG, and it comes
together with its event, so that an event never promises a picture that does not follow.
"""

import msgspec
from msgspec import Struct

from haidang_edge.agent.facts import ModelFacts
from haidang_protocols.catalogue.model import Camera
from haidang_protocols.wire.messages import CameraState
from haidang_protocols.wire.reasons import Reason
from haidang_protocols.wire.records import Box, Event, Observation

MESSAGE_BYTES_MAX = 1 << 20


class CameraJob(Struct, frozen=True, kw_only=True):
    """All that a camera's child must know; `life` makes its event ids its own."""

    camera: Camera
    model: ModelFacts
    counted: tuple[str, ...]
    time_zone: str
    source_folder: str
    loop_files: bool
    life: str
    epoch_ns: int


class EngineJob(Struct, frozen=True, kw_only=True):
    """All that an engine's child must know."""

    models: str
    model: ModelFacts


class Watch(Struct, frozen=True, kw_only=True, tag="watch"):
    """To a camera: go on by another version of the catalogue."""

    job: CameraJob


class Attach(Struct, frozen=True, kw_only=True, tag="attach"):
    """To both ends of a link: two descriptors follow, a socket and a slot of shared memory."""

    camera: str
    width: int
    height: int


class Clock(Struct, frozen=True, kw_only=True, tag="clock"):
    """To a camera: wall time at monotonic 0, as the node's clock knows it now."""

    epoch_ns: int


class Stop(Struct, frozen=True, kw_only=True, tag="stop"):
    """To a child: end what is open and leave."""


class Told(Struct, frozen=True, kw_only=True, tag="told"):
    """From a camera: a record whose wall time is not fixed yet, with its redacted picture."""

    record: Event | Observation
    jpeg: bytes = b""
    crop: Box | None = None


class Pulse(Struct, frozen=True, kw_only=True, tag="pulse"):
    """From a camera, every second.

    Attributes:
        frame_ns: monotonic time of the newest frame, 0 before the first.
        capture_ns: when its capture last got on; `look_ns` likewise for whoever looks.
        blind: why nobody looks though there are frames, None when somebody does.
    """

    state: CameraState
    why: Reason | None = None
    frame_ns: int = 0
    fps: float = 0.0
    looked: int = 0
    width: int = 0
    height: int = 0
    capture_ns: int
    look_ns: int
    blind: Reason | None = None


class Ready(Struct, frozen=True, kw_only=True, tag="ready"):
    """From an engine: the model is loaded and warm."""


class Beat(Struct, frozen=True, kw_only=True, tag="beat"):
    """From an engine, every second: how long it takes, and how much it has done."""

    p95_ms: float
    served: int


class Refused(Struct, frozen=True, kw_only=True, tag="refused"):
    """From a child that cannot do its work and leaves."""

    why: Reason


ToCamera = Watch | Attach | Clock | Stop
FromCamera = Told | Pulse | Refused
ToEngine = Attach | Stop
FromEngine = Ready | Beat | Refused

encode = msgspec.msgpack.Encoder().encode
TO_CAMERA = msgspec.msgpack.Decoder[ToCamera](ToCamera)
FROM_CAMERA = msgspec.msgpack.Decoder[FromCamera](FromCamera)
TO_ENGINE = msgspec.msgpack.Decoder[ToEngine](ToEngine)
FROM_ENGINE = msgspec.msgpack.Decoder[FromEngine](FromEngine)
