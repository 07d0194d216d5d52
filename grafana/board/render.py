"""Panels as Grafana has them, by its own foundation SDK."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from grafana_foundation_sdk.builders import bargauge, prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders import common as build
from grafana_foundation_sdk.builders import dashboard as build_dashboard
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models import prometheus as model

from grafana.board.limit import PLAIN_STEPS, Step
from grafana.board.link import Link, url
from grafana.board.panel import Column, Kind, Panel, Query
from grafana.board.variable import datasource

Built = stat.Panel | timeseries.Panel | bargauge.Panel | table.Panel | statetimeline.Panel

WIDE = 12
"""From this width on a legend has room for a table beside the lines."""


def rendered(panel: Panel, carried: dict[str, tuple[str, ...]]) -> Built:
    """Return a panel's builder; ``carried`` names for each board the variables that a link to it takes along."""
    built = _BY_KIND[panel.kind](panel)
    built.id(panel.id).title(panel.title).description(panel.description)
    built.height(panel.height).span(panel.width).datasource(datasource()).no_value(panel.absent)
    for number, query in enumerate(panel.asked):
        built.with_target(_target(panel, query, chr(ord("A") + number)))
    if panel.kind is not Kind.TABLE:
        built.unit(panel.unit).thresholds(_thresholds(panel.steps)).mappings(_mappings(panel))
        if panel.links:
            built.data_links([_link(link, carried) for link in panel.links])
        if panel.low is not None:
            built.min(panel.low)
        if panel.high is not None:
            built.max(panel.high)
        if panel.decimals is not None:
            built.decimals(panel.decimals)
    else:
        _headers(built, panel, carried)
    return built


def _target(panel: Panel, query: Query, ref: str) -> prometheus.Dataquery:
    built = prometheus.Dataquery().datasource(datasource()).ref_id(ref).expr(query.expr)
    if panel.kind is Kind.TABLE:
        return built.instant().format(model.PromQueryFormat.TABLE)
    built.legend_format(query.legend or "__auto")
    # A single value is the one of now: the last of a range may be of yesterday, and what is absent would not show.
    return built.instant() if panel.kind in {Kind.STAT, Kind.BARS} else built.range()


def _stat(panel: Panel) -> Built:
    coloured = panel.steps != PLAIN_STEPS or panel.states
    return (
        stat.Panel()
        .reduce_options(build.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
        .graph_mode(common.BigValueGraphMode.NONE)
        .color_mode(common.BigValueColorMode.BACKGROUND if panel.states else common.BigValueColorMode.VALUE)
        .color_scheme(build_dashboard.FieldColor().mode(dashboard.FieldColorModeId.THRESHOLDS))
        .text_mode(common.BigValueTextMode.VALUE_AND_NAME if len(panel.queries) > 1 else common.BigValueTextMode.VALUE)
        if coloured
        else stat.Panel()
        .reduce_options(build.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
        .graph_mode(common.BigValueGraphMode.NONE)
        .color_mode(common.BigValueColorMode.NONE)
        .text_mode(common.BigValueTextMode.VALUE_AND_NAME if len(panel.queries) > 1 else common.BigValueTextMode.VALUE)
    )
