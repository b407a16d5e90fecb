"""What needs more than one entry to judge: ids that stand twice, references that lead nowhere."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from haidang_protocols.catalogue import geometry
from haidang_protocols.catalogue.model import Camera, Catalogue, LineRule, Place, ScopeKind
from haidang_protocols.catalogue.problems import Mistake, mistake
from haidang_protocols.wire.names import RESERVED
from haidang_protocols.wire.records import MESSAGE_BYTES_MAX

Finding = tuple[str, str, Mistake]
"""Field path, value shown, what is wrong."""

AREA_MIN = 1e-5

NODE_BYTES_MAX = MESSAGE_BYTES_MAX - (64 << 10)
"""A node's cameras in the one message that brings them; places, scopes, signature want room too."""


def findings(catalogue: Catalogue) -> Iterator[Finding]:
    """Every mistake between entries, in the order of the catalogue."""
    yield from _centre(catalogue)
    yield from _unique(catalogue)
    yield from _places(catalogue)
    yield from _scopes(catalogue)
    yield from _people(catalogue)
    yield from _sites(catalogue)
    yield from _sizes(catalogue)
    known = _Known(catalogue)
    for index, camera in enumerate(catalogue.cameras):
        yield from _camera(known, camera, f"cameras[{index}]")


def _listed(ids: Iterable[str]) -> str:
    names = sorted(ids)
    shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    return shown or "none yet"


def _reference(field: str, value: str | None, known: set[str], noun: str) -> Iterator[Finding]:
    if value is not None and value not in known:
        yield field, repr(value), mistake("reference", noun=noun, known=_listed(known))


def _centre(catalogue: Catalogue) -> Iterator[Finding]:
    zone = catalogue.centre.time_zone
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        yield "centre.time_zone", repr(zone), mistake("time_zone")
    if catalogue.centre.id in RESERVED:
        yield "centre.id", repr(catalogue.centre.id), _reserved()


def _unique(catalogue: Catalogue) -> Iterator[Finding]:
    groups: dict[str, list[str]] = {
        "places": [p.id for p in catalogue.places],
        "scopes": [s.id for s in catalogue.scopes],
        "roles": [r.id for r in catalogue.roles],
        "sites": [s.id for s in catalogue.sites],
        "nodes": [n.id for n in catalogue.nodes],
        "cameras": [c.id for c in catalogue.cameras],
    }
    keys = {
        "people": ("login", [p.login for p in catalogue.people]),
        "models": ("name", [m.name for m in catalogue.models]),
        **{name: ("id", ids) for name, ids in groups.items()},
    }
    for group, (key, ids) in keys.items():
        yield from _twice(f"{group}[{{}}].{key}", ids)
        if group in ("sites", "nodes", "scopes"):
            for index, name in enumerate(ids):
                if name in RESERVED:
                    yield f"{group}[{index}].{key}", repr(name), _reserved()


def _reserved() -> Mistake:
    return mistake("reserved", known=_listed(RESERVED))


def _twice(pattern: str, ids: list[str]) -> Iterator[Finding]:
    seen: Counter[str] = Counter()
    for index, name in enumerate(ids):
        seen[name] += 1
        if seen[name] > 1:
            yield pattern.format(index), repr(name), mistake("twice")


def _places(catalogue: Catalogue) -> Iterator[Finding]:
    known = {p.id for p in catalogue.places}
    for index, place in enumerate(catalogue.places):
        at = f"places[{index}]"
        yield from _reference(f"{at}.parent", place.parent, known, "place")
        yield from _reference(f"{at}.successor", place.successor, known, "place")
        if place.parent == place.id or (
            place.parent in known and place.id in catalogue.lineage(str(place.parent))
        ):
            yield f"{at}.parent", repr(place.parent), mistake("ring")
        if place.valid_from and place.valid_to and place.valid_to < place.valid_from:
            before = mistake("before", day=str(place.valid_from))
            yield f"{at}.valid_to", str(place.valid_to), before
        yield from _successor(catalogue, place, at)


def _successor(catalogue: Catalogue, place: Place, at: str) -> Iterator[Finding]:
    """Who takes over must stand on the day after the last; so no ring of successors is possible."""
    if place.successor is None:
        return
    field, shown = f"{at}.successor", repr(place.successor)
    if place.valid_to in (None, date.max):
        yield field, shown, mistake("no_last_day")
        return
    heir = next((p for p in catalogue.places if p.id == place.successor), None)
    if heir is None:
        return
    if heir is place:
        yield field, shown, mistake("own_heir")
        return
    first = place.valid_to + timedelta(days=1)
    if (heir.valid_from or first) > first or (heir.valid_to or first) < first:
        yield field, shown, mistake("heir_away", day=str(first))


