"""Panels of the board model as panels of Grafana."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from grafana_foundation_sdk.builders import common as draw
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.builders import stat, statetimeline, table, timeseries
from grafana_foundation_sdk.models import common, dashboard

from haidang_dashboards.grafana.identity import panel_id
from haidang_dashboards.grafana.query import InfluxQuery
from haidang_protocols.boards import influxql
from haidang_protocols.boards.model import (
    Board,
    Limit,
    Panel,
    PanelKind,
    Series,
    Span,
    Tone,
    Unit,
    Word,
)
from haidang_protocols.catalogue.model import Text

COLOURS = {Tone.GOOD: "green", Tone.NEUTRAL: "blue", Tone.NOTICE: "orange", Tone.BAD: "red"}
_UNITS = {
    Unit.COUNT: "none",
    Unit.SECONDS: "s",
    Unit.MILLISECONDS: "ms",
    Unit.CELSIUS: "celsius",
    Unit.FRAMES_PER_SECOND: "fps",
}
_SPANS = {Span.TODAY: "now/d", Span.WEEK: "7d", Span.RECENT: "5m"}
_ROWS = (PanelKind.RANKING, PanelKind.TABLE)
_TIME_COLUMNS = ("Time", "time")
"""What Grafana's versions call the first column of a table."""

Builder = stat.Panel | timeseries.Panel | statetimeline.Panel | table.Panel
Say = Callable[[Text], str]


def draw_panel(
    board: Board, panel: Panel, *, at: dashboard.GridPos, source: dashboard.DataSourceRef, say: Say
) -> dashboard.Panel:
    """A panel of `board` at a place of the grid, in the words of one language."""
    builder = _BUILDERS[panel.kind](panel)
    builder.id(panel_id(panel.key))
    builder.title(say(panel.title))
    builder.description(say(panel.about))
    builder.grid_pos(at)
    builder.datasource(source)
    builder.interval(f"{panel.least_step_s}s")
    builder.unit(_UNITS[panel.unit])
    builder.no_value(say(panel.empty))
    builder.thresholds(_thresholds(panel.limits))
    if panel.span in _SPANS:
        builder.time_from(_SPANS[panel.span])
    for ref_id, series in zip("ABCDEFGH", panel.series, strict=False):
        builder.with_target(_target(board, panel, series, ref_id=ref_id, source=source, say=say))
    _name(builder, panel, say)
    return builder.build()


def _target(
    board: Board,
    panel: Panel,
    series: Series,
    *,
    ref_id: str,
    source: dashboard.DataSourceRef,
    say: Say,
) -> InfluxQuery:
    query = influxql(
        series.query,
        time="$timeFilter",
        step="$__interval",
        zone=board.time_zone,
        chosen=lambda key: f"^${{{key}:regex}}$",
    )
    tags = " ".join(f"$tag_{tag}" for tag in series.query.by)
    alias = tags if series.name is None else say(series.name)
    rows = panel.kind in _ROWS
    return InfluxQuery(
        ref_id=ref_id, query=query, source=source, alias="" if rows else alias, table=rows
    )


# --- the kinds --------------------------------------------------------------------------------


def _stat(panel: Panel) -> Builder:
    coloured = (
        common.BigValueColorMode.BACKGROUND if panel.limits else common.BigValueColorMode.NONE
    )
    reduced = draw.ReduceDataOptions().calcs(["lastNotNull"]).values(False)
    return (
        stat.Panel()
        .reduce_options(reduced)
        .graph_mode(common.BigValueGraphMode.NONE)
        .color_mode(coloured)
        .text_mode(common.BigValueTextMode.AUTO)
    )


def _legend() -> draw.VizLegendOptions:
    return (
        draw.VizLegendOptions()
        .display_mode(common.LegendDisplayMode.LIST)
        .placement(common.LegendPlacement.BOTTOM)
        .show_legend(True)
    )


def _over_time(panel: Panel) -> timeseries.Panel:
    tooltip = (
        draw.VizTooltipOptions()
        .mode(common.TooltipDisplayMode.MULTI)
        .sort(common.SortOrder.DESCENDING)
    )
    builder = timeseries.Panel().legend(_legend()).tooltip(tooltip).span_nulls(False)
    if panel.unit is Unit.COUNT:
        builder.decimals(0)
    return builder


