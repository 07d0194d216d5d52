"""Summarise the parallel work of a day or a week as a row, and compare two weeks figure by figure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from stretto.figures.baselines import FindBaseline, Provenance
from stretto.figures.confidence import has_significant_difference
from stretto.figures.sum_reading import Sums, sum_by
from stretto.figures.verdict import BaselineComparison, Verdict, build_mixes, build_verdict
from stretto.model.event import Outcome
from stretto.names import measures
from stretto.names.measures import Dimension

PERIOD_MEASURES = (
    measures.PARALLEL_TASKS,
    measures.PARALLEL_WORK,
    measures.PARALLEL_ELAPSED,
    measures.PARALLEL_DELIVERED,
    measures.PARALLEL_DELIVERED_WORK,
    measures.TASKS,
)
"""The sums that a period is computed from."""

FEWEST_FANOUTS = 10
"""Fewest parallel executions in each of two weeks for a test whether they differ by more than noise."""

FEWEST_DAYS = 3
"""Fewest days with the figure in each week: two days show too little of the scatter."""


@dataclass(frozen=True, slots=True)
class Period:
    """The parallel work of a day or week by provenance, and the outcomes of all its tasks."""

    verdict: Verdict
    tasks: int
    """All ended tasks, parallel or alone."""
    succeeded: int
    failed: int

    @property
    def success(self) -> float | None:
        """Successful tasks over tasks with a known outcome."""
        judged = self.succeeded + self.failed
        return self.succeeded / judged if judged else None

    def get_comparison(self, provenance: Provenance) -> BaselineComparison | None:
        """Return its parallel work that is compared with a provenance."""
        return next((part for part in self.verdict.parts if part.provenance is provenance), None)


@dataclass(frozen=True, slots=True)
class FigureChange:
    """A figure of the last seven days beside that of the seven days before."""

    name: str
    now: float | None
    before: float | None
    exceeds_noise: bool | None
    """Whether the days of both weeks differ by more than their scatter; None if unknown."""
    reason: str | None
    """Why it is unknown."""

    @property
    def difference(self) -> float | None:
        """Now less before."""
        return None if self.now is None or self.before is None else self.now - self.before


@dataclass(frozen=True, slots=True)
class WeekChange:
    """The changes since last week, by the best provenance of the last seven days."""

    baseline: Provenance | None
    fanouts: tuple[int, int]
    """Parallel executions compared with that provenance: (now, before)."""
    figures: tuple[FigureChange, ...]


def build_period(name: str, sums: Sums, find_baseline: FindBaseline) -> Period:
    """Return the period of some sums."""
    outcomes = Counter(sum_by(sums, measures.TASKS, Dimension.OUTCOME))
    return Period(
        build_verdict(name, build_mixes(sums, find_baseline)),
        tasks=outcomes.total(),
        succeeded=outcomes[Outcome.SUCCESS.value],
        failed=outcomes[Outcome.FAILURE.value],
    )


def add_sums(all_sums: Iterable[Sums]) -> Sums:
    """Return the total of several sums."""
    total: dict[str, dict[tuple[str | int, ...], int]] = {}
    for sums in all_sums:
        for measure, cells in sums.items():
            total_cells = total.setdefault(measure, {})
            for dims, value in cells.items():
                total_cells[dims] = total_cells.get(dims, 0) + value
    return total


def compare_weeks(now: Sequence[Sums], before: Sequence[Sums], find_baseline: FindBaseline) -> WeekChange:
    """Compare two weeks, each given as the sums of its days.

    Only work with the same provenance is compared. A difference exceeds noise by Welch's test over the values
    of single days. Days without the figure are left out; for counts they are 0.
    """
    weeks = (_Week(now, find_baseline), _Week(before, find_baseline))
    lead = weeks[0].period.verdict.lead
    baseline = lead.provenance if lead else None
    fanouts = (weeks[0].count_fanouts(baseline), weeks[1].count_fanouts(baseline))
    figures = tuple(_compare_figure(name, weeks, baseline, min(fanouts)) for name in _READERS)
    return WeekChange(baseline, fanouts, figures)


class _Week:
    def __init__(self, days: Sequence[Sums], find_baseline: FindBaseline) -> None:
        self.period = build_period("7d", add_sums(days), find_baseline)
        self.days = [build_period("day", sums, find_baseline) for sums in days]

    def count_fanouts(self, baseline: Provenance | None) -> int:
        part = None if baseline is None else self.period.get_comparison(baseline)
        return part.fanouts if part else 0


def _get_fanouts(period: Period, _: BaselineComparison | None) -> float | None:
    return period.verdict.fanouts


def _get_success(period: Period, _: BaselineComparison | None) -> float | None:
    return period.success


_READERS: dict[str, Callable[[Period, BaselineComparison | None], float | None]] = {
    "fanouts": _get_fanouts,
    "success": _get_success,
    "elapsed_seconds": lambda _, part: part.elapsed if part else None,
    "time_saved_seconds": lambda _, part: part.time_saved if part else None,
    "speedup": lambda _, part: part.speedup if part else None,
    "improvement": lambda _, part: part.improvement if part else None,
}
"""Figure name → its value, read from a period and the period's comparison with the provenance."""


def _read_figure(name: str, period: Period, baseline: Provenance | None) -> float | None:
    return _READERS[name](period, None if baseline is None else period.get_comparison(baseline))


def _compare_figure(
    name: str, weeks: tuple[_Week, _Week], baseline: Provenance | None, fewest: int
) -> FigureChange:
    now, before = (_read_figure(name, week.period, baseline) for week in weeks)
    days = [
        [value for day in week.days if (value := _read_figure(name, day, baseline)) is not None]
        for week in weeks
    ]
    reason = None
    if now is None or before is None:
        reason = "not known for both weeks"
    elif fewest < FEWEST_FANOUTS:
        reason = f"fewer than {FEWEST_FANOUTS} parallel executions in one of the weeks"
    elif min(map(len, days)) < FEWEST_DAYS:
        reason = f"fewer than {FEWEST_DAYS} days with the figure in one of the weeks"
    return FigureChange(name, now, before, None if reason else has_significant_difference(*days), reason)