def _scopes(catalogue: Catalogue) -> Iterator[Finding]:
    known = {p.id for p in catalogue.places}
    centres = [i for i, s in enumerate(catalogue.scopes) if s.kind is ScopeKind.CENTRE]
    if not centres:
        yield "scopes", "", mistake("no_centre")
    for index in centres[1:]:
        yield f"scopes[{index}].kind", "'centre'", mistake("two_centres")
    for index, scope in enumerate(catalogue.scopes):
        for number, place in enumerate(scope.places):
            yield from _reference(f"scopes[{index}].places[{number}]", place, known, "place")
        if scope.kind is not ScopeKind.CENTRE and not scope.places:
            yield f"scopes[{index}].places", "", mistake("no_places")


def _people(catalogue: Catalogue) -> Iterator[Finding]:
    roles = {r.id for r in catalogue.roles}
    scopes = {s.id for s in catalogue.scopes}
    for index, person in enumerate(catalogue.people):
        for number, grant in enumerate(person.grants):
            at = f"people[{index}].grants[{number}]"
            yield from _reference(f"{at}.role", grant.role, roles, "role")
            yield from _reference(f"{at}.scope", grant.scope, scopes, "scope")


def _sites(catalogue: Catalogue) -> Iterator[Finding]:
    places = {p.id for p in catalogue.places}
    sites = {s.id for s in catalogue.sites}
    for index, site in enumerate(catalogue.sites):
        yield from _reference(f"sites[{index}].place", site.place, places, "place")
    for index, node in enumerate(catalogue.nodes):
        yield from _reference(f"nodes[{index}].site", node.site, sites, "site")


def _sizes(catalogue: Catalogue) -> Iterator[Finding]:
    sizes = dict.fromkeys((node.id for node in catalogue.nodes), 0)
    for camera in catalogue.cameras:
        if camera.node in sizes:
            # they travel as a text within a text, each quotation mark in it with a stroke before it
            text = msgspec.json.encode(camera)
            sizes[camera.node] += len(text) + text.count(b'"') + text.count(b"\\")
    for index, node in enumerate(catalogue.nodes):
        size = sizes[node.id]
        if size > NODE_BYTES_MAX:
            what = mistake("node_full", size=size, most=NODE_BYTES_MAX)
            yield f"nodes[{index}].id", repr(node.id), what


class _Known:
    """What cameras and rules may name, looked up once."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.nodes = {node.id for node in catalogue.nodes}
        self.places = {place.id for place in catalogue.places}
        self.scopes = {scope.id for scope in catalogue.scopes}
        self.labels = {model.name: set(model.classes) for model in catalogue.models}
        self.models = set(self.labels)


def _camera(known: _Known, camera: Camera, at: str) -> Iterator[Finding]:
    yield from _reference(f"{at}.node", camera.node, known.nodes, "node")
    yield from _reference(f"{at}.place", camera.place, known.places, "place")
    yield from _reference(f"{at}.model", camera.model, known.models, "model")
    for group in ("zones", "lines", "rules"):
        yield from _twice(f"{at}.{group}[{{}}].id", [e.id for e in getattr(camera, group)])
    for index, zone in enumerate(camera.zones):
        field = f"{at}.zones[{index}].polygon"
        if geometry.crosses_itself(zone.polygon):
            yield field, "", mistake("crosses")
        elif abs(geometry.area(zone.polygon)) < AREA_MIN:
            yield field, "", mistake("flat")
    for index, line in enumerate(camera.lines):
        if line.points[0] == line.points[1]:
            yield f"{at}.lines[{index}].points", "", mistake("point")
    yield from _rules(known, camera, at)


def _rules(known: _Known, camera: Camera, at: str) -> Iterator[Finding]:
    zones, lines = {z.id for z in camera.zones}, {line.id for line in camera.lines}
    labels = known.labels.get(camera.model)
    for index, rule in enumerate(camera.rules):
        field = f"{at}.rules[{index}]"
        if isinstance(rule, LineRule):
            yield from _reference(f"{field}.line", rule.line, lines, "line on this camera")
        else:
            yield from _reference(f"{field}.zone", rule.zone, zones, "zone on this camera")
        yield from _reference(f"{field}.scope", rule.scope, known.scopes, "scope")
        for key, given in (("classes", rule.classes), ("release", rule.release)):
            for number, label in enumerate(given):
                if labels is not None:
                    path = f"{field}.{key}[{number}]"
                    yield from _reference(path, label, labels, f"class in model {camera.model}")
