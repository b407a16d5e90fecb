"""The centre itself: its nodes, dead letters, audit log, catalogue, and whether it is well."""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from haidang_cloud.api.parts import Parts, PartsOf
from haidang_cloud.api.times import utc, utc_or_none
from haidang_cloud.api.who import WhoAsks
from haidang_cloud.errors import RefusedError, StoreMisconfiguredError, StoreUnavailableError
from haidang_cloud.people import audit
from haidang_cloud.state import deadletter, nodes, versions
from haidang_cloud.state.nodes import Born
from haidang_cloud.timeseries.base import FieldValue, private_bucket
from haidang_protocols.catalogue.model import Node, Right

log = logging.getLogger(__name__)
router = APIRouter()

HEALTH_NS = 120 * 10**9
PAYLOAD_SHOWN = 2000


class NodeBirth(BaseModel):
    """What a node said when it came up."""

    seen: datetime
    agent: str
    spool: str
    cameras: list[str]
    models: dict[str, str]
    catalogue: int
    clock_synced: bool
    reason: str


class NodeHealth(BaseModel):
    """A node's newest heartbeat of the last two minutes."""

    at: datetime
    fields: dict[str, float | int | bool | str] = Field(
        examples=[{"spool_depth": 0, "temperature_c": 51.5}]
    )
    cameras: dict[str, dict[str, float | int | bool | str]] = Field(
        examples=[{"gate-east": {"state": "live", "fps": 5.0}}]
    )


class NodeShown(BaseModel):
    """A node of the catalogue; without a birth it was never heard of."""

    id: str
    site: str
    place: str
    board: str
    birth: NodeBirth | None
    health: NodeHealth | None


class LetterShown(BaseModel):
    """A dead letter; of a long payload the beginning, with escapes for what is no text."""

    id: int
    topic: str
    node: str
    spool: str
    seq: int
    reason: str
    message: str
    first: datetime
    last: datetime
    tries: int
    replayed: datetime | None
    payload_bytes: int
    payload: str


class LetterPage(BaseModel):
    """Dead letters, oldest first; `next` is the `after` of the page that follows."""

    letters: list[LetterShown]
    next: int | None


class LetterReplayed(BaseModel):
    """What became of a letter; `why` says what is still refused."""

    id: int
    taken: bool
    why: str = Field(examples=["camera 'gate-9' is not in the catalogue"])


class AuditLine(BaseModel):
    """One line of the audit log, with its place in the chain."""

    number: int
    at: datetime
    actor: str
    action: str
    object: str
    detail: dict[str, Any]
    previous: str
    hash: str


class AuditPage(BaseModel):
    """Audit lines, newest first; `next` is the `before` of the page that follows."""

    lines: list[AuditLine]
    next: int | None


class CatalogueInForce(BaseModel):
    """Which version counts, and who published it; number 0 is a file of a first start."""

    centre: str
    name: str
    number: int
    by: str
    why: str
    published: datetime | None
    sha256: str
    scopes: list[str]
    cameras: int
    nodes: int


class Health(BaseModel):
    """All is well."""

    status: str = "ok"


@router.get("/api/v1/nodes", tags=["centre"])
def all_nodes(parts: PartsOf, who: WhoAsks) -> list[NodeShown]:
    """Nodes whose site lies in a scope that I see (right node.read), with their last word."""
    scopes = who.sees(Right.NODE_READ)
    catalogue = who.ruling.catalogue
    places = {
        site.id: site.place
        for site in catalogue.sites
        if scopes & {scope.id for scope in catalogue.scopes_over(site.place)}
    }
    seen = [node for node in catalogue.nodes if node.site in places]
    births = {born.node: born for born in nodes.read(parts.state, parts.centre)}
    health = _health(parts) if seen else {}
    return [
        _node(node, places[node.site], births.get(node.id), health.get(node.id)) for node in seen
    ]


def _node(node: Node, place: str, born: Born | None, health: NodeHealth | None) -> NodeShown:
    birth = None
    if born is not None:
        birth = NodeBirth(
            seen=utc(born.seen_ns),
            agent=born.birth.agent,
            spool=born.birth.spool,
            cameras=[camera.id for camera in born.birth.cameras],
            models=born.birth.models,
            catalogue=born.birth.catalogue,
            clock_synced=born.birth.clock.synced,
            reason=born.birth.reason,
        )
    return NodeShown(
        id=node.id, site=node.site, place=place, board=node.board, birth=birth, health=health
    )


