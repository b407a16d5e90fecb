"""Queries as InfluxQL, which InfluxDB 1.8, 2 and 3 speak."""

from collections.abc import Callable

from haidang_protocols.boards.model import (
    Column,
    Fill,
    Operator,
    Query,
    Running,
    Where,
)

_RUNNING = {Running.TOTAL: "cumulative_sum", Running.RISE: "non_negative_difference"}
_FILL = {Fill.NOTHING: "null", Fill.ZERO: "0"}
_HOUR_S = 3600


def influxql(query: Query, *, time: str, step: str, zone: str, chosen: Callable[[str], str]) -> str:
    """The text of a query.

    Args:
        query: what is asked.
        time: the condition on time, such as `time >= now() - 1h`.
        step: the step where the query leaves it open, such as `1m`.
        zone: time zone whose days and hours the steps are.
        chosen: the regular expression, without its slashes, of what the viewer chose for a key.
    """
    text = _text(query, time=time, step=step, chosen=chosen)
    return f"{text} tz({_literal(zone)})" if query.stepped else text


def _text(query: Query, *, time: str, step: str, chosen: Callable[[str], str]) -> str:
    if isinstance(query.source, str):
        source = _name(query.source)
    else:
        asked = (_text(below, time=time, step=step, chosen=chosen) for below in query.source)
        source = ", ".join(f"({text})" for text in asked)
    conditions = [*(_condition(where, chosen) for where in query.where), time]
    text = f"SELECT {_columns(query)} FROM {source} WHERE {' AND '.join(conditions)}"  # noqa: S608
    groups = [] if query.largest else [_name(tag) for tag in query.by]
    if query.stepped:
        groups.insert(0, f"time({_step(query.step_s) if query.step_s else step})")
    if groups:
        text += f" GROUP BY {', '.join(groups)}"
    if query.stepped:
        text += f" fill({_FILL[query.fill]})"
    if query.newest:
        text += f" ORDER BY time DESC LIMIT {query.newest}"
    return text


def _columns(query: Query) -> str:
    if query.largest:
        (column,) = query.columns
        tags = "".join(f"{_name(tag)}, " for tag in query.by)
        return f"top({_name(column.key)}, {tags}{query.largest}) AS {_name(column.name)}"
    return ", ".join(map(_column, query.columns))


def _column(column: Column) -> str:
    text = _name(column.key)
    if column.how is not None:
        text = f"{column.how.value}({text})"
    if column.running is not None:
        text = f"{_RUNNING[column.running]}({text})"
    if column.negative:
        text += " * -1"
    return f"{text} AS {_name(column.name)}"


def _condition(where: Where, chosen: Callable[[str], str]) -> str:
    key = _name(where.key)
    if where.operator is Operator.CHOSEN:
        return f"{key} =~ /{chosen(where.key)}/"
    sign = "=" if where.operator is Operator.IS else "!="
    if isinstance(where.value, bool):
        return f"{key} {sign} {str(where.value).lower()}"
    return f"{key} {sign} {_literal(where.value)}"


def _step(seconds: int) -> str:
    whole, rest = divmod(seconds, _HOUR_S)
    return f"{seconds}s" if rest else f"{whole}h"


def _name(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _literal(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
