"""The sheet of KPIs: target, actual value, that of the period before, and since when it is met or missed.

The targets are those of the project's first users. A KPI is computed from the sums of a period, so that the
periods before can be judged by the same rule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from stretto.figures.quality_with_parallel_work import JudgedSession, compare_quality
from stretto.figures.scores.quality_score import average_quality_over_task_types
from stretto.figures.scores.score_rules import ScoreRules
from stretto.figures.scores.sums_by_pattern_type_or_agent import MICRO, PARALLEL
from stretto.figures.scores.window_scores import TREND_MEASURES
from stretto.figures.sequential_baseline_choice import FindBaseline
from stretto.figures.sums_by_dimension import Sums, sum_by, sum_by_dimensions, sum_up
from stretto.figures.window_gain_verdict import BY_WORK, HEADLINE_MEASURES, HeadlineRule, build_verdict
from stretto.format.quantities import SPACE, format_duration, format_number, format_percent
from stretto.model.event import Outcome
from stretto.names import NONE, measures
from stretto.names.measures import Dimension
from stretto.reports.report_document import MISSING, ReportCell, ReportTable
from stretto.reports.report_period import ReportPeriod, describe_period_start

KPI_MEASURES = (
    *HEADLINE_MEASURES, *TREND_MEASURES, measures.TASKS, measures.TURNS, measures.PHASES,
)  # fmt: skip
"""The sums that the sheet is computed from."""

HOURS_A_WEEK = 100
_WEEK_DAYS = 7
_MOST_DIGITS = 3
"""Decimals of a value that is hardly off its target."""
_HOUR_SECONDS = 3_600
SLIGHT = 0.5
"""Points of 10 below which a difference of quality is none: the smallest change that analyses raise."""
IMPLEMENTATION = "implementation"
"""The phase whose success is a KPI."""


@dataclass(frozen=True, slots=True)
class KpiValue:
    """The value of a KPI in a period: a number, a range, or the reason why there is none."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str | None = None
    series: str | None = None
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class KpiInput:
    """The sums of a period, and the rules that they are judged by."""

    sums: Sums
    find_baseline: FindBaseline
    rules: ScoreRules
    rule: HeadlineRule = BY_WORK
    days: float = 1.0
    judged: Sequence[JudgedSession] = ()
    """The sessions of the period whose quality was judged."""


@dataclass(frozen=True, slots=True)
class Kpi:
    """A row of the sheet. ``unit`` is ``share``, ``hours``, ``points`` of 10, or ``difference`` of points."""

    key: str
    title: str
    target: float
    unit: str
    read: Callable[[KpiInput], KpiValue]
    is_most: bool = False
    """Whether the target is the most that is allowed; else it is the least."""
    missed_below: float | None = None
    """If a range that lies below this misses the target, too, though it reaches above the target."""

    def find_target(self, days: float) -> float:
        """Return the target for a period; hours saved are asked for by the week."""
        return self.target * days / _WEEK_DAYS if self.unit == "hours" else self.target

    def is_met(self, value: KpiValue, days: float) -> bool | None:
        """Return whether the target is met; None if it is not known, as with a range on both sides of it."""
        low = value.low if value.low is not None else value.value
        high = value.high if value.high is not None else value.value
        target = self.find_target(days)
        if low is None or high is None:
            return None
        if self.is_most:
            return True if high < target else False if low >= target else None
        if low > target:
            return True
        return (
            False if high <= target or (self.missed_below is not None and high < self.missed_below) else None
        )

    def format_beside_target(self, value: float, days: float) -> str:
        """Return a value as text, with one more digit where it would read like a target that it is not.

        Example: 79.9 % beside the target 80 %.
        """
        text, target = self.format_value(value), self.find_target(days)
        if value == target or text != self.format_value(target) or self.unit == "hours":
            return text
        scale, end = (100, f"{SPACE}%") if self.unit == "share" else (1, " of 10")
        sign = "+" if self.unit == "difference" else ""
        for digits in range(1, _MOST_DIGITS + 1):
            more = f"{value * scale:{sign}.{digits}f}"
            if float(more) != round(target * scale, digits):
                return f"{more}{end}".replace("-", "\N{MINUS SIGN}")
        return text

    def format_value(self, value: float) -> str:
        """Return a value of this KPI as text."""
        if self.unit == "share":
            return format_percent(value)
        if self.unit == "difference":
            return f"{value:+.1f} of 10".replace("-", "\N{MINUS SIGN}")
        return (
            format_duration(value * _HOUR_SECONDS)
            if self.unit == "hours"
            else f"{format_number(value)} of 10"
        )


@dataclass(frozen=True, slots=True)
class PeriodKpis:
    """A period with the value of each KPI, by key."""

    period: ReportPeriod
    values: dict[str, KpiValue]


