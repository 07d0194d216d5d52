"""Fit how much tasks that run side by side slow each other, from tasks of the same type."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

from stretto.model.run_rows_for_analyses import TaskRun

FEWEST_CELLS = 6
"""Fewest groups of tasks of a type and a session that a slow-down is fitted to."""
LEAST_RANGE = 0.5
"""Difference of concurrency, in tasks, from which on a slow-down can be fitted."""
CERTAIN = 0.01
"""p value from which on crosstalk, which grows with the square of the width, is used."""


@dataclass(frozen=True, slots=True)
class Slowdown:
    """How many times as long as alone a task takes beside others."""

    contention: float = 0.0
    """Slow-down per further task."""
    crosstalk: float = 0.0
    """Slow-down per pair of tasks, if it is above chance."""
    tasks: int = 0
    widest: float = 1.0
    """Highest concurrency that was seen."""

    def compute_factor(self, running: float) -> float:
        """Return the factor with so many tasks running, at least 1."""
        return 1 + self.contention * (running - 1) + self.crosstalk * running * (running - 1)

    def compute_factors(self, running: np.ndarray) -> np.ndarray:
        """Return the factor of each number of running tasks."""
        return np.asarray(1 + self.contention * (running - 1) + self.crosstalk * running * (running - 1))


@dataclass(frozen=True, slots=True)
class LengthCells:
    """Groups of tasks of a type, session and concurrency, as columns."""

    kinds: np.ndarray
    """Number of the type; of the session likewise."""
    sessions: np.ndarray
    running: np.ndarray
    means: np.ndarray
    """Mean logarithm of the lengths."""
    weights: np.ndarray
    """Number of tasks."""


def build_cells(tasks: Iterable[TaskRun]) -> LengthCells:
    """Return the delivered tasks in groups of the same type, session and concurrency."""
    cells: dict[tuple[str, str, float], list[float]] = defaultdict(list)
    types: dict[str, int] = {}
    sessions: dict[str, int] = {}
    for run in tasks:
        session = sessions.setdefault(run.session, len(sessions))
        if run.length and run.is_delivered:
            types.setdefault(run.type, len(types))
            sessions[run.session] = session
            cells[run.type, run.session, round(run.concurrency, 1)].append(math.log(run.length))
    return LengthCells(
        np.array([types[type_] for type_, _, _ in cells], int),
        np.array([sessions[session] for _, session, _ in cells], int),
        np.array([running for _, _, running in cells]),
        np.array([sum(values) / len(values) for values in cells.values()]),
        np.array([float(len(values)) for values in cells.values()]),
    )


def fit_cells(cells: LengthCells) -> Slowdown:
    """Return the slow-down that fits best within types, without crosstalk unless the data insist on it.

    There is none if all tasks ran at the same concurrency.
    """
    used = cells.weights > 0
    running = cells.running[used]
    count, widest = int(cells.weights.sum()), float(running.max()) if used.any() else 1.0
    if used.sum() < FEWEST_CELLS or np.ptp(running) < LEAST_RANGE:
        return Slowdown(tasks=count, widest=widest)
    simple, full = _fit_factors(cells, 1), _fit_factors(cells, 2)
    freedom = max(1, int(used.sum()) - len({*cells.kinds[used]}) - 2)
    better = (simple[1] - full[1]) / max(full[1] / freedom, 1e-300)
    values = full[0] if float(special.fdtrc(1, freedom, better)) < CERTAIN else [*simple[0], 0.0]
    return Slowdown(values[0], values[1], count, widest)


def _fit_factors(cells: LengthCells, size: int) -> tuple[list[float], float]:
    """Return the slow-down's parameters, none below 0, and the sum of squares; types have a level each."""
    count = int(cells.kinds.max()) + 1
    totals = np.maximum(np.bincount(cells.kinds, cells.weights, count), 1e-300)
    terms = np.array([cells.running - 1, cells.running * (cells.running - 1)][:size])
    roots = np.sqrt(cells.weights)

    def center(values: np.ndarray) -> np.ndarray:
        level = np.bincount(cells.kinds, cells.weights * values, count) / totals
        return np.asarray(roots * (values - level[cells.kinds]))

    def get_residuals(values: np.ndarray) -> np.ndarray:
        return center(cells.means - np.log1p(values @ terms))

    def get_slopes(values: np.ndarray) -> np.ndarray:
        return np.array([center(-term / (1 + values @ terms)) for term in terms]).T

    result = optimize.least_squares(
        get_residuals,
        [0.05, 0.002][:size],
        jac=get_slopes,
        bounds=([0.0] * size, [5.0, 5.0][:size]),
        x_scale=[0.1, 0.01][:size],
    )
    return [float(value) for value in result.x], float(2 * result.cost)
