"""Compute the efficiency score: the dimensions time, resource, quality and workflow, and their parts.

A dimension is the mean of its known parts. Every part is a pure function of the inputs of a window, a pattern
or a session. If its inputs are missing, the part is unknown and takes no weight.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from stretto.figures.baseline_comparison import ParallelWork
from stretto.figures.baselines import Provenance, Target
from stretto.figures.scores.composite import (
    CompositeScore,
    ScorePart,
    cap_score,
    combine_parts,
    to_score_part,
)
from stretto.figures.scores.inputs import PublishedFigures
from stretto.figures.scores.quality_score import compute_overall_quality
from stretto.figures.scores.score_rules import ScoreRules
from stretto.figures.scores.slices import INTEGRATED, compute_delivered_share, count_succeeded_and_failed
from stretto.figures.sum_reading import Sums, sum_up
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


@dataclass(frozen=True, slots=True)
class EfficiencyScore:
    """An efficiency score with its dimensions, each from 0 to 1."""

    score: CompositeScore
    dimensions: Mapping[str, CompositeScore]

    @property
    def coverage(self) -> float:
        """Known share of all parts, by the weights of their dimensions."""
        weight = {part.name: part.weight for part in self.score.parts}
        return sum(weight[name] * composite.coverage for name, composite in self.dimensions.items())


def compute_efficiency_score(shown: EfficiencyInputs) -> EfficiencyScore:
    """Return the efficiency score, at most the delivered share of the tasks.

    A dimension is withheld if fewer than half of its parts are known.
    """
    dimensions = {
        dimension: combine_parts(
            [
                ScorePart(name, *_clamp_value(compute_part(shown), reason))
                for name, (compute_part, reason) in parts.items()
            ],
            min_coverage=0.5,
        )
        for dimension, parts in DIMENSIONS.items()
    }
    rules = shown.rules
    parts = [
        to_score_part(name, composite, rules.get_weight("efficiency", name))
        for name, composite in dimensions.items()
    ]
    score = combine_parts(parts, min_coverage=rules.min_coverage)
    return EfficiencyScore(cap_score(score, compute_delivered_share(shown.sums)), dimensions)


def _clamp_value(value: float | None, reason: str) -> tuple[float | None, float, str | None]:
    return (None, 1.0, reason) if value is None else (min(1.0, max(0.0, value)), 1.0, None)


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
    """Return 1 inside the target range, falling to 0 at an idle and at a saturated machine."""
    busy, rules = shown.published.sum_values("stretto_machine_cpu_ratio"), shown.rules
    if busy is None:
        return None
    return min(busy / rules.cpu_low, 1.0, (1 - busy) / (1 - rules.cpu_high))


def _score_memory(shown: EfficiencyInputs) -> float | None:
    name = "stretto_agents_memory_quantile_bytes"
    median, peak = (shown.published.sum_values(name, stat=stat) for stat in ("p50", "p99"))
    return None if median is None or not peak else median / peak


def _score_concurrency(shown: EfficiencyInputs) -> float | None:
    return _divide_totals(shown.sums, measures.PATTERN_WORK, measures.CAPACITY)


def _score_cache(shown: EfficiencyInputs) -> float | None:
    return shown.published.divide_sums("stretto_window_cache_read_tokens", "stretto_window_prompt_tokens")


def _score_success(shown: EfficiencyInputs) -> float | None:
    return count_succeeded_and_failed(shown.sums, measures.WORK_ENDS).share


def _score_errors(shown: EfficiencyInputs) -> float | None:
    """Return the share of successful tool calls: failed tasks are in ``success`` already."""
    return count_succeeded_and_failed(shown.sums, measures.CALLS).share


def _score_retries(shown: EfficiencyInputs) -> float | None:
    work = sum_up(shown.sums, measures.WORK_TIME)
    return 1 - sum_up(shown.sums, measures.RETRY_TIME) / work if work else None


def _score_quality(shown: EfficiencyInputs) -> float | None:
    quality = compute_overall_quality(shown.sums, shown.rules)
    return quality[0] if quality else None


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
    """Divide recoveries by first failures: a retry that fails again is not a new failure."""
    retried = count_succeeded_and_failed(shown.sums, measures.RETRY_ENDS)
    first_failures = count_succeeded_and_failed(shown.sums, measures.WORK_ENDS).failed - retried.failed
    return retried.succeeded / first_failures if first_failures > 0 else None


def _divide_totals(sums: Sums, numerator: str, denominator: str) -> float | None:
    divisor = sum_up(sums, denominator)
    return sum_up(sums, numerator) / divisor if divisor else None


DIMENSIONS: Mapping[str, Mapping[str, tuple[Callable[[EfficiencyInputs], float | None], str]]] = {
    "time": {
        "expected": (_score_expected, "no task ran in parallel"),
        "improvement": (_score_improvement, "no task ran in parallel"),
        "busy": (_score_busy, "no turn with two or more tasks of known length"),
        "handover": (_score_handover, "no session with two or more phases of known length"),
    },
    "resource": {
        "cpu": (_score_cpu, "the machine was not sampled"),
        "memory": (_score_memory, "the agents' memory was not sampled"),
        "concurrency": (_score_concurrency, "no task ran in parallel"),
        "cache": (_score_cache, "no source reported tokens"),
    },
    "quality": {
        "success": (_score_success, "no task has a known outcome"),
        "errors": (_score_errors, "no tool call has a known outcome"),
        "retries": (_score_retries, "no task has a known length"),
        "quality": (_score_quality, "no task type has a quality score"),
    },
    "workflow": {
        "phases": (_score_phases, "no phase has a known outcome"),
        "integration": (
            _score_integration,
            "for no parallel execution is it known whether the results fit together",
        ),
        "working": (_score_working, "no session has its wall time split into parts"),
        "recovery": (_score_recovery, "nothing failed"),
    },
}
"""Dimension → part → (function that computes its value from 0 to 1, reason if the value is unknown)."""
