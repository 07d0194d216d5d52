"""Expect how long a running task takes: the limit beyond which it is overdue, and the time that is left.

Both compare it with finished tasks of the same pattern and type. Nothing but their order is used, so the
shape of their scatter does not matter.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod

from stretto.figures.quantile_sketch import find_one_based_rank

OVERDUE = 0.01
"""Share of tasks that are overdue by chance."""

FEWEST_FOR_RANK = 99
"""Finished tasks from which on a rank of 1 % exists."""

FEWEST_FOR_RULE = 10
"""Finished tasks from which on the rule of thumb is used."""

RULE_FACTOR = 3

EXCESS_CHANCE = 0.001
"""Chance of more overdue tasks than the limit, if all that run are as usual."""

ROUNDING = 1e-9
"""What a product of shares may lack by rounding."""

FEWEST_LEFT = 5
"""Finished tasks that took longer than this one has run already; with fewer the rest is a guess."""


@dataclass(frozen=True, slots=True)
class OverdueLimit:
    """The length beyond which a task is overdue."""

    length: int
    """Nanoseconds."""
    n: int
    """Finished tasks of its kind."""
    by_rule: bool
    """Whether it is the rule of thumb, 3 × the 95 % of them, because they are few."""


@dataclass(frozen=True, slots=True)
class TimeLeft:
    """The time (ns) that a running task still takes: the median, and the range of 80 %."""

    median: int
    low: int
    high: int
    n: int
    """Finished tasks that it rests on."""


def find_overdue_limit(lengths: Sequence[int]) -> OverdueLimit | None:
    """Return the limit for tasks of a kind; ``lengths`` (ns) are sorted. None if there are too few.

    Example: of 199 lengths the limit is the second largest, since (199 + 1) × .99 is the 198th.
    """
    n = len(lengths)
    if n >= FEWEST_FOR_RANK:
        return OverdueLimit(lengths[find_one_based_rank(n + 1, 1 - OVERDUE) - 1], n, by_rule=False)
    if n >= FEWEST_FOR_RULE:
        return OverdueLimit(RULE_FACTOR * lengths[find_one_based_rank(n, 0.95) - 1], n, by_rule=True)
    return None


def compute_chance_that_running_task_is_overdue(lengths: Sequence[int], limit: OverdueLimit) -> float:
    """Return the chance that a task is overdue that runs at any instant; ``lengths`` (ns) are sorted.

    A long task runs for longer, and so is met more often: the chance is the time beyond the limit over all
    time, and at least the share of tasks that are overdue. Example: of 99 tasks of 1 s and one of 101 s with
    a limit of 1 s the chance is 100 / 200.
    """
    longer = lengths[bisect_right(lengths, limit.length) :]
    beyond = sum(longer) - len(longer) * limit.length
    return max(OVERDUE, beyond / max(1, sum(lengths)))


def count_overdue_explained_by_chance(chances: Iterable[float]) -> int:
    """Return the number of overdue tasks that chance explains, given the chance of each running task.

    More are overdue with a chance of at most .001. It is at least 1: a single late task is no alarm. Example:
    of ten tasks with a chance of .01 each two may be overdue.
    """
    shares = [1.0]
    for chance in chances:
        shares = [
            (shares[n] * (1 - chance) if n < len(shares) else 0.0) + (shares[n - 1] * chance if n else 0.0)
            for n in range(len(shares) + 1)
        ]
    more = 1.0
    for count, share in enumerate(shares):
        more -= share
        if more <= EXCESS_CHANCE:
            return max(1, count)
    return len(shares)


def estimate_time_left(lengths: Sequence[int], elapsed: int) -> TimeLeft | None:
    """Return how long a task still runs that has run for ``elapsed`` (ns), like those that ran longer.

    Example: of tasks that took 10, 20, … 100 s, one at 45 s is like those of 50 to 100 s: 25 s more, by 70 s.
    """
    longer = lengths[bisect_right(lengths, elapsed) :]
    n = len(longer)
    if n < FEWEST_LEFT:
        return None
    low, median, high = (longer[find_one_based_rank(n, share) - 1] for share in (0.1, 0.5, 0.9))
    return TimeLeft(median - elapsed, low - elapsed, high - elapsed, n)


def estimate_time_until_all_end(running: Iterable[tuple[Sequence[int], int]]) -> TimeLeft | None:
    """Return how long it takes until all of some running tasks are over; None if one of them has no estimate.

    Each is given by the sorted lengths (ns) of its kind and how long it has run (ns). The chance that all are
    over is the product of the chances of each. Tasks that are slow together end sooner than that, so the time
    is rather too long than too short. Example: of two tasks that each end within 10 s with a chance of .7
    both are over by then with .49.
    """
    rests = [(lengths, elapsed, bisect_right(lengths, elapsed)) for lengths, elapsed in running]
    if not rests or any(len(lengths) - first < FEWEST_LEFT for lengths, _, first in rests):
        return None
    longest = max(lengths[-1] - elapsed for lengths, elapsed, _ in rests)

    def compute_chance(time: int) -> float:
        shares = (
            (bisect_right(lengths, elapsed + time) - first) / (len(lengths) - first)
            for lengths, elapsed, first in rests
        )
        return prod(shares)

    low, median, high = (
        bisect_left(range(longest + 1), share - ROUNDING, key=compute_chance) for share in (0.1, 0.5, 0.9)
    )
    return TimeLeft(median, low, high, min(len(lengths) - first for lengths, _, first in rests))
