"""The table of analyses: which questions are asked of the store, how often, and what each needs.

An analysis is a function of the runs, the decisions and an instant. It is imported when it runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from stretto.analysis.installed_extras import find_missing_package
from stretto.clock import DAY, SECOND
from stretto.findings.agent_and_pattern_comparisons import compare_agents, compare_patterns_and_their_past
from stretto.findings.analysis_input_and_answer import NEW_NORMAL, AnalysisAnswer, AnalysisInput
from stretto.findings.calendar_trend_and_forecast_analyses import (
    compare_weeks,
    correlate_days,
    find_slow_times,
    follow_session_lives,
    forecast_daily_lengths,
    predict_lengths,
)
from stretto.findings.circumstances_of_a_change import add_coinciding_circumstances
from stretto.findings.issued_forecasts import OUTLOOKS
from stretto.findings.useless_or_small_cache_findings import judge_caches
from stretto.model.decisions import DecisionKind, list_last_decisions
from stretto.model.findings import Finding, FindingVerdict

FIVE_MINUTES, HOUR_SECONDS = 300, 3_600

HISTORY_DAYS = 154
"""Days of runs that are read: a season of baselines, and the changes before them."""

RECENT_DAYS = 1
"""Sessions of the last days are what a pattern is held up by now; earlier ones are usual."""

ADVICE_DAYS = 28
"""Days whose sessions recommendations are made from."""

MOST_EXPLAINED = 40
"""Sessions, the latest first, for which it is worked out what held them up."""


TRENDS = "trends"

HOLDUPS = "holdups"

EFFECTS = "effects"
"""The analysis of what applied advice brought."""

EXPLAINED, STANDINGS, UNEXPLAINED = "sessions", "standings", "unexplained"
"""Values of the answer about hold-ups, by session: the hold-ups, the standing among its like, or why none."""

ALL_PATTERNS: Mapping[str, str] = {"patterns": "all"}
"""The subject of the trend of the efficiency score over all patterns."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """A row of the table."""

    name: str
    every: int
    """Seconds from one answer to the next."""
    run: Callable[[AnalysisInput], AnalysisAnswer]
    extra: str = "analysis"
    """The extra of Stretto that it needs."""
    has_findings: bool = True
    """Whether it makes findings; else its answer is for operations alone."""


def find_changes(given: AnalysisInput) -> AnalysisAnswer:
    """Answer whether lengths, failures, tokens or money of any series changed, since when and by how much."""
    if given.owner_days is not None:
        from stretto.analysis.changes_among_owners import judge_changes_among_owners  # noqa: PLC0415  # loads scipy

        # The clock of a team stands in the last moment of its newest released day, which is whole.
        return AnalysisAnswer(judge_changes_among_owners(given.owner_days, given.instant + 1))
    from stretto.analysis.performance_regressions import ComparisonBoundary, judge_changes  # noqa: PLC0415  # loads scipy
    from stretto.analysis.series_of_run_values import SeriesKind, make_series_of_day_sums  # noqa: PLC0415  # likewise
    from stretto.analysis.slow_tail_changes import judge_tails  # noqa: PLC0415  # likewise

    boundaries = [
        ComparisonBoundary(decision.time)
        for decision in given.decisions
        if decision.kind is DecisionKind.ANNOTATION and decision.details.get(NEW_NORMAL) is True
    ]
    for decision in list_last_decisions(given.decisions):
        about = given.history.get(decision.subject or "")
        if decision.kind is DecisionKind.ACCEPTED and about and about.kind in set(SeriesKind):
            boundaries.append(ComparisonBoundary(decision.time, SeriesKind(about.kind), about.subject))
    series = [*given.run_series]
    series += [
        make_series_of_day_sums(SeriesKind.TOOL_LENGTH, {"tool": tool}, days)
        for tool, days in sorted(given.tool_lengths.items())
    ]
    series += [
        make_series_of_day_sums(SeriesKind.HOOK_LENGTH, {"event": event}, days)
        for event, days in sorted(given.hook_lengths.items())
    ]
    findings = judge_changes(series, given.instant, ZoneInfo(given.zone), boundaries)
    tails = judge_tails(series, findings, given.instant, ZoneInfo(given.zone), boundaries)
    return AnalysisAnswer(add_coinciding_circumstances([*findings, *tails], given.tasks))


def find_trends(given: AnalysisInput) -> AnalysisAnswer:
    """Answer which way lengths, failures, resources, money, adoption and efficiency go over 30 or 90 days."""
    from stretto.analysis.series_of_run_values import (  # noqa: PLC0415  # loads numpy
        make_adoption_series,
        make_efficiency_series,
        make_resource_series,
    )
    from stretto.analysis.series_trends import judge_trends  # noqa: PLC0415  # loads scipy

    series = [*given.run_series, *make_resource_series(given.sessions)]
    series += [
        make_adoption_series({"turns": "all"} if pattern is None else {"pattern": pattern}, days)
        for pattern, days in given.turns.items()
    ]
    series += [
        make_efficiency_series(ALL_PATTERNS if pattern is None else {"pattern": pattern}, days)
        for pattern, days in given.efficiency.items()
    ]
    return AnalysisAnswer(judge_trends(series, given.instant, ZoneInfo(given.zone)))


def find_unusual_runs(given: AnalysisInput) -> AnalysisAnswer:
    """Answer whether more tasks of the last day were unusually long than chance explains."""
    from stretto.analysis.unusually_long_runs import judge_counts_of_unusual_runs  # noqa: PLC0415  # loads scipy

    return AnalysisAnswer(judge_counts_of_unusual_runs(given.tasks, given.instant))


def find_holdups(given: AnalysisInput) -> AnalysisAnswer:
    """Answer what holds up each pattern's sessions of the last day, and each of the latest sessions."""
    from stretto.analysis.rank_session_holdups import (  # noqa: PLC0415  # loads scipy
        explain_each_session,
        find_bottlenecks,
    )
    from stretto.analysis.standing_among_like_sessions import rank_session_by_time_per_task  # noqa: PLC0415  # likewise

    findings: list[Finding] = []
    by_session: dict[str, list[dict[str, Any]]] = {}
    standings: dict[str, dict[str, Any]] = {}
    unexplained: dict[str, str] = {}
    since = given.instant - RECENT_DAYS * DAY
    for runs in given.sessions_by_pattern.values():
        recent, usual = [run for run in runs if run.end >= since], [run for run in runs if run.end < since]
        if recent:
            findings += find_bottlenecks(recent, usual, given.tasks_by_session).to_findings()
        by_id = {run.session: run for run in runs}
        explained = explain_each_session(runs, given.tasks_by_session, latest=MOST_EXPLAINED)
        for session, answer in explained.items():
            if answer.verdict is FindingVerdict.TOO_LITTLE_DATA:
                unexplained[session] = answer.reason
            else:
                by_session[session] = [
                    {"kind": str(holdup.kind), "name": holdup.name, "seconds": holdup.seconds,
                     "low": holdup.low, "high": holdup.high, "share": holdup.share,
                     "cause": holdup.cause or None}
                    for holdup in answer.holdups
                ]  # fmt: skip
            standing = rank_session_by_time_per_task(by_id[session], runs)
            standings[session] = {
                "percentile": standing.percentile, "low": standing.low, "high": standing.high,
                "similar": standing.similar, "gap_seconds": standing.gap_seconds, "reason": standing.reason,
            }  # fmt: skip
    return AnalysisAnswer(
        findings, extra={EXPLAINED: by_session, STANDINGS: standings, UNEXPLAINED: unexplained}
    )


