"""Compute the counts behind the scores as figures: retries, adoption, integration and outside judgements."""

from __future__ import annotations

from collections.abc import Iterator

from stretto.clock import SECOND
from stretto.figures.figure import Figure, Labels, make_ratio
from stretto.figures.scores.score_rules import ScoreRules
from stretto.figures.scores.sums_by_pattern_type_or_agent import CONFLICT, INTEGRATED, MICRO, PARALLEL
from stretto.figures.sums_by_dimension import Sums, sum_by, sum_by_dimensions, sum_up
from stretto.model.event import Outcome
from stretto.names import NONE, measures
from stretto.names.measures import Dimension


def compute_retry_figures(at: Labels, sums: Sums) -> Iterator[Figure]:
    """Yield retries, recoveries and their work by task type, for every type with tasks."""
    tasks = sum_by(sums, measures.WORK_ENDS, Dimension.TASK_TYPE)
    again = sum_by(sums, measures.RETRY_ENDS, Dimension.TASK_TYPE)
    by_outcome = sum_by_dimensions(sums, measures.RETRY_ENDS, Dimension.TASK_TYPE, Dimension.OUTCOME)
    work = sum_by(sums, measures.RETRY_TIME, Dimension.TASK_TYPE)
    for task_type, count in sorted(tasks.items()):
        labels = (("task_type", task_type), *at)
        retried = again.get(task_type, 0)
        recovered = by_outcome.get((task_type, Outcome.SUCCESS.value), 0)
        yield Figure("stretto_window_retries", labels, retried, count)
        yield Figure("stretto_window_recoveries", labels, recovered, retried)
        yield Figure("stretto_retry_work_seconds", labels, work.get(task_type, 0) / SECOND, retried)
        yield make_ratio("stretto_retry_ratio", labels, retried, count, count)


def compute_parallel_adoption_figures(at: Labels, sums: Sums, rules: ScoreRules) -> Iterator[Figure]:
    """Yield how many turns, of each pattern too, and agents' tasks ran in parallel of those that could."""
    eligible = sum_up(sums, measures.TURNS)
    parallel = sum_up(sums, measures.TURNS, place=PARALLEL)
    yield Figure("stretto_window_eligible_turns", at, eligible, eligible)
    yield Figure("stretto_window_parallel_turns", at, parallel, eligible)
    yield _compute_cohort_ratio(
        "stretto_adoption_ratio", at, (parallel, eligible), rules.cohort, "eligible turns"
    )
    turns_by_place = sum_by_dimensions(sums, measures.TURNS, Dimension.PATTERN, Dimension.PLACE)
    for pattern, turns in sorted(sum_by(sums, measures.TURNS, Dimension.PATTERN).items()):
        labels = (("pattern", pattern), *at)
        together = turns_by_place.get((pattern, PARALLEL), 0)
        yield Figure("stretto_pattern_eligible_turns", labels, turns, turns)
        yield Figure("stretto_pattern_parallel_turns", labels, together, turns)
        yield _compute_cohort_ratio(
            "stretto_pattern_adoption_ratio", labels, (together, turns), rules.cohort, "eligible turns"
        )
    by_place = sum_by_dimensions(sums, measures.WORK_ENDS, Dimension.AGENT, Dimension.PLACE)
    named = {agent for agent, _ in by_place if agent != NONE}
    side_by_side = len({agent for agent, place in by_place if place == PARALLEL} & named)
    yield Figure("stretto_window_agents", at, len(named), len(named))
    yield Figure("stretto_window_parallel_agents", at, side_by_side, len(named))
    yield make_ratio("stretto_parallel_agents_ratio", at, side_by_side, len(named), len(named))
    for agent, tasks in sorted(sum_by(sums, measures.WORK_ENDS, Dimension.AGENT).items()):
        labels = (("agent", agent), *at)
        parallel_tasks = by_place.get((agent, PARALLEL), 0)
        yield Figure("stretto_window_agent_parallel_tasks", labels, parallel_tasks, tasks)
        yield _compute_cohort_ratio(
            "stretto_agent_parallel_ratio", labels, (parallel_tasks, tasks), rules.cohort, "tasks"
        )


