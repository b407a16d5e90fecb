"""Panels of the board model as ECharts options, figures and rows. Pure."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from haidang_cloud.console.boards.evaluate import SECOND_NS, Row, Value, Window
from haidang_cloud.console.texts import named
from haidang_protocols.boards.model import Panel, PanelKind, Tone, Unit, Word

COLOURS = {
    Tone.GOOD: "#5ad19a",
    Tone.NEUTRAL: "#6cb6ff",
    Tone.NOTICE: "#f5b83d",
    Tone.BAD: "#ff6b6b",
}
PALETTE = ("#6cb6ff", "#f5b83d", "#5ad19a", "#c79bff", "#ff9e7d", "#7fdbda", "#d9e26b", "#f58fc1")
_INK, _SOFT, _LINE = "#e8eef5", "#a9b8c9", "#263445"
_UNITS = {
    Unit.COUNT: "",
    Unit.SECONDS: " s",
    Unit.MILLISECONDS: " ms",
    Unit.CELSIUS: " °C",
    Unit.FRAMES_PER_SECOND: " fps",
}
_TIMES = {
    "year": "{yyyy}",
    "month": "{d}/{M}",
    "day": "{d}/{M}",
    "hour": "{HH}:{mm}",
    "minute": "{HH}:{mm}",
    "second": "{HH}:{mm}:{ss}",
}
"""A day is a date, not a bare number that could be an hour."""
_MS_NS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One large number, in words and colour."""

    name: str
    text: str
    tone: Tone


