"""Cells: sums picked by what was worked on, so that a window, a pattern, a type and an agent score alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from stretto.figures.tallies import Sums
from stretto.model.event import Outcome

PATTERN, TASK_TYPE, AGENT, PLACE = range(4)
"""Where they stand among the label values of a measure of work."""

PARALLEL, ALONE, UNPLACED = "parallel", "alone", "unplaced"
"""How a task ran: inside a finished fan-out, beside no other of its parent, or neither is known."""

INTEGRATED, CONFLICT, FAILED = "integrated", "conflict", "failed"
"""How the results of a fan-out fit together: they do, two tasks wrote one file, or the tests failed."""

FINE = "fine"
"""What is said of a task that wrote no file which another task of its fan-out wrote as well."""

MICRO = 1_000_000
"""Shares and scores are summed in millionths: sums of whole numbers never drift."""

SCORED = frozenset({"score_count", "score_sum", "score_outside"})
"""Measures whose label values begin with the score's name, then as those of work."""

WORKED = frozenset(
    {"work_ends", "work_time", "retry_ends", "retry_time", "complete", "complete_tasks", "consistent"}
)
BY_PATTERN = frozenset(
    {"turns", "agents_busy", "agents_capacity", "checked", "pattern_phases", "phases_covered",
     "phases_stretch", "fanouts", "capacity", "pattern_work", "longest_lane", "parallel_tasks",
     "parallel_work", "parallel_elapsed"}
)  # fmt: skip
"""Measures whose label values begin with the pattern."""


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


def list_keys(sums: Sums, position: int) -> list[str]:
    """Return the patterns, task types or agents that tasks of the sums had, sorted."""
    return sorted({str(dims[position]) for dims in sums.get("work_ends", {})})


def split_by(sums: Sums, position: int, names: Iterable[str] | None = None) -> dict[str, Sums]:
    """Return the sums of each of some patterns, task types or agents: of its work and the scores of it.

    By name, in one pass for all of them; those that tasks of the sums had where none are named.
    """
    names = list_keys(sums, position) if names is None else names
    found: dict[str, dict[str, dict[tuple[str | int, ...], int]]] = {name: {} for name in names}
    for measure, cells in sums.items():
        shift = 1 if measure in SCORED else 0
        if measure in SCORED | WORKED or (position == PATTERN and measure in BY_PATTERN):
            for dims, count in cells.items():
                own = found.get(str(dims[position + shift]))
                if own is not None:
                    own.setdefault(measure, {})[dims] = count
    return dict(found)


def pick_slice(sums: Sums, position: int, key: str) -> Sums:
    """Return the sums of one pattern, task type or agent."""
    return split_by(sums, position, [key])[key]


def sum_ending(sums: Sums, measure: str, *last: str) -> int:
    """Return a measure's sum over the cells whose label values end with these."""
    cells = sums.get(measure, {})
    return sum(count for dims, count in cells.items() if not last or dims[-len(last) :] == last)


def count_judged(
    sums: Sums, measure: str, fits: Callable[[tuple[str | int, ...]], bool] | None = None
) -> OutcomeCounts:
    """Return how a measure's things ended; its last label value is the outcome."""
    found = {Outcome.SUCCESS.value: 0, Outcome.FAILURE.value: 0}
    for dims, count in sums.get(measure, {}).items():
        if dims[-1] in found and (fits is None or fits(dims)):
            found[str(dims[-1])] += count
    return OutcomeCounts(*found.values())


def count_outcomes(sums: Sums, measure: str, ended: Iterable[Outcome]) -> tuple[int, int]:
    """Return how many of a measure's things had one of these outcomes, and how many there are."""
    wanted = {outcome.value for outcome in ended}
    cells = sums.get(measure, {})
    return sum(n for dims, n in cells.items() if dims[-1] in wanted), sum(cells.values())