def plan_widths(given: AnalysisInput) -> AnalysisAnswer:
    """Answer how many agents side by side pay for each pattern."""
    from stretto.analysis.simulated_time_by_width import plan_capacity  # noqa: PLC0415  # loads scipy

    return AnalysisAnswer(
        [
            plan_capacity(
                pattern,
                runs,
                given.tasks_by_session,
                machine_memory=given.machine_memory,
                growth=given.growth,
            ).to_finding()
            for pattern, runs in given.sessions_by_pattern.items()
        ]
    )


def fit_width_gains(given: AnalysisInput) -> AnalysisAnswer:
    """Answer what each further agent of a pattern still brings, by the curve through its sessions."""
    from stretto.analysis.width_gain import fit_width_curve  # noqa: PLC0415  # loads scipy

    curves = [
        fit_width_curve(pattern, runs, given.tasks_by_session)
        for pattern, runs in given.sessions_by_pattern.items()
    ]
    return AnalysisAnswer(
        [curve.to_finding() for curve in curves],
        extra={"sentences": {curve.pattern: curve.to_sentence() for curve in curves}},
    )


def advise(given: AnalysisInput) -> AnalysisAnswer:
    """Answer what to do about each pattern, ordered by gain, feedback and effort."""
    from stretto.analysis.recommendation import (  # noqa: PLC0415  # loads scipy
        RecommendationFilters,
        order_recommendations,
    )
    from stretto.analysis.recommendation_rules import NEVER_ADVISED, apply_rules  # noqa: PLC0415  # likewise
    from stretto.analysis.rule_inputs_and_promised_gains import MissingDataReason, RuleInputs  # noqa: PLC0415  # likewise
    from stretto.findings.applied_advice import collect_feedback  # noqa: PLC0415  # likewise

    feedback = collect_feedback(given)
    findings: list[Finding] = []
    reasons: dict[str, dict[str, str]] = {}
    unlisted: Counter[FindingVerdict] = Counter()
    since = given.instant - ADVICE_DAYS * DAY
    for pattern, runs in given.sessions_by_pattern.items():
        recent = tuple(run for run in runs if run.end >= since)
        found, why_not = apply_rules(
            RuleInputs(pattern, recent, given.tasks_by_session, given.cores, given.machine_memory)
        )
        advice = order_recommendations(found, why_not, feedback, RecommendationFilters())
        findings += [recommendation.to_finding() for recommendation in advice.recommendations]
        reasons[pattern] = {kind.value: str(reason) for kind, reason in advice.reasons.items()}
        unlisted.update(
            FindingVerdict.TOO_LITTLE_DATA
            if isinstance(reason, MissingDataReason)
            else FindingVerdict.NO_EVIDENCE
            for kind, reason in advice.reasons.items()
            if kind not in NEVER_ADVISED
        )
    return AnalysisAnswer(findings, unlisted, {"reasons": reasons})


