"""Convert panels to Grafana's model with its foundation SDK."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from grafana.board.limit import PLAIN_STEPS, Step
from grafana.board.link import BoardId, Link, ServiceLink, build_url
from grafana.board.panel import Column, Kind, Panel, Query
from grafana.board.variable import refer_datasource
from grafana_foundation_sdk.builders import bargauge, prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders import common as build
from grafana_foundation_sdk.builders import dashboard as build_dashboard
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models import prometheus as model

PanelBuilder = stat.Panel | timeseries.Panel | bargauge.Panel | table.Panel | statetimeline.Panel
Carried = Mapping[BoardId, tuple[str, ...]]
"""Board → the variables that a link to it keeps."""

LONGEST_SPAN_MILLISECONDS = 3_900_000
"""The longest gap that a line bridges: an hour, and the steps of a query beside it."""

SHORTEST_STEP = "5s"
"""The least time between two points: the interval of scrapes in the shipped Prometheus configuration.

Grafana takes rates over four of these, whatever interval the data source has; an export writes its own.
"""

BROAD = 12
"""Panels at least this wide have the legend beside the lines, with the last values."""


def build_panel(panel: Panel, carried: Carried) -> PanelBuilder:
    """Return the SDK builder of a panel."""
    built: PanelBuilder = _BY_KIND[panel.kind](panel)
    built.id(panel.id).title(panel.title).description(panel.description)
    built.height(panel.height).span(panel.width).datasource(refer_datasource()).no_value(panel.absent)
    built.interval(SHORTEST_STEP)
    for number, query in enumerate(panel.asked):
        ref = chr(ord("A") + number)
        built.with_target(_build_target(panel, query, ref))
        if query.colour:
            built.override_by_query(ref, _draw_dashed(query))
    if isinstance(built, table.Panel):
        _lay_out(built, panel, carried)
        return built
    built.unit(panel.unit).thresholds(_build_thresholds(panel.steps)).mappings(_build_mappings(panel))
    if panel.links:
        built.data_links([_build_link(link, carried) for link in panel.links])
    if panel.low is not None:
        built.min(panel.low)
    if panel.high is not None:
        built.max(panel.high)
    if panel.decimals is not None:
        built.decimals(panel.decimals)
    return built


def _build_target(panel: Panel, query: Query, ref: str) -> prometheus.Dataquery:
    built = prometheus.Dataquery().datasource(refer_datasource()).ref_id(ref).expr(query.expr)
    built.interval(SHORTEST_STEP)
    if panel.kind is Kind.TABLE:
        return built.instant().format(model.PromQueryFormat.TABLE)
    built.legend_format(query.legend or "__auto")
    # A single value is the current value: the last of a range may be yesterday's.
    return built.instant() if panel.kind in {Kind.STAT, Kind.BARS} else built.range()


def _build_stat(panel: Panel) -> stat.Panel:
    if panel.states:
        mode = common.BigValueColorMode.BACKGROUND
    elif panel.steps == PLAIN_STEPS:
        mode = common.BigValueColorMode.NONE
    else:
        mode = common.BigValueColorMode.VALUE
    if panel.shows_name:
        text = common.BigValueTextMode.NAME
    elif len(panel.queries) > 1:
        text = common.BigValueTextMode.VALUE_AND_NAME
    else:
        text = common.BigValueTextMode.VALUE
    return (
        stat.Panel()
        .reduce_options(_reduce_last())
        .graph_mode(common.BigValueGraphMode.NONE)
        .color_mode(mode)
        .text_mode(text)
        .color_scheme(_use_threshold_colours())
    )


def _build_lines(panel: Panel) -> timeseries.Panel:
    legend = build.VizLegendOptions().show_legend(True)
    if panel.width >= BROAD:
        legend.display_mode(common.LegendDisplayMode.TABLE).placement(common.LegendPlacement.RIGHT)
        legend.calcs(["lastNotNull"])
    else:
        legend.display_mode(common.LegendDisplayMode.LIST).placement(common.LegendPlacement.BOTTOM)
    built = (
        timeseries.Panel()
        .legend(legend)
        .tooltip(
            build.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING)
        )
        .line_width(2)
        .fill_opacity(30 if panel.stacked else 0)
        .show_points(common.VisibilityMode.AUTO)
        # Backfilled samples of old days are an hour apart; a longer gap stays visible.
        .span_nulls(LONGEST_SPAN_MILLISECONDS)
    )
    if panel.stacked:
        built.stacking(build.StackingConfig().mode(common.StackingMode.NORMAL).group("A"))
    return built


def _build_bars(_: Panel) -> bargauge.Panel:
    return (
        bargauge.Panel()
        .reduce_options(_reduce_last())
        .orientation(common.VizOrientation.HORIZONTAL)
        .display_mode(common.BarGaugeDisplayMode.BASIC)
        .color_scheme(_use_threshold_colours())
    )


def _build_states(_: Panel) -> statetimeline.Panel:
    return (
        statetimeline.Panel()
        .show_value(common.VisibilityMode.NEVER)
        .merge_values(True)
        .fill_opacity(80)
        .legend(
            build.VizLegendOptions()
            .show_legend(True)
            .display_mode(common.LegendDisplayMode.LIST)
            .placement(common.LegendPlacement.BOTTOM)
        )
        .tooltip(build.VizTooltipOptions().mode(common.TooltipDisplayMode.SINGLE).sort(common.SortOrder.NONE))
        .color_scheme(_use_threshold_colours())
    )


def _build_table(_: Panel) -> table.Panel:
    return table.Panel().show_header(True).cell_height(common.TableCellHeight.SM)


_BY_KIND: dict[Kind, Callable[[Panel], PanelBuilder]] = {
    Kind.STAT: _build_stat,
    Kind.LINES: _build_lines,
    Kind.BARS: _build_bars,
    Kind.STATES: _build_states,
    Kind.TABLE: _build_table,
}


def _reduce_last() -> build.ReduceDataOptions:
    return build.ReduceDataOptions().calcs(["lastNotNull"]).values(False).fields("")


def _use_threshold_colours() -> build_dashboard.FieldColor:
    return build_dashboard.FieldColor().mode(dashboard.FieldColorModeId.THRESHOLDS)


def _lay_out(built: table.Panel, panel: Panel, carried: Carried) -> None:
    """Join the results of the columns on their labels, then name, order and format the columns."""
    names = {"Value": panel.columns[0].title} if len(panel.columns) == 1 else {}
    names |= {f"Value #{chr(ord('A') + n)}": column.title for n, column in enumerate(panel.columns)}
    order = [str(label) for label in panel.keys] + list(names)
    built.with_transformation(dashboard.DataTransformerConfig(id_val="merge", options={}))
    built.with_transformation(
        dashboard.DataTransformerConfig(
            id_val="organize",
            options={
                "excludeByName": {"Time": True},
                "indexByName": {name: place for place, name in enumerate(order)},
                "renameByName": {str(label): header for label, header in panel.keys.items()} | names,
            },
        )
    )
    sorted_by = panel.columns[0]
    built.sort_by([build.TableSortByFieldState().display_name(sorted_by.title).desc(True)])
    for label, header in panel.keys.items():
        links = [
            _build_address(link, carried, header) for link in panel.links if _is_about(link, label, header)
        ]
        if links:
            built.override_by_name(header, [dashboard.DynamicConfigValue("links", links)])
    for column in panel.columns:
        built.override_by_name(column.title, _format_column(column))


def _is_about(link: Link | ServiceLink, label: str, header: str) -> bool:
    if isinstance(link, Link) or link.by:
        return link.by == label
    return link.column == header


def _format_column(column: Column) -> list[dashboard.DynamicConfigValue]:
    values: dict[str, Any] = {"unit": column.unit.value}
    if column.low is not None:
        values["min"] = column.low
    if column.high is not None:
        values["max"] = column.high
    if column.steps != PLAIN_STEPS:
        values["thresholds"] = _build_thresholds(column.steps).build()
        values["custom.cellOptions"] = {"type": "color-text"}
    return [dashboard.DynamicConfigValue(name, value) for name, value in values.items()]


def _draw_dashed(query: Query) -> list[dashboard.DynamicConfigValue]:
    return [
        dashboard.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": query.colour}),
        dashboard.DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [8, 8]}),
        dashboard.DynamicConfigValue("custom.fillOpacity", 0),
        dashboard.DynamicConfigValue("custom.stacking", {"mode": "none", "group": "limit"}),
    ]


def _build_thresholds(steps: tuple[Step, ...]) -> build_dashboard.ThresholdsConfig:
    return (
        build_dashboard.ThresholdsConfig()
        .mode(dashboard.ThresholdsMode.ABSOLUTE)
        .steps([dashboard.Threshold(value=step.value, color=step.colour) for step in steps])
    )


def _build_mappings(panel: Panel) -> list[dashboard.ValueMapping]:
    if not panel.states:
        return []
    options = {
        str(value): dashboard.ValueMappingResult(text=state.text, color=state.colour, index=place)
        for place, (value, state) in enumerate(panel.states.items())
    }
    return [dashboard.ValueMap(options=options)]


def _build_address(link: Link | ServiceLink, carried: Carried, column: str = "") -> dict[str, Any]:
    along = carried.get(link.to, ()) if isinstance(link, Link) else ()
    return {
        "title": link.title,
        "url": build_url(link, along, column),
        "targetBlank": isinstance(link, ServiceLink),
    }


def _build_link(link: Link | ServiceLink, carried: Carried) -> build_dashboard.DashboardLink:
    address = _build_address(link, carried)
    return (
        build_dashboard.DashboardLink(address["title"])
        .url(address["url"])
        .target_blank(address["targetBlank"])
    )
