"""Compute the scores of a window as figures: 0 to 100, quality 0 to 10, with a reason if withheld."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from stretto.figures.figure import Figure, Labels
from stretto.figures.parallel_work_against_baselines import build_mixes, sum_parallel_by_type
from stretto.figures.scores.agent_score import collect_usual_times, compute_agent_score
from stretto.figures.scores.composite import CompositeScore, ScorePart
from stretto.figures.scores.efficiency_dimensions import (
    EfficiencyInputs,
    EfficiencyScore,
    compute_efficiency_score,
)
from stretto.figures.scores.look_up_figures_for_scores import PublishedFigures
from stretto.figures.scores.message_exchange_score import compute_collaboration_score, list_receivers
from stretto.figures.scores.quality_score import (
    QualityTrend,
    compute_judgement_trends,
    compute_quality_score,
    compute_quality_trend,
)
from stretto.figures.scores.retry_parallel_use_result_fit_and_judgement_figures import (
    compute_integration_figures,
    compute_judgement_figures,
    compute_judgements_of_agents,
    compute_parallel_adoption_figures,
    compute_retry_figures,
)
from stretto.figures.scores.score_rules import ScoreRules, Scoring
from stretto.figures.scores.sums_by_pattern_type_or_agent import list_slice_keys, split_sums_by
from stretto.figures.sequential_baseline_choice import FindBaseline
from stretto.figures.sums_by_dimension import Sums
from stretto.names import NONE, measures
from stretto.names.measures import Dimension

TREND_MEASURES = (
    measures.WORK_ENDS,
    measures.PLACED_TASKS,
    measures.PLACED_TIME,
    measures.COMPLETE,
    measures.COMPLETE_TASKS,
    measures.CONSISTENT,
    measures.SCORE_COUNT,
    measures.SCORE_SUM,
    measures.SCORE_OUTSIDE,
)
"""The measures of quality, which a trend needs day by day."""


_RANGES = {
    "stretto_efficiency_score": ("stretto_efficiency_score_low", "stretto_efficiency_score_high"),
    "stretto_pattern_efficiency_score": (
        "stretto_pattern_efficiency_score_low",
        "stretto_pattern_efficiency_score_high",
    ),
    "stretto_agent_score": ("stretto_agent_score_low", "stretto_agent_score_high"),
    "stretto_collaboration_score": ("stretto_collaboration_score_low", "stretto_collaboration_score_high"),
    "stretto_quality_score": ("stretto_quality_score_low", "stretto_quality_score_high"),
}
"""A score → the metrics of the ends of its range."""


def compute_score_figures(
    window: str,
    sums: Sums,
    published: Iterable[Figure],
    scoring: Scoring,
    find_baseline: FindBaseline,
) -> Iterator[Figure]:
    """Yield the scores of a window with all their parts and counts.

    ``published`` are the window's other figures: those of machine, models and wall time.
    """
    # Example: a task type of quality 0.8 has a quality score of 8; an agent's score of 0.8 is 80.
    at: Labels = (("window", window),)
    rules = scoring.rules
    yield from compute_retry_figures(at, sums)
    yield from compute_parallel_adoption_figures(at, sums, rules)
    yield from compute_integration_figures(at, sums)
    yield from compute_judgement_figures(at, sums, rules)
    yield from compute_judgements_of_agents(at, sums)
    for task_type, slice_sums in split_sums_by(sums, Dimension.TASK_TYPE).items():
        labels = (("task_type", task_type), *at)
        yield from _make_quality_figures(labels, compute_quality_score(slice_sums, rules))
    yield from _make_figures("stretto_collaboration_score", at, compute_collaboration_score(sums, rules))
    for agent, slice_sums in split_sums_by(sums, Dimension.AGENT, list_receivers(sums)).items():
        labels = (("agent", agent), *at)
        yield _make_figure(
            "stretto_agent_collaboration_score", labels, compute_collaboration_score(slice_sums, rules, agent)
        )
    usual_times = collect_usual_times(sums)
    for agent, slice_sums in split_sums_by(sums, Dimension.AGENT).items():
        # Tasks without an agent's name belong to no agent.
        if agent != NONE:
            labels = (("agent", agent), *at)
            quality = compute_quality_score(slice_sums, rules)
            yield _make_figure("stretto_agent_quality_score", labels, quality, scale=10)
            yield from _make_figures(
                "stretto_agent_score",
                (("agent", agent), *at),
                compute_agent_score(sums, agent, rules, slice_sums, usual_times),
            )

    def score_efficiency(
        slice_sums: Sums, others: Iterable[Figure], *, is_of_pattern: bool
    ) -> EfficiencyScore:
        return compute_efficiency_score(
            EfficiencyInputs(
                slice_sums,
                sum_parallel_by_type(build_mixes(slice_sums, find_baseline)),
                PublishedFigures(others, window),
                scoring.target,
                rules,
                is_of_pattern=is_of_pattern,
            )
        )

    yield from _make_efficiency_figures(at, score_efficiency(sums, published, is_of_pattern=False))
    for pattern, slice_sums in split_sums_by(sums, Dimension.PATTERN).items():
        quality = compute_quality_score(slice_sums, rules)
        yield _make_figure("stretto_pattern_quality_score", (("pattern", pattern), *at), quality, scale=10)
        efficiency = score_efficiency(slice_sums, (), is_of_pattern=True)
        yield from _make_figures(
            "stretto_pattern_efficiency_score", (("pattern", pattern), *at), efficiency.score
        )


def compute_quality_trend_figures(
    window: str, days: Mapping[int, Sums], rules: ScoreRules
) -> Iterator[Figure]:
    """Yield the trend of quality by task type; ``days`` are the window's sums by day."""
    at: Labels = (("window", window),)
    for task_type, trend in compute_quality_trends_by_task_type(days, rules).items():
        labels = (("task_type", task_type), *at)
        for full, name in _TREND_FIGURES:
            if isinstance(trend, QualityTrend):
                yield Figure(full, labels, getattr(trend, name), trend.days)
            else:
                yield Figure(full, labels, None, 0, trend)


