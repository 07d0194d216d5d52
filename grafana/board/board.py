"""Define a dashboard as rows of panels, and build the JSON that Grafana loads."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from grafana.board.link import BoardId
from grafana.board.panel import Panel
from grafana.board.query import select_series
from grafana.board.render import Carried, build_panel
from grafana.board.variable import (
    INSTANCE_VARIABLE,
    JOB_VARIABLE,
    SERVICE,
    Variable,
    build_fixed,
    build_variable,
    refer_datasource,
    select_used,
)
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.builders import prometheus
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as model

from stretto.names import Label

TAG = "stretto"
COLUMNS = 24
STRETTO_ALERTS = (
    'alertname=~"Stretto.+",alertname!="StrettoWatchdog",'
    f'job=~"${JOB_VARIABLE}|",instance=~"${INSTANCE_VARIABLE}|"'
)
"""The alerts about the chosen service, except the watchdog, which always fires.

An alert about a job without a service has no instance, and one about a server beside it no job of ours.
"""
FIRING = f'ALERTS{{{STRETTO_ALERTS},alertstate="firing"}}'
_RUNNING = select_series("build_info")
STARTED = f"{_RUNNING} unless on (version) ({_RUNNING} offset 10m)"
"""Versions that run now but did not ten minutes ago: a new version, or a restart after an outage."""
INTERVAL_KEYS = {"auto", "auto_min", "auto_count"}
"""Keys that the SDK adds to every variable, though only intervals may have them."""
FORMER_TABLE_KEYS = {"footer"}
"""Keys that the SDK adds to every table, though Grafana no longer accepts them."""


@dataclass(frozen=True, slots=True)
class Row:
    """A heading and the panels below it."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A dashboard."""

    id: BoardId
    title: str
    asks: str
    """The question that the dashboard answers."""
    rows: tuple[Row, ...]
    since: str = "now-24h"
    window: str = "24h"
    """The initial value of the window variable."""
    refresh: str = "30s"

    @property
    def panels(self) -> tuple[Panel, ...]:
        """Return all panels in reading order."""
        return tuple(panel for row in self.rows for panel in row.panels)

    @property
    def variables(self) -> list[Variable]:
        """Return the variables that a query of the board uses."""
        return select_used(" ".join(query.expr for panel in self.panels for query in panel.asked))


def build_document(board: Board, boards: Iterable[Board]) -> dict[str, Any]:
    """Return a board as Grafana's JSON; ``boards`` are the boards it may link to."""
    own_labels = {str(variable.label) for variable in board.variables}
    carried: Carried = {
        other.id: tuple(str(v.label) for v in other.variables if v.label in own_labels) for other in boards
    }
    builder = (
        build.Dashboard(board.title)
        .uid(board.id.uid)
        .description(board.asks)
        .tags([TAG])
        .timezone("browser")
        .time(board.since, "now")
        .refresh(board.refresh)
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .variables(
            [*build_fixed(), *(build_variable(variable, board.window) for variable in board.variables)]
        )
        .annotations([_mark_alerts(), _mark_starts()])
        .links([_link_boards(), _link_service()])
    )
    top = 0
    for row in board.rows:
        builder.with_row(
            build.Row(row.title).grid_pos(model.GridPos(x=0, y=top, w=COLUMNS, h=1)).id(_compute_row_id(row))
        )
        top += 1
        for panel, (left, down) in zip(row.panels, _place_panels(row.panels), strict=True):
            place = model.GridPos(x=left, y=top + down, w=panel.width, h=panel.height)
            builder.with_panel(build_panel(panel, carried).grid_pos(place))
        top += _measure_height(row.panels)
    json_document: dict[str, Any] = json.loads(json.dumps(builder.build(), cls=JSONEncoder))
    for variable in json_document["templating"]["list"]:
        for name in INTERVAL_KEYS:
            variable.pop(name, None)
    for panel in json_document["panels"]:
        for name in FORMER_TABLE_KEYS:
            panel.get("options", {}).pop(name, None)
    return json_document


def render_text(board: Board, boards: Iterable[Board]) -> str:
    """Return the text of a board's file."""
    return json.dumps(build_document(board, boards), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _place_panels(panels: tuple[Panel, ...]) -> list[tuple[int, int]]:
    """Return (x, y) of each panel: side by side until the row is full, then below the tallest.

    Example: panels of width 10, 10 and 10 and height 3, 5 and 4 are at (0, 0), (10, 0) and (0, 5).
    """
    places, left, down, tallest = [], 0, 0, 0
    for panel in panels:
        if left + panel.width > COLUMNS:
            left, down, tallest = 0, down + tallest, 0
        places.append((left, down))
        left += panel.width
        tallest = max(tallest, panel.height)
    return places


def _measure_height(panels: tuple[Panel, ...]) -> int:
    return max(down + panel.height for panel, (_, down) in zip(panels, _place_panels(panels), strict=True))


def _compute_row_id(row: Row) -> int:
    # Above the number of any panel.
    return 1_000_000 + sum(ord(letter) * place for place, letter in enumerate(row.title, 1))


def _mark_alerts() -> build.AnnotationQuery:
    annotation = _build_annotation("Alerts", FIRING, "red")
    return annotation.title_format("{{alertname}}").text_format(
        "{{severity}} {{task_type}} {{agent}} {{tool}}"
    )


def _mark_starts() -> build.AnnotationQuery:
    annotation = _build_annotation("Starts", STARTED, "blue")
    return annotation.title_format("Stretto {{version}}").text_format(
        "Up, after ten minutes or more without it."
    )


def _build_annotation(name: str, expr: str, colour: str) -> build.AnnotationQuery:
    query = prometheus.Dataquery().datasource(refer_datasource()).ref_id(name).expr(expr).range()
    return (
        build.AnnotationQuery()
        .name(name)
        .datasource(refer_datasource())
        .enable(True)
        .icon_color(colour)
        .target(query)
    )


def _link_boards() -> build.DashboardLink:
    return (
        build.DashboardLink("Boards")
        .type(model.DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .as_dropdown(True)
        .include_vars(True)
        .keep_time(True)
    )


def _link_service() -> build.DashboardLink:
    return (
        build.DashboardLink("Sessions")
        .type(model.DashboardLinkType.LINK)
        .icon("external link")
        .tooltip("Sessions of the window, on the service's page; single sessions are not labels.")
        .url(f"${{{SERVICE}}}/sessions?{Label.WINDOW}=${{{Label.WINDOW}}}")
        .target_blank(True)
    )