def judge_applied_recommendations(given: AnalysisInput) -> AnalysisAnswer:
    """Answer what the applied recommendations brought, and how their promises held."""
    from stretto.findings.applied_advice import judge_all_applied  # noqa: PLC0415  # loads scipy

    return judge_all_applied(given)


def find_conditions(given: AnalysisInput) -> AnalysisAnswer:
    """Answer under which circumstances sessions succeed, fail or are fast more often than by chance."""
    from stretto.analysis.outcome_conditions import find_outcome_conditions  # noqa: PLC0415  # loads scipy

    answer = find_outcome_conditions([run for run in given.sessions if run.task_types])
    findings = answer.to_findings() if answer.found else []
    unlisted = {FindingVerdict.NO_EVIDENCE: answer.checked - len(findings)}
    if answer.reason:
        unlisted[FindingVerdict.TOO_LITTLE_DATA] = 1
    return AnalysisAnswer(findings, unlisted, {"reason": answer.reason, "sessions": answer.sessions})


def judge_experiments(given: AnalysisInput) -> AnalysisAnswer:
    """Answer how each experiment stands that is not concluded; of a team's also those that are."""
    if given.team_experiments is not None:
        return AnalysisAnswer(given.team_experiments)
    from stretto.analysis.experiment_units import list_experiment_sessions  # noqa: PLC0415  # loads scipy
    from stretto.analysis.experiments import judge_experiment  # noqa: PLC0415  # likewise
    from stretto.findings.experiment_journal_records import read_definitions  # noqa: PLC0415  # likewise

    return AnalysisAnswer(
        [
            judge_experiment(
                definition, list_experiment_sessions(definition, given.sessions, given.tasks, given.instant)
            ).to_finding()
            for definition in read_definitions(given.decisions)
        ]
    )


