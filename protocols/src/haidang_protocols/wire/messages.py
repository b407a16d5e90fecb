"""Small messages: node state, commands, cases, answers, ingest state; one reader for all."""

from enum import StrEnum
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct

from haidang_protocols.wire.errors import UNREADABLE, MessageRefusedError
from haidang_protocols.wire.names import SPOOL_PATTERN, RecordId, case_id_of
from haidang_protocols.wire.reasons import Reason
from haidang_protocols.wire.records import NUL, Box, Count, Event, RuleKind, TimeNs
from haidang_protocols.wire.topics import Severity
from haidang_protocols.wire.versions import always

MESSAGE_VERSION = 1
DELAYED_AFTER_NS = 60_000_000_000
"""An alarm older than this is told as delayed: it no longer calls for a run."""


class Message(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Every small message begins with its version."""

    v: int = always(MESSAGE_VERSION)


class CameraState(StrEnum):
    """What a camera is doing."""

    CONNECTING = "connecting"
    LIVE = "live"
    FROZEN = "frozen"
    STALLED = "stalled"
    ENDED = "ended"
    DOWN = "down"


class ClockState(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The node's clock: boot id, monotonic and wall nanoseconds, synchronised or not."""

    boot: str
    mono: TimeNs
    wall: TimeNs
    synced: bool


class CameraBirth(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A camera that the node watches, with the model that looks."""

    id: str
    model: str = ""
    width: Count = 0
    height: Count = 0


class Birth(Message, frozen=True, kw_only=True):
    """Retained on `…/birth`: who the node is.

    `reason` says why a newer catalogue is not in force; `because` the same to programs.
    """

    spool: Annotated[str, Meta(pattern=SPOOL_PATTERN)]
    next_seq: Annotated[int, Meta(ge=1)]
    agent: str
    cameras: tuple[CameraBirth, ...] = ()
    models: dict[str, str] = msgspec.field(default_factory=dict)
    clock: ClockState
    catalogue: Count = 0
    reason: str = ""
    because: Reason | None = None


class NodeState(Message, frozen=True, kw_only=True):
    """Retained on `…/state`, and the will: online or offline."""

    online: bool
    at: TimeNs = 0


class CameraHealth(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One camera at a heartbeat; ages in seconds, -1 when there was no frame yet.

    `because` says the same as `why` to programs.
    """

    id: str
    state: CameraState
    why: str = ""
    frame_age_s: float = -1.0
    fps: float = 0.0
    looked: Count = 0
    restarts: Count = 0
    because: Reason | None = None


class Heartbeat(Message, frozen=True, kw_only=True):
    """Every ten seconds on `…/heartbeat`; `because` says the same as `last_reason` to programs."""

    at: TimeNs
    clock: ClockState
    cameras: tuple[CameraHealth, ...] = ()
    inference_p95_ms: float = 0.0
    spool_depth: Count = 0
    spool_bytes: Count = 0
    oldest_unsent_s: float = 0.0
    dropped: Count = 0
    temperature_c: float | None = None
    throttled: bool | None = None
    last_reason: str = ""
    because: Reason | None = None


class NodeCommand(Message, frozen=True, kw_only=True):
    """On `…/command/{verb}`; always answered under the same `id`."""

    id: str
    arguments: dict[str, Any] = msgspec.field(default_factory=dict)
    by: str = ""


class Reply(Message, frozen=True, kw_only=True):
    """On `…/reply`."""

    id: str
    ok: bool
    why: str = ""
    result: dict[str, Any] = msgspec.field(default_factory=dict)


class CaseState(StrEnum):
    """Where an alert stands."""

    RAISED = "raised"
    ACKNOWLEDGED = "acknowledged"
    ON_SCENE = "on_scene"
    CLOSED = "closed"
    FALSE_ALARM = "false_alarm"


class CaseMessage(Message, frozen=True, kw_only=True):
    """A case told to staff.

    `provisional` marks one that was told before the centre could store it: by ingest while the
    relational database is down, by the node while the centre is out of reach. The same case id
    follows later without the mark.
    """

    case: str
    scope: str
    severity: Severity
    state: CaseState
    record: str
    t: TimeNs
    at: TimeNs
    camera: str
    place: str = ""
    rule: str = ""
    type: RuleKind = RuleKind.OTHER
    zone: str = ""
    cls: str = ""
    box: Box | None = None
    by: str = ""
    note: str = ""
    snapshot: bool = False
    provisional: bool = False
    delayed: bool = False
    synced: bool = True


class AnswerKind(StrEnum):
    """What staff may answer."""

    ACKNOWLEDGED = "acknowledged"
    ON_SCENE = "on_scene"
    FALSE = "false"
    DONE = "done"


class CaseAnswer(Message, frozen=True, kw_only=True):
    """On `case/{scope}/answer/{case}`; the API token says which person answers."""

    answer: AnswerKind
    token: str
    note: Annotated[str, Meta(max_length=2000)] = ""
    at: TimeNs = 0


class IngestState(Message, frozen=True, kw_only=True):
    """Retained on `ingest/{worker}/state`, and the will."""

    online: bool
    at: TimeNs = 0


_M = TypeVar("_M", bound=Message)


def encode(message: Message) -> bytes:
    """A small message as its payload."""
    return msgspec.json.encode(message)


def decode(payload: bytes, kind: type[_M]) -> _M:
    """Read a small message; raises `MessageRefusedError` (malformed, version)."""
    name = kind.__name__
    if NUL in payload:
        raise MessageRefusedError("malformed", f"{name}: a text holds the character NUL")
    try:
        message = msgspec.json.decode(payload, type=kind)
    except UNREADABLE as error:
        raise MessageRefusedError("malformed", f"{name}: {error}") from error
    if message.v != MESSAGE_VERSION:
        raise MessageRefusedError(
            "version", f"{name}: v is {message.v}; known is {MESSAGE_VERSION}"
        )
    return message


def alert(
    event: Event, *, record: RecordId, scope: str, place: str, at: int, provisional: bool = False
) -> CaseMessage:
    """The case that an alarm raises, as staff are first told of it; `at` is now, in nanoseconds."""
    return CaseMessage(
        case=case_id_of(record),
        scope=scope,
        severity=event.severity,
        state=CaseState.RAISED,
        record=record,
        t=event.t,
        at=at,
        camera=event.camera,
        place=place,
        rule=event.rule,
        type=event.type,
        zone=event.zone,
        cls=event.cls,
        box=event.box,
        snapshot=event.snapshot,
        provisional=provisional,
        delayed=at - event.t > DELAYED_AFTER_NS,
        synced=event.synced,
    )
