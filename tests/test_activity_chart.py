"""Who was at work when: lanes, the most at once and overlapping sessions, worked out by hand."""

from __future__ import annotations

from stretto.figures.agents_over_time import (
    MOST_AGENTS,
    OTHERS,
    ProjectOverlap,
    TimedSession,
    TimedTask,
    draw_activity,
    find_overlaps,
)
from stretto.model.interval import Interval
from stretto.names import UNNAMED_AGENT

HOUR = Interval(0, 3_600)


def test_tasks_are_spread_over_the_cells() -> None:
    """Four quarters: qa works for the first two and half of the last, dev for the second."""
    chart = draw_activity(
        [
            TimedTask("qa", Interval(0, 1_800)),
            TimedTask("dev", Interval(900, 1_800)),
            TimedTask("qa", Interval(2_700, 3_150)),
        ],
        HOUR,
        cells=4,
    )

    assert [(row.agent, row.tasks, row.work, row.running) for row in chart.rows] == [
        ("qa", 2, 2_250, (1, 1, 0, 0.5)),
        ("dev", 1, 900, (0, 1, 0, 0)),
    ]
    assert (chart.tasks, chart.work, chart.busy) == (3, 3_150, 2_250)
    assert (chart.peak, chart.peak_at) == (2, 900)


def test_tasks_are_cut_at_the_bounds() -> None:
    """Half of the task lies before the hour; one that ends where the hour begins is not in it."""
    chart = draw_activity(
        [TimedTask(None, Interval(-600, 600)), TimedTask("qa", Interval(-9, 0))], HOUR, cells=1
    )

    assert [(row.agent, row.work) for row in chart.rows] == [(UNNAMED_AGENT, 600)]


def test_one_after_another_is_not_at_once() -> None:
    """A task that begins where another ends makes no peak of two."""
    chart = draw_activity([TimedTask("a", Interval(0, 9)), TimedTask("a", Interval(9, 18))], HOUR)

    assert chart.peak == 1


def test_nobody_at_work_is_an_empty_chart() -> None:
    """No rows, no peak."""
    chart = draw_activity([], HOUR)

    assert (chart.rows, chart.peak, chart.peak_at, chart.work) == ((), 0, None, 0)


def test_many_agents_share_the_last_row() -> None:
    """Those with the least work."""
    chart = draw_activity(
        [TimedTask(f"a{number:02}", Interval(0, 100 - number)) for number in range(MOST_AGENTS + 3)], HOUR
    )

    assert len(chart.rows) == MOST_AGENTS + 1
    assert (chart.rows[-1].agent, chart.rows[-1].tasks) == (OTHERS, 3)
    assert chart.agents == MOST_AGENTS + 3


def test_sessions_of_one_project_overlap() -> None:
    """A and b overlap for 20, c only touches b's end, and d is another project's."""
    sessions = [
        TimedSession("a", "site", Interval(0, 100), tasks=3),
        TimedSession("b", "site", Interval(80, 160), tasks=2),
        TimedSession("c", "site", Interval(160, 200), tasks=9),
        TimedSession("d", "shop", Interval(0, 200)),
    ]
    (overlap,) = find_overlaps(sessions)

    assert overlap == ProjectOverlap("site", ("a", "b"), tasks=5, peak=2, overlapping=20)


def test_a_short_session_inside_a_long_one_overlaps_it() -> None:
    """So does the one after it, as long as the long one is open."""
    sessions = [
        TimedSession("long", "site", Interval(0, 100)),
        TimedSession("first", "site", Interval(10, 20)),
        TimedSession("second", "site", Interval(30, 40)),
    ]
    (overlap,) = find_overlaps(sessions)

    assert (overlap.sessions, overlap.overlapping) == (("long", "first", "second"), 20)
