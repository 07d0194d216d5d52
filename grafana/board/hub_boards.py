"""The boards of a hub: released days of teams, read by SQL from the view of one tenant.

The SQL is the same for PostgreSQL and ClickHouse. Every value is a sum of released cells or made of such
sums, so a board shows what a lead may see and no more.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from grafana.board.panel import Unit

from stretto.names import measures
from stretto.names.measures import Dimension
from stretto.names.released_sums_view import RELEASED_SUMS, name_dimension_column

TEAM_VARIABLE = "team"
LIST_TEAMS = f"SELECT DISTINCT team FROM {RELEASED_SUMS} ORDER BY team"  # noqa: S608  # constants

_NANO = 1_000_000_000
_HOUR = 3_600 * _NANO

_BY_TEAM = "team"


@dataclass(frozen=True, slots=True)
class HubPanel:
    """A panel of lines, one point a day."""

    title: str
    shows: str
    """Description in a sentence."""
    asks: str
    """The question that the panel answers."""
    unit: Unit
    sql: str

    @property
    def id(self) -> int:
        """Return a stable number that depends on the title only."""
        return zlib.crc32(self.title.encode()) % 1_000_000


@dataclass(frozen=True, slots=True)
class HubBoard:
    """A dashboard on a hub's database."""

    id: str
    title: str
    asks: str
    panels: tuple[HubPanel, ...]


def _draw_days(value: str, by: str, *names: str) -> str:
    """Return the query for a value of each day and group, of some measures."""
    chosen = ", ".join(f"'{name}'" for name in names)
    return (
        f"SELECT day AS time, {by} AS name, {value} AS amount FROM {RELEASED_SUMS}"  # noqa: S608  # constants
        f" WHERE measure IN ({chosen}) AND team IN (${{{TEAM_VARIABLE}:sqlstring}}) AND $__timeFilter(day)"
        f" GROUP BY day, {by} ORDER BY day, {by}"
    )


def _add_up(name: str, by: str = _BY_TEAM, unit: int = 1) -> str:
    return _draw_days("SUM(value)" if unit == 1 else f"SUM(value) / {unit}.0", by, name)


def _share(name: str, dimension: Dimension, parts: tuple[str, ...], of: tuple[str, ...], by: str) -> str:
    """Return the query for the share of some values of a dimension in others; absent where there are none."""
    column = name_dimension_column(name, dimension)
    above, below = (
        f"SUM(CASE WHEN {column} IN ({', '.join(map(repr, values))}) THEN value ELSE 0 END)"
        for values in (parts, of)
    )
    return _draw_days(f"1.0 * {above} / NULLIF({below}, 0)", by, name)


def _by(name: str, dimension: Dimension) -> str:
    return name_dimension_column(name, dimension)


_SETTLED = ("success", "failure")
_ELAPSED = f"SUM(CASE WHEN measure = '{measures.PATTERN_ELAPSED}' THEN value ELSE 0 END)"
_DELIVERED = f"SUM(CASE WHEN measure = '{measures.PATTERN_DELIVERED_WORK}' THEN value ELSE 0 END)"

DAYS_OF_TEAMS = HubBoard(
    "days-of-teams",
    "Stretto hub / Days of teams",
    "How do whole days of teams develop?",
    (
        HubPanel(
            "People",
            "Owners whose sessions are in a day's sums; days of fewer than five are not released.",
            "Of how many people are these figures?",
            Unit.COUNT,
            _draw_days("MAX(people)", _BY_TEAM, measures.ENDS_SEEN),
        ),
        HubPanel("Tasks", "Tasks that were over on a day.", "How much was delegated?", Unit.COUNT,
                 _add_up(measures.TASKS)),
        HubPanel(
            "Success",
            "Tasks that succeeded, of those that succeeded or failed.",
            "Does delegated work succeed?",
            Unit.RATIO,
            _share(measures.TASKS, Dimension.OUTCOME, ("success",), _SETTLED, _BY_TEAM),
        ),
        HubPanel(
            "Wasted tasks",
            "Tasks whose result was not used, of all that were over.",
            "How much work was for nothing?",
            Unit.RATIO,
            _share(measures.DELIVERIES, Dimension.DELIVERY, ("wasted",), ("delivered", "taken", "wasted"),
                   _BY_TEAM),
        ),
        HubPanel(
            "Delivered work over elapsed",
            "Work of delivered tasks over the elapsed time of parallel executions. Tasks run slower side by"
            " side, so the speed-up is at most this.",
            "How much does parallel work bring at most?",
            Unit.TIMES,
            _draw_days(
                f"1.0 * {_DELIVERED} / NULLIF({_ELAPSED}, 0)",
                _BY_TEAM,
                measures.PATTERN_DELIVERED_WORK,
                measures.PATTERN_ELAPSED,
            ),
        ),
        HubPanel("Cost", "Known cost of model calls.", "What did a day cost?", Unit.MONEY,
                 _add_up(measures.COST, unit=_NANO)),
        HubPanel("Tokens", "Tokens that model calls used.", "How many tokens did a day use?", Unit.COUNT,
                 _add_up(measures.TOKENS)),
    ),
)  # fmt: skip

NAMES_IN_TEAMS = HubBoard(
    "names-in-teams",
    "Stretto hub / Kinds of work",
    "Which kinds of work, tools and models make up the days of teams?",
    (
        HubPanel(
            "Tasks by type",
            "Tasks that were over on a day; types of fewer than five people are `other`.",
            "Which work is delegated?",
            Unit.COUNT,
            _add_up(measures.TASKS, _by(measures.TASKS, Dimension.TASK_TYPE)),
        ),
        HubPanel(
            "Success by type",
            "Tasks that succeeded, of those that succeeded or failed.",
            "Which work succeeds?",
            Unit.RATIO,
            _share(measures.TASKS, Dimension.OUTCOME, ("success",), _SETTLED,
                   _by(measures.TASKS, Dimension.TASK_TYPE)),
        ),
        HubPanel(
            "Wasted time by type",
            "Hours that tasks were busy whose result was not used.",
            "Which work is for nothing?",
            Unit.PLAIN,
            _add_up(measures.WASTED_TIME, _by(measures.WASTED_TIME, Dimension.TASK_TYPE), _HOUR),
        ),
        HubPanel(
            "Tool calls",
            "Tool calls that were over on a day.",
            "Which tools are used?",
            Unit.COUNT,
            _add_up(measures.CALLS, _by(measures.CALLS, Dimension.TOOL)),
        ),
        HubPanel(
            "Failed tool calls",
            "Tool calls that failed, of those that succeeded or failed.",
            "Which tools fail?",
            Unit.RATIO,
            _share(measures.CALLS, Dimension.OUTCOME, ("failure",), _SETTLED,
                   _by(measures.CALLS, Dimension.TOOL)),
        ),
        HubPanel(
            "Cost by model",
            "Known cost of model calls.",
            "Which models cost most?",
            Unit.MONEY,
            _add_up(measures.COST, _by(measures.COST, Dimension.MODEL), _NANO),
        ),
    ),
)  # fmt: skip

HUB_BOARDS = (DAYS_OF_TEAMS, NAMES_IN_TEAMS)