def find_cache_faults(given: AnalysisInput) -> AnalysisAnswer:
    """Answer whether a cache that programs report is useless or too small."""
    return AnalysisAnswer(judge_caches(given.cache_uses))


ANALYSES: tuple[Analysis, ...] = (
    Analysis("changes", FIVE_MINUTES, find_changes),
    Analysis(HOLDUPS, FIVE_MINUTES, find_holdups),
    Analysis("experiments", FIVE_MINUTES, judge_experiments),
    Analysis("advice", HOUR_SECONDS, advise),
    Analysis(EFFECTS, HOUR_SECONDS, judge_applied_recommendations),
    Analysis("widths", HOUR_SECONDS, plan_widths),
    Analysis("gains", HOUR_SECONDS, fit_width_gains),
    Analysis("conditions", HOUR_SECONDS, find_conditions),
    Analysis(TRENDS, HOUR_SECONDS, find_trends),
    Analysis("unusual", FIVE_MINUTES, find_unusual_runs),
    Analysis("caches", HOUR_SECONDS, find_cache_faults),
    Analysis("agents", HOUR_SECONDS, compare_agents, has_findings=False),
    Analysis("comparisons", HOUR_SECONDS, compare_patterns_and_their_past, has_findings=False),
    Analysis("slow_times", HOUR_SECONDS, find_slow_times),
    Analysis("lives", HOUR_SECONDS, follow_session_lives),
    Analysis("correlations", HOUR_SECONDS, correlate_days),
    Analysis("weeks", HOUR_SECONDS, compare_weeks),
    Analysis(OUTLOOKS, HOUR_SECONDS, forecast_daily_lengths, "forecast"),
    Analysis("lengths", HOUR_SECONDS, predict_lengths),
)


_SINGLE_RUNS = "it compares single sessions and tasks, which leads do not see"
_SUMS_OF_OTHERS = "from day to day a team's sums are of other people: a difference would be theirs"

ABSENT_FOR_TEAMS: Mapping[str, str] = {
    HOLDUPS: _SINGLE_RUNS,
    "advice": _SINGLE_RUNS,
    EFFECTS: "recommendations are made and applied on a person's machine",
    "widths": _SINGLE_RUNS,
    "gains": _SINGLE_RUNS,
    "conditions": _SINGLE_RUNS,
    "trends": _SUMS_OF_OTHERS,
    "unusual": "unusually long runs are runs of few people",
    "caches": "caches are each program's own",
    "agents": _SINGLE_RUNS,
    "comparisons": _SINGLE_RUNS,
    "slow_times": _SINGLE_RUNS,
    "lives": _SINGLE_RUNS,
    "correlations": _SUMS_OF_OTHERS,
    "weeks": _SUMS_OF_OTHERS,
    OUTLOOKS: _SUMS_OF_OTHERS,
    "lengths": _SINGLE_RUNS,
}
"""Analysis → why a team's leads have no answer of it. The others answer about five people and more."""


def list_runnable(analyses: Iterable[Analysis] = ANALYSES) -> tuple[Analysis, ...]:
    """Return the analyses whose packages are installed."""
    return tuple(analysis for analysis in analyses if find_missing_package(analysis.extra) is None)


def list_due(
    results: Mapping[str, int | None], now: int, analyses: Iterable[Analysis] = ANALYSES
) -> list[str]:
    """Return the analyses whose last good answer (ns, by name) is too old at ``now`` (ns)."""
    return [
        analysis.name
        for analysis in analyses
        if (at := results.get(analysis.name)) is None or now - at >= analysis.every * SECOND
    ]
