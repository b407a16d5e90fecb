"""The catalogue in force, indexed for what a viewer may see of it."""

from collections.abc import Iterable
from dataclasses import dataclass

from haidang_cloud import web
from haidang_protocols.catalogue import Catalogue
from haidang_protocols.catalogue.model import Camera, Grant, Node, Right, Zone


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """All who see the same: they share one encoded update.

    Attributes:
        catalogue: the version that it was made by.
        cases: scopes whose cases they read.
        cameras: cameras that they see at all.
        events: cameras whose events they see.
        nodes: nodes whose health they see.
        pictures: cameras whose pictures they see.
        observed: whether they see what cameras count; that is the centre's own.
    """

    catalogue: int
    cases: frozenset[str]
    cameras: frozenset[str]
    events: frozenset[str]
    nodes: frozenset[str]
    pictures: frozenset[str]
    observed: bool


class Ruling(web.Ruling):
    """A catalogue in force, the rights that it gives, and which scopes see what stands where."""

    def __init__(self, catalogue: Catalogue, number: int) -> None:
        """Index a catalogue in force."""
        super().__init__(catalogue, number)
        self.cameras = {camera.id: camera for camera in catalogue.cameras}
        self.nodes = {node.id: node for node in catalogue.nodes}
        sites = {site.id: site.place for site in catalogue.sites}
        over = {
            place.id: frozenset(scope.id for scope in catalogue.scopes_over(place.id))
            for place in catalogue.places
        }
        self._over_camera = {camera.id: over[camera.place] for camera in catalogue.cameras}
        self._over_node = {node.id: over[sites[node.site]] for node in catalogue.nodes}
        self.places_of_nodes = {node.id: sites[node.site] for node in catalogue.nodes}

    def audience(self, grants: Iterable[Grant]) -> Audience:
        """What grants let somebody see."""
        given = tuple(grants)
        sees = {right: self.rights.sees(given, right) for right in Right}
        events = self._cameras_in(sees[Right.BOARD_READ])
        nodes = frozenset(n for n, over in self._over_node.items() if over & sees[Right.NODE_READ])
        of_nodes = {c.id for c in self.catalogue.cameras if c.node in nodes}
        return Audience(
            catalogue=self.number,
            cases=sees[Right.CASE_READ],
            cameras=events | self._cameras_in(sees[Right.CASE_READ]) | of_nodes,
            events=events,
            nodes=nodes,
            pictures=self._cameras_in(sees[Right.SNAPSHOT_READ]),
            observed=self.rights.everywhere(given, Right.BOARD_READ),
        )

    def camera(self, number: str) -> Camera | None:
        """A camera by its id."""
        return self.cameras.get(number)

    def node(self, number: str) -> Node | None:
        """A node by its id."""
        return self.nodes.get(number)

    def zones(self, camera: str) -> tuple[Zone, ...]:
        """The zones of a camera that may not be in this catalogue."""
        found = self.cameras.get(camera)
        return found.zones if found else ()

    def _cameras_in(self, scopes: frozenset[str]) -> frozenset[str]:
        return frozenset(c for c, over in self._over_camera.items() if over & scopes)
