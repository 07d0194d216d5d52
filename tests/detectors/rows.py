"""Rows of the table of error rates: a measured number with its interval, and the bound it must keep."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from scipy import stats

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Row:
    """One number. It holds unless the nearer end of its interval is beyond a bound."""

    answer: str
    name: str
    value: float
    low: float
    high: float
    at_least: float | None = None
    at_most: float | None = None
    cases: str = ""
    """How many runs, series or files it comes from."""
    known: str = ""
    """Why it is known not to hold; then the table has the reason and the command does not fail."""

    @property
    def holds(self) -> bool:
        """Whether the bound is kept, by the interval."""
        above = self.at_least is None or self.high >= self.at_least
        below = self.at_most is None or self.low <= self.at_most
        return above and below

    @property
    def bound(self) -> str:
        """The bound as text."""
        parts = []
        if self.at_least is not None:
            parts.append(f"≥ {format_number(self.at_least)}")
        if self.at_most is not None:
            parts.append(f"≤ {format_number(self.at_most)}")
        return ", ".join(parts) or "shown only"

    def to_row(self) -> str:
        """Return the row of the table of detectors."""
        verdict = "holds" if self.holds else "**fails** (known)" if self.known else "**fails**"
        value = format_number(self.value)
        if self.low != self.high:
            value += f" [{format_number(self.low)}, {format_number(self.high)}]"
        return f"| {self.answer} | {self.name} | {value} | {self.cases} | {self.bound} | {verdict} |"


def format_number(value: float) -> str:
    """Return a number with three digits."""
    if math.isinf(value):
        return "∞"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def make_rate(
    answer: str,
    name: str,
    hits: int,
    cases: int,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    known: str = "",
    method: Literal["exact", "wilson"] = "exact",
) -> Row:
    """Return the row of a share, with the exact interval of Clopper and Pearson or that of Wilson."""
    interval = stats.binomtest(hits, cases).proportion_ci(CONFIDENCE, method=method)
    return Row(
        answer, name, hits / cases, float(interval.low), float(interval.high), at_least, at_most,
        f"{hits} of {cases}", known,
    )  # fmt: skip


make_wilson_rate = partial(make_rate, method="wilson")
"""The row of a share with Wilson's interval: it is narrower than the exact one, so a bound is stricter."""


def bound_count(count: int) -> tuple[float, float]:
    """Return the exact interval of the mean of a Poisson count."""
    tail = (1 - CONFIDENCE) / 2
    low = float(stats.chi2.ppf(tail, 2 * count)) / 2 if count else 0.0
    return low, float(stats.chi2.ppf(1 - tail, 2 * count + 2)) / 2


def make_frequency(answer: str, name: str, count: int, units: int, *, at_most: float, unit: str) -> Row:
    """Return the row of a number of events per unit, with the exact interval of a Poisson count."""
    low, high = bound_count(count)
    cases = f"{count} in {units} {unit}"
    return Row(answer, name, count / units, low / units, high / units, at_most=at_most, cases=cases)


def make_mean(
    answer: str, name: str, shares: Sequence[float], *, at_least: float, at_most: float, unit: str
) -> Row:
    """Return the row of a mean share over independent units, with Student's interval."""
    count = len(shares)
    mean = sum(shares) / count
    error = math.sqrt(sum((share - mean) ** 2 for share in shares) / (count - 1) / count)
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, count - 1)) * error
    return Row(answer, name, mean, mean - half, mean + half, at_least, at_most, f"{count} {unit}")


def make_exact(
    answer: str,
    name: str,
    value: float,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    cases: str = "",
) -> Row:
    """Return the row of a number without chance: a score on fixed files."""
    return Row(answer, name, value, value, value, at_least, at_most, cases)
