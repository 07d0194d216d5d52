"""Build the JSON of a hub's board for the data source of its database."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any

from grafana.board.board import FORMER_TABLE_KEYS, INTERVAL_KEYS, TAG
from grafana.board.hub_boards import LIST_TEAMS, TEAM_VARIABLE, HubBoard, HubPanel
from grafana_foundation_sdk.builders import common as build_common
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.builders import timeseries
from grafana_foundation_sdk.cog import variants
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as model

SOURCE_UID = "hub"
"""The uid under which the hub's database is provisioned."""

_WIDTH, _HEIGHT = 12, 8
_COLUMNS = 24


class HubDatabaseKind(StrEnum):
    """The databases of hubs that Grafana reads."""

    POSTGRESQL = "postgresql"
    CLICKHOUSE = "clickhouse"

    @property
    def source(self) -> str:
        """Return the type of Grafana's data source."""
        return f"grafana-{self.value}-datasource"


class SqlQuery(variants.Dataquery, Builder[variants.Dataquery]):
    """A query by SQL whose rows are (time, name, amount)."""

    def __init__(self, kind: HubDatabaseKind, sql: str) -> None:
        self._kind = kind
        self._sql = sql

    def build(self) -> variants.Dataquery:
        """Return itself."""
        return self

    def to_json(self) -> dict[str, object]:
        """Return the query as the editor of the data source saves it."""
        of_kind: dict[str, object] = (
            {"editorMode": "code", "rawQuery": True, "format": "time_series"}
            if self._kind is HubDatabaseKind.POSTGRESQL
            else {"editorType": "sql", "queryType": "timeseries", "format": 0}
        )
        source = {"type": self._kind.source, "uid": SOURCE_UID}
        return {"refId": "A", "datasource": source, "rawSql": self._sql, **of_kind}


def render_hub_board(board: HubBoard, kind: HubDatabaseKind) -> str:
    """Return the text of a board's file for a kind of database."""
    builder = (
        build.Dashboard(board.title)
        .uid(f"{TAG}-hub-{board.id}")
        .description(board.asks)
        .tags([TAG, "hub"])
        .timezone("utc")
        .time("now-90d", "now")
        .refresh("15m")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .variables([_build_team_variable(kind)])
    )
    for place, panel in enumerate(board.panels):
        left, row = place % (_COLUMNS // _WIDTH) * _WIDTH, place // (_COLUMNS // _WIDTH)
        at = model.GridPos(x=left, y=row * _HEIGHT, w=_WIDTH, h=_HEIGHT)
        builder.with_panel(_build_panel(panel, kind).grid_pos(at))
    document: dict[str, Any] = json.loads(json.dumps(builder.build(), cls=JSONEncoder))
    for variable in document["templating"]["list"]:
        for name in INTERVAL_KEYS:
            variable.pop(name, None)
    for each in document["panels"]:
        for name in FORMER_TABLE_KEYS:
            each.get("options", {}).pop(name, None)
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _build_panel(panel: HubPanel, kind: HubDatabaseKind) -> timeseries.Panel:
    legend = build_common.VizLegendOptions().show_legend(True)
    return (
        timeseries.Panel()
        .id(panel.id)
        .title(panel.title)
        .description(f"{panel.shows} {panel.asks}")
        .datasource(_refer_source(kind))
        .with_target(SqlQuery(kind, panel.sql))
        .unit(panel.unit)
        .min(0)
        .no_value("nothing is released")
        .draw_style(common.GraphDrawStyle.LINE)
        .show_points(common.VisibilityMode.ALWAYS)
        .legend(legend.display_mode(common.LegendDisplayMode.LIST).placement(common.LegendPlacement.BOTTOM))
    )


def _build_team_variable(kind: HubDatabaseKind) -> build.QueryVariable:
    return (
        build.QueryVariable(TEAM_VARIABLE)
        .label("Team")
        .description("Of which teams? `other` are those of too few people together.")
        .datasource(_refer_source(kind))
        .query(LIST_TEAMS)
        .refresh(model.VariableRefresh.ON_DASHBOARD_LOAD)
        .multi(True)
        .include_all(True)
        .current(model.VariableOption(text="All", value="$__all"))
    )


def _refer_source(kind: HubDatabaseKind) -> common.DataSourceRef:
    return common.DataSourceRef(type_val=kind.source, uid=SOURCE_UID)
