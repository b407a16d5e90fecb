"""What of a catalogue one scope sees."""

from collections.abc import Iterator

from msgspec import Struct

from haidang_protocols.boards.model import Word
from haidang_protocols.boards.words import named
from haidang_protocols.catalogue.model import Camera, Catalogue, LineRule, Node, Scope

SERIES_NAMED_MAX = 200
"""Every panel over time carries every name; beyond this a board would weigh megabytes."""


class Reach(Struct, frozen=True, kw_only=True):
    """A scope with the cameras whose events, and the nodes whose health, are in its bucket."""

    scope: Scope
    cameras: tuple[Camera, ...]
    nodes: tuple[Node, ...]
    node_cameras: tuple[Camera, ...]


def reaches(catalogue: Catalogue) -> Iterator[Reach]:
    """Every scope, in the catalogue's order."""
    over = {place.id: _scopes_over(catalogue, place.id) for place in catalogue.places}
    places = {site.id: site.place for site in catalogue.sites}
    for scope in catalogue.scopes:
        nodes = tuple(n for n in catalogue.nodes if scope.id in over[places[n.site]])
        ids = {node.id for node in nodes}
        yield Reach(
            scope=scope,
            cameras=tuple(c for c in catalogue.cameras if scope.id in over[c.place]),
            nodes=nodes,
            node_cameras=tuple(c for c in catalogue.cameras if c.node in ids),
        )


def _scopes_over(catalogue: Catalogue, place: str) -> frozenset[str]:
    return frozenset(scope.id for scope in catalogue.scopes_over(place))


def camera_words(cameras: tuple[Camera, ...]) -> tuple[Word, ...]:
    """What cameras are called."""
    return named((camera.id, camera.name) for camera in cameras)


def series_words(cameras: tuple[Camera, ...]) -> tuple[Word, ...]:
    """What a series of each camera is called; their ids where there are too many to name."""
    return camera_words(cameras) if len(cameras) <= SERIES_NAMED_MAX else ()


def zone_words(cameras: tuple[Camera, ...]) -> tuple[Word, ...]:
    """What zones are called."""
    return named((zone.id, zone.name) for camera in cameras for zone in camera.zones)


def rule_words(cameras: tuple[Camera, ...]) -> tuple[Word, ...]:
    """What rules are called."""
    return named((rule.id, rule.name) for camera in cameras for rule in camera.rules)


def has_alarms(cameras: tuple[Camera, ...]) -> bool:
    """Whether a rule raises alarms."""
    return any(rule.alarm for camera in cameras for rule in camera.rules)


def has_lines(cameras: tuple[Camera, ...]) -> bool:
    """Whether a rule counts who crosses a line."""
    return any(isinstance(rule, LineRule) for camera in cameras for rule in camera.rules)


def has_zones(cameras: tuple[Camera, ...]) -> bool:
    """Whether a rule watches a zone."""
    return any(not isinstance(rule, LineRule) for camera in cameras for rule in camera.rules)
