"""Define panels independently of Grafana: a description, a question, and queries."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from grafana.board.limit import COLOURS, PLAIN_STEPS, Step, select_limit
from grafana.board.link import Link, ServiceLink

from stretto.names import Label

LIVE = "Live only, since the service started: "
"""The beginning of the description of a panel on live counters, which imported history does not reach."""


class Kind(StrEnum):
    """The visualisation, by Grafana's name."""

    STAT = "stat"
    """A large number."""
    LINES = "timeseries"
    """Values over time."""
    BARS = "bargauge"
    """Several current values side by side, with the same limits."""
    TABLE = "table"
    """Several figures for each label value."""
    STATES = "state-timeline"
    """States over time."""


class Unit(StrEnum):
    """Units by Grafana's name. Grafana scales values, so queries do not."""

    RATIO = "percentunit"
    TIMES = "suffix:×"
    SECONDS = "s"
    COUNT = "short"
    BYTES = "bytes"
    MONEY = "currencyUSD"
    PER_SECOND = "cps"
    PLAIN = "none"
    """Scores of 0 to 100, and states."""


@dataclass(frozen=True, slots=True)
class Query:
    """A query to Prometheus. A query with ``colour`` is a limit, drawn as a dashed line."""

    expr: str
    legend: str = ""
    colour: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: a query with unit, colour steps and bounds."""

    title: str
    expr: str
    unit: Unit
    steps: tuple[Step, ...] = PLAIN_STEPS
    low: float | None = 0
    high: float | None = None


@dataclass(frozen=True, slots=True)
class State:
    """The text and colour of a state number."""

    text: str
    colour: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A panel. ``low`` and ``high`` are the bounds of its values, or None."""

    kind: Kind
    title: str
    shows: str
    """Description in a sentence."""
    asks: str
    """The question that the panel answers."""
    unit: Unit = Unit.PLAIN
    queries: tuple[Query, ...] = ()
    width: int = 12
    height: int = 8
    steps: tuple[Step, ...] = PLAIN_STEPS
    states: Mapping[int, State] = field(default_factory=dict)
    low: float | None = 0
    high: float | None = None
    decimals: int | None = None
    stacked: bool = False
    shows_name: bool = False
    """Whether a single number shows its name in place of its value."""
    keys: Mapping[Label | str, str] = field(default_factory=dict)
    """Of a table: key label → column header."""
    columns: tuple[Column, ...] = ()
    links: tuple[Link | ServiceLink, ...] = ()
    absent: str = "none"
    """Text shown if there is no figure; never 0."""

    @property
    def id(self) -> int:
        """Return a stable number that depends on the title only."""
        return zlib.crc32(self.title.encode()) % 1_000_000

    @property
    def description(self) -> str:
        """Return description and question."""
        return f"{self.shows} {self.asks}"

    @property
    def asked(self) -> tuple[Query, ...]:
        """Return all queries, including those of table columns."""
        return self.queries + tuple(Query(column.expr, column.title) for column in self.columns)


def draw_limit(name: str, severity: str, baseline: str = "") -> Query:
    """Return a published limit as a dashed line in its colour."""
    return Query(select_limit(name, severity, baseline), f"{severity} limit", COLOURS[severity])


def draw_target(expr: str, legend: str = "target") -> Query:
    """Return a target value as a dashed line."""
    return Query(expr, legend, "blue")


def make_stat(
    title: str, shows: str, asks: str, unit: Unit, expr: str | Mapping[str, str], **rest: Any
) -> Panel:
    """Return a panel of a number, or of several named numbers."""
    by_name = {"": expr} if isinstance(expr, str) else expr
    queries = tuple(Query(query, name) for name, query in by_name.items())
    sized = {"width": 4, "height": 5, **rest}
    return Panel(kind=Kind.STAT, title=title, shows=shows, asks=asks, unit=unit, queries=queries, **sized)


def make_lines(
    title: str, shows: str, asks: str, unit: Unit, expr: str | Mapping[str, str], *also: Query, **rest: Any
) -> Panel:
    """Return a panel of lines over time by legend and query, followed by limits."""
    by_name = {"": expr} if isinstance(expr, str) else expr
    queries = tuple(Query(query, legend) for legend, query in by_name.items())
    return Panel(
        kind=Kind.LINES, title=title, shows=shows, asks=asks, unit=unit, queries=queries + also, **rest
    )


def make_bars(title: str, shows: str, asks: str, unit: Unit, expr: str, *, legend: str, **rest: Any) -> Panel:
    """Return a panel that compares the values of a label."""
    sized = {"width": 8, **rest}
    queries = (Query(expr, legend),)
    return Panel(kind=Kind.BARS, title=title, shows=shows, asks=asks, unit=unit, queries=queries, **sized)


def make_states(
    title: str, shows: str, asks: str, expr: str, meanings: Mapping[int, State], *, legend: str, **rest: Any
) -> Panel:
    """Return a panel of states over time."""
    sized = {"width": 12, "height": 6, **rest}
    queries = (Query(expr, legend),)
    return Panel(
        kind=Kind.STATES, title=title, shows=shows, asks=asks, queries=queries, states=meanings, **sized
    )


def make_table(
    title: str, shows: str, asks: str, keys: Mapping[Label | str, str], *columns: Column, **rest: Any
) -> Panel:
    """Return a panel with a row for each value of the keys."""
    sized = {"width": 24, "height": 9, **rest}
    return Panel(kind=Kind.TABLE, title=title, shows=shows, asks=asks, keys=keys, columns=columns, **sized)