def compute_integration_figures(at: Labels, sums: Sums) -> Iterator[Figure]:
    """Yield how well the results of fan-outs fit together, for every pattern with a fan-out."""
    by_result = sum_by_dimensions(sums, measures.CHECKED, Dimension.PATTERN, Dimension.RESULT)
    checked = sum_by(sums, measures.CHECKED, Dimension.PATTERN)
    for pattern in sorted(sum_by(sums, measures.FANOUTS, Dimension.PATTERN)):
        labels = (("pattern", pattern), *at)
        fanouts_checked = checked.get(pattern, 0)
        fits, conflicts = (by_result.get((pattern, result), 0) for result in (INTEGRATED, CONFLICT))
        yield Figure("stretto_window_fanouts_checked", labels, fanouts_checked, fanouts_checked)
        if not fanouts_checked:
            reason = "for no parallel execution is it known whether the results fit together"
            yield Figure("stretto_integration_success_ratio", labels, None, 0, reason)
            continue
        yield Figure("stretto_window_fanouts_integrated", labels, fits, fanouts_checked)
        yield Figure("stretto_window_conflicts", labels, conflicts, fanouts_checked)
        yield make_ratio("stretto_integration_success_ratio", labels, fits, fanouts_checked, fanouts_checked)
    by_phase = sum_by_dimensions(sums, measures.CHECKED_IN_PHASE, Dimension.PHASE, Dimension.RESULT)
    for phase, count in sorted(sum_by(sums, measures.CHECKED_IN_PHASE, Dimension.PHASE).items()):
        labels = (("phase", phase), *at)
        yield Figure("stretto_window_phase_conflicts", labels, by_phase.get((phase, CONFLICT), 0), count)


def compute_judgement_figures(at: Labels, sums: Sums, rules: ScoreRules) -> Iterator[Figure]:
    """Yield the outside judgements by score and task type; values off their scale are counted separately."""
    counts, values, outside = (
        sum_by_dimensions(sums, measure, Dimension.SCORE, Dimension.TASK_TYPE)
        for measure in (measures.SCORE_COUNT, measures.SCORE_SUM, measures.SCORE_OUTSIDE)
    )
    for name, task_type in sorted({*counts, *outside}):
        labels = (("score", name), ("task_type", task_type), *at)
        count, off_scale = counts.get((name, task_type), 0), outside.get((name, task_type), 0)
        if off_scale:
            yield Figure("stretto_window_scores_off_scale", labels, off_scale, off_scale)
        if count:
            value = values.get((name, task_type), 0) / MICRO
            yield Figure("stretto_window_scores", labels, count, count)
            yield Figure("stretto_window_score_points", labels, value, count)
            yield Figure("stretto_score_mean", labels, value / count, count)
        else:
            scale = rules.scales.find_scale(name)
            reason = f"{off_scale} score(s) outside the scale {'of numbers' if scale is None else scale}"
            yield Figure("stretto_score_mean", labels, None, 0, reason)


def compute_judgements_of_agents(at: Labels, sums: Sums) -> Iterator[Figure]:
    """Yield the mean of each score from outside over the tasks of each agent."""
    counts, values = (
        sum_by_dimensions(sums, measure, Dimension.SCORE, Dimension.AGENT)
        for measure in (measures.SCORE_COUNT, measures.SCORE_SUM)
    )
    for (name, agent), count in sorted(counts.items()):
        if agent != NONE:
            labels = (("score", name), ("agent", agent), *at)
            mean = values.get((name, agent), 0) / MICRO / count
            yield Figure("stretto_score_agent_mean", labels, mean, count)


def _compute_cohort_ratio(
    name: str, labels: Labels, count_and_total: tuple[int, int], least: int, things: str
) -> Figure:
    count, total = count_and_total
    if total < least:
        return Figure(name, labels, None, total, f"{total} {things}, {least} are asked for")
    return make_ratio(name, labels, count, total, total)
