"""Cases: lists by scope and state, one with its history, answers, and the picture."""

import hashlib
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from haidang_cloud.api.parts import PartsOf
from haidang_cloud.api.times import utc, utc_or_none
from haidang_cloud.api.who import Who, WhoAsks
from haidang_cloud.cases import OPEN, Answer, CaseShelf, CaseView, Place, Step
from haidang_cloud.cases.life import allowed
from haidang_cloud.errors import RefusedError
from haidang_protocols.catalogue.model import Right
from haidang_protocols.wire.messages import AnswerKind, CaseState
from haidang_protocols.wire.records import RuleKind
from haidang_protocols.wire.topics import Severity

router = APIRouter(prefix="/api/v1/cases", tags=["cases"])

PAGE = 50
PAGE_MAX = 200


class CaseShown(BaseModel):
    """A case; `t` is when it was seen, `raised` when the centre knew."""

    model_config = ConfigDict(from_attributes=True)

    id: str = Field(examples=["alert-gate-1-00112233aabbccdd-17"])
    kind: str
    scope: str
    place: str
    node: str
    camera: str
    rule: str
    type: RuleKind
    zone: str
    cls: str
    severity: Severity
    state: CaseState
    t: datetime
    raised: datetime
    ended: datetime | None = Field(description="when what was seen was over")
    changed: datetime
    by: str = Field(description="who answered last")
    note: str
    delayed: bool = Field(description="told more than a minute after it was seen")
    synced: bool = Field(description="whether the node's clock was right")
    snapshot: bool = Field(description="whether the node sends a picture")
    box: tuple[float, float, float, float] | None


class StepShown(BaseModel):
    """One line of a case's history."""

    at: datetime
    actor: str
    via: str
    action: str
    from_state: str
    to_state: str
    note: str


class CaseWhole(CaseShown):
    """A case with its history, and what may be answered now."""

    steps: list[StepShown]
    answers: list[AnswerKind]


class CasePage(BaseModel):
    """Cases, newest first; `next` is the cursor of the page that follows."""

    cases: list[CaseShown]
    next: str | None


class AnswerGiven(BaseModel):
    """An answer; the same `id` again from the same person is the same answer."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"answer": "acknowledged", "note": "đang tới"}},
    )

    answer: AnswerKind
    note: Annotated[str, Field(max_length=2000)] = ""
    id: Annotated[str, Field(max_length=100)] = ""


@router.get("")
def cases(
    parts: PartsOf,
    who: WhoAsks,
    state: Annotated[list[CaseState] | None, Query(description="default: all open ones")] = None,
    scope: Annotated[list[str] | None, Query(description="default: all that you see")] = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = PAGE,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> CasePage:
    """Cases of the scopes that I see (right case.read), newest first."""
    for one in scope or ():
        who.demand(Right.CASE_READ, one)
    found = parts.shelf.find(
        scope or who.sees(Right.CASE_READ),
        states=state or OPEN,
        limit=limit + 1,
        after=_place(cursor),
    )
    more = found[limit - 1] if len(found) > limit else None
    return CasePage(
        cases=[_shown(one) for one in found[:limit]],
        next=None if more is None else f"{more.raised_ns}.{more.id}",
    )


def _place(cursor: str | None) -> Place | None:
    if cursor is None:
        return None
    raised, _, number = cursor.partition(".")
    if not (raised.isascii() and raised.isdigit() and len(raised) < 20 and number):
        raise RefusedError("cursor", f"{cursor!r} is no cursor: give what `next` said")
    return Place(min(int(raised), 2**62), number)


@router.get("/{number}")
def case(parts: PartsOf, who: WhoAsks, number: str) -> CaseWhole:
    """One case with its history (right case.read)."""
    return _whole(parts.shelf, _seen(parts, who, number))


@router.post("/{number}/answers")
def answer_case(parts: PartsOf, who: WhoAsks, number: str, given: AnswerGiven) -> CaseWhole:
    """Answer a case (right case.answer); 409 says who was first, and how the case stands."""
    seen = _seen(parts, who, number)
    who.demand(Right.CASE_ANSWER, seen.scope)
    login = who.person.login
    answer = Answer(
        kind=given.answer,
        actor=login,
        via="api",
        note=given.note,
        id=hashlib.sha256(f"{login} {given.id}".encode()).hexdigest() if given.id else "",
    )
    return _whole(parts.shelf, parts.desk.answer(number, answer, now_ns=parts.now_ns()))


@router.get(
    "/{number}/snapshot",
    response_class=Response,
    responses={200: {"description": "the redacted picture", "content": {"image/jpeg": {}}}},
)
def snapshot(parts: PartsOf, who: WhoAsks, number: str) -> Response:
    """The picture of a case (right snapshot.read); who looked at it is kept."""
    seen = _seen(parts, who, number)
    who.demand(Right.SNAPSHOT_READ, seen.scope)
    picture = parts.blobs.open(
        seen.record, actor=who.person.login, why=f"case/{number}", now_ns=parts.now_ns()
    )
    if picture is None:
        raise RefusedError("unknown.picture", "there is no picture: none came, or its time is over")
    return Response(picture, media_type="image/jpeg")


def _seen(parts: PartsOf, who: Who, number: str) -> CaseView:
    """A case that who asks may read; another one is told as if it were not there."""
    found = parts.shelf.read(number)
    if found is None or found.scope not in who.sees(Right.CASE_READ):
        raise RefusedError("unknown.case", f"there is no case {number[:200]!r} that you may read")
    return found


def _fields(one: CaseView) -> dict[str, object]:
    return {
        "id": one.id,
        "kind": one.kind,
        "scope": one.scope,
        "place": one.place,
        "node": one.node,
        "camera": one.camera,
        "rule": one.rule,
        "type": one.type,
        "zone": one.zone,
        "cls": one.cls,
        "severity": one.severity,
        "state": one.state,
        "t": utc(one.t_ns),
        "raised": utc(one.raised_ns),
        "ended": utc_or_none(one.ended_ns),
        "changed": utc(one.changed_ns),
        "by": one.by,
        "note": one.note,
        "delayed": one.delayed,
        "synced": one.synced,
        "snapshot": one.snapshot,
        "box": one.box,
    }


def _shown(one: CaseView) -> CaseShown:
    return CaseShown.model_validate(_fields(one))


def _whole(shelf: CaseShelf, one: CaseView) -> CaseWhole:
    steps = [_step(step) for step in shelf.steps(one.id)]
    return CaseWhole.model_validate(
        {**_fields(one), "steps": steps, "answers": list(allowed(one.state))}
    )


def _step(step: Step) -> StepShown:
    return StepShown(
        at=utc(step.at_ns),
        actor=step.actor,
        via=step.via,
        action=step.action,
        from_state=step.from_state,
        to_state=step.to_state,
        note=step.note,
    )
