"""What a catalogue may say: the types that its YAML is read into; all frozen, valid by themselves.

What needs two entries to judge (a camera on a node that is not there) is in `checks`.
"""

from collections.abc import Iterable
from datetime import date
from enum import StrEnum
from functools import cached_property
from typing import Annotated

from msgspec import Meta, Struct

from haidang_protocols.wire.names import NAME_PATTERN, NAME_RULE
from haidang_protocols.wire.records import RuleKind
from haidang_protocols.wire.topics import Severity

Id = Annotated[str, Meta(pattern=NAME_PATTERN, description=NAME_RULE)]
Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Seconds = Annotated[float, Meta(ge=0.0, le=86400.0)]
Point = tuple[Share, Share]


class Text(Struct, frozen=True, kw_only=True):
    """A name that people read: Vietnamese first, English where there is one."""

    vi: str
    en: str = ""


class ScopeKind(StrEnum):
    """What a scope stands for."""

    CENTRE = "centre"
    DEPARTMENT = "department"
    LOCALITY = "locality"


class PlaceKind(StrEnum):
    """What a place is; the province as it is cut up, and the spots in it."""

    PROVINCE = "province"
    CITY = "city"
    DISTRICT = "district"
    WARD = "ward"
    SPOT = "spot"


class Right(StrEnum):
    """One thing that a role may do in its scope."""

    CASE_READ = "case.read"
    CASE_ANSWER = "case.answer"
    SNAPSHOT_READ = "snapshot.read"
    NODE_READ = "node.read"
    NODE_COMMAND = "node.command"
    BOARD_READ = "board.read"
    AUDIT_READ = "audit.read"
    DEADLETTER_REPLAY = "deadletter.replay"
    CATALOGUE_PUBLISH = "catalogue.publish"
    PEOPLE_MANAGE = "people.manage"


class Centre(Struct, frozen=True, kw_only=True):
    """The centre itself; a day is a day in `time_zone`."""

    id: Id
    name: Text
    time_zone: str


class Place(Struct, frozen=True, kw_only=True):
    """A place, valid from its first day to its last; `successor` takes over afterwards."""

    id: Id
    name: Text
    kind: PlaceKind
    parent: Id | None = None
    code: str | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    successor: Id | None = None
    aliases: tuple[str, ...] = ()
    latitude: Annotated[float, Meta(ge=-90, le=90)] | None = None
    longitude: Annotated[float, Meta(ge=-180, le=180)] | None = None


class Scope(Struct, frozen=True, kw_only=True):
    """The one unit of access; it sees `places` and all below them. A centre sees all."""

    id: Id
    kind: ScopeKind
    name: Text
    places: tuple[Id, ...] = ()


class Role(Struct, frozen=True, kw_only=True):
    """A bundle of rights, held by a person in a scope."""

    id: Id
    name: Text
    rights: tuple[Right, ...]


class Grant(Struct, frozen=True, kw_only=True):
    """A role in a scope."""

    role: Id
    scope: Id


class Person(Struct, frozen=True, kw_only=True):
    """A person by log-in name; their password is none of the catalogue's business."""

    login: Id
    name: str
    grants: tuple[Grant, ...]


class Site(Struct, frozen=True, kw_only=True):
    """Where nodes stand."""

    id: Id
    name: Text
    place: Id


class Node(Struct, frozen=True, kw_only=True):
    """A device; its id is the CN of its certificate."""

    id: Id
    site: Id
    board: str = "generic"


class Model(Struct, frozen=True, kw_only=True):
    """A detector by name, with the labels that rules may name."""

    name: Id
    classes: tuple[str, ...]
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$", description="64 hex digits")] | None = (
        None
    )


class Zone(Struct, frozen=True, kw_only=True):
    """A polygon on a camera's picture, in shares of its width and height."""

    id: Id
    name: Text
    polygon: Annotated[tuple[Point, ...], Meta(min_length=3, max_length=64)]


class Line(Struct, frozen=True, kw_only=True):
    """A line to cross; forward is from its left to its right, seen from its first point."""

    id: Id
    name: Text
    points: tuple[Point, Point]


SchedulePart = Annotated[
    str,
    Meta(
        pattern=(
            "^(mon|tue|wed|thu|fri|sat|sun)(-(mon|tue|wed|thu|fri|sat|sun))? "
            "([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"
        ),
        description="days and hours such as 'mon-fri 22:00-05:00'",
    ),
]


class _Rule(Struct, frozen=True, kw_only=True, tag_field="kind"):
    """Common to all rules.

    Attributes:
        classes: labels of the camera's model that it watches; all others are ignored.
        min_score: a detection below begins nothing and raises nothing; what a better one began
            goes on by it.
        after_s: how long its condition must hold before it fires.
        clear_s: how long the condition must be gone before it ends.
        schedule: when it is on, in the centre's time zone; empty is always.
        scope: who is told; empty is the camera's own locality.
        release: classes that a snapshot shows unpixelated.
    """

    id: Id
    name: Text
    classes: Annotated[tuple[str, ...], Meta(min_length=1)]
    min_score: Share = 0.5
    severity: Severity = Severity.INFO
    alarm: bool = False
    after_s: Seconds = 0.0
    clear_s: Seconds = 3.0
    schedule: tuple[SchedulePart, ...] = ()
    scope: Id | None = None
    snapshot: bool = True
    release: tuple[str, ...] = ()


