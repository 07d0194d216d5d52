"""Predictor: medians with ranges that hold for new sessions, boosted trees only if they earn it, ETA."""

from __future__ import annotations

import numpy as np
import pytest

from stretto.analysis.length_predictor import (
    LengthPredictor,
    PredictionMethod,
    fit_predictor,
    forecast_session_end,
)
from stretto.clock import HOUR, MINUTE, SECOND
from stretto.model.event import Outcome
from stretto.model.run_rows_for_analyses import SessionRun, TaskRun
from tests.run_makers import generate_lengths


def measure_cover(predictor: LengthPredictor, tasks: list[TaskRun]) -> float:
    forecasts = zip(predictor.predict_lengths(tasks), tasks, strict=True)
    inside = [
        one is not None and one.low <= (task.length or 0) / SECOND <= one.high for one, task in forecasts
    ]
    return sum(inside) / len(inside)


def test_the_forecast_is_the_median_of_its_kind() -> None:
    """A task of a known pattern and type gets their median, of a new type that of all."""
    tasks = generate_lengths(20, 1)
    predictor = fit_predictor(tasks)
    code = predictor.predict_length(tasks[1])
    assert code is not None
    lengths = [(task.length or 0) / SECOND for task in tasks if task.type == "code"]
    assert code.seconds == pytest.approx(float(np.exp(np.median(np.log(lengths)))), rel=1e-6)
    assert code.low < code.seconds < code.high
    assert (code.method, code.tasks) == (PredictionMethod.PATTERN_AND_TYPE, len(lengths))

    def predict_method(type_: str, pattern: str) -> PredictionMethod | None:
        asked = TaskRun("s", "t", 0, None, Outcome.RUNNING, type_, pattern=pattern)
        forecast = predictor.predict_length(asked)
        return forecast.method if forecast else None

    assert predict_method("code", "other") is PredictionMethod.TYPE
    assert predict_method("new", "other") is PredictionMethod.ALL
    assert fit_predictor([]).predict_length(tasks[0]) is None
    assert fit_predictor(tasks[:4]).predict_length(tasks[0]) is None


def test_ranges_cover_new_sessions() -> None:
    """In ten stores the ranges cover 78 to 86 % of the tasks of sessions that were not seen."""
    covers = [
        measure_cover(fit_predictor(generate_lengths(40, seed)), generate_lengths(20, seed + 50))
        for seed in range(10)
    ]
    assert 0.78 <= float(np.mean(covers)) <= 0.86


def test_few_tasks_are_not_boosted() -> None:
    """Below 1,000 tasks the trees are not tried; the reason says so."""
    quality = fit_predictor(generate_lengths(30, 2, driven_by_size=True)).quality
    assert (quality.tasks, quality.sessions) == (360, 30)
    assert quality.reason == "360 tasks of 30 sessions, 1000 are needed"
    assert quality.boosting_error is None
    assert quality.median_error is not None


def test_trees_are_used_only_if_they_are_much_better() -> None:
    """Lengths that follow a known size: trees, with ranges that hold; lengths that do not: medians."""
    earned = fit_predictor(generate_lengths(90, 3, driven_by_size=True))
    assert earned.quality.method is PredictionMethod.BOOSTING
    assert earned.quality.boosting_error is not None
    new = generate_lengths(60, 60, driven_by_size=True)
    forecast = earned.predict_length(new[0])
    assert forecast is not None
    assert forecast.method is PredictionMethod.BOOSTING
    assert 0.68 <= measure_cover(earned, new) <= 0.92
    in_vain = fit_predictor(generate_lengths(90, 4))
    assert in_vain.quality.method is PredictionMethod.PATTERN_AND_TYPE
    assert in_vain.quality.reason.endswith("better on held-out sessions, 14% are needed")


def test_an_end_is_never_a_bare_number() -> None:
    """A running task ends within a range that lies ahead of now, and later the longer it has run."""
    predictor = fit_predictor(generate_lengths(30, 5))
    running = TaskRun("new", "t", 10 * HOUR, None, Outcome.RUNNING, "code", pattern="release")
    early = predictor.forecast_end(running, 10 * HOUR + 10 * SECOND)
    late = predictor.forecast_end(running, 10 * HOUR + 4 * MINUTE)
    for forecast, now in ((early, 10 * HOUR), (late, 10 * HOUR + 4 * MINUTE)):
        assert forecast.earliest is not None
        assert forecast.end is not None
        assert forecast.latest is not None
        assert now < forecast.earliest < forecast.end < forecast.latest
    assert (late.end or 0) > (early.end or 0)
    assert late.longer_than > early.longer_than


def test_what_is_later_than_its_kind_has_no_end() -> None:
    """Beyond all of its kind there is no estimate; the reason says how it compares."""
    predictor = fit_predictor(generate_lengths(30, 6))
    running = TaskRun("new", "t", 0, None, Outcome.RUNNING, "lint", pattern="release")
    overdue = predictor.forecast_end(running, HOUR)
    assert (overdue.end, overdue.latest, overdue.longer_than) == (None, None, 1.0)
    assert overdue.reason == "it has run longer than 100% of its kind"
    unknown = fit_predictor([]).forecast_end(running, HOUR)
    assert unknown.reason == "no task of its kind has finished"


def test_a_session_ends_like_its_pattern() -> None:
    """Sessions of 60 to 69 min: after 30 min the end is expected after about 64; after 68 nothing is left."""
    finished = [
        SessionRun(f"s{n}", 0, (60 + n) * MINUTE, Outcome.SUCCESS, pattern="release") for n in range(10)
    ]
    forecast = forecast_session_end(finished, HOUR, HOUR + 30 * MINUTE)
    assert forecast.end == pytest.approx(HOUR + 64.5 * MINUTE)
    assert forecast.earliest == pytest.approx(HOUR + 60.9 * MINUTE)
    assert forecast.latest == pytest.approx(HOUR + 68.1 * MINUTE)
    assert forecast_session_end(finished, HOUR, HOUR + 68 * MINUTE).end is None
    assert (
        forecast_session_end(finished[:4], HOUR, HOUR).reason == "4 of its kind have finished, 5 are needed"
    )
