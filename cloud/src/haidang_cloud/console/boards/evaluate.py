"""A board's query, worked out on points: what InfluxQL does, for a store that speaks none. Pure."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from haidang_cloud.timeseries.base import FieldValue
from haidang_protocols.boards.model import Aggregate, Column, Fill, Operator, Query, Running, Where

SECOND_NS = 10**9
Value = FieldValue | None


@dataclass(frozen=True, slots=True)
class Row:
    """One row of an answer: its time, the tags of its series, and its columns."""

    t: int
    tags: Mapping[str, str]
    values: Mapping[str, Value]

    def get(self, key: str) -> Value:
        """A column or tag."""
        return self.values[key] if key in self.values else self.tags.get(key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What time is asked for.

    Attributes:
        begin_ns: from here on.
        end_ns: up to and with this.
        step_s: the step of a query that names none.
        offset_s: what the centre's clocks are ahead of UTC: days and hours begin there.
        chosen: what the viewer chose, by key; a key without an entry is all.
    """

    begin_ns: int
    end_ns: int
    step_s: int
    offset_s: int = 0
    chosen: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def steps(self, step_ns: int) -> range:
        """The beginnings of all steps of the window."""
        return range(self.floor(self.begin_ns, step_ns), self.end_ns + 1, step_ns)

    def floor(self, t: int, step_ns: int) -> int:
        """The beginning of the step that a time lies in."""
        ahead = self.offset_s * SECOND_NS
        return (t + ahead) // step_ns * step_ns - ahead


Read = Callable[[str], Iterable[Row]]
"""The rows of a measurement within the window."""


def evaluate(query: Query, read: Read, window: Window) -> list[Row]:
    """The answer to a query."""
    rows = [row for row in _rows(query, read, window) if _holds(query.where, row, window)]
    if query.largest:
        return _largest(query, rows)
    if all(column.how is None for column in query.columns):
        return _raw(query, rows)
    return [row for tags, mine in _grouped(query, rows) for row in _line(query, tags, mine, window)]


def _rows(query: Query, read: Read, window: Window) -> Iterator[Row]:
    if isinstance(query.source, str):
        yield from read(query.source)
        return
    for below in query.source:
        yield from evaluate(below, read, window)


def _holds(where: Sequence[Where], row: Row, window: Window) -> bool:
    return all(_fits(one, row, window) for one in where)


def _fits(where: Where, row: Row, window: Window) -> bool:
    value = row.get(where.key)
    if where.operator is Operator.CHOSEN:
        wanted = window.chosen.get(where.key)
        return wanted is None or value in wanted
    if value is None:
        # a tag that is not there is an empty one; such a field fits nothing
        value = "" if isinstance(where.value, str) else None
    return value is not None and (value == where.value) is (where.operator is Operator.IS)


def _largest(query: Query, rows: Sequence[Row]) -> list[Row]:
    (column,) = query.columns
    found = [row for row in rows if row.get(column.key) is not None]
    found.sort(key=lambda row: _number(row.get(column.key)), reverse=True)
    return [
        Row(
            row.t, {}, {column.name: row.get(column.key), **{tag: row.get(tag) for tag in query.by}}
        )
        for row in found[: query.largest]
    ]


def _raw(query: Query, rows: Sequence[Row]) -> list[Row]:
    found = [
        Row(row.t, {}, {column.name: row.get(column.key) for column in query.columns})
        for row in rows
    ]
    found.sort(key=lambda row: row.t, reverse=bool(query.newest))
    return found[: query.newest or None]


def _grouped(query: Query, rows: Iterable[Row]) -> Iterator[tuple[dict[str, str], list[Row]]]:
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        key = tuple(str(row.get(tag) or "") for tag in query.by)
        groups.setdefault(key, []).append(row)
    for key in sorted(groups):
        yield dict(zip(query.by, key, strict=True)), groups[key]


def _line(
    query: Query, tags: Mapping[str, str], rows: Sequence[Row], window: Window
) -> Iterator[Row]:
    """The rows of one series; a column without any value makes none."""
    (column,) = query.columns
    rows = [row for row in rows if row.get(column.key) is not None]
    if not rows:
        return
    if not query.stepped:
        yield Row(window.begin_ns, tags, {column.name: _one(column, rows)})
        return
    step_ns = (query.step_s or window.step_s) * SECOND_NS
    steps: dict[int, list[Row]] = {}
    for row in rows:
        steps.setdefault(window.floor(row.t, step_ns), []).append(row)
    values: list[tuple[int, Value]] = [
        (t, _one(column, steps[t]) if t in steps else (0 if query.fill is Fill.ZERO else None))
        for t in window.steps(step_ns)
    ]
    for t, value in _running(column.running, values):
        yield Row(t, tags, {column.name: value})


def _running(
    how: Running | None, values: Sequence[tuple[int, Value]]
) -> Iterator[tuple[int, Value]]:
    if how is None:
        yield from values
        return
    known = [(t, _number(value)) for t, value in values if value is not None]
    if how is Running.TOTAL:
        total = 0.0
        for t, value in known:
            total += value
            yield t, total
        return
    for (_, before), (t, value) in pairwise(known):
        if value >= before:
            yield t, value - before


def _one(column: Column, rows: Sequence[Row]) -> Value:
    """One value out of many."""
    if column.how is Aggregate.LAST:
        return max(rows, key=lambda row: row.t).get(column.key)
    values = [_number(row.get(column.key)) for row in rows]
    found = {
        Aggregate.COUNT: lambda: float(len(values)),
        Aggregate.SUM: lambda: math.fsum(values),
        Aggregate.MEAN: lambda: math.fsum(values) / len(values),
        Aggregate.MAX: lambda: max(values),
    }[column.how or Aggregate.COUNT]()
    return -found if column.negative else found


def _number(value: Value) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0