class IntrusionRule(_Rule, tag="intrusion", frozen=True, kw_only=True):
    """Somebody's foot point is in the zone."""

    zone: Id


class LineRule(_Rule, tag="line", frozen=True, kw_only=True):
    """Somebody crosses the line; `direction` both, forward or backward."""

    line: Id
    direction: Annotated[str, Meta(pattern="^(both|forward|backward)$")] = "both"


class CrowdRule(_Rule, tag="crowd", frozen=True, kw_only=True):
    """At least `count` are in the zone at once."""

    zone: Id
    count: Annotated[int, Meta(ge=2, le=10000)]


class LoiteringRule(_Rule, tag="loitering", frozen=True, kw_only=True):
    """One track stays in the zone for `dwell_s`."""

    zone: Id
    dwell_s: Annotated[float, Meta(gt=0, le=86400)]


Rule = IntrusionRule | LineRule | CrowdRule | LoiteringRule
RULE_KINDS = (RuleKind.INTRUSION, RuleKind.LINE, RuleKind.CROWD, RuleKind.LOITERING)


class Camera(Struct, frozen=True, kw_only=True):
    """A camera on a node.

    Attributes:
        source: `rtsp://…` or a file; `${NAME}` is replaced from the node's environment, so that no
            password stands in a catalogue.
        fps: looks per second at most.
        idle_look_s: a look at least this often, though nothing moves.
        observe_s: length of an observation's interval.
    """

    id: Id
    node: Id
    name: Text
    place: Id
    source: str
    model: Id
    fps: Annotated[float, Meta(gt=0, le=60)] = 5.0
    idle_look_s: Annotated[float, Meta(gt=0, le=3600)] = 10.0
    observe_s: Annotated[float, Meta(ge=1, le=3600)] = 60.0
    gate: bool = True
    zones: tuple[Zone, ...] = ()
    lines: tuple[Line, ...] = ()
    rules: tuple[Rule, ...] = ()
    notice: str = ""


_ORDER = {ScopeKind.LOCALITY: 0, ScopeKind.DEPARTMENT: 1, ScopeKind.CENTRE: 2}


class _Lookup:
    """Looked up once for a catalogue: what holds each place, and the scopes that name it."""

    def __init__(self, places: Iterable[Place], scopes: Iterable[Scope]) -> None:
        self.scopes = tuple(scopes)
        self.parents = {place.id: place.parent for place in places}
        self.naming: dict[str, list[int]] = {}
        for number, scope in enumerate(self.scopes):
            for place in scope.places:
                self.naming.setdefault(place, []).append(number)
        self.centres = [n for n, s in enumerate(self.scopes) if s.kind is ScopeKind.CENTRE]

    def lineage(self, place: str) -> tuple[str, ...]:
        found: dict[str, None] = {}
        at: str | None = place
        # a ring is a mistake that `checks` tells; it must not be walked for ever before that
        while at is not None and at not in found:
            found[at] = None
            at = self.parents.get(at)
        return tuple(found)

    def scopes_over(self, place: str) -> tuple[Scope, ...]:
        lineage = self.lineage(place)
        distances: dict[int, int] = {}
        for distance, holder in enumerate(lineage):
            for number in self.naming.get(holder, ()):
                distances.setdefault(number, distance)
        for number in self.centres:
            distances.setdefault(number, len(lineage))
        # of those that are equally near, the first in the catalogue comes first
        order = sorted(distances, key=lambda n: (_ORDER[self.scopes[n].kind], distances[n], n))
        return tuple(self.scopes[number] for number in order)


class Catalogue(Struct, frozen=True, kw_only=True, dict=True):
    """All that a centre declares; `dict` is for what is looked up once, which is no part of it."""

    centre: Centre
    places: tuple[Place, ...]
    scopes: tuple[Scope, ...]
    roles: tuple[Role, ...] = ()
    people: tuple[Person, ...] = ()
    sites: tuple[Site, ...] = ()
    nodes: tuple[Node, ...] = ()
    models: tuple[Model, ...] = ()
    cameras: tuple[Camera, ...] = ()

    def node(self, node: str) -> Node | None:
        """The node of that id."""
        return next((n for n in self.nodes if n.id == node), None)

    def cameras_of(self, node: str) -> tuple[Camera, ...]:
        """The cameras that hang on a node."""
        return tuple(c for c in self.cameras if c.node == node)

    def scope_of_centre(self) -> Scope:
        """The scope that sees all."""
        return next(s for s in self.scopes if s.kind is ScopeKind.CENTRE)

    def lineage(self, place: str) -> tuple[str, ...]:
        """A place and all that hold it, innermost first."""
        return self._lookup.lineage(place)

    def scopes_over(self, place: str) -> tuple[Scope, ...]:
        """The scopes that see a place: nearest locality first, the centre last."""
        return self._lookup.scopes_over(place)

    def owner_scope(self, camera: Camera, rule: str) -> str:
        """Who is told of an alarm: the rule's scope, else the camera's nearest one."""
        named = next((r.scope for r in camera.rules if r.id == rule), None)
        return named or self.scopes_over(camera.place)[0].id

    @cached_property
    def _lookup(self) -> _Lookup:
        return _Lookup(self.places, self.scopes)
