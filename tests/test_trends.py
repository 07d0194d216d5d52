"""Trends: the last 30 days and 12 weeks, each computed separately."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stretto.clock import DAY
from stretto.summaries.snapshot import build_snapshot_document, take_snapshot
from stretto.summaries.trends import DAYS, WEEKS, read_trends
from tests.fakes import store
from tests.scenes import BEGIN, earlier_runs, fork_join, one_by_one, straggler
from tests.test_queries import moved
from tests.test_snapshot import TYPES

_DAY = 86_400
"""Seconds."""


def test_each_day_and_week_has_its_own_row(tmp_path: Path) -> None:
    """A fan-out on New Year's day, a Thursday, and two a week later; nothing on the days between."""
    with store(tmp_path) as opened:
        opened.take(straggler().events, one_by_one().events, earlier_runs())
        opened.take(moved(straggler("s2"), 7 * _DAY), moved(fork_join("s3"), 7 * _DAY))
        found = json.loads(json.dumps(read_trends(opened.connection, BEGIN + 9 * DAY, {}), allow_nan=False))
        assert not opened.connection.in_transaction
    assert (len(found["days"]), len(found["weeks"])) == (DAYS, WEEKS)
    assert (found["days"][0]["begins"], found["days"][-1]["begins"]) == ("2025-12-12", "2026-01-10")
    assert found["weeks"][-1]["begins"] == "2026-01-05"
    days = {row["begins"]: row for row in found["days"] if row["tasks"]}
    assert days.keys() == {"2025-12-12", "2026-01-01", "2026-01-08"}
    first = days["2026-01-01"]
    assert (first["fanouts"], first["parallel_tasks"], first["tasks"], first["success"]) == (1, 3, 6, 1)
    assert (first["lead"]["baseline"], first["lead"]["time_saved_seconds"]) == ("work", 45)
    second = days["2026-01-08"]
    assert second["lead"]["speedup"] == pytest.approx((105 + 90) / 90)
    assert second["parts"][0]["speedup"] == pytest.approx(100 / 60)
    assert second["parts"][0]["own_lengths"]["speedup"] == pytest.approx(105 / 60)
    assert found["old_definition_until"] is None
    assert [row["fanouts"] for row in found["weeks"][-2:]] == [1, 2]
    empty = found["days"][-1]
    assert (empty["lead"], empty["parts"], empty["success"], empty["fanouts"]) == (None, [], None, 0)


def test_a_week_begins_on_monday(tmp_path: Path) -> None:
    """On a Monday the week under way is that day alone; the Sunday before is the week before."""
    with store(tmp_path) as opened:
        opened.take(moved(straggler(), 3 * _DAY), moved(straggler("monday"), 4 * _DAY))
        weeks = read_trends(opened.connection, BEGIN + 4 * DAY + 3_600, {})["weeks"]
    assert [(row["begins"], row["fanouts"]) for row in weeks[-2:]] == [("2025-12-29", 1), ("2026-01-05", 1)]


def test_the_snapshot_has_the_changes_since_last_week(tmp_path: Path) -> None:
    """Three stragglers a day and then fork-joins: seven days beside the seven days before."""
    with store(tmp_path) as opened:
        for number in range(14):
            for turn in range(3):
                scene = (straggler if number < 7 else fork_join)(f"s{number}-{turn}")
                opened.take(moved(scene, number * _DAY + 200 * turn))
        # The last full hour is that of the last day, so that days are days.
        taken = take_snapshot(opened.connection, BEGIN + 14 * DAY - 1, TYPES, {})
    change = json.loads(json.dumps(build_snapshot_document(taken), allow_nan=False))["change"]
    assert (change["baseline"], change["fanouts"]) == ("work", {"now": 21, "before": 21})
    figures = {figure["name"]: figure for figure in change["figures"]}
    speedup = figures["speedup"]
    assert (speedup["now"], speedup["before"], speedup["difference"]) == (3, 1.75, 1.25)
    assert speedup["exceeds_noise"] is True
    assert (figures["fanouts"]["difference"], figures["fanouts"]["exceeds_noise"]) == (0, False)
    assert figures["elapsed_seconds"]["now"] == 21 * 30
    assert figures["elapsed_seconds"]["before"] == 21 * 60
