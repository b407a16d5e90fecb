"""What ingest must know of a catalogue, by id."""

from collections.abc import Mapping
from dataclasses import dataclass

from haidang_cloud.timeseries.lines import LineMaker
from haidang_protocols.catalogue import Catalogue
from haidang_protocols.wire.records import Event


@dataclass(frozen=True, slots=True)
class _Camera:
    node: str
    place: str
    zones: frozenset[str]
    labels: frozenset[str]


class Directory:
    """Sites, places and cameras by id; who owns an alarm."""

    def __init__(self, catalogue: Catalogue, number: int) -> None:
        """Index a catalogue in force."""
        self.catalogue, self.number = catalogue, number
        self.centre = catalogue.centre.id
        self.sites: Mapping[str, str] = {node.id: node.site for node in catalogue.nodes}
        self.places: Mapping[str, str] = {site.id: site.place for site in catalogue.sites}
        labels = {model.name: frozenset(model.classes) for model in catalogue.models}
        self.cameras: Mapping[str, _Camera] = {
            camera.id: _Camera(
                camera.node,
                camera.place,
                frozenset(z.id for z in camera.zones) | {line.id for line in camera.lines},
                labels.get(camera.model, frozenset()),
            )
            for camera in catalogue.cameras
        }
        self.maker = LineMaker(known=self.knows, labels=self.labels)
        self._by_id = {camera.id: camera for camera in catalogue.cameras}

    def knows(self, camera: str, zone: str) -> bool:
        """Whether a camera has that zone or line."""
        found = self.cameras.get(camera)
        return found is not None and zone in found.zones

    def labels(self, camera: str, label: str) -> bool:
        """Whether the model of a camera has that class."""
        found = self.cameras.get(camera)
        return found is not None and label in found.labels

    def owner(self, event: Event) -> tuple[str, str]:
        """Scope and place that an alarm belongs to."""
        camera = self._by_id.get(event.camera)
        if camera is None:
            return self.catalogue.scope_of_centre().id, ""
        return self.catalogue.owner_scope(camera, event.rule), camera.place
