"""The answer of an analysis: a verdict, the evidence behind it, and how much could have been seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

COINCIDES = "coincides"
"""The detail of a change with the circumstances that changed at the same time."""

DAY_KINDS = ("correlation", "slow_hours", "slow_weekdays", "week", "best_period")
"""Kinds of findings that compare days, beside trends and forecasts."""

PEOPLE = "people"
"""The detail of a finding of a team with its number of owners."""

HOLDUP_PREFIX = "holdup_"
RECOMMENDATION_PREFIX = "recommendation_"
EFFECT_PREFIX = "effect_"
"""Beginnings of the kinds of findings about hold-ups, recommendations, and effects of applied ones."""

FEEDBACK = ("accepted", "rejected", "helped", "without_effect")
"""The details of a recommendation that count what became of those of its kind."""

FORECAST_SUFFIX = "_forecast"
"""End of the kinds of findings about the next week of a series; the kind of the series is before it."""

TREND_SUFFIX = "_trend"
"""End of the kinds of findings about the trend of a series by day."""

WINDOW_DAYS = "window_days"
"""The detail of a trend with the number of days that it was looked for in."""


class FindingVerdict(StrEnum):
    """What an analysis concludes about one subject."""

    REGRESSION = "regression"
    IMPROVEMENT = "improvement"
    NO_EVIDENCE = "no_evidence"
    """It looked, with enough data, and nothing differs beyond chance."""
    TOO_LITTLE_DATA = "too_little_data"


@dataclass(frozen=True, slots=True)
class RunLink:
    """A run to look at: a session, or one task of it."""

    session: str
    task: str | None = None
    role: str = ""
    """Why it is listed: ``before``, ``after``, ``slowest``."""


@dataclass(frozen=True, slots=True)
class FindingEvidence:
    """The numbers behind a verdict."""

    n: int
    """Runs that were compared."""
    effect: float | None = None
    low: float | None = None
    """Lower end of the 95 % interval of ``effect``."""
    high: float | None = None
    unit: str = "ratio"
    """Unit of the effect: ``ratio`` (after / before), ``seconds``, ``dollars``, ``tokens``, ``share``."""
    p: float | None = None
    detectable: float | None = None
    """The smallest effect that would have been seen nine times of ten with this much data."""
    coverage: float | None = None
    """Share of the subject's runs of the window that had the value; None where the others are not counted."""
    runs: tuple[RunLink, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """One answer about one subject at one instant.

    ``kind`` names the question, such as ``task_length`` or ``imbalance``; ``subject`` names the series by
    dimension, such as ``{"type": "tests", "agent": "qa"}``.
    """

    kind: str
    subject: Mapping[str, str]
    verdict: FindingVerdict
    evidence: FindingEvidence
    since: int | None = None
    """When the change began (ns), if one was dated."""
    reason: str = ""
    """Why there is no verdict, or why it is weaker than it looks: a sentence without a final stop."""
    advice: str = ""
    """What to do about it, if anything: a sentence."""
    details: Mapping[str, float | str | None] = field(default_factory=dict)
    """Further numbers of this kind of finding, by name."""

    def add_coverage(self, coverage: float | None) -> Finding:
        """Return it with the share of the subject's runs that could be used."""
        return replace(self, evidence=replace(self.evidence, coverage=coverage))
