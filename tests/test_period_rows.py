"""Days and weeks as rows, and whether two weeks differ by more than noise."""

from __future__ import annotations

import pytest

from stretto.clock import SECOND
from stretto.figures.parallel_work_by_week import (
    FEWEST,
    FEWEST_DAYS,
    WeekChange,
    add_sums,
    build_period_row,
    compare_weeks,
)
from stretto.figures.sequential_baseline_choice import Baseline, choose_baseline
from stretto.figures.sums_by_dimension import Sums
from tests.scenes import fork_join, straggler
from tests.test_work_and_outcome_figures import measured, sums_of


def day(fanouts: int, elapsed: float, failed: int = 0) -> Sums:
    """Return a day of fan-outs of two reviews of 30 s each, so many seconds of elapsed time each."""
    if not fanouts:
        return {}
    mix = ("release", "review,review")
    return {
        "verdict_fanouts": {mix: fanouts},
        "verdict_tasks": {(*mix, "review", "delivered"): 2 * fanouts},
        "verdict_work": {(*mix, "review", "delivered"): 60 * SECOND * fanouts},
        "verdict_paid": {mix: round(elapsed * SECOND) * fanouts},
        "verdict_elapsed": {mix: round(elapsed * SECOND) * fanouts},
        "tasks": {
            ("review", "worker", "success"): 2 * fanouts - failed,
            ("review", "worker", "failure"): failed,
        },
    }


def by_work(pattern: str, signature: str) -> Baseline:
    """Know no baseline but the work itself."""
    return choose_baseline(pattern, signature, None, {})


def changed(change: WeekChange, name: str) -> tuple[float | None, float | None, bool | None]:
    """Return a figure now, before, and whether the two differ by more than noise."""
    (found,) = [figure for figure in change.figures if figure.name == name]
    return found.now, found.before, found.exceeds_noise


def test_a_period_is_a_verdict_with_all_its_tasks() -> None:
    """A measured fan-out, a second that is not measured, and six successful tasks."""
    found = build_period_row("day", sums_of(straggler(), fork_join()), measured)
    assert found.verdict.lead is not None
    assert (found.verdict.lead.provenance, found.verdict.lead.fanouts) == ("work", 2)
    assert [part.better.provenance for part in found.verdict.parts] == ["measured"]
    assert (found.tasks, found.success) == (6, 1)
    assert build_period_row("day", {}, measured).success is None


def test_sums_of_days_add_up() -> None:
    """Cell by cell; a day without anything adds nothing."""
    assert add_sums([day(1, 30), {}, day(2, 30)]) == day(3, 30)


def test_a_clear_change_exceeds_noise() -> None:
    """The speed-up is 2 on each day of a week, and about 1.5 on each day of the week before."""
    before = [day(2, 40 + step) for step in range(7)]
    now = [day(2, 30 + step / 10) for step in range(7)]
    found = compare_weeks(now, before, by_work)
    assert found.fanouts == (14, 14)
    speedup = changed(found, "speedup")
    assert speedup[0] == pytest.approx(60 / 30.3)
    assert speedup[1] == pytest.approx(60 / 43)
    assert speedup[2] is True
    assert changed(found, "fanouts") == (14, 14, False)
    assert changed(found, "success") == (1, 1, False)


def test_scattered_days_hide_a_change() -> None:
    """The same mean from days that vary is no evidence of a change."""
    before = [day(2, elapsed) for elapsed in (20, 70, 25, 65, 30, 60, 22)]
    now = [day(2, elapsed) for elapsed in (22, 60, 28, 55, 30, 52, 21)]
    assert changed(compare_weeks(now, before, by_work), "speedup")[2] is False


def test_too_few_days_are_not_judged_and_have_a_reason() -> None:
    """Few fan-outs, few days, or nothing to compare: values stand, the judgement is withheld."""
    few = compare_weeks([day(1, 30)] * 7, [day(2, 30)] * 7, by_work)
    assert few.fanouts == (7, 14)
    assert changed(few, "speedup") == (2, 2, None)
    assert {figure.reason for figure in few.figures if figure.name != "success"} == {
        f"fewer than {FEWEST} parallel executions in one of the weeks"
    }
    # Each figure is judged by its count: 14 tasks are enough to compare their success.
    assert {figure.reason for figure in few.figures if figure.name == "success"} == {None}
    crowded = [day(9, 30), day(9, 31)] + [{}] * 5
    days = {figure.name: figure for figure in compare_weeks(crowded, crowded, by_work).figures}
    assert days["speedup"].reason == f"fewer than {FEWEST_DAYS} days with the figure in one of the weeks"
    # A day on which nothing ran is a day with 0 fan-outs, not a day without the figure.
    assert days["fanouts"].exceeds_noise is False
    alone = compare_weeks([day(2, 30)] * 7, [{}] * 7, by_work)
    assert changed(alone, "speedup") == (2, None, None)
    assert [f.reason for f in alone.figures if f.name == "speedup"] == ["not known for both weeks"]
    assert [f.difference for f in alone.figures if f.name == "speedup"] == [None]


def test_nothing_in_parallel_has_no_baseline() -> None:
    """Two empty weeks: counts of 0, and no ratio."""
    found = compare_weeks([{}] * 7, [{}] * 7, by_work)
    assert (found.baseline, found.fanouts) == (None, (0, 0))
    assert changed(found, "fanouts") == (0, 0, None)
    assert changed(found, "speedup") == (None, None, None)


def test_both_weeks_are_compared_with_the_same_baseline() -> None:
    """This week has a measured baseline, last week had none: both are compared by their tasks' lengths."""
    found = compare_weeks([sums_of(straggler())], [sums_of(fork_join())], measured)
    assert (found.baseline, found.fanouts) == ("work", (1, 1))
    now, before, exceeds_noise = changed(found, "speedup")
    assert (now, before, exceeds_noise) == (105 / 60, 3, None)


def test_no_comparison_crosses_a_changed_definition() -> None:
    """The values stand, the judgement is withheld."""
    found = compare_weeks([day(9, 30)] * 7, [day(9, 31)] * 7, by_work, definition_changed=True)
    assert {figure.reason for figure in found.figures} == {"its definition changed in these two weeks"}
    assert {figure.exceeds_noise for figure in found.figures} == {None}
