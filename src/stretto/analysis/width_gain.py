"""Fit the curve of elapsed time over width: what each further agent of a pattern still brings.

The curve is the universal scalability law (Gunther, 1993): n agents do the work of
n / (1 + s(n-1) + k n(n-1)) of a single agent. s is the part that cannot be shared, k what the agents cost
each other; with k = 0 it is Amdahl's law. Since sessions differ in size, elapsed time is divided by the usual
work of the session's tasks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

from stretto.analysis.session_holdups import find_median_length_by_type
from stretto.model.findings import Finding, FindingEvidence, FindingVerdict
from stretto.model.run_rows_for_analyses import SessionRun, TaskRun

FEWEST_SESSIONS = 12
FEWEST_WIDTHS = 3
"""Fewest different widths that a curve goes through."""
FEWEST_AT_WIDTH = 3
"""Fewest sessions near a width for it to count as seen."""
LEVEL = 0.05
WIDEST = 64
PARAMETERS = 3
"""Numbers that are fitted: the level, the part that cannot be shared, the crosstalk."""


@dataclass(frozen=True, slots=True)
class LastAgentGain:
    """What the last of so many agents brings: the share by which the elapsed time shrinks."""

    width: int
    gain: float
    low: float
    high: float
    seen: bool
    """Whether sessions of this width have run; otherwise it is extrapolated."""

    @property
    def visible(self) -> bool:
        """Whether the gain is above chance."""
        return self.low > 0


@dataclass(frozen=True, slots=True)
class WidthCurve:
    """The curve of a pattern, or the reason why there is none."""

    pattern: str
    sessions: int
    gains: tuple[LastAgentGain, ...] = ()
    law: str = ""
    """``amdahl`` if the agents' cost to each other is not above chance, else ``usl``."""
    shared: float | None = None
    """The part of the work that cannot be shared."""
    crosstalk: float | None = None
    """What each pair of agents costs the others."""
    reason: str = ""

    @property
    def last_visible(self) -> LastAgentGain | None:
        """The widest agent that ran and brings something that can be seen, without a gap before it."""
        last = None
        for gain in self.gains:
            if not gain.visible or not gain.seen:
                break
            last = gain
        return last

    def to_sentence(self) -> str:
        """Return the curve in words: which agent still brings how much, and which one nothing."""
        if not self.gains:
            return self.reason
        last = self.last_visible
        if last is None:
            return "A second agent brings nothing that can be seen."
        text = (
            f"The {to_ordinal(last.width)} agent still brings {last.gain:.0%} "
            f"[{last.low:.0%}, {last.high:.0%}]"
        )
        following = next((gain for gain in self.gains if gain.width == last.width + 1), None)
        if following is None:
            return f"{text}."
        rest = "nothing we can see" if following.seen else "has not run yet"
        return f"{text}, the {to_ordinal(following.width)} {rest}."

    def to_finding(self) -> Finding:
        """Return the curve as a finding about its pattern; ``details`` have the gain of each width."""
        last = self.last_visible
        details: dict[str, float | str | None] = {
            "law": self.law or None, "shared": self.shared, "crosstalk": self.crosstalk,
        }  # fmt: skip
        for gain in self.gains:
            details[f"gain_{gain.width}"] = gain.gain
            details[f"gain_{gain.width}_low"] = gain.low
            details[f"gain_{gain.width}_high"] = gain.high
        return Finding(
            kind="gain_by_width",
            subject={"pattern": self.pattern},
            verdict=FindingVerdict.NO_EVIDENCE if self.gains else FindingVerdict.TOO_LITTLE_DATA,
            evidence=FindingEvidence(
                n=self.sessions,
                effect=last.gain if last else None,
                low=last.low if last else None,
                high=last.high if last else None,
                unit="share",
            ),
            reason=self.reason,
            advice=self.to_sentence() if self.gains else "",
            details=details,
        )


def fit_width_curve(
    pattern: str, sessions: Sequence[SessionRun], tasks: Mapping[str, Sequence[TaskRun]]
) -> WidthCurve:
    """Return the gain of each width from 2 to one beyond the widest that was seen."""
    points = _list_points(sessions, tasks)
    widths = np.array([width for width, _ in points])
    near = [round(float(width)) for width in widths]
    seen = {width for width in near if near.count(width) >= FEWEST_AT_WIDTH}
    if len(points) < FEWEST_SESSIONS or len(seen) < FEWEST_WIDTHS:
        reason = (
            f"{len(points)} sessions at {len(seen)} widths, {FEWEST_SESSIONS} sessions at "
            f"{FEWEST_WIDTHS} widths are needed, {FEWEST_AT_WIDTH} at each"
        )
        return WidthCurve(pattern, len(points), reason=reason)
    logs = np.array([log for _, log in points])
    amdahl, usl = _fit(widths, logs, crosstalk=False), _fit(widths, logs, crosstalk=True)
    freedom = len(points) - PARAMETERS
    better = (amdahl.squares - usl.squares) / max(usl.squares / freedom, 1e-300)
    is_usl = float(special.fdtrc(1, freedom, better)) < LEVEL
    chosen = usl if is_usl else amdahl
    # Limits allow for crosstalk even where it is not above chance.
    scatter = _estimate_scatter(usl, widths, logs)
    factor = -float(special.stdtrit(freedom, LEVEL / 2))
    gains = []
    for width in range(2, min(max(seen) + 1, WIDEST) + 1):
        gain, middle = chosen.get_gain(width), math.log1p(-usl.get_gain(width))
        slopes = usl.get_slopes(np.array([width - 1.0, float(width)]))
        change = slopes[1] - slopes[0]
        half = factor * math.sqrt(float(change @ scatter @ change))
        low, high = -math.expm1(middle + half), -math.expm1(middle - half)
        gains.append(LastAgentGain(width, gain, min(low, gain), max(high, gain), width in seen))
    return WidthCurve(
        pattern,
        len(points),
        tuple(gains),
        "usl" if is_usl else "amdahl",
        chosen.shared,
        chosen.crosstalk,
    )


