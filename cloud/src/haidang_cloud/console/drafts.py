"""Routes for what is drawn on a camera: proposed, published by a named person, taken back."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec
import sqlalchemy as sa
from fastapi import APIRouter, Path, Request
from msgspec import Meta
from pydantic import BaseModel, ConfigDict, Field

from haidang_cloud.console.hub.rows import MS_NS
from haidang_cloud.console.parts import Parts
from haidang_cloud.console.texts import named
from haidang_cloud.console.visitor import Visitor, visitor_of
from haidang_cloud.console.zones import Change, Drawing, changes, redrawn
from haidang_cloud.errors import RefusedError
from haidang_cloud.people import audit
from haidang_cloud.state import drafts, versions
from haidang_cloud.state.drafts import Draft, Outcome
from haidang_cloud.state.versions import Publication
from haidang_protocols.catalogue import Catalogue, CatalogueRefusedError, load_texts
from haidang_protocols.catalogue.model import Camera, Right
from haidang_protocols.wire.errors import UNREADABLE

Number = Annotated[int, Path(ge=1, le=2**62)]
SHOWN = 6
_KEPT = 200


class Drawn(Drawing, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was drawn on a camera, on which version of the catalogue, and why."""

    base: Annotated[int, Meta(ge=1)]
    why: Annotated[str, Meta(pattern=r"\S", max_length=500, description="a reason in words")]


