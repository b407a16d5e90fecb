"""What viewers are sent: small rows, times in milliseconds since 1970 UTC."""

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from haidang_cloud.cases import CaseView
from haidang_protocols.wire.messages import (
    Birth,
    CameraHealth,
    CaseMessage,
    Heartbeat,
    NodeState,
)
from haidang_protocols.wire.names import parse_record_id
from haidang_protocols.wire.reasons import Reason
from haidang_protocols.wire.records import Box

MS_NS = 1_000_000
_DECLARED = ("catalogue.", "model.")


class CaseRow(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A case; `provisional` is one that the centre could not store yet."""

    id: str
    scope: str
    place: str
    node: str
    camera: str
    rule: str
    type: str
    zone: str
    cls: str
    severity: str
    state: str
    t: int
    raised: int
    changed: int
    ended: int | None = None
    by: str = ""
    note: str = ""
    delayed: bool = False
    synced: bool = True
    snapshot: bool = False
    box: Box | None = None
    provisional: bool = False


class CameraRow(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A camera by its node's newest heartbeat, at `at`, and by its newest picture.

    `crop` is the share of what the camera sees that its picture shows; `because` says `why` to
    programs.
    """

    id: str
    state: str = ""
    why: str = ""
    age_s: float = -1.0
    fps: float = 0.0
    restarts: int = 0
    at: int = 0
    picture: str = ""
    picture_t: int = 0
    crop: Box | None = None
    because: Reason | None = None


class NodeRow(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A node by its state, birth and newest heartbeat.

    Attributes:
        online: what its state message says; None before there was one.
        since: when it came online by its own clock, 0 where it has not said.
        at: when its newest heartbeat came.
        skew_s: how far its clock was from the centre's at that moment.
        reason: its last words in English, `because` the same to programs.
        born: when its birth was heard.
    """

    id: str
    online: bool | None = None
    since: int = 0
    at: int = 0
    synced: bool = True
    skew_s: float = 0.0
    spool_depth: int = 0
    spool_bytes: int = 0
    oldest_s: float = 0.0
    dropped: int = 0
    temperature_c: float | None = None
    throttled: bool | None = None
    inference_ms: float = 0.0
    reason: str = ""
    because: Reason | None = None
    born: int = 0
    agent: str = ""
    catalogue: int = 0
    models: dict[str, str] = {}


class EventRow(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An event as it is stored."""

    id: str
    t: int
    camera: str
    type: str
    severity: str
    phase: str
    zone: str = ""
    cls: str = ""
    rule: str = ""
    alarm: bool = False


def case_of_view(view: CaseView, names: Mapping[str, str]) -> CaseRow:
    """A case as the database has it; `names` are people by log-in name."""
    return replace(
        case_of_message(view.message(), names),
        node=view.node,
        raised=view.raised_ns // MS_NS,
        ended=None if view.ended_ns is None else view.ended_ns // MS_NS,
    )


def case_of_message(message: CaseMessage, names: Mapping[str, str]) -> CaseRow:
    """A case as staff are told it, while the database has not said more."""
    return CaseRow(
        id=message.case,
        scope=message.scope,
        place=message.place,
        node=parse_record_id(message.record)[0],
        camera=message.camera,
        rule=message.rule,
        type=message.type.value,
        zone=message.zone,
        cls=message.cls,
        severity=message.severity.value,
        state=message.state.value,
        t=message.t // MS_NS,
        raised=message.at // MS_NS,
        changed=message.at // MS_NS,
        by=names.get(message.by, message.by),
        note=message.note,
        delayed=message.delayed,
        synced=message.synced,
        snapshot=message.snapshot,
        box=message.box,
        provisional=message.provisional,
    )


def camera_of_health(health: CameraHealth, known: CameraRow | None, *, at: int) -> CameraRow:
    """A camera after a heartbeat."""
    return CameraRow(
        id=health.id,
        state=health.state.value,
        why=health.why,
        age_s=round(health.frame_age_s, 1),
        fps=round(health.fps, 1),
        restarts=health.restarts,
        at=at,
        picture=known.picture if known else "",
        picture_t=known.picture_t if known else 0,
        crop=known.crop if known else None,
        because=health.because,
    )


def heartbeat_fields(beat: Heartbeat, *, at_ns: int) -> dict[str, object]:
    """What a heartbeat changes of a node's row."""
    return {
        "at": at_ns // MS_NS,
        "synced": beat.clock.synced,
        "skew_s": round((beat.clock.wall - at_ns) / 1e9, 1),
        "spool_depth": beat.spool_depth,
        "spool_bytes": beat.spool_bytes,
        "oldest_s": round(beat.oldest_unsent_s, 1),
        "dropped": beat.dropped,
        "temperature_c": beat.temperature_c,
        "throttled": beat.throttled,
        "inference_ms": round(beat.inference_p95_ms, 1),
        "reason": beat.last_reason,
        "because": beat.because,
    }


def state_fields(state: NodeState) -> dict[str, object]:
    """What a state message changes of a node's row; a will does not know when."""
    return {"online": state.online, "since": state.at // MS_NS if state.online else 0}


def birth_fields(birth: Birth, known: NodeRow, *, at_ns: int) -> dict[str, object]:
    """What a birth changes of a node's row.

    One without a reason says that what is declared is in force: a reason against that is over. Why
    a broker was lost only the next heartbeat says anew.
    """
    fields: dict[str, object] = {
        "born": at_ns // MS_NS,
        "agent": birth.agent,
        "catalogue": birth.catalogue,
        "models": birth.models,
    }
    if birth.reason or (known.because and known.because.code.startswith(_DECLARED)):
        fields |= {"reason": birth.reason, "because": birth.because}
    return fields
