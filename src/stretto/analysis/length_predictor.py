"""Predict how long a task will take, with a range, and when a running task or session will end.

The prediction is the median of the tasks of the same pattern and type. Boosted trees take over only from
1,000 tasks on, and only while they are 14 % better on sessions that they have not seen: tasks of a session
resemble each other, so that tasks held out at random would flatter them. The range is widened by what the
ranges of other sessions missed, so that it holds for a session that is new.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from stretto.analysis.installed_extras import find_missing_package
from stretto.clock import SECOND
from stretto.model.run_rows_for_analyses import SessionRun, TaskRun

if TYPE_CHECKING:
    from stretto.analysis.length_boosting import BoostedLengths

COVER = 0.80
"""Share of tasks whose length lies within the range."""
FEWEST_OF_KIND = 5
FEWEST_OF_ALL = 20
BOOSTING_FROM = 1_000
"""Tasks from which on boosted trees are tried."""
MUCH_BETTER = 0.86
"""Error of the trees / error of the medians, at and below which the trees are used."""
FOLDS = 5
HELD_OUT = 0.3


class PredictionMethod(StrEnum):
    """How a length was predicted."""

    PATTERN_AND_TYPE = "median of pattern and type"
    TYPE = "median of type"
    ALL = "median of all tasks"
    BOOSTING = "boosted trees"


@dataclass(frozen=True, slots=True)
class LengthForecast:
    """The length that is expected of a task, with the range in which 80 % of such tasks lie."""

    seconds: float
    low: float
    high: float
    tasks: int
    """Tasks that it rests on."""
    method: PredictionMethod


@dataclass(frozen=True, slots=True)
class EtaForecast:
    """When something that runs will probably end: nanoseconds since the epoch, with the range of 80 %."""

    end: int | None
    earliest: int | None
    latest: int | None
    rests_on: int
    """Finished things of its kind that took longer than it has run so far."""
    longer_than: float
    """Share of its kind that was over by now."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PredictorQuality:
    """How well predictions held on sessions that were left out."""

    tasks: int
    sessions: int
    median_error: float | None
    """Mean absolute error of the logarithm, by medians."""
    boosting_error: float | None
    """The same for boosted trees; None if they were not tried."""
    method: PredictionMethod
    reason: str = ""
    """Why boosted trees are not used."""


class LengthPredictor:
    """Predicts lengths of tasks from finished tasks. Made by ``fit_predictor``."""

    def __init__(
        self, groups: _Groups, stretch: float, quality: PredictorQuality, boosted: BoostedLengths | None
    ) -> None:
        self._groups = groups
        self._stretch = stretch
        self._boosted = boosted
        self.quality = quality

    def predict_length(self, task: TaskRun) -> LengthForecast | None:
        """Return the forecast for a task by its type, pattern and circumstances; None without any history."""
        return self.predict_lengths([task])[0]

    def predict_lengths(self, tasks: Sequence[TaskRun]) -> list[LengthForecast | None]:
        """Return the forecast of each task."""
        boosted = self._boosted.predict_logs(tasks) if self._boosted is not None and tasks else None
        forecasts: list[LengthForecast | None] = []
        for place, task in enumerate(tasks):
            found = self._groups.find(task)
            if found is None:
                forecasts.append(None)
                continue
            logs, method = found
            low, middle, high = _find_range(logs, self._stretch)
            if boosted is not None:
                low, middle, high = map(float, boosted[place])
                method = PredictionMethod.BOOSTING
            forecasts.append(
                LengthForecast(_to_seconds(middle), _to_seconds(low), _to_seconds(high), len(logs), method)
            )
        return forecasts

    def forecast_end(self, task: TaskRun, now: int) -> EtaForecast:
        """Return when a running task will end, given that it has run since its start."""
        found = self._groups.find(task)
        if found is None:
            return EtaForecast(None, None, None, 0, 0.0, "no task of its kind has finished")
        logs, _ = found
        middle = float(np.median(logs))
        lengths = np.exp(middle + (logs - middle) * _find_widening(logs, self._stretch))
        return _forecast_end(lengths, task.start, now)


def fit_predictor(tasks: Iterable[TaskRun]) -> LengthPredictor:
    """Return a predictor from the delivered tasks of finished sessions."""
    known = [run for run in tasks if run.length and run.is_delivered]
    sessions = sorted({run.session for run in known})
    groups = _Groups(known)
    stretch, error = _calibrate(known, sessions)
    boosted, boosting_error, reason = _try_boosting(known, sessions)
    method = PredictionMethod.PATTERN_AND_TYPE if boosted is None else PredictionMethod.BOOSTING
    quality = PredictorQuality(len(known), len(sessions), error, boosting_error, method, reason)
    return LengthPredictor(groups, stretch, quality, boosted)


def forecast_session_end(finished: Sequence[SessionRun], start: int, now: int) -> EtaForecast:
    """Return when a running session will end, by the finished sessions of its pattern."""
    lengths = np.array([float(run.end - run.start) for run in finished if run.end > run.start])
    return _forecast_end(lengths, start, now)


