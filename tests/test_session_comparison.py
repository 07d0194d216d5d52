"""Comparison: two sessions are described, groups tested by day, a session ranked among its like."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from stretto.analysis.fastest_three_days_in_a_row import find_best_three_days
from stretto.analysis.session_group_comparison import compare_groups
from stretto.analysis.standing_among_like_sessions import rank_session_by_time_per_task
from stretto.analysis.two_session_comparison import list_similar, measure_similarity
from stretto.clock import DAY, HOUR, SECOND
from stretto.model.event import Outcome
from stretto.model.findings import FindingVerdict
from stretto.model.run_rows_for_analyses import SessionRun
from stretto.operations.medians_of_two_sides import compare_with_usual, describe_medians

TYPES = {"review": 2, "tests": 2}


def make_run(name: str, seconds: float, day: int = 0, **changes: object) -> SessionRun:
    start = day * DAY + 9 * HOUR
    run = SessionRun(
        name,
        start,
        start + round(seconds * SECOND),
        Outcome.SUCCESS,
        task_types=TYPES,
        elapsed=round(seconds * SECOND),
    )
    return replace(run, **changes)  # type: ignore[arg-type]  # fields of the run


def make_days(name: str, daily: Iterable[float], rng: np.random.Generator) -> list[SessionRun]:
    return [
        make_run(f"{name}{day}.{number}", 100 * level * float(rng.lognormal(0, 0.3)), day)
        for day, level in enumerate(daily)
        for number in range(4)
    ]


def test_similarity_is_that_of_the_multisets() -> None:
    """A session is as similar to itself as can be; 2 + 2 tasks against 1 + 3 share 3 of 5."""
    assert measure_similarity(TYPES, TYPES) == 1
    assert measure_similarity(TYPES, {"review": 1, "tests": 3}) == pytest.approx(0.6)
    assert measure_similarity(TYPES, {"deploy": 4}) == 0
    assert measure_similarity({}, {}) == 0


def test_like_sessions_share_types_and_size() -> None:
    """The session itself, other types and three times as many tasks are not its like."""
    current = make_run("current", 100)
    others = [
        current,
        make_run("same", 100),
        make_run("near", 100, task_types={"review": 2, "tests": 3}),
        make_run("other", 100, task_types={"deploy": 4}),
        make_run("large", 100, task_types={"review": 6, "tests": 6}),
    ]
    assert [(run.session, round(similarity, 2)) for run, similarity in list_similar(current, others)] == [
        ("same", 1.0),
        ("near", 0.8),
    ]


def test_two_sessions_are_described_and_not_tested() -> None:
    """Each measure has both values and the improvement; unknown ones have none; the note says n = 1."""
    pair = compare_with_usual([make_run("a", 80, tokens=10)], [make_run("b", 100)], ["all"])
    by_name = {each["measure"]: each for each in pair["measures"]}
    assert by_name["elapsed_seconds"]["improvement"] == pytest.approx(0.2)
    assert (by_name["tokens"]["current"], by_name["tokens"]["improvement"]) == (10, None)
    assert pair["note"].startswith("n = 1")
    assert describe_medians("a", "b", {"measures": [by_name["tokens"]]}).endswith("known of both.")
    sentences = {
        name: describe_medians("a", "b", {"measures": [{"measure": name, "current": 2.0, "baseline": 4.0}]})
        for name in by_name
    }
    assert {name: text.replace("\N{NO-BREAK SPACE}", " ") for name, text in sentences.items()} == {
        "active_seconds_per_task": "a beside b: 2 s of active time per task against 4 s.",
        "elapsed_seconds": "a beside b: 2 s of parallel work against 4 s.",
        "wall_seconds": "a beside b: 2 s of wall time against 4 s.",
        "work_seconds": "a beside b: 2 s of work against 4 s.",
        "tokens": "a beside b: 2 tokens against 4.",
        "dollars": "a beside b: $2.00 of model cost against $4.00.",
        "retries": "a beside b: 2 retries against 4.",
        "cpu_seconds": "a beside b: 2 s of processor time against 4 s.",
        "memory_peak_bytes": "a beside b: 2 B of memory at the peak against 4 B.",
    }


def test_percentiles_are_uniform_if_nothing_differs() -> None:
    """The percentiles of 120 sessions among 60 like them are uniform (Kolmogorov and Smirnov, p > .01)."""
    rng = np.random.default_rng(1)
    percentiles = []
    for _ in range(120):
        runs = [make_run(f"s{number}", float(rng.lognormal(4, 0.5))) for number in range(61)]
        standing = rank_session_by_time_per_task(runs[0], runs)
        assert standing.percentile is not None
        assert standing.low is not None
        assert standing.high is not None
        assert standing.low <= standing.percentile + 0.02
        percentiles.append(standing.percentile)
    assert float(stats.kstest(percentiles, "uniform").pvalue) > 0.01


def test_a_standing_names_gap_and_links() -> None:
    """Slower than all of ten like sessions: percentile near 0, a gap to the fastest tenth, links."""
    runs = [make_run(f"s{number}", 100 + number) for number in range(10)]
    standing = rank_session_by_time_per_task(make_run("slow", 200), runs)
    assert standing.percentile == pytest.approx(0.5 / 11)
    assert standing.gap_seconds == pytest.approx(200 - 100.9, abs=0.1)
    assert [(link.session, link.role) for link in standing.links] == [("s0", "fastest"), ("s0", "similar")]
    finding = standing.to_finding()
    assert (finding.kind, finding.subject, finding.evidence.n) == ("standing", {"session": "slow"}, 10)
    few = rank_session_by_time_per_task(make_run("slow", 200), runs[:4])
    assert (few.percentile, few.reason) == (None, "4 sessions are like it, 5 are needed")
    assert few.to_finding().verdict is FindingVerdict.TOO_LITTLE_DATA
    assert (
        rank_session_by_time_per_task(make_run("none", 200, task_types={}), runs).reason == "it ran no tasks"
    )


def test_equal_groups_are_rarely_different_and_slower_ones_are() -> None:
    """Of 100 comparisons of equal groups about 5 % differ; of 20 at +50 % nearly all do."""
    rng = np.random.default_rng(2)
    different = seen = 0
    for _ in range(100):
        first = make_days("a", rng.lognormal(0, 0.15, 12), rng)
        different += compare_groups(first, make_days("b", rng.lognormal(0, 0.15, 12), rng)).verdict in {
            FindingVerdict.REGRESSION,
            FindingVerdict.IMPROVEMENT,
        }
    for _ in range(20):
        first = make_days("a", rng.lognormal(0, 0.15, 12), rng)
        slower = compare_groups(first, make_days("b", 1.5 * rng.lognormal(0, 0.15, 12), rng))
        seen += slower.verdict is FindingVerdict.REGRESSION
        assert slower.elapsed is not None
    assert different <= 10
    assert seen >= 18


def test_groups_of_few_days_are_too_few() -> None:
    """Three days on a side give no answer about lengths; shares of success are still shown."""
    rng = np.random.default_rng(3)
    answer = compare_groups(make_days("a", [1.0] * 3, rng), make_days("b", [1.0] * 8, rng))
    assert answer.verdict is FindingVerdict.TOO_LITTLE_DATA
    assert answer.reason == "3 and 8 days with sessions, 4 are needed on each side"
    assert answer.success is not None


def test_failing_more_often_is_a_regression() -> None:
    """A group that is as fast but fails half of the time is worse, even if it were faster."""
    rng = np.random.default_rng(4)
    first, second = make_days("a", [1.0] * 8, rng), make_days("b", [0.5] * 8, rng)
    failing = [
        replace(run, outcome=Outcome.FAILURE) if number % 2 else run for number, run in enumerate(second)
    ]
    assert compare_groups(first, failing).verdict is FindingVerdict.REGRESSION


def test_the_best_period_knows_that_one_is_always_best() -> None:
    """Chance gives a best period, too; three days at half the time with another model are more than that."""
    rng = np.random.default_rng(5)
    usual = make_days("u", [1.0] * 30, rng)
    assert find_best_three_days(usual).reproducible is False
    levels = [0.5 if 10 <= day < 13 else 1.0 for day in range(30)]
    better = [
        replace(run, covariates={"model": "new" if 10 <= run.start // DAY < 13 else "old"})
        for run in make_days("b", levels, rng)
    ]
    best = find_best_three_days(better)
    assert (best.start, best.reproducible, best.conditions) == (10 * DAY, True, ("model=new",))
    assert best.ratio == pytest.approx(0.5, abs=0.1)
    assert find_best_three_days(usual[:8]).reason == "2 days with sessions, 10 are needed"
