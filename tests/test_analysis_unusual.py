"""Was this run odd, were too many runs, and is a series off its usual level."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec import structs
from numpy.typing import NDArray

from stretto.analysis.series_anomalies import (
    measure_distance_from_earlier_level,
    score_oddness,
    silence_scores_after_higher_scores,
)
from stretto.analysis.unusually_long_runs import (
    RULE_OF_THUMB,
    collect_lengths,
    compute_p_value_of_length,
    judge_counts_of_unusual_runs,
    judge_excess,
    judge_run,
)
from stretto.clock import DAY, HOUR, SECOND
from stretto.model.event import Outcome
from stretto.model.findings import FindingVerdict
from stretto.model.run_rows_for_analyses import TaskRun
from tests.detectors.nab_scores import (
    LabelledFile,
    detect_by_window,
    find_best_threshold,
    score_detector,
    weigh_positions,
)

HISTORY = np.arange(1.0, 200.0)


def test_a_run_longer_than_all_of_199_is_flagged_by_rank() -> None:
    """Its p value is 1 / 200; the second longest is not flagged."""
    assert compute_p_value_of_length(200, HISTORY) == 0.005
    longest = judge_run(200, HISTORY)
    assert longest.flagged
    assert longest.rule == "rank"
    assert longest.ratio == 2.0
    assert not judge_run(198.5, HISTORY).flagged


def test_with_little_history_the_rule_is_called_a_rule_of_thumb() -> None:
    """Below 199 runs only three times the 95 % limit is flagged; below ten, and without a length, nothing."""
    few = np.arange(1.0, 101.0)
    assert judge_run(300, few).flagged
    assert judge_run(300, few).rule == RULE_OF_THUMB == "3 x p95 (rule of thumb)"
    assert not judge_run(250, few).flagged
    assert judge_run(10**9, few[:5]).rule == "5 of 10 earlier runs"
    assert judge_run(None, few).rule == "no length"


def count_flags(values: NDArray[np.float64], first: int) -> int:
    """How many of the values from ``first`` on are flagged among all values before each."""
    return sum(judge_run(values[number], values[:number]).flagged for number in range(first, len(values)))


def test_the_share_of_flags_is_the_promised_one() -> None:
    """Of 3,000 ordinary runs about 15 are flagged, and a shift of them all by five is seen at once."""
    rng = np.random.default_rng(1)
    values = rng.lognormal(size=3_300)
    assert 5 <= count_flags(values, 300) <= 28
    values[3_000:] *= 20
    assert count_flags(values, 3_000) > 10


def test_an_excess_of_flags_is_more_than_chance() -> None:
    """One flag never alarms; 10 of 200 do; 2 of 200 do not."""
    assert not judge_excess(1, 1).is_excess
    assert judge_excess(10, 200).is_excess
    assert not judge_excess(2, 200).is_excess
    assert judge_excess(5, 200).p == pytest.approx(0.0036, abs=0.0002)
    assert judge_excess(0, 0).p == 1


def make_tasks(lengths: list[int]) -> list[TaskRun]:
    """Finished tasks, one after another."""
    return [
        TaskRun("s", str(number), number * SECOND, length, Outcome.SUCCESS, "tests", pattern="release")
        for number, length in enumerate(lengths)
    ]


def test_a_day_of_unusual_runs_is_a_finding_with_its_runs() -> None:
    """Of 20 tasks on the last day six are longer than all before: an excess; an ordinary day is none."""
    rng = np.random.default_rng(1)
    lengths = (rng.lognormal(size=420) * 60 * SECOND).astype(int)
    starts = [number * DAY // 20 for number in range(420)]
    tasks = [
        TaskRun("s", str(number), start, int(length), Outcome.SUCCESS, "tests", pattern="release")
        for number, (start, length) in enumerate(zip(starts, lengths, strict=True))
    ]
    (quiet,) = judge_counts_of_unusual_runs(tasks, 21 * DAY)
    assert quiet.verdict is FindingVerdict.NO_EVIDENCE
    slow = [
        structs.replace(task, length=3600 * SECOND) if number >= 414 else task
        for number, task in enumerate(tasks)
    ]
    (finding,) = judge_counts_of_unusual_runs(slow, 21 * DAY + HOUR)
    assert finding.verdict is FindingVerdict.REGRESSION
    assert finding.subject == {"pattern": "release", "type": "tests"}
    assert {link.role for link in finding.evidence.runs} == {"unusual"}
    assert len(finding.evidence.runs) == 5
    assert "tasks of tests in the last day were unusually long" in finding.advice
    assert judge_counts_of_unusual_runs(tasks[:100], 5 * DAY) == []


def test_only_what_was_over_is_history() -> None:
    """The history at an instant has the tasks that had ended by then, failed ones left out."""
    tasks = make_tasks([SECOND] * 20)
    assert len(collect_lengths(tasks, 10 * SECOND)["release", "tests"]) == 10
    failed = [structs.replace(task, outcome=Outcome.FAILURE) for task in tasks]
    assert collect_lengths(failed, 10**15) == {}


def test_a_jump_of_a_series_is_odd_once() -> None:
    """The value that leaves the level has the highest score; the ones that follow are held back."""
    rng = np.random.default_rng(1)
    values = rng.normal(size=500)
    values[400:] += 12
    scores = score_oddness(np.arange(0.0, 150_000, 300), values)
    assert scores[400] == 1
    assert (scores[401:] == 0).all()
    assert scores[:400].max() < 0.9


def test_a_constant_has_no_oddness() -> None:
    """Without scatter and at the beginning nothing is odd; any departure from a constant is."""
    assert (measure_distance_from_earlier_level(np.zeros(100), 50) == 0).all()
    values = np.ones(100)
    values[60] = 2
    assert measure_distance_from_earlier_level(values, 50)[60] > 1000


def test_a_lower_score_soon_after_is_held_back() -> None:
    """Of .5 .4 .6 within the quiet time the second is dropped."""
    scores = np.array([0.5, 0.4, 0.6, 0.0, 0.3])
    assert silence_scores_after_higher_scores(scores, 3).tolist() == [0.5, 0, 0.6, 0, 0]


def make_labelled(windows: tuple[tuple[int, int], ...]) -> LabelledFile:
    """A file of 1,000 values with labelled windows."""
    return LabelledFile("f", np.arange(1000.0), np.zeros(1000), windows)


def test_the_benchmark_is_scored_by_its_rules() -> None:
    """Silence is 0, an alarm at the beginning of the window 100, a false alarm costs .055 of a window."""
    file = make_labelled(((500, 599),))
    early = np.zeros(1000)
    early[500] = 1.0
    assert score_detector([file], lambda _: early)[0] == pytest.approx(100)
    assert score_detector([file], lambda _: np.zeros(1000))[0] == 0
    noisy = early.copy()
    noisy[300] = 1.0
    assert score_detector([file], lambda _: noisy)[0] == pytest.approx(100 - 5.5)
    late = np.zeros(1000)
    late[599] = 1.0
    assert 49 < score_detector([file], lambda _: late)[0] < 55
    weights, windows = weigh_positions(file)
    assert weights[950] == -0.11
    assert windows[500] == 0


def test_the_best_threshold_takes_all_alarms_of_equal_score() -> None:
    """Two alarms of one score count together: a false one cannot be left out."""
    score, threshold = find_best_threshold(np.array([0.9, 0.9]), np.array([1.0, -0.11]), np.array([0, -1]), 1)
    assert score == pytest.approx(100 * (1 - 0.11 + 1) / 2)
    assert threshold == 0.9


def test_the_reference_detector_sees_a_far_value() -> None:
    """The benchmark's windowed Gaussian gives a usual value half and a far one all of the scale."""
    rng = np.random.default_rng(1)
    values = rng.normal(size=60)
    values[50] = 20
    scores = detect_by_window(LabelledFile("f", np.arange(60.0), values, ()), window=40, step=5)
    assert scores[50] > 0.999999
    assert (scores[5:50] >= 0.5).all()
