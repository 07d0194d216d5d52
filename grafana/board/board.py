"""A board: rows of panels in the order of a person with a question, and the JSON that Grafana loads."""

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

TAG = "stretto"
COLUMNS = 24
TOLD = 'alertname=~"Stretto.+",alertname!="StrettoWatchdog"'
"""Our alerts, but for the one that fires always."""
FIRING = f'ALERTS{{{TOLD},alertstate="firing"}}'
_RUNNING = select_series("build_info")
STARTED = f"{_RUNNING} unless on (version) ({_RUNNING} offset 10m)"
"""What answers now and did not ten minutes ago: a new version, or the service after a longer absence."""
ONLY_AN_INTERVAL_S = {"auto", "auto_min", "auto_count"}
"""What the SDK writes into every variable; Grafana's types refuse it."""
NO_LONGER_A_TABLE_S = {"footer"}
"""What the SDK writes into every table; Grafana's types refuse it."""


@dataclass(frozen=True, slots=True)
class Row:
    """A heading and the panels below it."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """One dashboard."""

    id: BoardId
    title: str
    asks: str
    """The question that it answers."""
    rows: tuple[Row, ...]
    since: str = "now-24h"
    window: str = "24h"
    """What stands in the variable at first."""
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
    """Return a board as Grafana's JSON; ``boards`` are all that it can link to."""
    mine = {str(variable.label) for variable in board.variables}
    carried: Carried = {
        other.id: tuple(str(v.label) for v in other.variables if v.label in mine) for other in boards
    }
    made = (
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
        .annotations([_annotate_alerts(), _annotate_starts()])
        .links([_link_boards(), _link_service()])
    )
    top = 0
    for row in board.rows:
        made.with_row(
            build.Row(row.title).grid_pos(model.GridPos(x=0, y=top, w=COLUMNS, h=1)).id(_number_row(row))
        )
        top += 1
        for panel, (left, down) in zip(row.panels, _place_panels(row.panels), strict=True):
            place = model.GridPos(x=left, y=top + down, w=panel.width, h=panel.height)
            made.with_panel(build_panel(panel, carried).grid_pos(place))
        top += _measure_height(row.panels)
    plain: dict[str, Any] = json.loads(json.dumps(made.build(), cls=JSONEncoder))
    for variable in plain["templating"]["list"]:
        for name in ONLY_AN_INTERVAL_S:
            variable.pop(name, None)
    for panel in plain["panels"]:
        for name in NO_LONGER_A_TABLE_S:
            panel.get("options", {}).pop(name, None)
    return plain


def render_text(board: Board, boards: Iterable[Board]) -> str:
    """Return the file of a board."""
    return json.dumps(build_document(board, boards), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _place_panels(panels: tuple[Panel, ...]) -> list[tuple[int, int]]:
    """Return (x, y) of each panel: side by side until the row is full, then below the tallest."""
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


def _number_row(row: Row) -> int:
    # Above every panel's own number.
    return 1_000_000 + sum(ord(letter) * place for place, letter in enumerate(row.title, 1))


def _annotate_alerts() -> build.AnnotationQuery:
    told = _build_annotation("Alerts", FIRING, "red")
    return told.title_format("{{alertname}}").text_format("{{severity}} {{task_type}} {{agent}} {{tool}}")


def _annotate_starts() -> build.AnnotationQuery:
    told = _build_annotation("Starts", STARTED, "blue")
    return told.title_format("Stretto {{version}}").text_format("Up, after ten minutes or more without it.")


def _build_annotation(name: str, expr: str, colour: str) -> build.AnnotationQuery:
    asked = prometheus.Dataquery().datasource(refer_datasource()).ref_id(name).expr(expr).range()
    return (
        build.AnnotationQuery()
        .name(name)
        .datasource(refer_datasource())
        .enable(True)
        .icon_color(colour)
        .target(asked)
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
        .tooltip("Single sessions stand in the service's own page: they are no labels.")
        .url(f"${{{SERVICE}}}/")
        .target_blank(True)
    )
