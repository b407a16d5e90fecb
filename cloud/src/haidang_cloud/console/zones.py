"""A camera's zones and lines drawn anew, as a change of the catalogue's own text.

The lists `zones`, `lines` and `rules` of the one camera are written on one line each, where they
changed; comments and the order of everything else are kept.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, TypeVar

import msgspec
import yaml
from msgspec import Meta, Struct
from msgspec.structs import FieldInfo, fields, replace

from haidang_cloud.errors import RefusedError
from haidang_protocols.catalogue import Catalogue, load_texts
from haidang_protocols.catalogue.model import (
    Camera,
    Id,
    IntrusionRule,
    Line,
    LineRule,
    Point,
    Rule,
    Text,
    Zone,
)
from haidang_protocols.wire.topics import Severity

SHAPES_MAX = 32
_AFTER_S = 1.0
_Shape = TypeVar("_Shape", Zone, Line)
Name = Annotated[str, Meta(max_length=100)]


class NameGiven(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A name as it was typed."""

    vi: Name
    en: Name = ""


class _Given(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Common to both.

    Attributes:
        id: of what is there already; empty for what is new.
        watch: classes that raise an alarm from now on, by a rule of its own.
    """

    name: NameGiven
    id: Id | None = None
    watch: tuple[str, ...] = ()


class ZoneGiven(_Given, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A zone as it was drawn."""

    polygon: Annotated[tuple[Point, ...], Meta(min_length=3, max_length=64)]


class LineGiven(_Given, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line as it was drawn."""

    points: tuple[Point, Point]


class Drawing(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All zones and lines of a camera; `dropped` are rules that it shall have no more."""

    zones: Annotated[tuple[ZoneGiven, ...], Meta(max_length=SHAPES_MAX)]
    lines: Annotated[tuple[LineGiven, ...], Meta(max_length=SHAPES_MAX)]
    dropped: tuple[Id, ...] = ()


class Change(Struct, frozen=True, kw_only=True):
    """One difference between two versions of a camera, for people."""

    what: Literal["added", "removed", "moved", "renamed"]
    kind: Literal["zone", "line", "rule"]
    name: Text


def redrawn(
    texts: Mapping[str, str], camera: Camera, drawing: Drawing
) -> tuple[dict[str, str], Catalogue]:
    """The catalogue's texts with a camera as it was drawn, and what they say.

    Raises `CatalogueRefusedError` with every mistake, `RefusedError` for what is not there, has no
    name, or cannot go while a rule watches it.
    """
    after = _Redrawing(camera).draw(drawing)
    name, text = _file_of(texts, camera.id)
    for key in ("zones", "lines", "rules"):
        if getattr(after, key) != getattr(camera, key):
            text = _with(text, camera.id, key, getattr(after, key))
    found = {**texts, name: text}
    return found, load_texts(found)


def changes(before: Camera, after: Camera) -> Iterator[Change]:
    """What is different in a camera's zones, lines and rules."""
    yield from _changes("zone", before.zones, after.zones)
    yield from _changes("line", before.lines, after.lines)
    yield from _changes("rule", before.rules, after.rules)


def _changes(
    kind: Literal["zone", "line", "rule"],
    before: Sequence[Zone | Line | Rule],
    after: Sequence[Zone | Line | Rule],
) -> Iterator[Change]:
    was, now = {one.id: one for one in before}, {one.id: one for one in after}
    for one in after:
        old = was.get(one.id)
        if old is None:
            yield Change(what="added", kind=kind, name=one.name)
        elif old != one:
            if old.name != one.name:
                yield Change(what="renamed", kind=kind, name=one.name)
            if replace(old, name=one.name) != one:
                yield Change(what="moved", kind=kind, name=one.name)
    for one in before:
        if one.id not in now:
            yield Change(what="removed", kind=kind, name=one.name)


@dataclass
class _Redrawing:
    """A camera on its way from what it is to what was drawn."""

    camera: Camera

    def __post_init__(self) -> None:
        camera = self.camera
        self._rules = list(camera.rules)
        self._taken = {one.id for one in (*camera.zones, *camera.lines, *camera.rules)}

    def draw(self, drawing: Drawing) -> Camera:
        self._drop(drawing.dropped)
        zones, lines = self.camera.zones, self.camera.lines
        drawn_zones = tuple(
            self._shape(zones, Zone(id="", name=_name(one), polygon=one.polygon), one)
            for one in drawing.zones
        )
        drawn_lines = tuple(
            self._shape(lines, Line(id="", name=_name(one), points=one.points), one)
            for one in drawing.lines
        )
        for gone in _gone(zones, drawn_zones) + _gone(lines, drawn_lines):
            self._check_unwatched(gone)
        rules = tuple(self._rules)
        return replace(self.camera, zones=drawn_zones, lines=drawn_lines, rules=rules)

    def _drop(self, dropped: Sequence[str]) -> None:
        for number in dropped:
            if all(rule.id != number for rule in self._rules):
                raise self._unknown("rule", number)
        self._rules = [rule for rule in self._rules if rule.id not in dropped]

    def _shape(self, known: Sequence[_Shape], drawn: _Shape, given: _Given) -> _Shape:
        if given.id is None:
            drawn = replace(drawn, id=_fresh(drawn.name.vi, self._taken))
        else:
            before = next((one for one in known if one.id == given.id), None)
            if before is None:
                raise self._unknown(type(drawn).__name__.lower(), given.id)
            drawn = replace(drawn, id=given.id)
            self._rename(before, drawn)
        if given.watch:
            self._rules.append(self._alarm(drawn, given.watch))
        return drawn

    def _rename(self, before: Zone | Line, now: Zone | Line) -> None:
        """A rule that is called after its zone goes on to be."""
        self._rules = [
            replace(rule, name=_alarm_name(now))
            if _watched(rule) == before.id and rule.name == _alarm_name(before)
            else rule
            for rule in self._rules
        ]

    def _alarm(self, shape: Zone | Line, watch: tuple[str, ...]) -> Rule:
        number = _fresh(f"{shape.id}-canh", self._taken)
        name, severity = _alarm_name(shape), Severity.WARNING
        if isinstance(shape, Line):
            return LineRule(
                id=number, name=name, line=shape.id, classes=watch, severity=severity, alarm=True
            )
        return IntrusionRule(
            id=number,
            name=name,
            zone=shape.id,
            classes=watch,
            severity=severity,
            alarm=True,
            after_s=_AFTER_S,
        )

    def _check_unwatched(self, gone: Zone | Line) -> None:
        watching = [rule.name.vi for rule in self._rules if _watched(rule) == gone.id]
        if watching:
            what, rules = type(gone).__name__.lower(), ", ".join(map(repr, watching))
            raise RefusedError(
                "used",
                f"{what} {gone.name.vi!r} is watched by {rules}: remove the rule first",
                name=gone.name.vi,
                rules=", ".join(watching),
            )

    def _unknown(self, what: str, number: str) -> RefusedError:
        """Somebody else took it away meanwhile, or it never was."""
        return RefusedError(
            "unknown.shape", f"camera {self.camera.id!r} has no {what} {number!r}", id=number
        )


def _gone(before: Sequence[_Shape], now: Sequence[_Shape]) -> list[Zone | Line]:
    kept = {one.id for one in now}
    return [one for one in before if one.id not in kept]


def _watched(rule: Rule) -> str:
    return rule.line if isinstance(rule, LineRule) else rule.zone


def _name(given: _Given) -> Text:
    name = Text(vi=given.name.vi.strip(), en=given.name.en.strip())
    if not name.vi:
        raise RefusedError("value.nameless", "each zone and each line needs a name")
    return name


def _alarm_name(shape: Zone | Line) -> Text:
    """What a rule is called that watches one shape."""
    vi, en = ("Qua", "Over") if isinstance(shape, Line) else ("Vào", "In")
    name = shape.name
    return Text(vi=f"{vi} {name.vi}", en=f"{en} {name.en}" if name.en else "")


def _fresh(name: str, taken: set[str]) -> str:
    """An id that nobody has, made of a name: `Cổng sau` becomes `cong-sau`."""
    plain = unicodedata.normalize("NFD", name.lower().replace("đ", "d"))
    kept = "".join(sign for sign in plain if not unicodedata.combining(sign))
    base = re.sub(r"[^a-z0-9]+", "-", kept).strip("-")[:40] or "hinh"
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
    raise _undeclared(camera)


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
        raise _undeclared(camera)
    # JSON is YAML too, and stands on one line whatever is around it
    said = msgspec.json.encode([_plain(entry) for entry in entries]).decode()
    named = next((pair for pair in node.value if pair[0].value == key), None)
    if named is not None:
        name, there = named
        begin = there.start_mark
        # a block of dashes may stand under its key, what we write must stand further in
        room = max(name.start_mark.column + 2 - begin.column, 0)
        return f"{text[: begin.index]}{' ' * room}{said}{text[_end(there) :]}"
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


def _undeclared(camera: str) -> RefusedError:
    return RefusedError("unknown.declared", f"no file of the catalogue declares camera {camera!r}")
