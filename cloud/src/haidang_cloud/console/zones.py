"""A camera's zones drawn anew, as a change of the catalogue's own text: the rest stays as it was.

The lists `zones` and `rules` of the one camera are written on one line; comments and the order of
everything else are kept.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
import yaml
from msgspec import Meta, Struct
from msgspec.structs import FieldInfo, fields

from haidang_cloud.errors import RefusedError
from haidang_protocols.catalogue import Catalogue, load_texts
from haidang_protocols.catalogue.model import (
    Camera,
    Id,
    IntrusionRule,
    Point,
    Text,
    Zone,
)
from haidang_protocols.wire.topics import Severity

_AFTER_S = 1.0


class ZoneGiven(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A zone as it was drawn.

    Attributes:
        id: of a zone that is there; empty for a new one, which has a `name`.
        watch: classes that raise an alarm in a new zone.
    """

    polygon: Annotated[tuple[Point, ...], Meta(min_length=3, max_length=64)]
    id: Id | None = None
    name: Annotated[str, Meta(max_length=100)] = ""
    watch: tuple[str, ...] = ()


def redrawn(
    texts: Mapping[str, str], camera: Camera, given: Sequence[ZoneGiven]
) -> tuple[dict[str, str], Catalogue]:
    """The catalogue's texts with a camera's zones as given, and what they say.

    Raises `CatalogueRefusedError` with every mistake, `RefusedError` for a zone that is not there.
    """
    zones, rules = list[Zone](), list(camera.rules)
    known = {zone.id: zone for zone in camera.zones}
    taken = set(known) | {line.id for line in camera.lines} | {rule.id for rule in rules}
    for one in given:
        if one.id is not None:
            if one.id not in known:
                raise RefusedError("unknown", f"camera {camera.id!r} has no zone {one.id!r}")
            zones.append(msgspec.structs.replace(known[one.id], polygon=one.polygon))
            continue
        zone = Zone(id=_fresh(one.name, taken), name=Text(vi=one.name), polygon=one.polygon)
        zones.append(zone)
        if one.watch:
            rules.append(_alarm(zone, one.watch, taken))
    name, text = _file_of(texts, camera.id)
    text = _with(text, camera.id, "zones", zones)
    if len(rules) > len(camera.rules):
        text = _with(text, camera.id, "rules", rules)
    found = {**texts, name: text}
    return found, load_texts(found)


def _alarm(zone: Zone, watch: tuple[str, ...], taken: set[str]) -> IntrusionRule:
    return IntrusionRule(
        id=_fresh(f"{zone.id}-canh", taken),
        name=Text(vi=f"Vào {zone.name.vi}"),
        zone=zone.id,
        classes=watch,
        severity=Severity.WARNING,
        alarm=True,
        after_s=_AFTER_S,
    )


def _fresh(name: str, taken: set[str]) -> str:
    """An id that nobody has, made of a name: `Cổng sau` becomes `cong-sau`."""
    plain = unicodedata.normalize("NFD", name.lower().replace("đ", "d"))
    kept = "".join(sign for sign in plain if not unicodedata.combining(sign))
    base = re.sub(r"[^a-z0-9]+", "-", kept).strip("-")[:40] or "vung"
    found, count = base, 1
    while found in taken:
        count += 1
        found = f"{base}-{count}"
    taken.add(found)
    return found


# --- the text -----------------------------------------------------------------------------------


def _file_of(texts: Mapping[str, str], camera: str) -> tuple[str, str]:
    for name, text in texts.items():
        if _camera_node(text, camera) is not None:
            return name, text
    raise RefusedError("unknown", f"no file of the catalogue declares camera {camera!r}")


def _camera_node(text: str, camera: str) -> yaml.MappingNode | None:
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    cameras = _value(root, "cameras") if isinstance(root, yaml.MappingNode) else None
    for node in cameras.value if isinstance(cameras, yaml.SequenceNode) else ():
        found = _value(node, "id") if isinstance(node, yaml.MappingNode) else None
        if found is not None and found.value == camera and isinstance(node, yaml.MappingNode):
            return node
    return None


def _value(node: yaml.MappingNode, key: str) -> yaml.Node | None:
    return next((value for name, value in node.value if name.value == key), None)


def _with(text: str, camera: str, key: str, entries: Sequence[Struct]) -> str:
    """The text with one list of a camera in other words."""
    node = _camera_node(text, camera)
    if node is None:
        raise RefusedError("unknown", f"no file of the catalogue declares camera {camera!r}")
    # JSON is YAML too, and stands on one line whatever is around it
    said = msgspec.json.encode([_plain(entry) for entry in entries]).decode()
    there = _value(node, key)
    if there is not None:
        return text[: there.start_mark.index] + said + text[_end(there) :]
    first = node.value[0][0].start_mark
    between = ", " if node.flow_style else f"\n{' ' * first.column}"
    return f"{text[: first.index]}{key}: {said}{between}{text[first.index :]}"


def _end(node: yaml.Node) -> int:
    """Where a value ends; a block says it ends where the next thing begins, comments included."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    return int(node.end_mark.index)


def _plain(entry: Struct) -> dict[str, object]:
    """What differs from what it would be anyway."""
    config = entry.__struct_config__
    said = {str(config.tag_field): config.tag} if config.tag_field else {}
    shown = {info.name: getattr(entry, info.name) for info in fields(entry) if _told(entry, info)}
    return {**said, **{key: _words(value) for key, value in shown.items()}}


def _told(entry: Struct, info: FieldInfo) -> bool:
    return info.required or getattr(entry, info.name) != info.default


def _words(value: object) -> object:
    return _plain(value) if isinstance(value, Struct) else msgspec.to_builtins(value)
