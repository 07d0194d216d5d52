"""The counts behind the scores: retries, adoption, integration and scores from outside, as figures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from stretto.clock import SECOND
from stretto.figures.figure import Figure, Labels, make_ratio
from stretto.figures.scores.score_rules import ScoreRules
from stretto.figures.scores.slices import (
    AGENT,
    CONFLICT,
    INTEGRATED,
    MICRO,
    PARALLEL,
    PATTERN,
    PLACE,
    TASK_TYPE,
)
from stretto.figures.tallies import Cells, Sums
from stretto.model.event import Outcome


def compute_retry_figures(at: Labels, sums: Sums) -> Iterator[Figure]:
    """Yield retries, recoveries and their work by task type, of every type that has tasks."""
    tasks = _sum_by(sums.get("work_ends", {}), TASK_TYPE)
    again = _sum_by(sums.get("retry_ends", {}), TASK_TYPE)
    recovered = _sum_by(_select_ending(sums.get("retry_ends", {}), (Outcome.SUCCESS.value,)), TASK_TYPE)
    work = _sum_by(sums.get("retry_time", {}), TASK_TYPE)
    for task_type, count in sorted(tasks.items()):
        labels = (("task_type", task_type), *at)
        retried = again.get(task_type, 0)
        yield Figure("stretto_window_retries", labels, retried, count)
        yield Figure("stretto_window_recoveries", labels, recovered.get(task_type, 0), retried)
        yield Figure("stretto_retry_work_seconds", labels, work.get(task_type, 0) / SECOND, retried)
        yield make_ratio("stretto_retry_ratio", labels, retried, count, count)


def compute_adoption_figures(at: Labels, sums: Sums, rules: ScoreRules) -> Iterator[Figure]:
    """Yield how many of the turns and of each agent's tasks that could run in parallel did."""
    turns = sums.get("turns", {})
    eligible = sum(turns.values())
    parallel = sum(_select_ending(turns, (PARALLEL,)).values())
    yield Figure("stretto_window_eligible_turns", at, eligible, eligible)
    yield Figure("stretto_window_parallel_turns", at, parallel, eligible)
    yield _compute_cohort_ratio(
        "stretto_adoption_ratio", at, (parallel, eligible), rules.cohort, "eligible turns"
    )
    ends = sums.get("work_ends", {})
    side_by_side = _sum_by({dims: n for dims, n in ends.items() if dims[PLACE] == PARALLEL}, AGENT)
    for agent, tasks in sorted(_sum_by(ends, AGENT).items()):
        labels = (("agent", agent), *at)
        own = side_by_side.get(agent, 0)
        yield Figure("stretto_window_agent_parallel_tasks", labels, own, tasks)
        yield _compute_cohort_ratio(
            "stretto_agent_parallel_ratio", labels, (own, tasks), rules.cohort, "tasks"
        )


def compute_integration_figures(at: Labels, sums: Sums) -> Iterator[Figure]:
    """Yield how the results of fan-outs fit together, by pattern, of every pattern that has a fan-out."""
    cells = sums.get("checked", {})
    checked = _sum_by(cells, PATTERN)
    for pattern in sorted(str(dims[0]) for dims in sums.get("fanouts", {})):
        labels = (("pattern", pattern), *at)
        known = checked.get(pattern, 0)
        fits, conflicts = (cells.get((pattern, result), 0) for result in (INTEGRATED, CONFLICT))
        yield Figure("stretto_window_fanouts_checked", labels, known, known)
        if not known:
            reason = "of no fan-out is it known whether its results fit together"
            yield Figure("stretto_integration_success_ratio", labels, None, 0, reason)
            continue
        yield Figure("stretto_window_fanouts_integrated", labels, fits, known)
        yield Figure("stretto_window_conflicts", labels, conflicts, known)
        yield make_ratio("stretto_integration_success_ratio", labels, fits, known, known)


def compute_judgement_figures(at: Labels, sums: Sums, rules: ScoreRules) -> Iterator[Figure]:
    """Yield the scores from outside by name and task type; those off their scale are counted apart."""
    counts, values, outside = (
        _sum_by_score(sums.get(measure, {})) for measure in ("score_count", "score_sum", "score_outside")
    )
    for name, task_type in sorted({*counts, *outside}):
        labels = (("score", name), ("task_type", task_type), *at)
        count, off = counts.get((name, task_type), 0), outside.get((name, task_type), 0)
        if off:
            yield Figure("stretto_window_scores_off_scale", labels, off, off)
        if count:
            value = values.get((name, task_type), 0) / MICRO
            yield Figure("stretto_window_scores", labels, count, count)
            yield Figure("stretto_window_score_points", labels, value, count)
            yield Figure("stretto_score_mean", labels, value / count, count)
        else:
            scale = rules.scales.find_scale(name)
            reason = f"{off} score(s) outside the scale {'of numbers' if scale is None else scale}"
            yield Figure("stretto_score_mean", labels, None, 0, reason)


def _compute_cohort_ratio(
    name: str, labels: Labels, part_of: tuple[int, int], least: int, what: str
) -> Figure:
    part, whole = part_of
    if whole < least:
        return Figure(name, labels, None, whole, f"{whole} {what}, {least} are asked for")
    return make_ratio(name, labels, part, whole, whole)


def _sum_by(cells: Cells, position: int) -> dict[str, int]:
    found: dict[str, int] = {}
    for dims, count in cells.items():
        found[str(dims[position])] = found.get(str(dims[position]), 0) + count
    return found


def _sum_by_score(cells: Cells) -> Mapping[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for dims, count in cells.items():
        key = (str(dims[0]), str(dims[1 + TASK_TYPE]))
        found[key] = found.get(key, 0) + count
    return found


def _select_ending(cells: Cells, last: Iterable[str]) -> Cells:
    wanted = set(last)
    return {dims: count for dims, count in cells.items() if dims[-1] in wanted}
