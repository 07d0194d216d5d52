"""Is it getting slower: verdicts about generated series of known truth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from msgspec import structs
from scipy import special

from stretto.analysis.daily_change_tests import draw_errors_together
from stretto.analysis.level_wander import compute_error_inflation
from stretto.analysis.performance_regressions import ComparisonBoundary, judge_changes
from stretto.analysis.remove_weekday_pattern import measure_weekdays
from stretto.analysis.series_of_run_values import (
    Series,
    SeriesKind,
    make_all_task_value_series,
    make_quality_series,
)
from stretto.analysis.skewness_correction import pool_skewness, straighten_t
from stretto.analysis.slow_tail_changes import judge_tails
from stretto.analysis.tracked_change_episodes import (
    CLEARLY_VISIBLE,
    count_errors_of_plausible_change,
    find_best_split,
    track_changes,
)
from stretto.clock import DAY, HOUR
from stretto.findings.analysis_input_and_answer import AnalysisInput
from stretto.findings.analysis_table import find_changes
from stretto.model.decisions import RECORDED, Decision, DecisionKind
from stretto.model.event import Outcome
from stretto.model.findings import Finding, FindingVerdict
from tests.detectors.change_rates import list_raised_days
from tests.detectors.scenarios import (
    FIRST_DAY,
    draw_changed_mix,
    draw_logs,
    draw_series,
    draw_slower_store,
    list_days,
    make_task_runs,
    place_ends,
)

REGRESSION, IMPROVEMENT = FindingVerdict.REGRESSION, FindingVerdict.IMPROVEMENT
NO_EVIDENCE, TOO_LITTLE = FindingVerdict.NO_EVIDENCE, FindingVerdict.TOO_LITTLE_DATA


def slowed(factor: float = 1.5, days: int = 80, since: int = 70, per_day: int = 20, seed: int = 1) -> Series:
    """Independent runs that take ``factor`` times as long from a day on."""
    rng = np.random.default_rng(seed)
    return draw_series("a", rng, days, per_day, factor=factor, since=since)


def judge(series: Series, day: int, boundaries: Sequence[ComparisonBoundary] = ()) -> Finding:
    """The finding about a series at the end of a day."""
    (finding,) = judge_changes([series], FIRST_DAY + day * DAY, UTC, boundaries)
    return finding


def test_a_slow_down_is_a_regression_with_factor_date_and_runs() -> None:
    """Runs take 1.5 times as long since day 70: date, interval around 1.5, a run on each side."""
    logs = draw_logs("a", np.random.default_rng(1), 80, 20, factor=1.5, since=70)
    runs = make_task_runs(logs, place_ends(80, 20), pattern="release")
    findings = judge_changes(make_all_task_value_series(runs), FIRST_DAY + 80 * DAY)
    (finding,) = [each for each in findings if each.kind == SeriesKind.TASK_LENGTH]
    assert finding.verdict is REGRESSION
    assert finding.subject == {"pattern": "release", "type": "tests"}
    assert finding.since == FIRST_DAY + 70 * DAY
    assert finding.evidence.low is not None
    assert finding.evidence.high is not None
    assert 1.3 < finding.evidence.low < 1.5 < finding.evidence.high < 1.7
    before, after = finding.evidence.runs
    assert (before.role, after.role) == ("before", "after")
    starts = {run.session: run.start for run in runs}
    assert starts[before.session] < finding.since <= starts[after.session]
    assert 1.3 < float(finding.details["after"] or 0) / float(finding.details["before"] or 1) < 1.7


def test_a_speed_up_is_an_improvement() -> None:
    """The same downward, with an effect below 1."""
    finding = judge(slowed(1 / 1.5), 80)
    assert finding.verdict is IMPROVEMENT
    assert finding.evidence.high is not None
    assert finding.evidence.high < 0.9


def test_nothing_planted_is_no_evidence_with_what_would_have_been_seen() -> None:
    """Silence names how large a change would have broken it."""
    finding = judge(slowed(1.0), 80)
    assert finding.verdict is NO_EVIDENCE
    assert finding.evidence.detectable is not None
    assert 1.1 <= finding.evidence.detectable <= 1.3
    assert finding.since is None


def test_five_runs_a_day_are_too_little_for_twenty_percent() -> None:
    """With little data the answer is not "nothing changed", and the detectable ratio is given."""
    finding = judge(slowed(1.2, per_day=5, seed=2), 80)
    assert finding.verdict is TOO_LITTLE
    assert finding.evidence.detectable is not None
    assert finding.evidence.detectable > 1.3
    assert finding.reason == "only a larger change would be seen"


def test_a_short_history_says_how_many_days_lack() -> None:
    """Ten days are no baseline; the answer counts."""
    finding = judge(slowed(days=10, since=9), 10)
    assert finding.verdict is TOO_LITTLE
    assert finding.reason == "10 of 14 days with at least 5 runs"
    assert judge(slowed(days=0), 10).evidence.n == 0


def test_nothing_to_judge_is_no_finding() -> None:
    """Without any series there is no finding."""
    assert judge_changes([], FIRST_DAY) == []


def test_many_runs_a_day_cost_no_more_than_fifty() -> None:
    """A day of 300 runs is represented by 50, and the factor is found all the same."""
    finding = judge(slowed(1.5, per_day=300), 80)
    assert finding.verdict is REGRESSION
    assert finding.evidence.n == 50 * 52
    assert finding.evidence.effect == pytest.approx(1.5, abs=0.06)


def test_work_that_stopped_is_not_judged() -> None:
    """Two weeks after the last run there is no verdict about it."""
    assert judge(slowed(), 95).verdict is TOO_LITTLE
    assert judge(slowed(), 95).reason == "no runs in the last two weeks"
    assert judge(slowed(), 92).verdict is REGRESSION


def test_two_checks_in_a_row_raise_a_change() -> None:
    """A single bad day, however bad, raises nothing; the day after that is bad too does."""
    series = slowed(4.0, days=72)
    assert judge(series, 71).verdict is not REGRESSION
    assert judge(series, 72).verdict is REGRESSION


def test_the_answer_of_a_day_knows_nothing_of_the_days_after() -> None:
    """Judged at any past instant, with or without later runs, the answer is the same."""
    series = slowed(days=90)
    for day in (60, 72, 75, 80):
        earlier = series.select_values(series.times < FIRST_DAY + day * DAY)
        assert judge(series, day) == judge(earlier, day)


def test_the_days_of_a_month_are_those_of_its_instants() -> None:
    """Following a whole month at once raises on the days on which each instant has a change."""
    series = [slowed(seed=seed, factor=factor) for seed, factor in ((1, 1.5), (2, 1.0), (3, 1.3))]
    days = list_days(80)
    raised = np.array([list_raised_days(each, len(days)) for each in track_changes(series, days)])
    for day in range(70, 80):
        findings = judge_changes(series, FIRST_DAY + (day + 1) * DAY)
        assert [each.verdict is REGRESSION for each in findings] == raised[:, day].tolist()


def test_an_accepted_change_is_the_new_normal() -> None:
    """After acceptance nothing is compared across it; other series are not touched by it."""
    series = slowed(days=100)
    accepted = ComparisonBoundary(FIRST_DAY + 70 * DAY, series.kind, series.subject)
    other = replace(accepted, subject={"type": "docs"})
    assert judge(series, 90).verdict is REGRESSION
    assert judge(series, 90, [other]).verdict is REGRESSION
    assert judge(series, 90, [accepted]).verdict is NO_EVIDENCE
    assert judge(series, 78, [accepted]).verdict is TOO_LITTLE


def test_of_several_decisions_about_a_change_the_last_recorded_counts() -> None:
    """Accepted too late a date leaves too little; an earlier one corrects it, and a refusal takes it away."""
    logs = draw_logs("a", np.random.default_rng(1), 80, 20, factor=1.5, since=50)
    tasks = make_task_runs(logs, place_ends(80, 20), pattern="release")
    given = AnalysisInput(FIRST_DAY + 80 * DAY, tasks, ())
    (slower,) = [each for each in find_changes(given).findings if each.kind == SeriesKind.TASK_LENGTH]
    late = Decision("late", FIRST_DAY + 75 * DAY, DecisionKind.ACCEPTED, "f")
    recorded = {RECORDED: FIRST_DAY + 76 * DAY}
    corrected = Decision("corrected", FIRST_DAY + 52 * DAY, DecisionKind.ACCEPTED, "f", details=recorded)
    refused = Decision("refused", FIRST_DAY + 77 * DAY, DecisionKind.REJECTED, "f")
    verdicts = []
    for decisions in ((), (late,), (corrected, late), (corrected, late, refused)):
        decided = AnalysisInput(given.instant, tasks, (), decisions, history={"f": slower})
        (finding,) = [each for each in find_changes(decided).findings if each.kind == SeriesKind.TASK_LENGTH]
        verdicts.append(finding.verdict)
    assert verdicts == [REGRESSION, TOO_LITTLE, NO_EVIDENCE, REGRESSION]


def test_an_annotation_cuts_every_series_from_its_time_on() -> None:
    """What somebody noted, such as an upgrade, is no regression; before its time it changes nothing."""
    series = slowed(days=100)
    upgrade = ComparisonBoundary(FIRST_DAY + 85 * DAY)
    assert judge(series, 100, [upgrade]).verdict is NO_EVIDENCE
    assert judge(series, 84, [upgrade]) == judge(series, 84)


def test_a_change_that_went_away_ends() -> None:
    """When a week is back at the level before, the regression is over."""
    rng = np.random.default_rng(1)
    logs = draw_logs("a", rng, 100, 20, factor=1.5, since=70)
    logs[80 * 20 :] -= math.log(1.5)
    series = Series(SeriesKind.TASK_LENGTH, {}, place_ends(100, 20), logs)
    assert judge(series, 80).verdict is REGRESSION
    assert judge(series, 98).verdict is not REGRESSION


def test_a_change_that_nobody_accepted_stays_for_two_months() -> None:
    """The level before is kept while a change lasts: it does not fade because it became the baseline."""
    series = slowed(days=140)
    assert judge(series, 120).verdict is REGRESSION
    assert judge(series, 120).since == FIRST_DAY + 70 * DAY
    assert judge(series, 140).verdict is not REGRESSION


def test_another_mix_of_types_is_no_regression() -> None:
    """A slow type from 10 to 50 % of an agent's tasks: no type is slower, and the answer names the mix."""
    rng = np.random.default_rng(4)
    runs = draw_changed_mix(rng)
    findings = judge_changes(make_all_task_value_series(runs), FIRST_DAY + 88 * DAY)
    assert not [each for each in findings if each.verdict is REGRESSION]
    (agent,) = [each for each in findings if each.kind == SeriesKind.AGENT_LENGTH]
    assert agent.reason.startswith("the mix changed: ")
    assert "of the runs" in agent.reason
    assert agent.details["cause"] == "mix"


