"""The efficiency score of each day: the published score of its sums, by the configured rules."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from stretto.analysis.series_of_run_values import make_efficiency_series
from stretto.analysis.series_trends import judge_trends
from stretto.clock import DAY, HOUR
from stretto.config.loading import load_config
from stretto.figures.scores.score_rules import WEIGHTS, ScoreRules, Scoring
from stretto.figures.sequential_baseline_choice import (
    DeclaredBaselines,
    DeclaredLength,
    RecordedBaseline,
)
from stretto.findings.analysis_run import AnalysisRequest
from stretto.findings.efficiency_score_by_day import ScoreSettings, read_efficiency_by_day
from stretto.model.findings import FindingVerdict
from stretto.operations.score_trend import describe_score_trend
from stretto.service.configured_snapshot import make_score_settings
from stretto.store.fanout_and_baseline_queries import make_baseline_finder
from stretto.store.window_sums import read_period_sums
from stretto.summaries.window_figures import FigureRules, compute_sum_figures
from tests.fakes import store
from tests.month import end_of_day, month_of_sessions
from tests.scenes import BEGIN

ALWAYS_SHOWN = ScoreRules(weights={name: dict(parts) for name, parts in WEIGHTS.items()}, min_coverage=0.0)
"""Rules by which a score is a number however much is not known."""


def test_a_day_has_the_score_that_its_figures_have(tmp_path: Path) -> None:
    """Of all sessions and of the pattern, by whole day; with the usual rules a range too wide is no score."""
    with store(tmp_path) as opened:
        opened.take(month_of_sessions(4, slower={2: 3.0}))
        connection, instant = opened.connection, end_of_day(3)
        scores = read_efficiency_by_day(connection, instant, ScoreSettings(rules=ALWAYS_SHOWN))
        usual = read_efficiency_by_day(connection, instant, ScoreSettings())
        rules = FigureRules(make_baseline_finder(connection, {}, now=instant), Scoring(ALWAYS_SHOWN))
        days = range(BEGIN // DAY, BEGIN // DAY + 4)
        expected = []
        for day in days:
            sums = read_period_sums(connection, day * DAY, (day + 1) * DAY).sums
            values = {figure.name: figure.value for figure in compute_sum_figures("", sums, rules).figures}
            expected.append(
                [values[name] for name in ("stretto_efficiency_score", "stretto_pattern_efficiency_score")]
            )
    noons = [day * DAY + 12 * HOUR for day in days]
    assert scores.keys() == {None, "release"}
    assert [[time for time, _ in scores[key]] for key in (None, "release")] == [noons, noons]
    by_day = zip(scores[None], scores["release"], strict=True)
    assert [[100 * whole, 100 * of_pattern] for (_, whole), (_, of_pattern) in by_day] == [
        pytest.approx(values) for values in expected
    ]
    assert usual.keys() == {"release"}
    assert usual["release"] == scores["release"]


def test_a_score_that_wanders_by_chance_stays() -> None:
    """Thirty days around one value are no trend, with what would have been seen; a climb is one."""
    noise = np.random.default_rng(3).normal(0, 0.02, 30)
    noons = [BEGIN + day * DAY + 12 * HOUR for day in range(30)]
    quiet, rising = judge_trends(
        [
            make_efficiency_series({"patterns": "all"}, zip(noons, 0.7 + noise, strict=True)),
            make_efficiency_series(
                {"pattern": "release"}, zip(noons, 0.6 + 0.005 * np.arange(30) + noise, strict=True)
            ),
        ],
        BEGIN + 30 * DAY,
    )
    assert (quiet.kind, quiet.verdict) == ("efficiency_trend", FindingVerdict.NO_EVIDENCE)
    assert quiet.evidence.detectable == pytest.approx(0.04, abs=0.03)
    assert rising.verdict is FindingVerdict.IMPROVEMENT
    assert rising.evidence.effect == pytest.approx(0.15, abs=0.05)
    assert rising.advice.startswith("Efficiency (release) rose by 1")


def test_which_way_a_score_goes_is_a_sentence() -> None:
    """With its change, its interval, and the change that would have been seen; no verdict is no sentence."""
    trend = {"change": -0.4, "low": -4.2, "high": 3.1, "detectable": 5.6, "days": 28, "reason": None}
    (sentence,) = describe_score_trend({**trend, "verdict": "stays"})
    assert sentence.startswith("The score stays: -0 points in 30 days [-4, +3] over 28 days is within chance")
    assert sentence.endswith("a change by 6 would have been seen.")
    alike = {**trend, "change": None, "reason": "all days are alike", "verdict": "stays"}
    assert describe_score_trend(alike) == ["The score stays: all days are alike."]
    assert describe_score_trend({**trend, "verdict": None}) == []


def test_the_process_scores_by_the_configuration(tmp_path: Path) -> None:
    """Weights, targets, hours and declared baselines arrive in the process as they are configured."""
    tables = (
        "[scores]\ncohort = 3\n[scores.weights.efficiency]\ntime = 1\n"
        "[task_types.review]\nsequential_hours = 6.0\nparallel_target_hours = 1.5\n"
    )
    (tmp_path / "config.toml").write_text(tables, encoding="utf-8")
    config = load_config({}, tmp_path, state=str(tmp_path))
    declared = DeclaredBaselines(
        (RecordedBaseline("before", "s1", "release", ({"review": (5, 7)},), 1, 2),),
        {"review": DeclaredLength(9.0, 3)},
    )
    settings = make_score_settings(config, declared)
    request = AnalysisRequest("store.db", BEGIN, ("trends",), scoring=settings)
    arrived = msgspec.json.decode(msgspec.json.encode(request), type=AnalysisRequest).scoring
    assert arrived.rules == settings.rules
    assert arrived.rules.cohort == 3
    assert arrived.rules.get_weight("efficiency", "time") == pytest.approx(1 / 1.7)
    assert (arrived.find_target("review"), arrived.find_target("docs")) == (0.75, 0.6)
    assert arrived.hours == {"review": 6.0}
    assert arrived.declared.set == declared.set
    (recorded,) = arrived.declared.recorded
    assert (recorded.pattern, recorded.signatures) == ("release", frozenset({"review,review"}))
