"""A panel as it is thought of: what it shows, the question it answers, its queries; no word of Grafana's."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from grafana.board.limit import COLOURS, PLAIN_STEPS, Step, line
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
    TIMES = "suffix: ×"
    SECONDS = "s"
    COUNT = "short"
    BYTES = "bytes"
    MONEY = "currencyUSD"
    PER_SECOND = "ops"
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


def limit(name: str, severity: str, baseline: str = "") -> Query:
    """Return a published limit as a dashed line in its colour."""
    return Query(line(name, severity, baseline), f"{severity} limit", COLOURS[severity])


def target(expr: str, legend: str = "target") -> Query:
    """Return a wanted value as a dashed line."""
    return Query(expr, legend, "blue")
