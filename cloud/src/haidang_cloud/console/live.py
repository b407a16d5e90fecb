"""The routes behind the live panels: what there is to see, a case's history, answers, pictures."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from haidang_cloud.blobs import Blob
from haidang_cloud.cases import Answer, CaseConflictError, CaseView, Step
from haidang_cloud.cases.life import allowed
from haidang_cloud.console.hub import Caster, rows
from haidang_cloud.console.parts import Parts
from haidang_cloud.console.setting import setting
from haidang_cloud.console.visitor import Visitor, visitor_of
from haidang_cloud.errors import RefusedError
from haidang_cloud.web.problems import Problems
from haidang_protocols.catalogue.model import Right
from haidang_protocols.wire.messages import AnswerKind

PICTURE_S = 3600
PICTURES, PICTURES_NS = 12, 24 * 3600 * 10**9
"""So many of one camera, of so long, are laid together: each shows a part of what it sees."""
SITTING_NS = 3600 * 10**9
"""Looks at what a camera saw last that are no further apart are one look that goes on."""


class Given(BaseModel):
    """An answer; the same `id` again from the same person is the same answer."""

    model_config = ConfigDict(extra="forbid")

    answer: AnswerKind
    note: Annotated[str, Field(max_length=2000)] = ""
    id: Annotated[str, Field(max_length=100)] = ""


class Noted(BaseModel):
    """Words on a case."""

    model_config = ConfigDict(extra="forbid")

    note: Annotated[str, Field(min_length=1, max_length=2000)]


def live(parts: Parts, problems: Problems, caster: Callable[[], Caster]) -> APIRouter:
    """The routes; all of them are behind the door."""
    router = APIRouter(prefix="/live")

    @router.get("/setting")
    def read_setting(request: Request) -> Response:
        """Names, texts and rights: what stays the same while somebody looks."""
        content = setting(visitor_of(request))
        return Response(content, media_type="application/json")

    @router.get("/state")
    def read_state(request: Request) -> Response:
        """All rows that I see, as of one update."""
        visitor = visitor_of(request)
        packed = caster().whole(visitor.ruling.audience(visitor.person.grants))
        headers = {"Content-Encoding": "gzip"}
        return Response(packed, headers=headers, media_type="application/json")

    @router.get("/cases/{number}")
    def read_case(request: Request, number: str) -> dict[str, Any]:
        """A case with its history, and what I may answer now."""
        visitor = visitor_of(request)
        return _whole(parts, visitor, _seen(parts, visitor, number))

    @router.post("/cases/{number}/answers")
    def answer_case(request: Request, number: str, given: Given) -> Any:  # noqa: ANN401  # a body or a problem
        """Answer a case; 409 names who was first."""
        visitor = visitor_of(request)
        seen = _seen(parts, visitor, number)
        visitor.demand(Right.CASE_ANSWER, seen.scope)
        try:
            moved = parts.desk.answer(number, _answer(visitor, given), now_ns=parts.now_ns())
        except CaseConflictError as error:
            case = _whole(parts, visitor, error.found)
            return problems.refusal(request, error, case=case)
        return _whole(parts, visitor, moved)

    @router.post("/cases/{number}/notes")
    def note_case(request: Request, number: str, noted: Noted) -> dict[str, Any]:
        """Add words to a case."""
        visitor = visitor_of(request)
        seen = _seen(parts, visitor, number)
        visitor.demand(Right.CASE_ANSWER, seen.scope)
        login = visitor.person.login
        changed = parts.desk.note(number, actor=login, note=noted.note, now_ns=parts.now_ns())
        return _whole(parts, visitor, changed)

    @router.get("/cases/{number}/picture")
    def case_picture(request: Request, number: str) -> Response:
        """The picture of a case; who looked at it is kept."""
        visitor = visitor_of(request)
        seen = _seen(parts, visitor, number)
        visitor.demand(Right.SNAPSHOT_READ, seen.scope)
        return _picture(parts, visitor, seen.record, f"case/{number}", sitting_ns=0)

    @router.get("/cameras/{camera}/pictures")
    def camera_pictures(request: Request, camera: str) -> list[dict[str, Any]]:
        """The last pictures of a camera, and where in what it sees each was taken."""
        _demand_pictures(visitor_of(request), camera)
        now_ns = parts.now_ns()
        since_ns = now_ns - PICTURES_NS
        recent = parts.blobs.recent(camera, limit=PICTURES, since_ns=since_ns, now_ns=now_ns)
        return [{"record": one.record, "crop": one.crop} for one in recent if one.crop]

    @router.get("/cameras/{camera}/pictures/{record}")
    def camera_picture(request: Request, camera: str, record: str) -> Response:
        """A camera's picture; who looked at it is kept."""
        visitor = visitor_of(request)
        _demand_pictures(visitor, camera)
        found = parts.blobs.find(record)
        if found is None or found.camera != camera:
            raise RefusedError("unknown.picture", "there is no such picture")
        return _picture(parts, visitor, record, f"camera/{camera}", sitting_ns=SITTING_NS)

    return router


