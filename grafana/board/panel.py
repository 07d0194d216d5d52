"""A panel as it is thought of: what it shows, the question it answers, its queries; no word of Grafana's."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from grafana.board.limit import COLOURS, PLAIN_STEPS, Step, select_limit
from grafana.board.link import Link, ServiceLink

from stretto.names import Label


class Kind(StrEnum):
    """The visualisation, by Grafana's name."""

    STAT = "stat"
    """One number that must be read from across the room."""
    LINES = "timeseries"
    """How something moved."""
    BARS = "bargauge"
    """Which of several is largest, against the same limits."""
    TABLE = "table"
    """Several figures of each of several things."""
    STATES = "state-timeline"
    """When something was in which state."""


class Unit(StrEnum):
    """Units by Grafana's name. Grafana scales them, so that no query does."""

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
    """One question to Prometheus. A query with ``colour`` is a limit, drawn as a dashed line."""

    expr: str
    legend: str = ""
    colour: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """One figure of a table, with what is needed to read it."""

    title: str
    expr: str
    unit: Unit
    steps: tuple[Step, ...] = PLAIN_STEPS
    low: float | None = 0
    high: float | None = None


@dataclass(frozen=True, slots=True)
class State:
    """What a number stands for."""

    text: str
    colour: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel. ``low`` and ``high`` are what the values cannot leave; None says that there is no bound."""

    kind: Kind
    title: str
    shows: str
    """One sentence."""
    asks: str
    """The question that it answers."""
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
    """Whether a single number is read by its name and not by its value."""
    keys: Mapping[Label | str, str] = field(default_factory=dict)
    """Of a table: label → header of the column that says what a row is about."""
    columns: tuple[Column, ...] = ()
    links: tuple[Link | ServiceLink, ...] = ()
    absent: str = "none"
    """What stands where there is no figure: never a 0."""

    @property
    def id(self) -> int:
        """Return a number that stays the panel's own when others come and go."""
        return zlib.crc32(self.title.encode()) % 1_000_000

    @property
    def description(self) -> str:
        """Return what is shown and asked."""
        return f"{self.shows} {self.asks}"

    @property
    def asked(self) -> tuple[Query, ...]:
        """Return all queries, a table's columns among them."""
        return self.queries + tuple(Query(column.expr, column.title) for column in self.columns)


def draw_limit(name: str, severity: str, baseline: str = "") -> Query:
    """Return a published limit as a dashed line in its colour."""
    return Query(select_limit(name, severity, baseline), f"{severity} limit", COLOURS[severity])


def draw_target(expr: str, legend: str = "target") -> Query:
    """Return a wanted value as a dashed line."""
    return Query(expr, legend, "blue")


def make_stat(
    title: str, shows: str, asks: str, unit: Unit, expr: str | Mapping[str, str], **rest: Any
) -> Panel:
    """Return a panel of one number, or of several under their names."""
    told = {"": expr} if isinstance(expr, str) else expr
    queries = tuple(Query(asked, name) for name, asked in told.items())
    sized = {"width": 4, "height": 5, **rest}
    return Panel(kind=Kind.STAT, title=title, shows=shows, asks=asks, unit=unit, queries=queries, **sized)


def make_lines(
    title: str, shows: str, asks: str, unit: Unit, expr: str | Mapping[str, str], *also: Query, **rest: Any
) -> Panel:
    """Return a panel of lines over time, by legend and query, with limits after them."""
    told = {"": expr} if isinstance(expr, str) else expr
    queries = tuple(Query(asked, legend) for legend, asked in told.items())
    return Panel(
        kind=Kind.LINES, title=title, shows=shows, asks=asks, unit=unit, queries=queries + also, **rest
    )


def make_bars(title: str, shows: str, asks: str, unit: Unit, expr: str, *, legend: str, **rest: Any) -> Panel:
    """Return a panel that compares the values of one label."""
    sized = {"width": 8, **rest}
    queries = (Query(expr, legend),)
    return Panel(kind=Kind.BARS, title=title, shows=shows, asks=asks, unit=unit, queries=queries, **sized)


def make_states(
    title: str, shows: str, asks: str, expr: str, says: Mapping[int, State], *, legend: str, **rest: Any
) -> Panel:
    """Return a panel of when what was in which state."""
    sized = {"width": 12, "height": 6, **rest}
    queries = (Query(expr, legend),)
    return Panel(kind=Kind.STATES, title=title, shows=shows, asks=asks, queries=queries, states=says, **sized)


def make_table(
    title: str, shows: str, asks: str, keys: Mapping[Label | str, str], *columns: Column, **rest: Any
) -> Panel:
    """Return a panel with a row for each value of the keys."""
    sized = {"width": 24, "height": 9, **rest}
    return Panel(kind=Kind.TABLE, title=title, shows=shows, asks=asks, keys=keys, columns=columns, **sized)