def read_period_kpis(period: ReportPeriod, given: KpiInput) -> PeriodKpis:
    """Return the value of each KPI in a period."""
    return PeriodKpis(period, {kpi.key: kpi.read(given) for kpi in KPIS})


def build_kpi_table(now: PeriodKpis, earlier: Sequence[PeriodKpis]) -> ReportTable:
    """Return the sheet; ``earlier`` are the periods before, the latest first."""
    columns = ("KPI", "target", f"this {now.period.word}", f"the {now.period.word} before", "state", "since")
    return ReportTable("kpis", "Targets", columns, tuple(_build_row(kpi, now, earlier) for kpi in KPIS))


def count_targets(now: PeriodKpis) -> tuple[int, int, list[str]]:
    """Return how many targets are met and known, and the titles of the missed ones."""
    states = {kpi: kpi.is_met(now.values[kpi.key], now.period.days) for kpi in KPIS}
    missed = [kpi.title for kpi, is_met in states.items() if is_met is False]
    known = sum(is_met is not None for is_met in states.values())
    return known - len(missed), known, missed


def _build_row(kpi: Kpi, now: PeriodKpis, earlier: Sequence[PeriodKpis]) -> tuple[ReportCell, ...]:
    days, value = now.period.days, now.values[kpi.key]
    target, is_met = kpi.find_target(days), kpi.is_met(value, days)
    sign = "below" if kpi.is_most else "above"
    state = {True: ("met", "good"), False: ("missed", "bad"), None: (_explain_unknown_state(value), "")}[
        is_met
    ]
    before = earlier[0].values[kpi.key] if earlier else KpiValue(reason="no period before is stored")
    return (
        ReportCell(kpi.title),
        ReportCell(f"{sign} {kpi.format_value(target)}", target),
        _make_cell(kpi, value, days),
        _make_cell(kpi, KpiValue(before.value, before.low, before.high, before.reason), days),
        ReportCell(state[0], tone=state[1]),
        ReportCell(_describe_run(kpi, is_met, now, earlier)),
    )


def _explain_unknown_state(value: KpiValue) -> str:
    """Return that it is not known whether a target is met, and why in short."""
    if value.low is not None and value.high is not None:
        return "not known: the target is within the range"
    return f"not known: {(value.reason or 'nothing was seen of it').partition(' (')[0]}"


def _make_cell(kpi: Kpi, value: KpiValue, days: float) -> ReportCell:
    labels = dict(value.labels)
    if value.value is not None and value.low is not None and value.high is not None:
        text = f"{kpi.format_value(value.value)} [{value.low:+.1f} to {value.high:+.1f}]"
        return ReportCell(text.replace("-", "\N{MINUS SIGN}"), value.value, "", value.series, labels)
    if value.value is not None:
        text = kpi.format_beside_target(value.value, days)
        return ReportCell(text, value.value, "", value.series, labels)
    if value.low is not None and value.high is not None:
        text = f"{format_number(value.low)} to {kpi.format_value(value.high)}"
        return ReportCell(text, None, "", None, labels, value.reason)
    return ReportCell(MISSING, None, "", None, labels, value.reason or "not known")


def _describe_run(kpi: Kpi, is_met: bool | None, now: PeriodKpis, earlier: Sequence[PeriodKpis]) -> str:
    """Return since when the state holds. Periods in which it is not known do not end it.

    Example: met today, unknown yesterday, met the day before, missed before that: since the day before
    yesterday.
    """
    if is_met is None:
        return MISSING
    since = now.period
    for judged in earlier:
        state = kpi.is_met(judged.values[kpi.key], judged.period.days)
        if state is not None and state is not is_met:
            return describe_period_start(since)
        if state is is_met:
            since = judged.period
    return f"{describe_period_start(since)} or earlier"


def _read_improvement(given: KpiInput) -> KpiValue:
    lead = build_verdict("", given.sums, given.find_baseline, given.rule).lead
    if lead is None or lead.improvement is None:
        return KpiValue(reason="nothing ran in parallel" if lead is None else "nothing was delivered")
    labels = (("baseline", lead.provenance.value),)
    return KpiValue(lead.improvement, series="stretto_verdict_improvement_ratio", labels=labels)


def _read_hours(given: KpiInput) -> KpiValue:
    lead = build_verdict("", given.sums, given.find_baseline, given.rule).lead
    if lead is None:
        return KpiValue(reason="nothing ran in parallel")
    return KpiValue(lead.time_saved / _HOUR_SECONDS)


def _read_share(outcomes: dict[str, int], wanted: Outcome, things: str) -> KpiValue:
    known = sum(outcomes.get(outcome.value, 0) for outcome in (Outcome.SUCCESS, Outcome.FAILURE))
    if not known:
        return KpiValue(reason=f"no {things} with a known outcome")
    return KpiValue(outcomes.get(wanted.value, 0) / known)


