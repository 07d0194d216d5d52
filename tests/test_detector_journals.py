"""The analyses answer alike from a journal, through the store, and from the runs themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from stretto.clock import HOUR, SECOND
from stretto.findings.analysis_run import read_analysis_input
from tests.detectors.journal_rows import JournalPlan, judge_journals
from tests.detectors.journal_sessions import schedule_on_lanes
from tests.detectors.journaled_store import find_last_end, open_journaled_store
from tests.detectors.quiet_months import look_at_month, read_limits
from tests.run_makers import generate_runs


def test_a_slow_down_is_found_through_the_journal_as_in_the_drawn_runs(tmp_path: Path) -> None:
    """Half as long again for a week is a regression; the unchanged type is none, and before it neither is."""
    plan = JournalPlan(unchanged=1, changed=1, warm_days=20, judged_days=(0, 7))
    (before, drawn_before), (after, drawn_after) = judge_journals("a", plan, tmp_path)
    assert before == drawn_before
    assert "regression" not in before.values()
    assert after == drawn_after
    assert (after["changed0"], after["unchanged0"] == "regression") == ("regression", False)


def test_a_drawn_session_is_read_as_it_was_drawn() -> None:
    """Tasks, phases, time of tools, hooks, models, waits and a failed task are those that were drawn."""
    drawn = generate_runs(1, 3, fault="failed_work")
    with open_journaled_store(drawn) as journaled:
        read = read_analysis_input(journaled.opened.connection, find_last_end(drawn) + HOUR, "UTC")
    before = sorted(drawn.tasks, key=lambda run: (run.start, run.task))
    for now, run in zip(read.tasks, before, strict=True):
        assert (now.task, now.type, now.agent, now.phase, now.outcome) == (
            run.task, run.type, run.agent, run.phase, run.outcome,
        )  # fmt: skip
        assert now.length == pytest.approx(run.length, abs=1_000)
        assert now.tool_time == pytest.approx(run.tool_time, abs=1_000)
    (session,), (made,) = read.sessions, drawn.sessions
    assert (session.width, session.task_types) == (made.width, made.task_types)
    for part in ("hooks", "main_tools", "model", "nothing", "waiting"):
        assert session.wall_parts[part] == pytest.approx(made.wall_parts[part], abs=SECOND // 1_000)


def test_tasks_on_lanes_slow_each_other_down() -> None:
    """Of 10, 10 and 5 s on two lanes: 6 % slower while two run."""
    starts, ends = zip(*schedule_on_lanes([10, 10, 5], 2), strict=True)
    assert starts == pytest.approx((0, 0, 10.6))
    assert ends == pytest.approx((10.6, 10.6, 15.6))


def test_a_month_that_is_not_silent_is_counted() -> None:
    """A draw in which chance alone slows parallel executions: one episode, above both limits of alerts."""
    month, limits = look_at_month(seed=9, days=7), read_limits()
    assert 0 < month.series < 8, "rare tails have too little data in the first weeks"
    assert month.episodes == 1
    assert 1 < limits["warning"] < limits["critical"] < month.highest
