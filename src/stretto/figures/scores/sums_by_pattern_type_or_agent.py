"""Split sums into slices by pattern, task type or agent, so that all of them are scored the same way."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from stretto.figures.sums_by_dimension import Sums, sum_by, sum_up
from stretto.model.event import Outcome
from stretto.names import measures
from stretto.names.measures import Dimension, find_dimension_index

PARALLEL, ALONE, UNPLACED = "parallel", "alone", "unplaced"
"""How a task ran: inside a finished fan-out, without overlap, or unknown."""

INTEGRATED, CONFLICT, FAILED = "integrated", "conflict", "failed"
"""How the results of a fan-out fit together: they do, two tasks wrote the same file, or tests failed."""

FINE = "fine"
"""Result of a task that wrote no file which another task of its fan-out also wrote."""

MICRO = 1_000_000
"""Shares and scores are summed as whole millionths, so that sums never drift."""

_SPLIT_BY_ANY = frozenset(
    {
        measures.WORK_ENDS,
        measures.WORK_DELIVERED,
        measures.WORK_TIME,
        measures.PLACED_TASKS,
        measures.PLACED_TIME,
        measures.RETRY_ENDS,
        measures.RETRY_TIME,
        measures.COMPLETE,
        measures.COMPLETE_TASKS,
        measures.CONSISTENT,
        measures.SCORE_COUNT,
        measures.SCORE_SUM,
        measures.SCORE_OUTSIDE,
    }
)
"""Measures of work and of judgements on it: they have pattern, task type and agent."""

SPLIT_BY_PATTERN = _SPLIT_BY_ANY | {
    measures.TURNS,
    measures.AGENTS_BUSY,
    measures.AGENTS_CAPACITY,
    measures.CHECKED,
    measures.PATTERN_PHASES,
    measures.PHASES_COVERED,
    measures.PHASES_STRETCH,
    measures.FANOUTS,
    measures.CAPACITY,
    measures.PATTERN_WORK,
    measures.LONGEST_LANE,
    measures.PARALLEL_TASKS,
    measures.PARALLEL_WORK,
    measures.PARALLEL_ELAPSED,
    measures.PARALLEL_DELIVERED,
    measures.PARALLEL_DELIVERED_WORK,
}
"""Measures that a pattern is scored by."""

_SPLIT_BY_AGENT = _SPLIT_BY_ANY | {
    measures.AGENT_CALLS,
    measures.AGENT_TIME,
    measures.MESSAGES,
    measures.TALK_MESSAGES,
    measures.TALK_SHARE,
    measures.ANSWERS,
    measures.ANSWER_TIME,
}
"""Measures that an agent is scored by."""

_SPLIT_BY = {Dimension.PATTERN: SPLIT_BY_PATTERN, Dimension.AGENT: _SPLIT_BY_AGENT}


@dataclass(frozen=True, slots=True)
class OutcomeCounts:
    """How many things with a known outcome succeeded and failed."""

    succeeded: int
    failed: int

    @property
    def known(self) -> int:
        """How many succeeded or failed."""
        return self.succeeded + self.failed

    @property
    def share(self) -> float | None:
        """Share that succeeded, or None if no outcome is known."""
        return self.succeeded / self.known if self.known else None


def list_slice_keys(sums: Sums, dimension: Dimension) -> list[str]:
    """Return the patterns, task types or agents of the tasks in the sums, sorted."""
    return sorted(sum_by(sums, measures.WORK_ENDS, dimension))


def split_sums_by(sums: Sums, dimension: Dimension, names: Iterable[str] | None = None) -> dict[str, Sums]:
    """Return the sums of work and judgements by pattern, task type or agent, in a single pass.

    Without ``names`` the result has all patterns, task types or agents of the tasks in the sums.
    """
    names = list_slice_keys(sums, dimension) if names is None else names
    slices: dict[str, dict[str, dict[tuple[str | int, ...], int]]] = {name: {} for name in names}
    split = _SPLIT_BY.get(dimension, _SPLIT_BY_ANY)
    for measure, cells in sums.items():
        if measure in split:
            place = find_dimension_index(measure, dimension)
            for dims, count in cells.items():
                slice_sums = slices.get(str(dims[place]))
                if slice_sums is not None:
                    slice_sums.setdefault(measure, {})[dims] = count
    return dict(slices)


def pick_slice(sums: Sums, dimension: Dimension, key: str) -> Sums:
    """Return the sums of a single pattern, task type or agent."""
    return split_sums_by(sums, dimension, [key])[key]


def count_succeeded_and_failed(sums: Sums, measure: str, **wanted: str) -> OutcomeCounts:
    """Return how many things of a measure succeeded and failed, among those with the wanted values."""
    by_outcome = sum_by(sums, measure, Dimension.OUTCOME, **wanted)
    return OutcomeCounts(by_outcome.get(Outcome.SUCCESS.value, 0), by_outcome.get(Outcome.FAILURE.value, 0))


def compute_delivered_share(sums: Sums) -> float | None:
    """Return the share of tasks that were delivered or taken as delivered; None if no task is over."""
    all_tasks = sum_up(sums, measures.WORK_ENDS)
    return sum_up(sums, measures.WORK_DELIVERED) / all_tasks if all_tasks else None


def compute_recovery(sums: Sums) -> tuple[float | None, int]:
    """Return retries that delivered over first failures, and the number of those failures.

    A retry that fails again is not a new failure. Where nothing failed, recovery is 1; without any task that
    is over it is None.
    """
    retried = count_succeeded_and_failed(sums, measures.RETRY_ENDS)
    first_failures = count_succeeded_and_failed(sums, measures.WORK_ENDS).failed - retried.failed
    if first_failures > 0:
        return min(1.0, retried.succeeded / first_failures), first_failures
    return (1.0 if sum_up(sums, measures.WORK_ENDS) else None), 0


class OutcomeCount(NamedTuple):
    """How many things had one of some outcomes, and how many there are."""

    matching: int
    total: int


def count_with_outcomes(sums: Sums, measure: str, outcomes: Iterable[Outcome]) -> OutcomeCount:
    """Count the things of a measure that had any of these outcomes, and all of them."""
    by_outcome = sum_by(sums, measure, Dimension.OUTCOME)
    matching = sum(by_outcome.get(outcome.value, 0) for outcome in outcomes)
    return OutcomeCount(matching, sum(by_outcome.values()))
