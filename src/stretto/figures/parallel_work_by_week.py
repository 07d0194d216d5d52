"""Summarise the parallel work of a day or a week as a row, and compare two weeks figure by figure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from stretto.figures.confidence_intervals import has_significant_difference
from stretto.figures.sequential_baseline_choice import FindBaseline, Provenance
from stretto.figures.sums_by_dimension import Sums, sum_by
from stretto.figures.window_gain_verdict import (
    BY_WORK,
    HEADLINE_MEASURES,
    BaselineComparison,
    HeadlineRule,
    Verdict,
    build_verdict,
    choose_headline_provenance,
)
from stretto.model.event import Outcome
from stretto.names import measures
from stretto.names.measures import Dimension

PERIOD_MEASURES = (*HEADLINE_MEASURES, measures.TASKS)
"""The sums that a period is computed from."""

FEWEST = 10
"""Fewest things behind a figure in each of two weeks for a test whether they differ by more than noise."""

FEWEST_DAYS = 3
"""Fewest days with the figure in each week: two days show too little of the scatter."""


@dataclass(frozen=True, slots=True)
class PeriodRow:
    """The parallel work of a day or week by one baseline, and the outcomes of all its tasks."""

    verdict: Verdict
    tasks: int
    """All ended tasks, parallel or alone."""
    succeeded: int
    failed: int

    @property
    def judged(self) -> int:
        """Tasks with a known outcome."""
        return self.succeeded + self.failed

    @property
    def success(self) -> float | None:
        """Successful tasks over tasks with a known outcome."""
        return self.succeeded / self.judged if self.judged else None


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
    """The changes since last week, both weeks compared with the same baseline."""

    baseline: Provenance | None
    fanouts: tuple[int, int]
    """Parallel executions compared with that baseline: (now, before)."""
    figures: tuple[FigureChange, ...]


def build_period_row(
    name: str,
    sums: Sums,
    find_baseline: FindBaseline,
    rule: HeadlineRule = BY_WORK,
    provenance: Provenance | None = None,
) -> PeriodRow:
    """Return the period of some sums; ``provenance`` fixes the baseline for several periods."""
    outcomes = Counter(sum_by(sums, measures.TASKS, Dimension.OUTCOME))
    return PeriodRow(
        build_verdict(name, sums, find_baseline, rule, provenance),
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


def compare_weeks(
    now: Sequence[Sums],
    before: Sequence[Sums],
    find_baseline: FindBaseline,
    rule: HeadlineRule = BY_WORK,
    *,
    definition_changed: bool = False,
) -> WeekChange:
    """Compare two weeks, each given as the sums of its days, by the baseline that suits both together.

    A difference exceeds noise by Welch's test over the values of single days. Days without the figure are
    left out; for counts they are 0. Nothing is compared if sums of either week are of an older definition.
    """
    provenance = choose_headline_provenance(add_sums([*now, *before]), rule)
    weeks = tuple(
        _Week(
            build_period_row("7d", add_sums(days), find_baseline, rule, provenance),
            tuple(build_period_row("day", sums, find_baseline, rule, provenance) for sums in days),
        )
        for days in (now, before)
    )
    fanouts = (weeks[0].period.verdict.fanouts, weeks[1].period.verdict.fanouts)
    figures = tuple(_compare_figure(name, weeks, definition_changed=definition_changed) for name in _READERS)
    return WeekChange(provenance if any(fanouts) else None, fanouts, figures)


@dataclass(frozen=True, slots=True)
class _Week:
    period: PeriodRow
    days: tuple[PeriodRow, ...]


@dataclass(frozen=True, slots=True)
class _Reader:
    """A figure of a period, with the number of things behind it."""

    read: Callable[[PeriodRow], float | None]
    count: Callable[[PeriodRow], int]
    things: str


def _read_lead(read: Callable[[BaselineComparison], float | None]) -> _Reader:
    def read_period(period: PeriodRow) -> float | None:
        return None if period.verdict.lead is None else read(period.verdict.lead)

    return _Reader(read_period, _count_fanouts, "parallel executions")


def _count_fanouts(period: PeriodRow) -> int:
    return period.verdict.fanouts


_READERS: dict[str, _Reader] = {
    "fanouts": _Reader(_count_fanouts, _count_fanouts, "parallel executions"),
    "success": _Reader(
        lambda period: period.success, lambda period: period.judged, "tasks with a known outcome"
    ),
    "elapsed_seconds": _read_lead(lambda lead: lead.elapsed),
    "time_saved_seconds": _read_lead(lambda lead: lead.time_saved),
    "speedup": _read_lead(lambda lead: lead.speedup),
    "improvement": _read_lead(lambda lead: lead.improvement),
}
"""Figure name → its reader."""


def _compare_figure(name: str, weeks: Sequence[_Week], *, definition_changed: bool) -> FigureChange:
    reader = _READERS[name]
    now, before = (reader.read(week.period) for week in weeks)
    days = [[value for day in week.days if (value := reader.read(day)) is not None] for week in weeks]
    reason = None
    if definition_changed:
        reason = "its definition changed in these two weeks"
    elif now is None or before is None:
        reason = "not known for both weeks"
    elif min(reader.count(week.period) for week in weeks) < FEWEST:
        reason = f"fewer than {FEWEST} {reader.things} in one of the weeks"
    elif min(map(len, days)) < FEWEST_DAYS:
        reason = f"fewer than {FEWEST_DAYS} days with the figure in one of the weeks"
    return FigureChange(name, now, before, None if reason else has_significant_difference(*days), reason)
