"""Compute the figures of windows: of all exported ones, or of any single stretch of time."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from stretto.clock import DAY, SECOND
from stretto.figures.cache_figures_and_faults import compute_cache_size_figures
from stretto.figures.critical_path import compute_path_figures
from stretto.figures.efficiency_tree import compute_efficiency_figures
from stretto.figures.expected_and_missed_gains import compute_gain_figures
from stretto.figures.figure import Figure
from stretto.figures.model_call_cache_and_test_figures import compute_usage_figures
from stretto.figures.monitoring_overhead import compute_overhead_figures
from stretto.figures.parallel_work_against_baselines import build_mixes, sum_parallel_by_type
from stretto.figures.resource_figures import compute_resource_figures
from stretto.figures.scores.score_rules import Scoring
from stretto.figures.scores.window_scores import (
    TREND_MEASURES,
    compute_judgement_trend_figures,
    compute_quality_trend_figures,
    compute_score_figures,
)
from stretto.figures.sequential_baseline_choice import FindBaseline, Hours, Provenance
from stretto.figures.sessions_against_configured_hours import compute_workflow_figures
from stretto.figures.speedup_cost import compute_speedup_and_cost_by_pattern, compute_speedup_price_figures
from stretto.figures.sums_by_dimension import Sums, sum_by
from stretto.figures.wall_time_parts import compute_wall_figures
from stretto.figures.waste import compute_waste_figures
from stretto.figures.window_gain_verdict import (
    BY_WORK,
    HeadlineRule,
    Verdict,
    build_verdict,
    compute_verdict_figures,
)
from stretto.figures.window_work_and_outcome_figures import compute_window_figures
from stretto.figures.written_and_created_file_counts import compute_written_file_figures
from stretto.names import WINDOWS, measures
from stretto.names.measures import Dimension
from stretto.store import sum_queries
from stretto.store.window_sums import fold_slots, read_window_sums


@dataclass(slots=True)
class WindowFigures:
    """The figures of one or several windows at an instant."""

    figures: list[Figure] = field(default_factory=list)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    task_types: set[str] = field(default_factory=set)
    """The task types that ran in parallel."""
    folded_names: dict[str, int] = field(default_factory=dict)
    """Names beyond the budget by dimension, in the window that has most of them."""
    patterns: set[str] = field(default_factory=set)
    """The patterns with a parallel execution, within the budget of names."""


@dataclass(frozen=True, slots=True)
class FigureRules:
    """The rules and the baselines by which figures of windows are computed."""

    find_baseline: FindBaseline
    scoring: Scoring
    headline: HeadlineRule = BY_WORK
    workflows: Hours = field(default_factory=dict)
    """Hours by pattern."""


@dataclass(frozen=True, slots=True)
class SumFigures:
    """The figures of some sums."""

    figures: tuple[Figure, ...]
    verdict: Verdict
    task_types: frozenset[str]
    """The task types that ran in parallel."""


@dataclass(frozen=True, slots=True)
class NamedStretch:
    """The ``seconds`` before the instant ``end`` (ns), under the name that labels its figures."""

    name: str
    end: int
    seconds: int


def compute_windows(
    connection: sqlite3.Connection,
    now: int,
    find_baseline: FindBaseline,
    scoring: Scoring,
    rule: HeadlineRule = BY_WORK,
    *,
    workflows: Hours = MappingProxyType({}),
) -> WindowFigures:
    """Return every windowed figure as of ``now`` (ns)."""
    computed, rules = WindowFigures(), FigureRules(find_baseline, scoring, rule, workflows)
    by_day = _read_days(connection, now, max(WINDOWS.values()))
    for window, seconds in WINDOWS.items():
        _add_window(computed, connection, NamedStretch(window, now, seconds), by_day, rules)
    computed.figures += compute_cache_size_figures(
        sum_queries.read_cache_sizes(connection, now - max(WINDOWS.values()) * SECOND, now)
    )
    return computed


def compute_stretch(
    connection: sqlite3.Connection, stretch: NamedStretch, rules: FigureRules
) -> WindowFigures:
    """Return the figures of any stretch of time."""
    computed = WindowFigures()
    by_day = _read_days(connection, stretch.end, stretch.seconds)
    _add_window(computed, connection, stretch, by_day, rules)
    return computed


def compute_sum_figures(
    window: str, sums: Sums, rules: FigureRules, provenance: Provenance | None = None
) -> SumFigures:
    """Return the figures of some sums, each with ``window`` as its label.

    ``provenance`` fixes the headline's baseline, so that two times are compared by the same.
    """
    scoring = rules.scoring
    parallel = sum_parallel_by_type(build_mixes(sums, rules.find_baseline))
    verdict = build_verdict(window, sums, rules.find_baseline, rules.headline, provenance)
    figures: list[Figure] = [
        *compute_verdict_figures(verdict),
        *compute_window_figures(window, sums, parallel),
        *compute_efficiency_figures(window, sums),
        *compute_path_figures(window, sums),
        *compute_wall_figures(window, sums),
        *compute_overhead_figures(window, sums),
        *compute_workflow_figures(window, sums, rules.workflows),
        *compute_gain_figures(window, sums, parallel, scoring.target),
        *compute_speedup_price_figures(window, sums, verdict, rules.headline),
        *compute_speedup_and_cost_by_pattern(window, sums),
        *compute_waste_figures(window, sums),
        *compute_written_file_figures(window, sums),
        *compute_usage_figures(window, sums),
        *compute_resource_figures(window, sums),
    ]
    # Scores come last: they are computed from the window's other figures.
    figures += [*compute_score_figures(window, sums, figures, scoring, rules.find_baseline)]
    return SumFigures(tuple(figures), verdict, frozenset(task_type for task_type, _ in parallel))


def _read_days(connection: sqlite3.Connection, end: int, seconds: int) -> Mapping[int, Sums]:
    """Return the sums that trends are computed from, by number of the day."""
    days = sum_queries.list_slot_numbers(end, seconds, DAY // SECOND)
    return fold_slots(sum_queries.read_sums_by_slot(connection, DAY // SECOND, days, TREND_MEASURES))


def _add_window(
    computed: WindowFigures,
    connection: sqlite3.Connection,
    stretch: NamedStretch,
    by_day: Mapping[int, Sums],
    rules: FigureRules,
) -> None:
    window = stretch.name
    read = read_window_sums(connection, stretch.end, stretch.seconds)
    sums = read.sums
    for name, count in read.names_in_other.items():
        computed.folded_names[name] = max(count, computed.folded_names.get(name, 0))
    computed.patterns |= sum_by(sums, measures.FANOUTS, Dimension.PATTERN).keys()
    summed = compute_sum_figures(window, sums, rules)
    computed.task_types |= summed.task_types
    figures = [*summed.figures]
    days = sum_queries.list_slot_numbers(stretch.end, stretch.seconds, DAY // SECOND)
    in_window = {day: sums for day, sums in by_day.items() if day in days}
    figures += compute_quality_trend_figures(window, in_window, rules.scoring.rules)
    figures += compute_judgement_trend_figures(window, in_window)
    computed.figures += figures
    computed.verdicts[window] = summed.verdict
