"""Compute the efficiency score: the dimensions time, resource, quality and workflow, and their parts.

A dimension is the mean of its parts. Every part is a pure function of the inputs of a window, a pattern or a
session. If its inputs are missing, the part is unknown; if there was nothing to report, it has no weight.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from stretto.figures.parallel_work_against_baselines import ParallelWork
from stretto.figures.scores.composite import (
    CompositeScore,
    ScorePart,
    cap_score,
    combine_parts,
    to_score_part,
)
from stretto.figures.scores.look_up_figures_for_scores import PublishedFigures
from stretto.figures.scores.quality_score import average_quality_over_task_types
from stretto.figures.scores.score_rules import ScoreRules
from stretto.figures.scores.sums_by_pattern_type_or_agent import (
    INTEGRATED,
    MICRO,
    compute_delivered_share,
    compute_recovery,
    count_succeeded_and_failed,
)
from stretto.figures.sequential_baseline_choice import Provenance, Target
from stretto.figures.sums_by_dimension import Sums, sum_up
from stretto.names import measures

WORK_PARTS = ("parallel", "single", "main_tools", "model")
WAITING_PARTS = ("hooks", "waiting")
"""Parts of wall time. Idle and unknown time is neither work nor waiting."""


@dataclass(frozen=True, slots=True)
class EfficiencyInputs:
    """The inputs of an efficiency score."""

    sums: Sums
    parallel: Mapping[tuple[str, Provenance], ParallelWork]
    """Parallel work by task type and provenance of its baseline."""
    published: PublishedFigures
    """Other figures of the same window or session; empty if they do not exist by pattern."""
    target: Target
    rules: ScoreRules
    is_of_pattern: bool = False
    """Whether these are the sums of a single pattern, by which machine, calls and wall time are not known."""


@dataclass(frozen=True, slots=True)
class EfficiencyScore:
    """An efficiency score with its dimensions, each from 0 to 1."""

    score: CompositeScore
    dimensions: Mapping[str, CompositeScore]


def compute_efficiency_score(shown: EfficiencyInputs) -> EfficiencyScore:
    """Return the efficiency score, at most the delivered share of the tasks."""
    rules = shown.rules
    dimensions = {
        dimension: combine_parts(
            [_make_part(name, part, shown) for name, part in parts.items()], min_coverage=rules.min_coverage
        )
        for dimension, parts in DIMENSIONS.items()
    }
    score = combine_parts(
        [
            to_score_part(name, composite, rules.get_weight("efficiency", name))
            for name, composite in dimensions.items()
        ],
        min_coverage=rules.min_coverage,
    )
    return EfficiencyScore(cap_score(score, compute_delivered_share(shown.sums)), dimensions)


def _make_part(name: str, part: PartRule, shown: EfficiencyInputs) -> ScorePart:
    value = part.compute(shown)
    if isinstance(value, CompositeScore):
        return to_score_part(name, value, 1.0)
    if value is not None:
        return ScorePart(name, min(1.0, max(0.0, value)))
    if shown.is_of_pattern and not part.by_pattern:
        return ScorePart(name, None, reason="it is not known by pattern", applies=False)
    return ScorePart(name, None, reason=part.reason, applies=part.could_be_reported(shown))


def _score_expected(shown: EfficiencyInputs) -> float | None:
    """Divide the elapsed time that parallel work takes at its target by its actual elapsed time."""
    elapsed = sum(part.elapsed for part in shown.parallel.values())
    expected = sum(part.sequential * (1 - shown.target(name)) for (name, _), part in shown.parallel.items())
    return expected / elapsed if elapsed else None


def _score_improvement(shown: EfficiencyInputs) -> float | None:
    """Divide the time saved by the time that parallel work saves at its target improvement."""
    target_saved = sum(part.sequential * shown.target(name) for (name, _), part in shown.parallel.items())
    saved = sum(part.sequential - part.elapsed for part in shown.parallel.values())
    return saved / target_saved if target_saved > 0 else None


def _score_busy(shown: EfficiencyInputs) -> float | None:
    return _divide_totals(shown.sums, measures.AGENTS_BUSY, measures.AGENTS_CAPACITY)


def _score_handover(shown: EfficiencyInputs) -> float | None:
    return _divide_totals(shown.sums, measures.PHASES_COVERED, measures.PHASES_STRETCH)


def _score_cpu(shown: EfficiencyInputs) -> float | None:
    """Return the mean over sessions of 1 inside the target range, falling to 0 at idle and at saturation.

    Example: of two sessions with the machine at 80 % and at 37.5 %, and a target from 75 %, it is 0.75.
    """
    rules = shown.rules
    sessions = {
        int(percent) / 100: count
        for (percent,), count in shown.sums.get(measures.SESSION_MACHINE_USE, {}).items()
    }
    fits = [
        count * min(busy / rules.cpu_low, 1.0, (1 - busy) / (1 - rules.cpu_high))
        for busy, count in sessions.items()
    ]
    return sum(fits) / sum(sessions.values()) if sum(sessions.values()) else None


def _score_memory(shown: EfficiencyInputs) -> float | None:
    """Return the mean over sessions of mean over peak memory."""
    sessions = sum_up(shown.sums, measures.SAMPLED_SESSIONS)
    return sum_up(shown.sums, measures.MEMORY_EVENNESS) / MICRO / sessions if sessions else None


def _score_concurrency(shown: EfficiencyInputs) -> float | None:
    return _divide_totals(shown.sums, measures.PATTERN_WORK, measures.CAPACITY)


def _score_cache(shown: EfficiencyInputs) -> float | None:
    return shown.published.divide_sums("stretto_window_cache_read_tokens", "stretto_window_prompt_tokens")


def _score_success(shown: EfficiencyInputs) -> float | None:
    """Return the delivered share: an unknown outcome that turns out to be a failure never raises it."""
    return compute_delivered_share(shown.sums)


def _score_errors(shown: EfficiencyInputs) -> float | None:
    """Return the share of successful tool calls: failed tasks are in ``success`` already."""
    return count_succeeded_and_failed(shown.sums, measures.CALLS).share


def _score_retries(shown: EfficiencyInputs) -> float | None:
    work = sum_up(shown.sums, measures.WORK_TIME)
    return 1 - sum_up(shown.sums, measures.RETRY_TIME) / work if work else None


def _score_quality(shown: EfficiencyInputs) -> CompositeScore:
    return average_quality_over_task_types(shown.sums, shown.rules)


def _score_phases(shown: EfficiencyInputs) -> float | None:
    return count_succeeded_and_failed(shown.sums, measures.PATTERN_PHASES).share


def _score_integration(shown: EfficiencyInputs) -> float | None:
    checked = sum_up(shown.sums, measures.CHECKED)
    return sum_up(shown.sums, measures.CHECKED, result=INTEGRATED) / checked if checked else None


def _score_working(shown: EfficiencyInputs) -> float | None:
    """Return work over work and waiting, in wall time."""
    work, waiting = (
        shown.published.sum_values("stretto_session_wall_seconds", part=parts)
        for parts in (WORK_PARTS, WAITING_PARTS)
    )
    work_and_waiting = (work or 0.0) + (waiting or 0.0)
    return (work or 0.0) / work_and_waiting if work_and_waiting else None


def _score_recovery(shown: EfficiencyInputs) -> float | None:
    """Divide delivered retries by first failures; 1 if nothing failed, None if no task is over."""
    return compute_recovery(shown.sums)[0]


def _divide_totals(sums: Sums, numerator: str, denominator: str) -> float | None:
    divisor = sum_up(sums, denominator)
    return sum_up(sums, numerator) / divisor if divisor else None


def _has_tasks(shown: EfficiencyInputs) -> bool:
    return sum_up(shown.sums, measures.WORK_ENDS) > 0


def _has_calls(shown: EfficiencyInputs) -> bool:
    return sum_up(shown.sums, measures.CALLS) > 0


def _always(_: EfficiencyInputs) -> bool:
    return True


def _never(_: EfficiencyInputs) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class PartRule:
    """How a part is computed, and what its absence means."""

    compute: Callable[[EfficiencyInputs], float | CompositeScore | None]
    reason: str
    """Why it is unknown, if it is."""
    could_be_reported: Callable[[EfficiencyInputs], bool] = _never
    """Whether somebody could have reported it. If not, there was nothing to judge, and it has no weight."""
    by_pattern: bool = True
    """Whether it is known by pattern."""


DIMENSIONS: Mapping[str, Mapping[str, PartRule]] = {
    "time": {
        "expected": PartRule(_score_expected, "no task ran in parallel"),
        "improvement": PartRule(_score_improvement, "no task ran in parallel"),
        "busy": PartRule(_score_busy, "no turn with two or more tasks of known length"),
        "handover": PartRule(_score_handover, "no session with two or more phases of known length"),
    },
    "resource": {
        "cpu": PartRule(_score_cpu, "no session has five samples of the machine", _always, by_pattern=False),
        "memory": PartRule(
            _score_memory, "no session has five samples of its memory", _always, by_pattern=False
        ),
        "concurrency": PartRule(_score_concurrency, "no task ran in parallel"),
        "cache": PartRule(_score_cache, "no source reported tokens", _always, by_pattern=False),
    },
    "quality": {
        "success": PartRule(_score_success, "no task is over"),
        "errors": PartRule(_score_errors, "no tool call has a known outcome", _has_calls, by_pattern=False),
        "retries": PartRule(_score_retries, "no task has a known length", _has_tasks),
        "quality": PartRule(_score_quality, "no task is over"),
    },
    "workflow": {
        "phases": PartRule(_score_phases, "no phase has a known outcome"),
        "integration": PartRule(
            _score_integration, "for no parallel execution is it known whether the results fit together"
        ),
        "working": PartRule(
            _score_working, "no session has its wall time split into parts", _has_tasks, by_pattern=False
        ),
        "recovery": PartRule(_score_recovery, "no task is over"),
    },
}
"""Dimension → part → how it is computed, from 0 to 1."""
