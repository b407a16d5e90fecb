"""YAML nodes into typed values: every mistake is noted with its line, and reading goes on."""

from collections.abc import Mapping
from datetime import date, datetime
from difflib import get_close_matches
from typing import Annotated, Any

import msgspec
import yaml
from msgspec import inspect

from haidang_protocols.catalogue.problems import Problem

_VALUE_SHOWN = 60
_FAILED = object()


class Reader:
    """Reads the YAML of one file by the types it is meant to be."""

    def __init__(self, file: str) -> None:
        """Read for `file`, whose name goes into every problem."""
        self.file = file
        self.problems: list[Problem] = []
        self.lines: dict[str, int] = {}

    def problem(self, node: yaml.Node, field: str, message: str) -> None:
        """Note a mistake at `node`."""
        self.problems.append(
            Problem(
                file=self.file,
                line=node.start_mark.line + 1,
                field=field,
                value=_shown(node),
                message=message,
            )
        )

    def read(self, node: yaml.Node, kind: inspect.Type, field: str) -> Any:  # noqa: ANN401
        """The value of `node` as `kind`, or a private mark after noting what is wrong."""
        self.lines[field] = node.start_mark.line + 1
        if isinstance(kind, inspect.Metadata):
            kind = kind.type
        if isinstance(kind, inspect.UnionType):
            return self._union(node, kind, field)
        if isinstance(kind, inspect.StructType):
            return self._struct(node, kind, field)
        if isinstance(kind, (inspect.VarTupleType, inspect.TupleType)):
            return self._sequence(node, kind, field)
        return self._scalar(node, kind, field)

    def ok(self, value: object) -> bool:
        """Whether `read` gave a value."""
        return value is not _FAILED

    def _fail(self, node: yaml.Node, field: str, message: str) -> object:
        self.problem(node, field, message)
        return _FAILED

    def _union(self, node: yaml.Node, kind: inspect.UnionType, field: str) -> Any:  # noqa: ANN401
        if _is_null(node) and any(isinstance(t, inspect.NoneType) for t in kind.types):
            return None
        structs = [t for t in kind.types if isinstance(t, inspect.StructType)]
        if len(structs) > 1:
            return self._tagged(node, structs, field)
        (rest,) = [t for t in kind.types if not isinstance(t, inspect.NoneType)]
        return self.read(node, rest, field)

    def _tagged(self, node: yaml.Node, structs: list[inspect.StructType], field: str) -> object:
        by_tag = {str(s.tag): s for s in structs}
        tag_field = str(structs[0].tag_field)
        allowed = f"one of {', '.join(sorted(by_tag))}"
        if not isinstance(node, yaml.MappingNode):
            return self._fail(node, field, f"must be a mapping with {tag_field}: {allowed}")
        for key, value in node.value:
            if key.value == tag_field:
                found = by_tag.get(str(value.value))
                if found is None:
                    return self._fail(value, f"{field}.{tag_field}", f"must be {allowed}")
                return self._struct(node, found, field)
        return self._fail(node, field, f"{tag_field} is missing; it must be {allowed}")

    def _struct(self, node: yaml.Node, kind: inspect.StructType, field: str) -> Any:  # noqa: ANN401
        if not isinstance(node, yaml.MappingNode):
            return self._fail(node, field, f"must be a mapping with {_fields(kind)}")
        if kind.tag_field is not None:
            node = _without(node, kind.tag_field)
        known = {f.name: f for f in kind.fields}
        values: dict[str, Any] = {}
        failed = False
        for key, value in node.value:
            name = str(key.value)
            path = f"{field}.{name}" if field else name
            if name in values:
                failed = self._fail(key, path, "stands twice; keep one") is _FAILED
            elif name not in known:
                failed = True
                self.problem(
                    key, path, f"unknown key{_near(name, known)}; allowed: {_fields(kind)}"
                )
            else:
                values[name] = self.read(value, known[name].type, path)
        failed |= any(v is _FAILED for v in values.values())
        for name, spec in known.items():
            if spec.required and name not in values:
                failed = True
                path = f"{field}.{name}" if field else name
                self.problem(node, path, "is missing")
        return _FAILED if failed else kind.cls(**values)

    def _sequence(
        self, node: yaml.Node, kind: inspect.VarTupleType | inspect.TupleType, field: str
    ) -> object:
        if not isinstance(node, yaml.SequenceNode):
            return self._fail(node, field, "must be a list")
        size = len(node.value)
        if isinstance(kind, inspect.TupleType):
            if size != len(kind.item_types):
                wanted = len(kind.item_types)
                return self._fail(node, field, f"has {size} entries; must have {wanted}")
            kinds = list(kind.item_types)
        else:
            low, high = kind.min_length or 0, kind.max_length
            if size < low or (high is not None and size > high):
                most = "" if high is None else f" and at most {high}"
                return self._fail(
                    node, field, f"has {size} entries; must have at least {low}{most}"
                )
            kinds = [kind.item_type] * size
        read = [
            self.read(item, k, f"{field}[{i}]")
            for i, (item, k) in enumerate(zip(node.value, kinds, strict=True))
        ]
        return _FAILED if any(v is _FAILED for v in read) else tuple(read)

    def _scalar(self, node: yaml.Node, kind: inspect.Type, field: str) -> object:
        if not isinstance(node, yaml.ScalarNode):
            return self._fail(node, field, f"must be {_allowed(kind)}")
        try:
            value = yaml.SafeLoader("").construct_object(node)
        except ValueError:
            return self._fail(node, field, f"must be {_allowed(kind)}")
        if isinstance(kind, inspect.StrType) and isinstance(value, (date, datetime)):
            value = node.value
        if isinstance(kind, inspect.DateType) and isinstance(value, datetime):
            return self._fail(node, field, f"must be {_allowed(kind)}")
        try:
            return msgspec.convert(value, _annotated(kind))
        except msgspec.ValidationError:
            return self._fail(node, field, f"must be {_allowed(kind)}")