class Reason(BaseModel):
    """Why something is decided."""

    model_config = ConfigDict(extra="forbid")

    why: Annotated[str, Field(pattern=r"\S", max_length=500)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a draft changes on its camera, and how that looks then."""

    changes: Sequence[Change] = ()
    shapes: Mapping[str, Any] = field(default_factory=lambda: {"zones": [], "lines": []})


class Contents:
    """What drafts change, each found once: neither a draft nor a version is ever another.

    To find it reads two whole catalogues.
    """

    def __init__(self, parts: Parts) -> None:
        """Begin with none."""
        self._state, self._centre = parts.state, parts.centre
        self._known: dict[int, Content] = {}

    def of(self, draft: Draft) -> Content:
        """What a draft changes: nothing where this Haidang cannot read it any more."""
        found = self._known.get(draft.id)
        if found is None:
            found = self._known[draft.id] = self._find(draft)
            for old in list(self._known)[:-_KEPT]:
                self._known.pop(old, None)
        return found

    def _find(self, draft: Draft) -> Content:
        camera = draft.about.partition("/")[2]
        try:
            base = versions.read(self._state, self._centre, draft.base)
            before = None if base is None else _camera_in(base.catalogue(), camera)
            after = _camera_in(self._after(draft), camera)
        except CatalogueRefusedError:
            return Content()
        if before is None or after is None:
            return Content()
        return Content(changes=tuple(changes(before, after)), shapes=_shapes(after))

    def _after(self, draft: Draft) -> Catalogue:
        """A version is kept with what it declares, which is quicker than its texts."""
        number = draft.number
        made = None if number is None else versions.read(self._state, self._centre, number)
        return load_texts(draft.texts) if made is None else made.catalogue()


def draft_routes(parts: Parts) -> APIRouter:
    """The routes; all of them are behind the door."""
    router, contents = APIRouter(prefix="/live"), Contents(parts)

    @router.get("/cameras/{camera}/drafts")
    def read_drafts(request: Request, camera: str) -> dict[str, Any]:
        """What was proposed for a camera, the newest first, and what I may do."""
        visitor = visitor_of(request)
        found = _camera(visitor, camera)
        base = versions.newest(parts.state, parts.centre)
        there = None if base is None else _camera_in(base.catalogue(), camera)
        about = drafts.find(parts.state, parts.centre, about=_about(found), limit=SHOWN)
        return {
            "may_draw": _may_draw(visitor, found),
            "may_publish": visitor.everywhere(Right.CATALOGUE_PUBLISH),
            "version": 0 if base is None else base.number,
            "since": 0 if base is None else base.at_ns // MS_NS,
            "shapes": _shapes(there or found),
            "drafts": _shown(parts, visitor, about, contents),
        }

    @router.post("/cameras/{camera}/drawing")
    async def propose(request: Request, camera: str) -> dict[str, Any]:
        """Propose zones and lines of a camera; the whole catalogue is checked with them."""
        drawn = _read(await request.body())
        visitor = visitor_of(request)
        draft = await asyncio.to_thread(_propose, parts, visitor, camera, drawn)
        return {"id": draft}

    @router.post("/drafts/{number}/publish")
    def publish(request: Request, number: Number, reason: Reason) -> dict[str, Any]:
        """Put a draft in force."""
        visitor = visitor_of(request)
        visitor.demand(Right.CATALOGUE_PUBLISH)
        draft = _open_draft(parts, number)
        return {"version": _publish(parts, visitor, draft, reason.why)}

    @router.post("/drafts/{number}/drop", status_code=204)
    def drop(request: Request, number: Number, reason: Reason) -> None:
        """Drop a draft: one's own, or any with the right to publish."""
        visitor = visitor_of(request)
        draft = _open_draft(parts, number)
        if draft.by != visitor.person.login:
            visitor.demand(Right.CATALOGUE_PUBLISH)
        with parts.state.write() as connection:
            _decide(parts, connection, visitor, draft, Outcome.DROPPED, why=reason.why)

    @router.post("/drafts/{number}/undo")
    def undo(request: Request, number: Number, reason: Reason) -> dict[str, Any]:
        """Take back what a draft changed, as long as nothing came after it."""
        visitor = visitor_of(request)
        visitor.demand(Right.CATALOGUE_PUBLISH)
        return {"version": _undo(parts, visitor, number, reason.why)}

    return router


def _read(body: bytes) -> Drawn:
    try:
        return msgspec.json.decode(body, type=Drawn)
    except UNREADABLE as error:
        raise RefusedError("value.drawing", f"the drawing is not as it must be: {error}") from error


def _camera(visitor: Visitor, number: str) -> Camera:
    found = visitor.ruling.camera(number)
    if found is None or number not in visitor.ruling.audience(visitor.person.grants).cameras:
        raise RefusedError("unknown.camera", f"there is no camera {number[:50]!r} that you may see")
    return found


def _about(camera: Camera) -> str:
    return f"camera/{camera.id}"


def _may_draw(visitor: Visitor, camera: Camera) -> bool:
    """Who may command the node, or publish, may propose."""
    scopes = {scope.id for scope in visitor.ruling.catalogue.scopes_over(camera.place)}
    rights = (Right.NODE_COMMAND, Right.CATALOGUE_PUBLISH)
    return any(scopes & visitor.sees(right) for right in rights)


def _propose(parts: Parts, visitor: Visitor, number: str, drawn: Drawn) -> int:
    camera = _camera(visitor, number)
    if not _may_draw(visitor, camera):
        raise RefusedError("forbidden.draw", "this needs the right node.command over the camera")
    base = versions.newest(parts.state, parts.centre)
    if base is None:
        raise RefusedError("catalogue.none", "no catalogue has been applied yet: apply one first")
    if base.number != drawn.base:
        raise _changed_since()
    texts, _ = redrawn(base.texts, _camera_in(base.catalogue(), number) or camera, drawn)
    login, now_ns = visitor.person.login, parts.now_ns()
    with parts.state.write() as connection:
        draft = drafts.add(
            parts.state,
            connection,
            parts.centre,
            base=base.number,
            about=_about(camera),
            texts=texts,
            by=login,
            why=drawn.why,
            now_ns=now_ns,
        )
        _note(parts, connection, visitor, "draft", f"draft/{draft}", {"of": _about(camera)})
    return draft


def _changed_since() -> RefusedError:
    return RefusedError("conflict.catalogue", "the catalogue has changed since: draw it once more")


def _open_draft(parts: Parts, number: int) -> Draft:
    draft = drafts.read(parts.state, parts.centre, number)
    if draft is None:
        raise RefusedError("unknown.draft", f"there is no draft {number}", draft=number)
    if draft.outcome is not Outcome.OPEN:
        raise RefusedError(
            "conflict.draft",
            f"draft {number} is {draft.outcome} by {draft.decided_by}",
            draft=number,
            by=parts.hub.names.get(draft.decided_by, draft.decided_by),
        )
    return draft


def _publish(parts: Parts, visitor: Visitor, draft: Draft, why: str) -> int:
    """Publish, unless the catalogue has changed since the draft was drawn."""
    catalogue = load_texts(draft.texts)
    with parts.state.write() as connection:
        number = _put(parts, connection, visitor, catalogue, draft.texts, why=why)
        if number != draft.base + 1:
            raise _changed_since()
        _decide(parts, connection, visitor, draft, Outcome.PUBLISHED, why=why, number=number)
    return number


def _put(
    parts: Parts,
    connection: sa.Connection,
    visitor: Visitor,
    catalogue: Catalogue,
    texts: Mapping[str, str],
    *,
    why: str,
) -> int:
    """Put a version in the visitor's name; whoever calls says which number it had to be."""
    number, _ = versions.put(
        parts.state,
        connection,
        catalogue,
        texts,
        by=visitor.person.login,
        why=why,
        now_ns=parts.now_ns(),
    )
    return number


def _decide(
    parts: Parts,
    connection: sa.Connection,
    visitor: Visitor,
    draft: Draft,
    outcome: Outcome,
    *,
    why: str,
    number: int | None = None,
) -> None:
    login, now_ns = visitor.person.login, parts.now_ns()
    if not drafts.decide(connection, draft.id, outcome, by=login, now_ns=now_ns, number=number):
        sentence = f"draft {draft.id} was decided by somebody else just now"
        raise RefusedError("conflict.draft_now", sentence, draft=draft.id)
    if outcome is Outcome.PUBLISHED:
        detail = {"why": why, "draft": draft.id, "sha256": versions.digest(draft.texts)}
        _note(parts, connection, visitor, "publish", f"catalogue/{number}", detail)
    else:
        _note(parts, connection, visitor, "draft_drop", f"draft/{draft.id}", {"why": why})


def _undo(parts: Parts, visitor: Visitor, number: int, why: str) -> int:
    draft = drafts.read(parts.state, parts.centre, number)
    if draft is None or draft.number is None:
        raise RefusedError("unknown.published", f"no draft {number} was published", draft=number)
    before = versions.read(parts.state, parts.centre, draft.base)
    if before is None:
        raise RefusedError("unknown.version", f"version {draft.base} is not kept", n=draft.base)
    catalogue = before.catalogue()
    with parts.state.write() as connection:
        made = _put(parts, connection, visitor, catalogue, before.texts, why=why)
        if made != draft.number + 1:
            sentence = "another version came after it: draw what you want"
            raise RefusedError("conflict.version", sentence)
        detail = {"why": why, "undo": draft.number, "sha256": versions.digest(before.texts)}
        _note(parts, connection, visitor, "publish", f"catalogue/{made}", detail)
    return made


def _note(
    parts: Parts,
    connection: sa.Connection,
    visitor: Visitor,
    action: str,
    about: str,
    detail: dict[str, object],
) -> None:
    audit.write(
        parts.state,
        connection,
        parts.centre,
        actor=visitor.person.login,
        action=f"catalogue.{action}",
        about=about,
        detail=detail,
        now_ns=parts.now_ns(),
    )


def _shown(
    parts: Parts, visitor: Visitor, found: Sequence[Draft], contents: Contents
) -> list[dict[str, Any]]:
    """Drafts with what became of them."""
    numbers = {n for one in found if one.number for n in (one.base, one.number, one.number + 1)}
    published = versions.publications(parts.state, parts.centre, numbers)
    return [
        {
            **_draft(parts, visitor, draft),
            **_published(parts, draft, published),
            **_content(contents.of(draft), draft, visitor.language),
        }
        for draft in found
    ]


def _draft(parts: Parts, visitor: Visitor, draft: Draft) -> dict[str, Any]:
    names = parts.hub.names
    return {
        "id": draft.id,
        "base": draft.base,
        "by": names.get(draft.by, draft.by),
        "mine": draft.by == visitor.person.login,
        "why": draft.why,
        "at": draft.at_ns // MS_NS,
        "outcome": draft.outcome.value,
        "decided_by": names.get(draft.decided_by, draft.decided_by),
        "number": draft.number,
    }


def _published(parts: Parts, draft: Draft, published: Mapping[int, Publication]) -> dict[str, Any]:
    """Why a draft was published, and whether the next version took it back again."""
    if draft.number is None or draft.number not in published:
        return {}
    told: dict[str, Any] = {"decided_why": published[draft.number].why}
    before, after = published.get(draft.base), published.get(draft.number + 1)
    if before and after and before.sha256 == after.sha256:
        name = parts.hub.names.get(after.by, after.by)
        told["undone"] = {"n": after.number, "name": name, "why": after.why}
    return told


def _content(content: Content, draft: Draft, language: str) -> dict[str, Any]:
    """What changes, in words; of a draft that waits also how it looks, for who decides."""
    told: dict[str, Any] = {
        "changes": [
            {"what": one.what, "kind": one.kind, "name": named(one.name, language)}
            for one in content.changes
        ]
    }
    return told | {"shapes": content.shapes} if draft.outcome is Outcome.OPEN else told


def _camera_in(catalogue: Catalogue, camera: str) -> Camera | None:
    return next((one for one in catalogue.cameras if one.id == camera), None)


def _shapes(camera: Camera) -> dict[str, Any]:
    """Zones and lines with both names."""
    return {
        "zones": [
            {"id": zone.id, "name": msgspec.to_builtins(zone.name), "points": zone.polygon}
            for zone in camera.zones
        ],
        "lines": [
            {"id": line.id, "name": msgspec.to_builtins(line.name), "points": line.points}
            for line in camera.lines
        ],
    }
