"""YAML nodes into typed values: every mistake is noted with its line, and reading goes on.

What cannot be read is stood in for by a value of its type, so that the rest can still be judged;
`stood_in` says where, for nothing may be blamed on a stand-in.
"""

from collections.abc import Mapping
from datetime import date, datetime
from difflib import get_close_matches
from typing import Annotated, Any

import msgspec
import yaml
from msgspec import inspect

from haidang_protocols.catalogue.problems import Mistake, Problem, mistake, problem

_VALUE_SHOWN = 60


class Reader:
    """Reads the YAML of one file by the types it is meant to be."""

    def __init__(self, file: str) -> None:
        """Read for `file`, whose name goes into every problem."""
        self.file = file
        self.problems: list[Problem] = []
        self.lines: dict[str, int] = {}
        self.stood_in: set[str] = set()

    def problem(self, node: yaml.Node, field: str, what: Mistake) -> None:
        """Note a mistake at `node`."""
        line = node.start_mark.line + 1
        self.problems.append(
            problem(file=self.file, line=line, field=field, value=_shown(node), what=what)
        )

    def read(self, node: yaml.Node, kind: inspect.Type, field: str) -> Any:  # noqa: ANN401
        """The value of `node` as `kind`; a stand-in after noting what is wrong."""
        self.lines[field] = node.start_mark.line + 1
        words = ""
        if isinstance(kind, inspect.Metadata):
            words = (kind.extra_json_schema or {}).get("description", "")
            kind = kind.type
        if isinstance(kind, inspect.UnionType):
            return self._union(node, kind, field)
        if isinstance(kind, inspect.StructType):
            return self._struct(node, kind, field)
        if isinstance(kind, (inspect.VarTupleType, inspect.TupleType)):
            return self._sequence(node, kind, field)
        allowed = mistake("must_be", allowed=words) if words else _allowed(kind)
        return self._scalar(node, kind, field, allowed)

    def _fail(self, node: yaml.Node, kind: inspect.Type, field: str, what: Mistake) -> Any:  # noqa: ANN401
        self.problem(node, field, what)
        self.stood_in.add(field)
        return stand_in(kind)

    def _union(self, node: yaml.Node, kind: inspect.UnionType, field: str) -> Any:  # noqa: ANN401
        if _is_null(node) and any(isinstance(t, inspect.NoneType) for t in kind.types):
            return None
        structs = [t for t in kind.types if isinstance(t, inspect.StructType)]
        if len(structs) > 1:
            return self._tagged(node, structs, field)
        (rest,) = [t for t in kind.types if not isinstance(t, inspect.NoneType)]
        return self.read(node, rest, field)

    def _tagged(self, node: yaml.Node, structs: list[inspect.StructType], field: str) -> Any:  # noqa: ANN401
        by_tag = {str(s.tag): s for s in structs}
        tag_field = str(structs[0].tag_field)
        allowed = ", ".join(sorted(by_tag))
        if not isinstance(node, yaml.MappingNode):
            what = mistake("mapping", allowed=f"{tag_field}: one of {allowed}")
            return self._fail(node, structs[0], field, what)
        for key, value in node.value:
            if key.value == tag_field:
                found = by_tag.get(str(value.value))
                if found is None:
                    self.problem(value, f"{field}.{tag_field}", mistake("one_of", allowed=allowed))
                    self.stood_in.add(field)
                    return stand_in(structs[0])
                return self._struct(node, found, field)
        what = mistake("kind_missing", key=tag_field, allowed=allowed)
        return self._fail(node, structs[0], field, what)

    def _struct(self, node: yaml.Node, kind: inspect.StructType, field: str) -> Any:  # noqa: ANN401
        if not isinstance(node, yaml.MappingNode):
            return self._fail(node, kind, field, mistake("mapping", allowed=_fields(kind)))
        if kind.tag_field is not None:
            node = _without(node, kind.tag_field)
        known = {f.name: f for f in kind.fields}
        values: dict[str, Any] = {}
        for key, value in node.value:
            name = str(key.value)
            path = f"{field}.{name}" if field else name
            if name in values:
                self.problem(key, path, mistake("key_twice"))
            elif name not in known:
                self.problem(key, path, _unknown(name, known, allowed=_fields(kind)))
            else:
                values[name] = self.read(value, known[name].type, path)
        for name, spec in known.items():
            if spec.required and name not in values:
                path = f"{field}.{name}" if field else name
                values[name] = self._fail(node, spec.type, path, mistake("missing"))
        return kind.cls(**values)

    def _sequence(
        self, node: yaml.Node, kind: inspect.VarTupleType | inspect.TupleType, field: str
    ) -> Any:  # noqa: ANN401
        if not isinstance(node, yaml.SequenceNode):
            return self._fail(node, kind, field, mistake("list"))
        size = len(node.value)
        if isinstance(kind, inspect.TupleType):
            kinds = list(kind.item_types)
            if size != len(kinds):
                what = mistake("entries", size=size, least=len(kinds))
                return self._fail(node, kind, field, what)
        else:
            low, high = kind.min_length or 0, kind.max_length
            if size < low or (high is not None and size > high):
                return self._fail(node, kind, field, _entries(size, low, high))
            kinds = [kind.item_type] * size
        return tuple(
            self.read(item, k, f"{field}[{i}]")
            for i, (item, k) in enumerate(zip(node.value, kinds, strict=True))
        )

    def _scalar(self, node: yaml.Node, kind: inspect.Type, field: str, allowed: Mistake) -> Any:  # noqa: ANN401
        try:
            if isinstance(node, yaml.ScalarNode):
                return _converted(node, kind)
        except ValueError:
            pass
        value = self._fail(node, kind, field, allowed)
        if isinstance(kind, inspect.EnumType):
            # what an entry is decides what else it needs: nothing more can be said of it
            self.stood_in.add(field.rpartition(".")[0] or field)
        # the text that was meant keeps the references to it from being blamed too
        is_text = isinstance(kind, inspect.StrType) and isinstance(node, yaml.ScalarNode)
        return str(node.value) if is_text else value