def to_ordinal(number: int) -> str:
    """Return a small number as an ordinal word, others as digits: ``fourth``, ``21st``."""
    words = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
    if 1 <= number <= len(words):
        return words[number - 1]
    teen = number % 100 in {11, 12, 13}
    return f"{number}{'th' if teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


@dataclass(frozen=True, slots=True)
class _Fit:
    shared: float
    crosstalk: float
    squares: float

    def get_gain(self, width: int) -> float:
        """Return the share by which the last of so many agents shortens the elapsed time."""
        return 1 - self._get_elapsed(width) / self._get_elapsed(width - 1)

    def _get_elapsed(self, width: int) -> float:
        return (1 + self.shared * (width - 1) + self.crosstalk * width * (width - 1)) / width

    def get_log_elapsed(self, widths: np.ndarray) -> np.ndarray:
        """Return the logarithm of the elapsed time by width, with level 0."""
        return np.asarray(
            np.log((1 + self.shared * (widths - 1) + self.crosstalk * widths * (widths - 1)) / widths)
        )

    def get_slopes(self, widths: np.ndarray) -> np.ndarray:
        """Return by width how the logarithm of the elapsed time changes with each fitted number."""
        terms = np.array([widths - 1, widths * (widths - 1)])
        slowdown = 1 + self.shared * terms[0] + self.crosstalk * terms[1]
        return np.array([np.ones_like(widths), *(terms / slowdown)]).T


def _estimate_scatter(fit: _Fit, widths: np.ndarray, logs: np.ndarray) -> np.ndarray:
    """Return the covariance of the fitted numbers.

    Wide sessions scatter more than narrow ones, so that each residual stands for itself: the estimator HC3 of
    MacKinnon and White (1985).
    """
    slopes = fit.get_slopes(widths)
    residuals = logs - fit.get_log_elapsed(widths)
    residuals = residuals - residuals.mean()
    inverse = np.linalg.pinv(slopes.T @ slopes)
    leverage = np.einsum("ij,jk,ik->i", slopes, inverse, slopes)
    weighted = slopes * (residuals / np.maximum(1e-6, 1 - leverage))[:, None]
    return np.asarray(inverse @ (weighted.T @ weighted) @ inverse)


def _fit(widths: np.ndarray, logs: np.ndarray, *, crosstalk: bool) -> _Fit:
    """Return the least squares of the logarithms; the level is free, since usual lengths are of any width."""

    def get_residuals(values: np.ndarray) -> np.ndarray:
        slowdown = 1 + values[0] * (widths - 1)
        if crosstalk:
            slowdown = slowdown + values[1] * widths * (widths - 1)
        residual = logs - np.log(slowdown / widths)
        return np.asarray(residual - residual.mean())

    size = 2 if crosstalk else 1
    result = optimize.least_squares(
        get_residuals,
        [0.1, 0.005][:size],
        bounds=([0.0] * size, [1.0, 1.0][:size]),
        x_scale=[0.1, 0.01][:size],
    )
    values = [*map(float, result.x), 0.0]
    return _Fit(values[0], values[1], float(2 * result.cost))


def _list_points(
    sessions: Sequence[SessionRun], tasks: Mapping[str, Sequence[TaskRun]]
) -> list[tuple[float, float]]:
    """Return each session's mean width and the logarithm of its elapsed time per usual work.

    Sessions whose tasks ran one after another have width 1. Only delivered tasks are work.
    """
    # Medians over all widths: only ratios between sessions matter.
    usual = find_median_length_by_type(task for run in sessions for task in tasks.get(run.session, ()))
    points = []
    for run in sessions:
        group = [task for task in tasks.get(run.session, ()) if task.length]
        parallel = [task for task in group if task.concurrency > 1] if run.width > 1 else group
        work = sum(usual[task.type] for task in parallel if task.is_delivered and task.type in usual)
        if run.width > 1 and run.elapsed and run.capacity:
            elapsed, width = run.elapsed, run.capacity / run.elapsed
        else:
            elapsed, width = sum(task.length or 0 for task in group), 1.0
        if work and elapsed:
            points.append((width, math.log(elapsed / work)))
    return points
