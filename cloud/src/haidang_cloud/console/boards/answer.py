"""Answers a board from a scope's bucket: by InfluxQL where it is spoken, else worked out here.

What one viewer asked is kept for as long as a board stays fresh: fifty who look at one board ask
the store once.
"""

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from haidang_cloud.console.boards.evaluate import SECOND_NS, Row, Window, evaluate
from haidang_cloud.timeseries import Influx, TimeSeries
from haidang_cloud.timeseries.base import scope_bucket
from haidang_protocols.boards import influxql
from haidang_protocols.boards.model import Board, Panel, Query, Span

POINTS_WIDE = 120
"""Steps of a panel that spans the whole window."""

_STEPS_S = (10, 30, 60, 300, 600, 900, 1800, 3600, 7200, 21600, 86400)
KEPT = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A board's answers, one list of rows for each series of each panel, and their windows."""

    board: Board
    at_ns: int
    rows: Mapping[str, tuple[list[Row], ...]]
    windows: Mapping[str, Window]


class Answers:
    """Answers boards; called from many threads."""

    def __init__(self, series: TimeSeries) -> None:
        """Ask `series`."""
        self._series = series
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, str, int], tuple[float, Answered]] = {}

    def answer(self, board: Board, *, view_s: int, now_ns: int) -> Answered:
        """A board's answers for the last `view_s` seconds.

        Raises `StoreUnavailableError` or `StoreMisconfiguredError`.
        """
        key = (board.scope, board.kind.value, view_s)
        with self._lock:
            kept = self._kept.get(key)
            fresh = kept is not None and kept[0] > time.monotonic() - board.refresh_s / 2
            if kept is not None and fresh and kept[1].board == board:
                return kept[1]
        answered = self._answer(board, view_s, now_ns)
        with self._lock:
            self._kept[key] = (time.monotonic(), answered)
            while len(self._kept) > KEPT:
                del self._kept[next(iter(self._kept))]
        return answered

    def _answer(self, board: Board, view_s: int, now_ns: int) -> Answered:
        windows = {
            panel.key: window_of(panel, board.time_zone, view_s=view_s, now_ns=now_ns)
            for panel in board.panels()
        }
        bucket = scope_bucket(board.centre, board.scope)
        reader = _Reader(self._series, bucket, windows.values())
        rows = {}
        for panel in board.panels():
            asked = [series.query for series in panel.series]
            rows[panel.key] = tuple(self._ask(board, reader, q, windows[panel.key]) for q in asked)
        return Answered(board=board, at_ns=now_ns, rows=rows, windows=windows)

    def _ask(self, board: Board, reader: "_Reader", query: Query, window: Window) -> list[Row]:
        if isinstance(self._series, Influx):
            return _by_influxql(self._series, reader.bucket, board, query, window)
        return evaluate(query, lambda measurement: reader.rows(measurement, window), window)


def window_of(panel: Panel, time_zone: str, *, view_s: int, now_ns: int) -> Window:
    """The time that a panel shows."""
    now = datetime.fromtimestamp(now_ns / SECOND_NS, ZoneInfo(time_zone))
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    span_s = {
        Span.VIEW: view_s,
        Span.TODAY: (now - midnight).total_seconds(),
        Span.WEEK: 7 * 86_400,
        Span.RECENT: 300,
    }[panel.span]
    wanted_s = max(span_s / POINTS_WIDE, panel.least_step_s)
    return Window(
        begin_ns=now_ns - int(span_s) * SECOND_NS,
        end_ns=now_ns,
        step_s=next((step for step in _STEPS_S if step >= wanted_s), _STEPS_S[-1]),
        offset_s=int((now.utcoffset() or timedelta()).total_seconds()),
    )


class _Reader:
    """Reads each measurement of a bucket once for a whole board."""

    def __init__(self, series: TimeSeries, bucket: str, windows: Iterable[Window]) -> None:
        self.bucket, self._series = bucket, series
        self._begin_ns = min((window.begin_ns for window in windows), default=0)
        self._known: dict[str, list[Row]] = {}

    def rows(self, measurement: str, window: Window) -> list[Row]:
        if measurement not in self._known:
            points = self._series.read(self.bucket, measurement, from_ns=self._begin_ns)
            self._known[measurement] = [Row(p.t, p.tags, p.fields) for p in points]
        known = self._known[measurement]
        return [row for row in known if window.begin_ns <= row.t <= window.end_ns]


def _by_influxql(
    series: Influx, bucket: str, board: Board, query: Query, window: Window
) -> list[Row]:
    text = influxql(
        query,
        time=f"time >= {window.begin_ns} AND time <= {window.end_ns}",
        step=f"{window.step_s}s",
        zone=board.time_zone,
        chosen=lambda _key: ".*",
    )
    return list(_rows_of(series.query(bucket, text)))


def _rows_of(answer: Sequence[Mapping[str, object]]) -> Iterable[Row]:
    for one in answer:
        tags = one.get("tags", {})
        columns, values = one["columns"], one["values"]
        if not isinstance(tags, dict) or not isinstance(columns, list):
            continue
        if isinstance(values, list):
            for t, *rest in values:
                yield Row(int(t), tags, dict(zip(columns[1:], rest, strict=True)))