@dataclass(frozen=True, slots=True, kw_only=True)
class Painter:
    """Draws one panel in one language."""

    panel: Panel
    language: str
    zone: ZoneInfo

    # --- figures ----------------------------------------------------------------------------

    def figures(self, answers: Sequence[Sequence[Row]]) -> list[Figure]:
        """A panel of large numbers: one for each series."""
        found = []
        for series, rows in zip(self.panel.series, answers, strict=True):
            for row in rows:
                value = next(iter(row.values.values()), None)
                name = named(series.name, self.language) if series.name else self._series(row)
                found.append(Figure(name=name, text=self._said(value), tone=self._tone(value)))
        return found

    def _tone(self, value: Value) -> Tone:
        number = float(value) if isinstance(value, (int, float)) else 0.0
        reached = [limit.tone for limit in self.panel.limits if number >= limit.value]
        return reached[-1] if reached else Tone.NEUTRAL

    def _said(self, value: Value) -> str:
        if value is None:
            return "—"
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return _number(float(value), self.language) + _UNITS[self.panel.unit]
        return str(value)

    # --- charts -----------------------------------------------------------------------------

    def chart(self, answers: Sequence[Sequence[Row]], window: Window) -> dict[str, Any]:
        """A panel over time, as ECharts options; nothing when there are no rows."""
        lines = self._lines(answers)
        if not lines:
            return {}
        if self.panel.kind is PanelKind.STATES:
            return self._states(lines)
        stacked = self.panel.kind is PanelKind.BARS
        whole = self.panel.unit is Unit.COUNT
        return {
            **_frame(),
            "tooltip": {
                "trigger": "axis",
                "backgroundColor": "#1a2431",
                "borderColor": _LINE,
                "textStyle": {"color": _INK},
            },
            "xAxis": {
                "type": "time",
                "min": _shown_ms(window.begin_ns, window),
                "max": _shown_ms(window.end_ns, window),
                "axisLine": {"lineStyle": {"color": _LINE}},
                "axisLabel": {"color": _SOFT, "hideOverlap": True, "formatter": _TIMES},
                "splitLine": {"show": False},
            },
            "yAxis": {
                "type": "value",
                "minInterval": 1 if whole else 0,
                "axisLabel": {"color": _SOFT, "formatter": "{value}" + _UNITS[self.panel.unit]},
                "splitLine": {"lineStyle": {"color": "#1e2a38"}},
            },
            "series": [
                self._drawn(name, [[_shown_ms(t, window), value] for t, value in points], stacked)
                for name, points in lines.items()
            ],
        }

    def _drawn(self, name: str, points: list[list[Value]], stacked: bool) -> dict[str, Any]:
        shown = self._name_word(name)
        drawn: dict[str, Any] = {
            "name": named(shown.text, self.language) if shown else name,
            "data": points,
            "type": "bar" if stacked else "line",
        }
        if shown is not None and shown.tone is not None:
            drawn["itemStyle"] = {"color": COLOURS[shown.tone]}
        if stacked:
            return {**drawn, "stack": "all", "barMaxWidth": 24}
        limits = [
            {"yAxis": limit.value, "lineStyle": {"color": COLOURS[limit.tone]}}
            for limit in self.panel.limits
            if limit.tone in (Tone.NOTICE, Tone.BAD)
        ]
        marks = {"silent": True, "symbol": "none", "label": {"show": False}, "data": limits}
        return {**drawn, "showSymbol": False, "lineStyle": {"width": 2}, "markLine": marks}

    def _states(self, lines: Mapping[str, Sequence[tuple[int, Value]]]) -> dict[str, Any]:
        """Coloured bands: a row for each series, a cell for each step."""
        words = next(iter(self.panel.values.values()), ())
        index = {word.value: number for number, word in enumerate(words)}
        times = sorted({t for points in lines.values() for t, _ in points})
        at = {t: number for number, t in enumerate(times)}
        cells = [
            [at[t], row, index[_plain(value)]]
            for row, points in enumerate(lines.values())
            for t, value in points
            if _plain(value) in index
        ]
        return {
            **_frame(),
            "tooltip": {"show": False},
            "xAxis": {
                "type": "category",
                "data": [self._clock(t) for t in times],
                "axisLabel": {"color": _SOFT},
                "axisLine": {"lineStyle": {"color": _LINE}},
                "splitLine": {"show": False},
            },
            "yAxis": {
                "type": "category",
                "data": [self._shown_name(name) for name in lines],
                "axisLabel": {"color": _SOFT, "width": 110, "overflow": "truncate"},
                "inverse": True,
            },
            "visualMap": {
                "type": "piecewise",
                "orient": "horizontal",
                "bottom": 0,
                "left": "center",
                "textStyle": {"color": _SOFT},
                "pieces": [
                    {
                        "value": number,
                        "label": named(word.text, self.language),
                        "color": COLOURS[word.tone or Tone.NEUTRAL],
                    }
                    for number, word in enumerate(words)
                ],
            },
            "series": [{"type": "heatmap", "data": cells, "progressive": 0, "animation": False}],
        }

    def _lines(self, answers: Sequence[Sequence[Row]]) -> dict[str, list[tuple[int, Value]]]:
        lines: dict[str, list[tuple[int, Value]]] = {}
        for series, rows in zip(self.panel.series, answers, strict=True):
            for row in rows:
                name = named(series.name, self.language) if series.name else _joined(row)
                value = next(iter(row.values.values()), None)
                lines.setdefault(name, []).append((row.t, value))
        return lines

    # --- rows -------------------------------------------------------------------------------

    def table(self, answers: Sequence[Sequence[Row]]) -> str:
        """A panel of rows, as HTML; nothing when there are none."""
        rows = [row for answer in answers for row in answer]
        if not rows:
            return ""
        columns = list(rows[0].values)
        if self.panel.kind is PanelKind.RANKING:
            # what is ranked comes before how much
            columns.sort(key=lambda column: column not in self.panel.values)
        times = self.panel.kind is PanelKind.TABLE
        head = [self._column("time")] if times else []
        head += [self._column(column) for column in columns]
        body = []
        for row in rows:
            cells = [self._clock(row.t, day=True)] if times else []
            cells += [self._cell(column, row.values[column]) for column in columns]
            body.append(_cells("td", cells))
        return (
            f'<table class="table"><thead>{_cells("th", head)}</thead>'
            f"<tbody>{''.join(body)}</tbody></table>"
        )

    def _column(self, name: str) -> str:
        return self._shown_name(name)

    def _cell(self, column: str, value: Value) -> str:
        for word in self.panel.values.get(column, ()):
            if word.value == _plain(value):
                return named(word.text, self.language)
        if value is None or value == "":
            return "—"
        if isinstance(value, float):
            return _number(value, self.language)
        return str(value)

    # --- names ------------------------------------------------------------------------------

    def _series(self, row: Row) -> str:
        return self._shown_name(_joined(row))

    def _shown_name(self, name: str) -> str:
        word = self._name_word(name)
        return named(word.text, self.language) if word else name

    def _name_word(self, name: str) -> Word | None:
        return next((word for word in self.panel.names if word.value == name), None)

    def _clock(self, t: int, *, day: bool = False) -> str:
        at = datetime.fromtimestamp(t / SECOND_NS, self.zone)
        return at.strftime("%d/%m %H:%M:%S" if day else "%H:%M")


def _shown_ms(t: int, window: Window) -> int:
    """A time so that its UTC reads as the centre's clocks: a chart knows no time zones."""
    return t // _MS_NS + window.offset_s * 1000


def _joined(row: Row) -> str:
    return " ".join(row.tags.values()) or "—"


def _plain(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _number(value: float, language: str) -> str:
    text = f"{value:,.0f}" if value.is_integer() else f"{value:,.1f}"
    return text if language == "en" else text.translate(str.maketrans(",.", ".,"))


def _cells(tag: str, cells: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{html.escape(cell)}</{tag}>' for cell in cells)}</tr>"


def _frame() -> dict[str, Any]:
    return {
        "animation": False,
        "useUTC": True,
        "color": list(PALETTE),
        "textStyle": {"fontFamily": "Roboto, system-ui, sans-serif", "color": _INK},
        "grid": {"left": 8, "right": 16, "top": 12, "bottom": 34, "containLabel": True},
        "legend": {
            "type": "scroll",
            "bottom": 0,
            "icon": "roundRect",
            "itemWidth": 12,
            "itemHeight": 8,
            "textStyle": {"color": _SOFT},
            "pageTextStyle": {"color": _SOFT},
            "pageIconColor": _INK,
        },
    }
