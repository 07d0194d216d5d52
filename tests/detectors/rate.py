"""A measured rate with its interval, and whether it holds the number that is promised."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import stats


@dataclass(frozen=True)
class Rate:
    """Hits of trials, with the limits that are promised.

    It fails only where the nearer 95 % bound is beyond a limit, so that a short form does not fail by chance.
    """

    answer: str
    """Letter of the answer, such as ``G``."""
    name: str
    hits: int
    trials: int
    at_least: float | None = None
    at_most: float | None = None

    @property
    def value(self) -> float:
        return self.hits / self.trials

    @property
    def interval(self) -> tuple[float, float]:
        bounds = stats.binomtest(self.hits, self.trials).proportion_ci(method="wilson")
        return float(bounds.low), float(bounds.high)

    @property
    def holds(self) -> bool:
        low, high = self.interval
        return low <= (1.0 if self.at_most is None else self.at_most) and high >= (self.at_least or 0.0)

    def to_row(self) -> str:
        """The row of the table of detectors."""
        low, high = self.interval
        if self.at_most is None:
            limit = f"≥ {self.at_least:g}"
        else:
            limit = f"≤ {self.at_most:g}" if self.at_least is None else f"{self.at_least:g}–{self.at_most:g}"
        digits = 3 if self.trials >= 1_000 else 2
        return (
            f"| {self.answer} | {self.name} | {self.value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}] "
            f"| {self.trials:,} | {limit} | {'holds' if self.holds else '**fails**'} |"
        )


@dataclass(frozen=True)
class Amount:
    """A number that is no rate, with its limit."""

    answer: str
    name: str
    value: float
    trials: int
    at_least: float = -math.inf
    at_most: float = math.inf

    @property
    def holds(self) -> bool:
        return self.at_least <= self.value <= self.at_most

    def to_row(self) -> str:
        """The row of the table of detectors."""
        limits = [f"≥ {self.at_least:g}"] if self.at_least > -math.inf else []
        limits += [f"≤ {self.at_most:g}"] if self.at_most < math.inf else []
        return (
            f"| {self.answer} | {self.name} | {self.value:.3g} | {self.trials:,} | {', '.join(limits)} "
            f"| {'holds' if self.holds else '**fails**'} |"
        )