def stand_in(kind: inspect.Type) -> Any:  # noqa: ANN401  # of the type that is asked for
    """The plainest value of a type that its constructor takes."""
    if isinstance(kind, inspect.Metadata):
        return stand_in(kind.type)
    if isinstance(kind, inspect.UnionType):
        none = any(isinstance(t, inspect.NoneType) for t in kind.types)
        return None if none else stand_in(kind.types[0])
    if isinstance(kind, inspect.StructType):
        return kind.cls(**{f.name: stand_in(f.type) for f in kind.fields if f.required})
    if isinstance(kind, inspect.TupleType):
        return tuple(stand_in(item) for item in kind.item_types)
    if isinstance(kind, inspect.VarTupleType):
        return (stand_in(kind.item_type),) * (kind.min_length or 0)
    if isinstance(kind, inspect.EnumType):
        return list(kind.cls)[-1]
    if isinstance(kind, inspect.DateType):
        return date.min
    return "" if isinstance(kind, inspect.StrType) else 0


def _converted(node: yaml.ScalarNode, kind: inspect.Type) -> Any:  # noqa: ANN401
    """The scalar as `kind`; raises ValueError (msgspec's own is one)."""
    value = yaml.SafeLoader("").construct_object(node)
    if isinstance(kind, inspect.StrType) and isinstance(value, (date, datetime)):
        value = node.value
    if isinstance(kind, inspect.DateType) and isinstance(value, datetime):
        raise ValueError(f"{value} is a moment, not a date")  # noqa: TRY004  # of text, not of code
    return msgspec.convert(value, _annotated(kind))


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


def _allowed(kind: inspect.Type) -> Mistake:
    """What a scalar must be."""
    if isinstance(kind, inspect.EnumType):
        return mistake("one_of", allowed=", ".join(str(member.value) for member in kind.cls))
    return mistake("must_be", allowed=_scalar_words(kind))


def _scalar_words(kind: inspect.Type) -> str:
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


def _unknown(name: str, known: Mapping[str, object], *, allowed: str) -> Mistake:
    found = get_close_matches(name, known, n=1)
    if found:
        return mistake("key_near", near=found[0], allowed=allowed)
    return mistake("key", allowed=allowed)


def _entries(size: int, low: int, high: int | None) -> Mistake:
    if high is None:
        return mistake("entries_least", size=size, least=low)
    return mistake("entries_most", size=size, least=low, most=high)


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