def _demand_pictures(visitor: Visitor, camera: str) -> None:
    if camera not in visitor.ruling.audience(visitor.person.grants).pictures:
        raise RefusedError(
            "forbidden.pictures",
            f"you may not see pictures of camera {camera[:50]!r}",
            camera=camera[:50],
        )


def _seen(parts: Parts, visitor: Visitor, number: str) -> CaseView:
    """A case that the visitor may read; another one is told as if it were not there."""
    found = parts.shelf.read(number)
    if found is None or found.scope not in visitor.sees(Right.CASE_READ):
        raise RefusedError("unknown.case", f"there is no case {number[:200]!r} that you may read")
    return found


def _answer(visitor: Visitor, given: Given) -> Answer:
    login = visitor.person.login
    return Answer(
        kind=given.answer,
        actor=login,
        via="console",
        note=given.note,
        id=hashlib.sha256(f"{login} {given.id}".encode()).hexdigest() if given.id else "",
    )


def _whole(parts: Parts, visitor: Visitor, view: CaseView) -> dict[str, Any]:
    """A case as one of its viewers needs it; others see what changed at the next update."""
    names = parts.hub.names
    row = parts.hub.moved(view)
    may = visitor.ruling.rights.allows(visitor.person.grants, Right.CASE_ANSWER, view.scope)
    may_see = view.scope in visitor.sees(Right.SNAPSHOT_READ)
    picture = _picture_of(parts, view) if may_see else None
    return {
        "case": {field: getattr(row, field) for field in row.__struct_fields__},
        "steps": [_step(step, names) for step in parts.shelf.steps(view.id)],
        "answers": [kind.value for kind in allowed(view.state)] if may else [],
        "may_note": may,
        "picture": picture is not None,
        "crop": picture.crop if picture else None,
        "may_see": may_see,
    }


def _picture_of(parts: Parts, view: CaseView) -> Blob | None:
    """A case's picture, as long as it may be opened."""
    found = parts.blobs.find(view.record)
    kept = found is not None and found.deleted_ns is None and found.expires_ns > parts.now_ns()
    return found if kept else None


def _step(step: Step, names: Mapping[str, str]) -> dict[str, object]:
    return {
        "at": step.at_ns // rows.MS_NS,
        "actor": names.get(step.actor, step.actor),
        "via": step.via,
        "action": step.action,
        "from": step.from_state,
        "to": step.to_state,
        "note": step.note,
    }


def _picture(parts: Parts, visitor: Visitor, record: str, why: str, *, sitting_ns: int) -> Response:
    """A look is logged, and the browser keeps the picture for an hour."""
    picture = parts.blobs.open(
        record,
        actor=visitor.person.login,
        why=why,
        now_ns=parts.now_ns(),
        sitting_ns=sitting_ns,
    )
    if picture is None:
        raise RefusedError("unknown.picture", "there is no picture: none came, or its time is over")
    headers = {"Cache-Control": f"private, max-age={PICTURE_S}, immutable", "Vary": "Cookie"}
    return Response(picture, media_type="image/jpeg", headers=headers)