def _read_success(given: KpiInput) -> KpiValue:
    return _read_share(sum_by(given.sums, measures.TASKS, Dimension.OUTCOME), Outcome.SUCCESS, "task")


def _read_errors(given: KpiInput) -> KpiValue:
    return _read_share(sum_by(given.sums, measures.TASKS, Dimension.OUTCOME), Outcome.FAILURE, "task")


def _read_implementation(given: KpiInput) -> KpiValue:
    by_phase = sum_by_dimensions(given.sums, measures.PHASES, Dimension.PHASE, Dimension.OUTCOME)
    outcomes = {outcome: count for (phase, outcome), count in by_phase.items() if phase == IMPLEMENTATION}
    value = _read_share(outcomes, Outcome.SUCCESS, f"phase {IMPLEMENTATION!r}")
    if value.value is None:
        return value
    labels = (("phase", IMPLEMENTATION),)
    return KpiValue(value.value, series="stretto_phase_success_ratio", labels=labels)


def _read_quality(given: KpiInput) -> KpiValue:
    score = average_quality_over_task_types(given.sums, given.rules)
    value, low, high = (None if edge is None else 10 * edge for edge in (score.value, score.low, score.high))
    return KpiValue(value, low, high, score.reason)


def _read_parity(given: KpiInput) -> KpiValue:
    difference = compare_quality(given.judged)
    if isinstance(difference, str):
        return KpiValue(reason=difference)
    return KpiValue(difference.mean, difference.low, difference.high)


def _read_patterns(given: KpiInput) -> KpiValue:
    by_place = sum_by_dimensions(given.sums, measures.TURNS, Dimension.PATTERN, Dimension.PLACE)
    named = {pattern for pattern, _ in by_place} - {NONE}
    if not named:
        return KpiValue(reason="no named pattern has a turn whose tasks could run in parallel")
    return KpiValue(len({pattern for pattern, place in by_place if place == PARALLEL} & named) / len(named))


def _read_adoption(given: KpiInput) -> KpiValue:
    eligible, cohort = sum_up(given.sums, measures.TURNS), given.rules.cohort
    if eligible < cohort:
        return KpiValue(reason=f"{eligible} eligible turns, {cohort} are asked for")
    share = sum_up(given.sums, measures.TURNS, place=PARALLEL) / eligible
    return KpiValue(share, series="stretto_adoption_ratio")


def _make_score_reader(name: str, scale: float) -> Callable[[KpiInput], KpiValue]:
    """Return a reader of the mean of a score given from outside, from 0 to ``scale``."""

    def read(given: KpiInput) -> KpiValue:
        count = sum_by(given.sums, measures.SCORE_COUNT, Dimension.SCORE).get(name, 0)
        if not count:
            return KpiValue(reason=f"nobody gave the score {name!r}")
        found = given.rules.scales.find_scale(name)
        mean = sum_by(given.sums, measures.SCORE_SUM, Dimension.SCORE).get(name, 0) / MICRO / count
        share = None if found is None else found.to_share(mean)
        if share is None:
            return KpiValue(reason=f"the score {name!r} has no scale: [scores.{name}] scale = [0, 10]")
        return KpiValue(scale * share)

    return read


KPIS = (
    Kpi("improvement", "Improvement by parallel work", 0.65, "share", _read_improvement),
    Kpi("success", "Tasks that succeed", 0.95, "share", _read_success),
    Kpi("errors", "Tasks that fail", 0.05, "share", _read_errors, is_most=True),
    Kpi("quality", "Quality", 8.5, "points", _read_quality),
    Kpi(
        "parity",
        "Quality with parallel work at least as without",
        -SLIGHT,
        "difference",
        _read_parity,
        missed_below=0,
    ),
    Kpi("satisfaction", "Satisfaction", 8.5, "points", _make_score_reader("satisfaction", 10)),
    Kpi(
        "stakeholders",
        "Satisfaction of stakeholders",
        8.0,
        "points",
        _make_score_reader("stakeholder_satisfaction", 10),
    ),
    Kpi("synthesis", "Synthesis of results", 0.85, "share", _make_score_reader("synthesis", 1)),
    Kpi("adoption", "Adoption of parallel work", 0.80, "share", _read_adoption),
    Kpi("patterns", "Patterns that use parallel work", 0.80, "share", _read_patterns),
    Kpi("preference", "Preference for parallel work", 0.75, "share", _make_score_reader("preference", 1)),
    Kpi(IMPLEMENTATION, "Implementation phases that succeed", 0.90, "share", _read_implementation),
    Kpi("hours_saved", "Hours saved", HOURS_A_WEEK, "hours", _read_hours),
)
"""The sheet, in its order."""
