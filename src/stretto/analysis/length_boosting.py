"""Boosted trees on what is known when a task starts. Needs the extra ``stretto[predictor]``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from stretto.model.run_rows_for_analyses import TaskRun

FIELDS = ("type", "pattern", "agent", "phase", "model", "project")
MOST_VALUES = 200
"""Most values of a circumstance; rarer ones count as unknown."""
TREES = 120
UNKNOWN = -1.0


class TaskFeatures:
    """Tasks as rows of numbers: codes of names, concurrency, and circumstances that are numbers."""

    def __init__(self, tasks: Sequence[TaskRun]) -> None:
        self._covariates = sorted({key for run in tasks for key in run.covariates})
        self._codes: list[dict[str, int]] = []
        for column in [*FIELDS, *self._covariates]:
            counts: dict[str, int] = {}
            for run in tasks:
                value = _read_value(run, column)
                if value is not None:
                    counts[value] = counts.get(value, 0) + 1
            frequent = sorted(counts, key=lambda value, counts=counts: (-counts[value], value))[:MOST_VALUES]  # type: ignore[misc]  # bound now
            self._codes.append({value: code for code, value in enumerate(frequent)})

    def build_rows(self, tasks: Sequence[TaskRun]) -> np.ndarray:
        """Return a row per task; a value that is not known is -1."""
        rows = np.full((len(tasks), len(self._codes) + len(self._covariates) + 1), UNKNOWN)
        for row, run in enumerate(tasks):
            for place, (column, codes) in enumerate(
                zip([*FIELDS, *self._covariates], self._codes, strict=True)
            ):
                rows[row, place] = codes.get(_read_value(run, column) or "", UNKNOWN)
            for place, key in enumerate(self._covariates, len(self._codes)):
                number = _read_number(run.covariates.get(key))
                rows[row, place] = UNKNOWN if math.isnan(number) else number
            rows[row, -1] = run.concurrency
        return rows


class BoostedLengths:
    """Fitted trees for the median and both ends of the range of the logarithm of the length (ns)."""

    def __init__(self, features: TaskFeatures, models: Sequence[Any], stretch: float) -> None:
        self._features = features
        self._models = models
        self._stretch = stretch

    def predict_logs(self, tasks: Sequence[TaskRun]) -> np.ndarray:
        """Return low end, median and high end of each task."""
        rows = self._features.build_rows(tasks)
        with threadpool_limits(limits=1):
            low, middle, high = (np.asarray(model.predict(rows)) for model in self._models)
        low, high = np.minimum(low - self._stretch, middle), np.maximum(high + self._stretch, middle)
        return np.array([low, middle, high]).T


def fit_boosted_lengths(
    train: Sequence[TaskRun], calibration: Sequence[TaskRun], cover: float
) -> BoostedLengths:
    """Return trees fitted to some tasks, with ranges that cover a share of those of other sessions."""
    features = TaskFeatures(train)
    rows, logs = features.build_rows(train), np.log([run.length or 1 for run in train])
    # More threads than free processors wait for each other: a fit takes ten times as long on a busy machine.
    with threadpool_limits(limits=1):
        models = [
            HistGradientBoostingRegressor(
                loss="quantile", quantile=quantile, max_iter=TREES, learning_rate=0.08, min_samples_leaf=10,
                random_state=0,
            ).fit(rows, logs)
            for quantile in ((1 - cover) / 2, 0.5, (1 + cover) / 2)
        ]  # fmt: skip
    truth = np.log([run.length or 1 for run in calibration])
    limits = BoostedLengths(features, models, 0.0).predict_logs(calibration)
    misses = np.maximum(limits[:, 0] - truth, truth - limits[:, 2])
    stretch = float(np.quantile(misses, min(1.0, cover * (1 + 1 / len(misses)))))
    return BoostedLengths(features, models, stretch)


def _read_value(run: TaskRun, column: str) -> str | None:
    if column in FIELDS:
        value: str | None = getattr(run, column)
        return value
    text = run.covariates.get(column)
    return None if text is None or not math.isnan(_read_number(text)) else text


def _read_number(text: str | None) -> float:
    try:
        return math.nan if text is None else float(text)
    except ValueError:
        return math.nan