def _health(parts: Parts) -> Mapping[str, NodeHealth]:
    """The newest heartbeat of each node; nothing while the time series are away."""
    begin_ns = parts.now_ns() - HEALTH_NS
    bucket = private_bucket(parts.centre)
    found: dict[str, NodeHealth] = {}
    cameras: dict[str, dict[str, tuple[int, Mapping[str, FieldValue]]]] = {}
    try:
        for point in parts.series.read(bucket, "camera", from_ns=begin_ns):
            mine = cameras.setdefault(point.tags["node"], {})
            camera = point.tags["camera"]
            if camera not in mine or mine[camera][0] < point.t:
                mine[camera] = (point.t, point.fields)
        newest: dict[str, int] = {}
        for point in parts.series.read(bucket, "node", from_ns=begin_ns):
            node = point.tags["node"]
            if newest.get(node, 0) >= point.t:
                continue
            newest[node] = point.t
            latest = {camera: dict(f) for camera, (_, f) in cameras.get(node, {}).items()}
            found[node] = NodeHealth(at=utc(point.t), fields=dict(point.fields), cameras=latest)
    except (StoreUnavailableError, StoreMisconfiguredError) as error:
        log.warning("nodes are shown without health: %s", error)
    return found


@router.get("/api/v1/deadletters", tags=["centre"])
def dead_letters(
    parts: PartsOf,
    who: WhoAsks,
    reason: Annotated[str | None, Query(max_length=100, examples=["future"])] = None,
    replayed: Annotated[bool, Query(description="also those that were replayed")] = False,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    after: Annotated[int, Query(ge=0, le=2**62)] = 0,
) -> LetterPage:
    """What could not be taken, with its reason (right deadletter.replay in the whole centre)."""
    who.demand(Right.DEADLETTER_REPLAY)
    found = deadletter.find(
        parts.state, parts.centre, reason=reason, replayed=replayed, limit=limit + 1, after=after
    )
    letters = [
        LetterShown(
            id=one.id,
            topic=one.topic,
            node=one.node,
            spool=one.spool,
            seq=one.seq,
            reason=one.reason,
            message=one.message,
            first=utc(one.first_ns),
            last=utc(one.last_ns),
            tries=one.tries,
            replayed=utc_or_none(one.replayed_ns),
            payload_bytes=len(one.payload),
            payload=one.payload[:PAYLOAD_SHOWN].decode(errors="backslashreplace"),
        )
        for one in found[:limit]
    ]
    return LetterPage(letters=letters, next=letters[-1].id if len(found) > limit else None)


@router.post("/api/v1/deadletters/{number}/replay", tags=["centre"])
def replay_dead_letter(
    parts: PartsOf, who: WhoAsks, number: Annotated[int, Path(ge=1, le=2**62)]
) -> LetterReplayed:
    """Judge a letter again, by the catalogue in force (right deadletter.replay)."""
    who.demand(Right.DEADLETTER_REPLAY)
    found = deadletter.find(parts.state, parts.centre, number=number, replayed=True)
    if not found:
        raise RefusedError("unknown.letter", f"there is no dead letter {number}", letter=number)
    done = parts.replay(found[0], who.person.login)
    return LetterReplayed(id=number, taken=done.taken, why=done.why)


@router.get("/api/v1/audit", tags=["centre"])
def audit_log(
    parts: PartsOf,
    who: WhoAsks,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    before: Annotated[int, Query(ge=1, le=2**62)] = 2**62,
) -> AuditPage:
    """Who did what (right audit.read in the whole centre), newest first."""
    who.demand(Right.AUDIT_READ)
    lines = [
        AuditLine(
            number=line.number,
            at=utc(line.at_ns),
            actor=line.actor,
            action=line.action,
            object=line.object,
            detail=dict(line.detail),
            previous=line.previous,
            hash=line.hash,
        )
        for line in audit.newest(parts.state, parts.centre, limit=limit, before=before)
    ]
    more = bool(lines) and lines[-1].number > 1
    return AuditPage(lines=lines, next=lines[-1].number if more else None)


@router.get("/api/v1/catalogue", tags=["centre"])
def catalogue(parts: PartsOf, who: WhoAsks) -> CatalogueInForce:
    """The version in force, for everybody who can log in."""
    ruling = who.ruling
    version = versions.newest(parts.state, parts.centre)
    published = version if version is not None and version.number == ruling.number else None
    found = ruling.catalogue
    return CatalogueInForce(
        centre=found.centre.id,
        name=found.centre.name.vi,
        number=ruling.number,
        by=published.by if published else "",
        why=published.why if published else "",
        published=utc(published.at_ns) if published else None,
        sha256=published.sha256 if published else "",
        scopes=[scope.id for scope in found.scopes],
        cameras=len(found.cameras),
        nodes=len(found.nodes),
    )


@router.get("/healthz", tags=["health"])
def alive() -> Health:
    """The process lives."""
    return Health()


@router.get("/readyz", tags=["health"])
def ready(parts: PartsOf) -> Health:
    """The database answers; 503 while it does not."""
    with parts.state.read() as connection:
        connection.execute(sa.select(1))
    return Health()
