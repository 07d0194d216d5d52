"""Compute the quality of tasks from measured parts only, and its trend over days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

from stretto.figures.scores.composite import (
    CompositeScore,
    ScorePart,
    combine_parts,
    limit_count,
    to_score_part,
)
from stretto.figures.scores.score_rules import ScoreRules
from stretto.figures.scores.sums_by_pattern_type_or_agent import (
    ALONE,
    FINE,
    MICRO,
    PARALLEL,
    pick_slice,
    split_sums_by,
)
from stretto.figures.sums_by_dimension import Sums, sum_by, sum_up
from stretto.names import NONE, measures
from stretto.names.measures import Dimension

TREND_DAYS = 3
"""Fewest days with a score for a trend."""

STEADY = 0.1
"""Change in points a day below which quality is called steady."""


@dataclass(frozen=True, slots=True)
class QualityTrend:
    """The trend of a daily value: of quality in points from 0 to 10, of another score in its own scale."""

    current: float
    """The value of the newest day with one."""
    rate_per_day: float
    """Slope of the least squares line through the days."""
    volatility: float
    """Standard deviation of the days."""
    days: int


def name_trend_direction(rate_per_day: float) -> str:
    """Return ``rising``, ``falling`` or ``steady`` for a rate in points a day."""
    if abs(rate_per_day) < STEADY:
        return "steady"
    return "rising" if rate_per_day > 0 else "falling"


def compute_quality_score(sums: Sums, rules: ScoreRules) -> CompositeScore:
    """Return the quality of the tasks of some sums: the weighted mean of its known parts."""
    score = combine_parts(
        build_quality_parts(sums, rules), min_coverage=rules.min_coverage, min_parts=rules.min_parts
    )
    return limit_count(score, sum_up(sums, measures.WORK_ENDS))


def average_quality_over_task_types(sums: Sums, rules: ScoreRules) -> CompositeScore:
    """Return the mean quality over task types, each with the weight of its tasks.

    A score of a session or phase judges all of its tasks, so it enters the judgements of each task type here.
    Example: a review without a score, in a session of quality 9, has the judgement 0.9. Without any task the
    quality is that of these scores alone.
    """
    whole = pick_slice(sums, Dimension.TASK_TYPE, NONE)
    types = split_sums_by(sums, Dimension.TASK_TYPE)
    if not types and whole:
        return compute_quality_score(whole, rules)
    return combine_parts(
        to_score_part(
            task_type,
            compute_quality_score(_add_judgements(type_sums, whole), rules),
            sum_up(type_sums, measures.WORK_ENDS),
        )
        for task_type, type_sums in types.items()
    )


def _add_judgements(type_sums: Sums, whole: Sums) -> Sums:
    """Return the sums of a task type with the scores of sessions and phases, which belong to no type."""
    scores = {
        measure: {**whole[measure], **type_sums.get(measure, {})}
        for measure in (measures.SCORE_COUNT, measures.SCORE_SUM, measures.SCORE_OUTSIDE)
        if measure in whole
    }
    return {**type_sums, **scores}


def build_quality_parts(sums: Sums, rules: ScoreRules) -> list[ScorePart]:
    """Return each part of quality from 0 to 1, or the reason why it is unknown."""
    return [
        _score_judgements("judgement", "quality", sums, rules),
        _score_completeness(sums, rules),
        _score_consistency(sums, rules),
        _score_judgements("depth", "depth", sums, rules),
        _score_judgements("actionability", "actionability", sums, rules),
        _score_parity(sums, rules),
    ]


def compute_quality_trend(days: Mapping[int, Sums], rules: ScoreRules) -> QualityTrend | str:
    """Return the trend of a task type over days (day number → its sums), or the reason for its absence.

    Only parts that are known on every day are used: a part that is known on some days would change the mean
    without any change of quality. Example: days 1, 2 and 3 with 6, 7 and 8 points rise by 1 point a day.
    """
    parts = {day: {p.name: p for p in build_quality_parts(sums, rules)} for day, sums in sorted(days.items())}
    parts = {
        day: by_name for day, by_name in parts.items() if any(p.value is not None for p in by_name.values())
    }
    if len(parts) < TREND_DAYS:
        return f"a trend takes {TREND_DAYS} days with a quality, there are {len(parts)}"
    shared = {
        name for name in rules.weights["quality"] if all(d[name].value is not None for d in parts.values())
    }
    scores = []
    for day, by_name in parts.items():
        # The line through the days follows the known parts alone.
        quality = combine_parts([by_name[name] for name in sorted(shared)], min_parts=rules.min_parts)
        if quality.value is None:
            return f"fewer than {rules.min_parts} parts of quality are known on each of {len(parts)} days"
        scores.append((day, quality.value * 10))
    return _fit_trend(scores)


def compute_judgement_trends(days: Mapping[int, Sums]) -> dict[str, QualityTrend | str]:
    """Return the trend of each score from outside in its own scale, or the reason for its absence.

    Example: means of 6, 7 and 8 on three days rise by 1 a day.
    """
    by_score: dict[str, list[tuple[int, float]]] = {}
    for day, sums in sorted(days.items()):
        values = sum_by(sums, measures.SCORE_SUM, Dimension.SCORE)
        for name, count in sum_by(sums, measures.SCORE_COUNT, Dimension.SCORE).items():
            by_score.setdefault(name, []).append((day, values.get(name, 0) / MICRO / count))
    return {
        name: _fit_trend(means)
        if len(means) >= TREND_DAYS
        else f"a trend takes {TREND_DAYS} days with a score, there are {len(means)}"
        for name, means in sorted(by_score.items())
    }


def _fit_trend(scores: Sequence[tuple[int, float]]) -> QualityTrend:
    mean_day = sum(day for day, _ in scores) / len(scores)
    mean = sum(value for _, value in scores) / len(scores)
    spread = sum((day - mean_day) ** 2 for day, _ in scores)
    rate = sum((day - mean_day) * (value - mean) for day, value in scores) / spread
    volatility = sqrt(sum((value - mean) ** 2 for _, value in scores) / len(scores))
    return QualityTrend(scores[-1][1], rate, volatility, len(scores))


def _score_judgements(name: str, score: str, sums: Sums, rules: ScoreRules) -> ScorePart:
    scale = rules.scales.find_scale(score)
    totals = {}
    for measure in (measures.SCORE_COUNT, measures.SCORE_SUM, measures.SCORE_OUTSIDE):
        totals[measure] = sum_up(sums, measure, score=score)
    count, outside = totals[measures.SCORE_COUNT], totals[measures.SCORE_OUTSIDE]
    if scale is None or scale.high is None:
        reason = f"the score {score} has no scale with an end"
        return rules.make_part("quality", name, None, 0, reason, applies=False)
    if not count:
        reason = f"{outside} score(s) outside the scale {scale}" if outside else f"no {score} was scored"
        return rules.make_part("quality", name, None, 0, reason)
    return rules.make_part(
        "quality", name, scale.to_share(totals[measures.SCORE_SUM] / MICRO / count), count, ""
    )


def _score_completeness(sums: Sums, rules: ScoreRules) -> ScorePart:
    tasks = sum_up(sums, measures.COMPLETE_TASKS)
    value = sum_up(sums, measures.COMPLETE) / MICRO / tasks if tasks else None
    return rules.make_part("quality", "completeness", value, tasks, "no session with tasks is over")


def _score_consistency(sums: Sums, rules: ScoreRules) -> ScorePart:
    fine, tasks = sum_up(sums, measures.CONSISTENT, result=FINE), sum_up(sums, measures.CONSISTENT)
    value = fine / tasks if tasks else None
    return rules.make_part(
        "quality",
        "consistency",
        value,
        tasks,
        "for no parallel execution is it known which files were written",
        applies=False,
    )


def _score_parity(sums: Sums, rules: ScoreRules) -> ScorePart:
    """Compare parallel tasks with tasks alone: by their lengths, and by outside judgements of quality.

    Never by success, and whatever the outcome: a task that fails must neither leave nor enter the comparison.
    """
    counts = [sum_up(sums, measures.PLACED_TASKS, place=place) for place in (PARALLEL, ALONE)]
    ratios = [
        ratio
        for ratio in (_compare_lengths(sums, rules.cohort), _compare_judgements(sums, rules))
        if ratio is not None
    ]
    value = sum(ratios) / len(ratios) if ratios else None
    reason = f"fewer than {rules.cohort} tasks of known length in parallel or alone"
    return rules.make_part("quality", "parity", value, min(counts), reason, applies=False)


def _compare_lengths(sums: Sums, cohort: int) -> float | None:
    """Divide the mean length of tasks alone by that in parallel, at most 1."""
    means = []
    for place in (ALONE, PARALLEL):
        tasks = sum_up(sums, measures.PLACED_TASKS, place=place)
        if tasks < cohort:
            return None
        means.append(sum_up(sums, measures.PLACED_TIME, place=place) / tasks)
    alone, together = means
    return min(1.0, alone / together) if together else None


def _compare_judgements(sums: Sums, rules: ScoreRules) -> float | None:
    scale = rules.scales.find_scale("quality")
    shares = []
    for place in (PARALLEL, ALONE):
        count, value = (
            sum_up(sums, measure, score="quality", place=place)
            for measure in (measures.SCORE_COUNT, measures.SCORE_SUM)
        )
        if count < rules.cohort or scale is None:
            return None
        shares.append(scale.to_share(value / MICRO / count))
    together, alone = shares
    return None if together is None or not alone else min(1.0, together / alone)