def compute_judgement_trend_figures(window: str, days: Mapping[int, Sums]) -> Iterator[Figure]:
    """Yield the trend of each score from outside; ``days`` are the window's sums by day."""
    for score, trend in compute_judgement_trends(days).items():
        labels: Labels = (("score", score), ("window", window))
        for full, name in _JUDGEMENT_TREND_FIGURES:
            if isinstance(trend, QualityTrend):
                yield Figure(full, labels, getattr(trend, name), trend.days)
            else:
                yield Figure(full, labels, None, 0, trend)


_JUDGEMENT_TREND_FIGURES = (
    ("stretto_score_current", "current"),
    ("stretto_score_rate_per_day", "rate_per_day"),
    ("stretto_score_volatility", "volatility"),
)

_TREND_FIGURES = (
    ("stretto_quality_current", "current"),
    ("stretto_quality_rate_per_day", "rate_per_day"),
    ("stretto_quality_volatility", "volatility"),
)
"""Each figure of a trend, and the field of ``QualityTrend`` that it shows."""


def compute_quality_trends_by_task_type(
    days: Mapping[int, Sums], rules: ScoreRules
) -> dict[str, QualityTrend | str]:
    """Return the trend of quality by task type, or the reason for its absence."""
    types = sorted(
        {task_type for sums in days.values() for task_type in list_slice_keys(sums, Dimension.TASK_TYPE)}
    )
    # Work of a day may be judged on another day, so every day is split by the types of all days.
    by_day = {day: split_sums_by(sums, Dimension.TASK_TYPE, types) for day, sums in days.items()}
    return {
        task_type: compute_quality_trend({day: by_type[task_type] for day, by_type in by_day.items()}, rules)
        for task_type in types
    }


def _make_quality_figures(labels: Labels, quality: CompositeScore) -> Iterator[Figure]:
    yield from _make_figures("stretto_quality_score", labels, quality, scale=10)
    task_type, *rest = labels
    for part in quality.parts:
        yield _make_part_figure(
            "stretto_quality_part_score", (task_type, ("part", part.name), *rest), part, scale=10
        )


def _make_efficiency_figures(at: Labels, efficiency: EfficiencyScore) -> Iterator[Figure]:
    yield from _make_figures("stretto_efficiency_score", at, efficiency.score)
    for dimension, composite in efficiency.dimensions.items():
        labels: Labels = (("dimension", dimension), *at)
        yield _make_figure("stretto_efficiency_dimension_score", labels, composite)
        for part in composite.parts:
            part_labels = (("dimension", dimension), ("part", part.name), *at)
            yield _make_part_figure("stretto_efficiency_part_score", part_labels, part)


def _make_figures(
    name: str, labels: Labels, composite: CompositeScore, scale: float = 100
) -> Iterator[Figure]:
    """Yield a score, and its range as series of their own, which exist also where the score is withheld."""
    yield _make_figure(name, labels, composite, scale)
    for side, edge in zip(_RANGES[name], (composite.low, composite.high), strict=True):
        value = None if edge is None else edge * scale
        yield Figure(side, labels, value, composite.count, composite.reason if edge is None else None)


def _make_figure(name: str, labels: Labels, composite: CompositeScore, scale: float = 100) -> Figure:
    value, low, high = (
        None if edge is None else edge * scale for edge in (composite.value, composite.low, composite.high)
    )
    return Figure(name, labels, value, composite.count, composite.reason, low, high)


def _make_part_figure(name: str, labels: Labels, part: ScorePart, scale: float = 100) -> Figure:
    value = None if part.value is None else part.value * scale
    low, high = (part.low * scale, part.high * scale) if part.is_known else (None, None)
    return Figure(name, labels, value, part.count, part.reason, low, high)
