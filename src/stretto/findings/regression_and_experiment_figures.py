"""The figures of findings: regressions, open findings, experiments, and the cost of the analyses."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from stretto.clock import SECOND
from stretto.figures.figure import Figure, Labels
from stretto.findings.analysis_table import ANALYSES, EFFECTS
from stretto.findings.findings_snapshot import FindingsState, get_extra_value
from stretto.findings.issued_forecasts import OUTLOOKS
from stretto.model.findings import EFFECT_PREFIX, RECOMMENDATION_PREFIX, Finding

MOST_REGRESSIONS = 50
"""Series of regressions, the largest first."""

LEAST_SHARE = 0.01
"""A share before the change counts as at least one of a hundred: nothing is infinitely more."""


def compute_finding_figures(state: FindingsState) -> Iterator[Figure]:
    """Yield the figures of the findings; regressions only while they are confirmed and not settled."""
    for stored in state.regressions[:MOST_REGRESSIONS]:
        yield from _yield_regression(stored.finding)
    for analysis, count in sorted(Counter(stored.analysis for stored in state.open_findings).items()):
        yield Figure("stretto_open_findings", (("analysis", analysis),), count, count)
    yield from _yield_recommendations(state)
    for cover in get_extra_value(state, OUTLOOKS, "covers") or ():
        labels: Labels = (("level", f"{cover['level']:.2f}"),)
        yield Figure(
            "stretto_forecast_coverage_ratio", labels, cover["inside"] / cover["days"], cover["days"]
        )
    for result in state.results.values():
        for finding in result.findings:
            if finding.kind == "experiment" and finding.evidence.unit == "ratio":
                yield from _yield_experiment(finding)


def compute_answer_age_and_cost_figures(
    state: FindingsState, now: int, cpu_seconds: float
) -> Iterator[Figure]:
    """Yield age and cost of the answers. ``now`` is in nanoseconds."""
    for analysis in ANALYSES:
        result = state.results.get(analysis.name)
        if result is not None and result.at is not None:
            labels: Labels = (("analysis", analysis.name),)
            yield Figure("stretto_analysis_age_seconds", labels, max(0, now - result.at) / SECOND, 1)
            yield Figure("stretto_analysis_duration_seconds", labels, result.seconds, 1)
    yield Figure("stretto_analysis_cpu_seconds", (), cpu_seconds, 1, state.missing)


def name_series(finding: Finding) -> str:
    """Return the subject of a finding as the value of a label: ``release/tests``."""
    return "/".join(finding.subject.values()) or finding.kind


def get_ratio(finding: Finding) -> float | None:
    """Return the change as a ratio after over before, which alerts compare with their limits.

    Example: a share of failures that rose from .02 to .10 is 5 times as high.
    """
    if finding.evidence.unit == "ratio":
        return finding.evidence.effect
    before, after = finding.details.get("before"), finding.details.get("after")
    if not isinstance(before, int | float) or not isinstance(after, int | float):
        return None
    if finding.kind == "quality":
        return before / max(after, LEAST_SHARE)
    return after / max(before, LEAST_SHARE)


def _yield_regression(finding: Finding) -> Iterator[Figure]:
    labels: Labels = (("kind", finding.kind), ("name", name_series(finding)))
    ratio, n = get_ratio(finding), finding.evidence.n
    yield Figure("stretto_regression_ratio", labels, ratio, n)
    if finding.evidence.unit == "ratio":
        yield Figure("stretto_regression_low_ratio", labels, finding.evidence.low, n)
        yield Figure("stretto_regression_high_ratio", labels, finding.evidence.high, n)
    if finding.since is not None:
        yield Figure("stretto_regression_since_timestamp_seconds", labels, finding.since / SECOND, n)


def _yield_experiment(finding: Finding) -> Iterator[Figure]:
    evidence = finding.evidence
    for bound, value in (("effect", evidence.effect), ("low", evidence.low), ("high", evidence.high)):
        labels: Labels = (("bound", bound), ("experiment", finding.subject.get("experiment", "")))
        yield Figure("stretto_experiment_effect_ratio", labels, value, evidence.n)


def _yield_recommendations(state: FindingsState) -> Iterator[Figure]:
    """Yield the seconds a session that recommendations promise, and that applied ones brought, by kind."""
    seconds: dict[tuple[str, str], float] = defaultdict(float)
    for stored in state.findings:
        if stored.analysis == "advice" and stored.is_open:
            last = state.find_last_decision(stored)
            kind = stored.finding.kind.removeprefix(RECOMMENDATION_PREFIX)
            seconds[kind, "open" if last is None else last.value] += stored.finding.evidence.effect or 0.0
    effects = state.results.get(EFFECTS)
    for finding in () if effects is None else effects.findings:
        if finding.evidence.effect is not None:
            seconds[finding.kind.removeprefix(EFFECT_PREFIX), "realised"] += finding.evidence.effect
    for (kind, decided), total in sorted(seconds.items()):
        yield Figure("stretto_recommendation_seconds", (("kind", kind), ("state", decided)), total, 1)
    calibration = None if effects is None else effects.extra.get("calibration")
    if calibration and calibration["ratio"] is not None:
        yield Figure(
            "stretto_recommendation_calibration_ratio", (), calibration["ratio"], calibration["judged"]
        )