def test_every_type_of_a_slower_store_is_found() -> None:
    """Five types take 1.5 times as long in the last week: five regressions with factor and date."""
    rng = np.random.default_rng(7)
    runs = draw_slower_store(rng)
    findings = [
        each
        for each in judge_changes(make_all_task_value_series(runs), FIRST_DAY + 90 * DAY)
        if each.kind == SeriesKind.TASK_LENGTH
    ]
    assert [each.verdict for each in findings] == [REGRESSION] * 5
    for each in findings:
        assert each.since is not None
        assert abs(each.since - (FIRST_DAY + 83 * DAY)) <= DAY
        assert (each.evidence.low or 9) < 1.5 < (each.evidence.high or 0)


def test_failures_are_a_series_of_their_own() -> None:
    """From 5 to 35 % failures: a regression of the share, and none of the lengths of what was delivered."""
    rng = np.random.default_rng(3)
    ends = place_ends(84, 20)
    failed = rng.random(len(ends)) < np.where(np.arange(len(ends)) < 75 * 20, 0.05, 0.35)
    runs = [
        structs.replace(run, outcome=Outcome.FAILURE if is_failed else Outcome.SUCCESS)
        for run, is_failed in zip(make_task_runs(rng.normal(size=len(ends)) * 0.3, ends), failed, strict=True)
    ]
    by_kind = {
        each.kind: each for each in judge_changes(make_all_task_value_series(runs), FIRST_DAY + 84 * DAY)
    }
    failures = by_kind[SeriesKind.FAILURE_SHARE]
    assert failures.verdict is REGRESSION
    assert failures.evidence.unit == "share"
    assert failures.evidence.effect == pytest.approx(0.3, abs=0.1)
    assert by_kind[SeriesKind.TASK_LENGTH].verdict is NO_EVIDENCE


