"""The analyses answer alike from a journal, through the store, and from the runs themselves."""

from __future__ import annotations

from pathlib import Path

from tests.detectors.journal_rows import JournalPlan, judge_journals


def test_a_slow_down_is_found_through_the_journal_as_in_the_drawn_runs(tmp_path: Path) -> None:
    """Half as long again for a week is a regression; the unchanged type is none, and before it neither is."""
    plan = JournalPlan(unchanged=1, changed=1, warm_days=20, judged_days=(0, 7))
    (before, drawn_before), (after, drawn_after) = judge_journals("a", plan, tmp_path)
    assert before == drawn_before
    assert "regression" not in before.values()
    assert after == drawn_after
    assert (after["changed0"], after["unchanged0"] == "regression") == ("regression", False)
