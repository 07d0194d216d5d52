"""Cells: sums picked by what was worked on, so that a window, a pattern, a type and an agent score alike."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from stretto.figures.sum_reading import Sums, sum_by, sum_up
from stretto.model.event import Outcome
from stretto.names import measures
from stretto.names.measures import Dimension, position_of

PARALLEL, ALONE, UNPLACED = "parallel", "alone", "unplaced"
"""How a task ran: inside a finished fan-out, beside no other of its parent, or neither is known."""

INTEGRATED, CONFLICT, FAILED = "integrated", "conflict", "failed"
"""How the results of a fan-out fit together: they do, two tasks wrote one file, or the tests failed."""

FINE = "fine"
"""What is said of a task that wrote no file which another task of its fan-out wrote as well."""

MICRO = 1_000_000
"""Shares and scores are summed in millionths: sums of whole numbers never drift."""

_SPLIT_BY_ANY = frozenset(
    {
        measures.WORK_ENDS,
        measures.WORK_TIME,
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
"""Measures of work and of its scores: they have pattern, task type and agent."""

_SPLIT_BY_PATTERN = _SPLIT_BY_ANY | {
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
}
"""Measures that a pattern is scored by."""


@dataclass(frozen=True, slots=True)
class OutcomeCounts:
    """How many of those whose outcome is known succeeded."""

    succeeded: int
    failed: int

    @property
    def known(self) -> int:
        """How many succeeded or failed."""
        return self.succeeded + self.failed

    @property
    def share(self) -> float | None:
        """Share that succeeded, or None where no outcome is known."""
        return self.succeeded / self.known if self.known else None


def list_keys(sums: Sums, dimension: Dimension) -> list[str]:
    """Return the patterns, task types or agents that tasks of the sums had, sorted."""
    return sorted(sum_by(sums, measures.WORK_ENDS, dimension))


def split_by(sums: Sums, dimension: Dimension, names: Iterable[str] | None = None) -> dict[str, Sums]:
    """Return the sums of each of some patterns, task types or agents: of its work and the scores of it.

    By name, in one pass for all of them; those that tasks of the sums had where none are named.
    """
    names = list_keys(sums, dimension) if names is None else names
    slices: dict[str, dict[str, dict[tuple[str | int, ...], int]]] = {name: {} for name in names}
    split = _SPLIT_BY_PATTERN if dimension is Dimension.PATTERN else _SPLIT_BY_ANY
    for measure, cells in sums.items():
        if measure in split:
            place = position_of(measure, dimension)
            for dims, count in cells.items():
                slice_sums = slices.get(str(dims[place]))
                if slice_sums is not None:
                    slice_sums.setdefault(measure, {})[dims] = count
    return dict(slices)


def pick_slice(sums: Sums, dimension: Dimension, key: str) -> Sums:
    """Return the sums of one pattern, task type or agent."""
    return split_by(sums, dimension, [key])[key]


def count_judged(sums: Sums, measure: str, **wanted: str) -> OutcomeCounts:
    """Return how the things of a measure ended that have the wanted values, given by dimension."""
    return OutcomeCounts(
        sum_up(sums, measure, outcome=Outcome.SUCCESS.value, **wanted),
        sum_up(sums, measure, outcome=Outcome.FAILURE.value, **wanted),
    )


def count_outcomes(sums: Sums, measure: str, ended: Iterable[Outcome]) -> tuple[int, int]:
    """Return how many of a measure's things had one of these outcomes, and how many there are."""
    by_outcome = sum_by(sums, measure, Dimension.OUTCOME)
    return sum(by_outcome.get(outcome.value, 0) for outcome in ended), sum(by_outcome.values())