def test_no_failure_so_far_hides_no_rise() -> None:
    """Tasks that never failed have a detectable share all the same: chance allows a few failures."""
    logs = draw_logs("a", np.random.default_rng(1), 60, 10)
    runs = make_task_runs(logs, place_ends(60, 10))
    by_kind = {
        each.kind: each for each in judge_changes(make_all_task_value_series(runs), FIRST_DAY + 60 * DAY)
    }
    assert by_kind[SeriesKind.FAILURE_SHARE].verdict is NO_EVIDENCE
    assert by_kind[SeriesKind.FAILURE_SHARE].evidence.detectable == pytest.approx(0.05)


def test_a_slow_tail_is_seen_though_the_usual_length_stays() -> None:
    """If eight of a hundred take six times as long, the length is as before, the tail a regression."""
    rng = np.random.default_rng(3)
    ends = place_ends(84, 20)
    logs = rng.normal(size=len(ends)) * 0.3
    logs[(np.arange(len(ends)) >= 75 * 20) & (rng.random(len(ends)) < 0.08)] += math.log(6)
    series = make_all_task_value_series(make_task_runs(logs, ends))
    instant = FIRST_DAY + 84 * DAY
    findings = judge_changes(series, instant)
    (tail,) = judge_tails(series, findings, instant)
    assert tail.kind == SeriesKind.TAIL_SHARE
    assert tail.verdict is REGRESSION
    assert tail.evidence.effect == pytest.approx(0.08, abs=0.05)
    assert tail.evidence.unit == "share"
    assert not [each for each in findings if each.verdict is REGRESSION]