class _Groups:
    """The logarithms of lengths by pattern and type, by type, and of all."""

    def __init__(self, tasks: Iterable[TaskRun]) -> None:
        logs: dict[tuple[str | None, str | None, bool], list[float]] = defaultdict(list)
        for run in tasks:
            value = math.log(run.length or 1)
            logs[run.pattern, run.type, True].append(value)
            logs[None, run.type, False].append(value)
            logs[None, None, False].append(value)
        self._logs = {key: np.sort(values) for key, values in logs.items()}

    def find(self, task: TaskRun) -> tuple[np.ndarray, PredictionMethod] | None:
        for key, method, fewest in (
            ((task.pattern, task.type, True), PredictionMethod.PATTERN_AND_TYPE, FEWEST_OF_KIND),
            ((None, task.type, False), PredictionMethod.TYPE, FEWEST_OF_KIND),
            ((None, None, False), PredictionMethod.ALL, FEWEST_OF_ALL),
        ):
            logs = self._logs.get(key)
            if logs is not None and len(logs) >= fewest:
                return logs, method
        return None


def _find_range(logs: np.ndarray, stretch: float) -> tuple[float, float, float]:
    low, middle, high = np.quantile(logs, [(1 - COVER) / 2, 0.5, (1 + COVER) / 2])
    return min(float(low) - stretch, float(middle)), float(middle), max(float(high) + stretch, float(middle))


def _find_widening(logs: np.ndarray, stretch: float) -> float:
    """Return the factor by which deviations from the median grow so that the range is stretched."""
    low, _, high = _find_range(logs, 0.0)
    return max(0.1, 1 + 2 * stretch / (high - low)) if high > low else 1.0


def _calibrate(tasks: Sequence[TaskRun], sessions: Sequence[str]) -> tuple[float, float | None]:
    """Return by how much ranges of logarithms are stretched to cover 80 % of new sessions, and the error.

    Each fifth of the sessions is predicted from the others. A task's miss is its distance beyond the nearer
    end of the range, below 0 if it lies inside; 80 % of the misses are at most the stretch (Romano and
    others, 2019).
    """
    if len(sessions) < FOLDS:
        return 0.0, None
    misses: list[float] = []
    errors: list[float] = []
    fold_of = {session: place % FOLDS for place, session in enumerate(sessions)}
    for fold in range(FOLDS):
        groups = _Groups(run for run in tasks if fold_of[run.session] != fold)
        ranges: dict[tuple[str | None, str], tuple[float, float, float] | None] = {}
        for run in tasks:
            if fold_of[run.session] != fold:
                continue
            key = run.pattern, run.type
            if key not in ranges:
                found = groups.find(run)
                ranges[key] = None if found is None else _find_range(found[0], 0.0)
            limits = ranges[key]
            if limits is not None:
                value = math.log(run.length or 1)
                misses.append(max(limits[0] - value, value - limits[2]))
                errors.append(abs(value - limits[1]))
    if not misses:
        return 0.0, None
    level = min(1.0, COVER * (1 + 1 / len(misses)))
    return float(np.quantile(misses, level)), float(np.mean(errors))


def _try_boosting(
    tasks: Sequence[TaskRun], sessions: Sequence[str]
) -> tuple[BoostedLengths | None, float | None, str]:
    """Return boosted trees if they are much better on held-out sessions, their error, or the reason."""
    if len(tasks) < BOOSTING_FROM or len(sessions) < 2 * FOLDS:
        return None, None, f"{len(tasks)} tasks of {len(sessions)} sessions, {BOOSTING_FROM} are needed"
    missing = find_missing_package("predictor")
    if missing is not None:
        return None, None, f"{missing} is not installed"
    rng = np.random.default_rng(0)
    held = {sessions[place] for place in rng.permutation(len(sessions))[: round(HELD_OUT * len(sessions))]}
    train, test = [[run for run in tasks if (run.session in held) is flag] for flag in (False, True)]
    groups = _Groups(train)
    known = [(run, found[0]) for run in test if (found := groups.find(run)) is not None]
    if len(known) < FEWEST_OF_ALL:
        return None, None, "too few tasks of known types in the sessions that are held out"
    truth = np.log([run.length or 1 for run, _ in known])
    usual = float(np.mean(np.abs(truth - np.array([float(np.median(logs)) for _, logs in known]))))
    # An extra of its own, and the slowest import of all: only once there are enough tasks.
    from stretto.analysis.length_boosting import fit_boosted_lengths  # noqa: PLC0415

    boosted = fit_boosted_lengths(train, test, COVER)
    error = float(np.mean(np.abs(truth - boosted.predict_logs([run for run, _ in known])[:, 1])))
    if error > MUCH_BETTER * usual:
        better = 1 - error / usual if usual else 0.0
        return None, error, f"boosted trees are {better:.0%} better on held-out sessions, 14% are needed"
    return boosted, error, ""


def _forecast_end(lengths: np.ndarray, start: int, now: int) -> EtaForecast:
    """Return the end by the lengths (ns) that are longer than the time so far."""
    elapsed = now - start
    later = lengths[lengths > elapsed]
    over = 1 - len(later) / len(lengths) if len(lengths) else 0.0
    if len(later) < FEWEST_OF_KIND:
        reason = (
            f"{len(lengths)} of its kind have finished, {FEWEST_OF_KIND} are needed"
            if len(lengths) < FEWEST_OF_KIND
            else f"it has run longer than {over:.0%} of its kind"
        )
        return EtaForecast(None, None, None, len(later), over, reason)
    low, middle, high = np.quantile(later, [(1 - COVER) / 2, 0.5, (1 + COVER) / 2])
    return EtaForecast(start + round(middle), start + round(low), start + round(high), len(later), over)


def _to_seconds(log: float) -> float:
    return math.exp(min(log, 60.0)) / SECOND