def _lines(panel: Panel) -> Builder:
    builder = _over_time(panel).draw_style(common.GraphDrawStyle.LINE).line_width(2)
    builder.show_points(common.VisibilityMode.NEVER)
    if panel.limits:
        dashed = draw.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.DASHED)
        builder.thresholds_style(dashed)
    return builder


def _bars(panel: Panel) -> Builder:
    stacked = draw.StackingConfig().mode(common.StackingMode.NORMAL).group("A")
    return (
        _over_time(panel)
        .draw_style(common.GraphDrawStyle.BARS)
        .fill_opacity(80)
        .line_width(0)
        .stacking(stacked)
    )


def _states(_panel: Panel) -> Builder:
    tooltip = draw.VizTooltipOptions().mode(common.TooltipDisplayMode.SINGLE)
    return (
        statetimeline.Panel()
        .legend(_legend())
        .tooltip(tooltip)
        .show_value(common.VisibilityMode.NEVER)
        .merge_values(True)
        .row_height(0.9)
        .fill_opacity(80)
    )


def _table(_panel: Panel) -> Builder:
    builder = table.Panel().show_header(True).cell_height(common.TableCellHeight.SM)
    return builder.align(common.FieldTextAlignment.AUTO)


_BUILDERS: Mapping[PanelKind, Callable[[Panel], Builder]] = {
    PanelKind.STAT: _stat,
    PanelKind.LINES: _lines,
    PanelKind.BARS: _bars,
    PanelKind.STATES: _states,
    PanelKind.RANKING: _table,
    PanelKind.TABLE: _table,
}


# --- words and colours ------------------------------------------------------------------------


def _thresholds(limits: Iterable[Limit]) -> build.ThresholdsConfig:
    # the first step has no value: it holds from minus infinity on
    steps = [dashboard.Threshold(value=None, color=COLOURS[Tone.NEUTRAL])]
    steps += [dashboard.Threshold(value=limit.value, color=COLOURS[limit.tone]) for limit in limits]
    return build.ThresholdsConfig().mode(dashboard.ThresholdsMode.ABSOLUTE).steps(steps)


def _name(builder: Builder, panel: Panel, say: Say) -> None:
    """Words for series or columns, and for their values."""
    if panel.kind in _ROWS:
        _name_columns(builder, panel, say)
        return
    for values in panel.values.values():
        builder.mappings([_mapping(values, say)])
    for word in panel.names:
        properties = [_property("displayName", say(word.text))]
        if word.tone is not None and panel.kind in (PanelKind.LINES, PanelKind.BARS):
            colour = {"mode": "fixed", "fixedColor": COLOURS[word.tone]}
            properties.append(_property("color", colour))
        builder.override_by_name(word.value, properties)


def _name_columns(builder: Builder, panel: Panel, say: Say) -> None:
    titles = {word.value: say(word.text) for word in panel.names}
    ranking = panel.kind is PanelKind.RANKING
    for name in _TIME_COLUMNS:
        shown = _property("custom.hidden", True) if ranking else _property("unit", "dateTimeAsIso")
        builder.override_by_name(name, [_property("displayName", titles["time"]), shown])
    for column in _columns(panel):
        properties = [_property("displayName", titles.get(column, column))]
        words = panel.values.get(column, ())
        if words:
            properties.append(_property("mappings", [_mapping(words, say)]))
        if any(word.tone is not None for word in words):
            properties.append(_property("custom.cellOptions", {"type": "color-text"}))
        if ranking and column not in panel.values:
            gauge = {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}
            properties += [_property("custom.cellOptions", gauge), _property("min", 0)]
        builder.override_by_name(column, properties)


def _columns(panel: Panel) -> list[str]:
    names: dict[str, None] = {}
    for series in panel.series:
        names.update(dict.fromkeys(series.query.by))
        names.update(dict.fromkeys(column.name for column in series.query.columns))
    return list(names)


def _property(name: str, value: Any) -> dashboard.DynamicConfigValue:  # noqa: ANN401  # Grafana's
    return dashboard.DynamicConfigValue(id_val=name, value=value)


def _mapping(words: Iterable[Word], say: Say) -> dashboard.ValueMap:
    return dashboard.ValueMap(
        options={
            word.value: dashboard.ValueMappingResult(
                text=say(word.text),
                color=None if word.tone is None else COLOURS[word.tone],
                index=index,
            )
            for index, word in enumerate(words)
        }
    )