def test_a_tail_that_moved_with_the_length_is_no_second_finding() -> None:
    """A type whose usual length changed has no finding about its tail, and neither has one of few tasks."""
    series = slowed()
    instant = FIRST_DAY + 80 * DAY
    assert judge_tails([series], judge_changes([series], instant), instant) == []
    few = slowed(1.0, days=20, since=20, per_day=5)
    assert judge_tails([few], judge_changes([few], FIRST_DAY + 20 * DAY), FIRST_DAY + 20 * DAY) == []


def test_less_quality_is_a_regression() -> None:
    """Judgements that fall from .9 to .7 of the points are worse, and rising ones better."""
    rng = np.random.default_rng(3)
    points = np.clip(rng.normal(0.9, 0.05, 84 * 6), 0, 1)
    points[75 * 6 :] -= 0.2
    ends = place_ends(84, 6)
    rows = [(int(end), float(value), None) for end, value in zip(ends, points, strict=True)]
    finding = judge(make_quality_series(rows, {"type": "tests"}), 84)
    assert finding.verdict is REGRESSION
    assert finding.evidence.effect == pytest.approx(-0.2, abs=0.05)
    reverse = [(end, 1 - value, link) for end, value, link in rows]
    assert judge(make_quality_series(reverse, {}), 84).verdict is IMPROVEMENT


def test_slow_weekends_are_no_regression() -> None:
    """Days that are always slow are aligned; a change beside them is seen all the same."""
    rng = np.random.default_rng(5)
    days = list_days(112)
    weekend = np.repeat([day.weekday() > 4 for day in days.dates], 20)
    logs = draw_logs("a", rng, 112, 20) + np.where(weekend, math.log(1.6), 0.0)
    series = Series(SeriesKind.TASK_LENGTH, {}, place_ends(112, 20), logs)
    (tracked,) = track_changes([series], days)
    assert tracked.episodes == []
    slower = series.select_values(
        np.ones(len(logs), bool), logs + np.where(np.arange(len(logs)) >= 2000, 0.35, 0)
    )
    assert judge(slower, 110).verdict is REGRESSION


def test_a_weekly_pattern_needs_four_weeks() -> None:
    """Three weeks are no pattern; a constant has none."""
    weekdays = np.arange(21) % 7
    assert measure_weekdays(np.arange(21.0), weekdays) is None
    assert measure_weekdays(np.zeros(35), np.arange(35) % 7) is None


def test_days_are_local() -> None:
    """The check of a day is made at local midnight: the same runs have another last day elsewhere."""
    series = slowed(4.0, days=72)
    instant = FIRST_DAY + 72 * DAY + HOUR
    assert judge_changes([series], instant)[0].verdict is REGRESSION
    # In California the second slow day is not over yet.
    west = judge_changes([series], instant, ZoneInfo("America/Los_Angeles"))[0]
    assert west.verdict is not REGRESSION


def test_a_split_follows_its_direction() -> None:
    """0 0 0 1 1 is split at 3 for a rise; a fall is searched among falls."""
    assert find_best_split(np.array([0.0, 0, 0, 1, 1]), first=1, rises=True) == 3
    assert find_best_split(np.array([0.0, 1, 1, 0, 0]), first=1, rises=False) == 3


def test_errors_that_differ_by_chance_are_drawn_together() -> None:
    """Equal errors come out nearly equal; of two groups three times apart each keeps its own."""
    rng = np.random.default_rng(8)
    scatter = np.sqrt(rng.chisquare(40, (60, 1)) / 40)
    freedom = np.full((60, 1), 40.0)
    assert np.std(np.log(draw_errors_together(scatter, freedom))) < 0.5 * np.std(np.log(scatter))
    apart = scatter * np.where(np.arange(60) < 30, 1.0, 3.0)[:, None]
    drawn = draw_errors_together(apart, freedom)
    assert float(np.median(drawn[30:]) / np.median(drawn[:30])) == pytest.approx(3, rel=0.1)
    assert np.isnan(draw_errors_together(np.full((2, 1), np.nan), freedom[:2])).all()


