"""What stays the same while somebody looks: names of the catalogue, texts, what they may do."""

from typing import Any

import msgspec

from haidang_cloud.console.ruling import Audience
from haidang_cloud.console.texts import named, texts
from haidang_cloud.console.visitor import Visitor
from haidang_protocols.boards import words
from haidang_protocols.catalogue.model import Camera, Catalogue, Place, Right
from haidang_protocols.wire.messages import CameraState


def setting(visitor: Visitor) -> bytes:
    """The setting of one visitor, as JSON."""
    ruling, language = visitor.ruling, visitor.language
    catalogue = ruling.catalogue
    audience = ruling.audience(visitor.person.grants)
    models = {model.name: model.classes for model in catalogue.models}
    found = {
        "centre": named(catalogue.centre.name, language),
        "time_zone": catalogue.centre.time_zone,
        "catalogue": ruling.number,
        "language": language,
        "texts": dict(texts(language)),
        "me": {
            "login": visitor.person.login,
            "name": visitor.person.name,
            "role": _roles(visitor),
        },
        "rights": sorted(right for right in Right if visitor.sees(right)),
        "observed": audience.observed,
        "events": bool(audience.events),
        "scopes": {scope.id: named(scope.name, language) for scope in catalogue.scopes},
        "places": _places(catalogue, language),
        "cameras": [
            _camera(camera, models.get(camera.model, ()), audience, language)
            for camera in catalogue.cameras
            if camera.id in audience.cameras
        ],
        "nodes": [
            {
                "id": node.id,
                "site": node.site,
                "place": ruling.places_of_nodes[node.id],
                "board": node.board,
            }
            for node in catalogue.nodes
            if node.id in audience.nodes
        ],
        "words": _words(language),
    }
    return msgspec.json.encode(found)


def _roles(visitor: Visitor) -> str:
    """What they are here, as one line."""
    held = {grant.role for grant in visitor.person.grants}
    roles = visitor.ruling.catalogue.roles
    return ", ".join(named(role.name, visitor.language) for role in roles if role.id in held)


def _places(catalogue: Catalogue, language: str) -> dict[str, dict[str, Any]]:
    return {place.id: _place(place, language) for place in catalogue.places}


def _place(place: Place, language: str) -> dict[str, Any]:
    return {
        "id": place.id,
        "name": named(place.name, language),
        "kind": place.kind.value,
        "parent": place.parent,
        "latitude": place.latitude,
        "longitude": place.longitude,
    }


def _camera(
    camera: Camera, classes: tuple[str, ...], audience: Audience, language: str
) -> dict[str, Any]:
    """A camera without its source: that address is none of a viewer's business."""
    return {
        "id": camera.id,
        "name": named(camera.name, language),
        "node": camera.node,
        "place": camera.place,
        "model": camera.model,
        "picture": camera.id in audience.pictures,
        "classes": classes,
        "zones": [
            {"id": zone.id, "name": named(zone.name, language), "polygon": zone.polygon}
            for zone in camera.zones
        ],
        "lines": [
            {"id": line.id, "name": named(line.name, language), "points": line.points}
            for line in camera.lines
        ],
        "rules": [
            {
                "id": rule.id,
                "name": named(rule.name, language),
                "kind": rule.__struct_config__.tag,
                "severity": rule.severity.value,
                "alarm": rule.alarm,
                "over": getattr(rule, "zone", "") or getattr(rule, "line", ""),
                "schedule": rule.schedule,
                "classes": rule.classes,
            }
            for rule in camera.rules
        ],
    }


def _words(language: str) -> dict[str, dict[str, str]]:
    """Words for values that rows carry, the same that boards use."""
    kinds = {
        "severity": words.SEVERITIES,
        "rule": words.RULES,
        "phase": words.PHASES,
        "class": words.CLASSES,
        "camera": words.CAMERA_STATES,
        "gap": words.GAP_REASONS,
    }
    found = {
        kind: {word.value: named(word.text, language) for word in known}
        for kind, known in kinds.items()
    }
    for state in CameraState:
        found["camera"].setdefault(state.value, state.value)
    return found