def _annotated(kind: inspect.Type) -> Any:  # noqa: ANN401  # a type form is any object
    """The scalar type that `kind` describes, with its constraints."""
    if isinstance(kind, inspect.EnumType):
        return kind.cls
    if isinstance(kind, inspect.DateType):
        return date
    if isinstance(kind, inspect.BoolType):
        return bool
    if isinstance(kind, inspect.StrType):
        return _constrained(str, pattern=kind.pattern)
    bounds = {n: getattr(kind, n, None) for n in ("gt", "ge", "lt", "le")}
    return _constrained(int if isinstance(kind, inspect.IntType) else float, **bounds)


def _constrained(base: type, **limits: Any) -> Any:  # noqa: ANN401
    given = {name: limit for name, limit in limits.items() if limit is not None}
    return Annotated[base, msgspec.Meta(**given)] if given else base


def _allowed(kind: inspect.Type) -> str:
    """What a scalar may be, in words."""
    if isinstance(kind, inspect.EnumType):
        return "one of " + ", ".join(str(member.value) for member in kind.cls)
    if isinstance(kind, inspect.DateType):
        return "a date such as 2025-07-01"
    if isinstance(kind, inspect.BoolType):
        return "true or false"
    if isinstance(kind, inspect.StrType):
        return f"text that matches {kind.pattern}" if kind.pattern else "text (put it in quotes)"
    noun = "a whole number" if isinstance(kind, inspect.IntType) else "a number"
    words = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
    limits = [f"{w} {getattr(kind, n)}" for n, w in words.items() if getattr(kind, n) is not None]
    return " and ".join([noun, *limits]) if limits else noun


def _near(name: str, known: Mapping[str, object]) -> str:
    found = get_close_matches(name, known, n=1)
    return f" (did you mean {found[0]}?)" if found else ""


def _fields(kind: inspect.StructType) -> str:
    return ", ".join(f.name for f in kind.fields)


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"


def _without(node: yaml.MappingNode, name: str) -> yaml.MappingNode:
    kept = [(k, v) for k, v in node.value if k.value != name]
    return yaml.MappingNode(node.tag, kept, node.start_mark, node.end_mark)


def _shown(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        return ""
    text = repr(node.value)
    return text if len(text) <= _VALUE_SHOWN else text[: _VALUE_SHOWN - 1] + "…"