def test_a_change_is_visible_where_there_are_runs_enough() -> None:
    """Half as long again is clear at 20 runs a day of spread .5, and not at 5 runs of spread 1."""
    rng = np.random.default_rng(9)
    series = [draw_series("a", rng, 70, 20), draw_series("c", rng, 70, 5)]
    clear, unclear = (
        count_errors_of_plausible_change(each, 65) for each in track_changes(series, list_days(70))
    )
    assert clear > CLEARLY_VISIBLE > unclear > 0


def test_a_series_that_wanders_is_judged_by_its_past() -> None:
    """Comparisons that were off by twice their errors double them; the last two weeks do not count."""
    rng = np.random.default_rng(8)
    usual, doubled = rng.normal(size=(2, 20, 100))
    wander = compute_error_inflation(special.ndtr(np.concatenate([usual, 2 * doubled])), 1)
    assert wander.shape == (40, 100)
    assert np.median(wander[:20, -1]) == pytest.approx(1.0, abs=0.15)
    assert np.median(wander[20:, -1]) == pytest.approx(1.9, abs=0.2)
    changed = special.ndtr(np.concatenate([usual[:1, :86], np.full((1, 14), 5.0)], axis=1))
    assert compute_error_inflation(changed, 1)[0, -1] < 1.3
    assert compute_error_inflation(np.full((2, 30), np.nan), 14).tolist() == np.ones((2, 30)).tolist()


def test_a_level_that_drifts_has_wider_errors_than_independent_runs() -> None:
    """A series set that drifts is seen to, a third above its errors; independent runs are not."""
    days = list_days(100)
    drifting, independent = (
        track_changes(
            [draw_series(scenario, np.random.default_rng([seed, 12]), 100, 20) for seed in range(20)], days
        )
        for scenario in "fa"
    )
    assert np.median([each.wander[-1] for each in drifting]) > 1.2
    assert np.median([each.wander[-1] for each in independent]) < 1.1
    assert drifting[0].measure_wander(len(drifting[0].checked.clusters)) == drifting[0].wander[-1]


def test_a_few_slow_days_among_lopsided_ones_are_no_change() -> None:
    """A week of lopsided days is beyond a limit as rarely as its p value says, slow or fast."""
    days = np.random.default_rng(13).gamma(4.0, size=(40_000, 49))
    recent, before = days[:, :7], days[:, 7:]
    error = before.std(axis=1, ddof=1) * math.sqrt(1 / 7 + 1 / 42)
    t = (recent.mean(axis=1) - before.mean(axis=1)) / error
    parts = np.full(len(t), 1 / 7), np.full(len(t), 1 / 42)
    straight = straighten_t(t, np.ones(len(t)), *parts)
    limit = float(special.stdtrit(41, 0.998))
    assert float(np.mean(t > limit)) > 0.005
    assert float(np.mean(straight > limit)) == pytest.approx(0.002, abs=0.001)
    assert float(np.mean(t < -limit)) < 0.001
    assert float(np.mean(straight < -limit)) == pytest.approx(0.002, abs=0.001)
    assert straighten_t(t, np.zeros(len(t)), *parts) == pytest.approx(t, abs=0.01)


def test_a_series_is_as_lopsided_as_its_like_unless_it_shows_otherwise() -> None:
    """Estimates that differ by chance become one; a series that stands out keeps most of its estimate."""
    chance = np.random.default_rng(14).normal(0.5, math.sqrt(6 / 42), (60, 1))
    sizes = np.full((60, 1), 42.0)
    assert np.std(pool_skewness(chance, sizes)) < 0.4 * np.std(chance)
    assert float(np.mean(pool_skewness(chance, sizes))) == pytest.approx(0.46, abs=0.1)
    apart = np.where(np.arange(60)[:, None] < 30, chance - 2, chance + 2)
    assert float(np.mean(pool_skewness(apart, sizes)[30:])) > 2
    assert pool_skewness(np.full((1, 1), 0.4), sizes[:1])[0, 0] < 0.2
    assert pool_skewness(np.full((2, 1), np.nan), np.full((2, 1), np.nan)).tolist() == [[0.0], [0.0]]
