"""Compute how much time selections of tests saved, against full runs of as many tests.

A selected run chose some of the tests it found, a full run all of them. Commands are not kept, so full runs
of the same suite are those of the same framework that found as many tests, give or take a step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log

from stretto.clock import SECOND
from stretto.figures.figure import Figure, Labels, make_ratio
from stretto.figures.sums_by_dimension import Sums, sum_by_dimensions
from stretto.names import measures
from stretto.names.measures import Dimension

LEAST_RUNS = 3
"""Full runs that a baseline is the mean of, and selected runs that a gain is computed from."""

_STEP = 1.05
_LAST_STEP = 400
"""Some 300 million tests."""

SUITE_STEPS = frozenset(map(str, range(_LAST_STEP + 1)))
"""All values of the dimension ``suite``."""

_SERIES = (
    "stretto_window_test_selection_seconds",
    "stretto_window_test_selection_full_seconds",
    "stretto_window_test_selection_saved_seconds",
    "stretto_test_selection_saved_ratio",
)


def to_suite_step(tests: int) -> str:
    """Return the size of a suite of tests in steps of 5 %: a suite that grows a little keeps its step."""
    return str(min(round(log(max(tests, 1)) / log(_STEP)), _LAST_STEP))


@dataclass(slots=True)
class _Gain:
    """The selected runs of a framework that can be compared; times in nanoseconds."""

    runs: int = 0
    selected: float = 0
    full: float = 0


def compute_selection_gain_figures(at: Labels, sums: Sums) -> Iterator[Figure]:
    """Yield the time of selected runs, the time that full runs take instead, and the gain, by framework.

    The gain is withheld below LEAST_RUNS full runs of as many tests, or as many selected ones.
    """
    for framework, gain in sorted(_compare_runs(sums).items()):
        labels = (("framework", framework), *at)
        yield Figure("stretto_window_test_selection_runs", labels, gain.runs, gain.runs)
        reason = (
            f"fewer than {LEAST_RUNS} full runs of as many tests are known"
            if gain.runs == 0
            else f"{gain.runs} of the selected runs can be compared, {LEAST_RUNS} are needed"
        )
        if gain.runs < LEAST_RUNS:
            yield from (Figure(name, labels, None, gain.runs, reason) for name in _SERIES)
            continue
        saved = gain.full - gain.selected
        for name, amount in zip(_SERIES, (gain.selected, gain.full, saved), strict=False):
            yield Figure(name, labels, amount / SECOND, gain.runs)
        yield make_ratio(_SERIES[-1], labels, saved, gain.full, gain.runs)


def _compare_runs(sums: Sums) -> dict[str, _Gain]:
    """Return the gain of each framework that has selected runs.

    Example: selections of 300 tests took 20 s and 30 s, three full runs 90 s each: 50 s instead of 180 s.
    """
    by = (Dimension.FRAMEWORK, Dimension.SUITE)
    full_runs = sum_by_dimensions(sums, measures.FULL_TEST_RUNS, *by)
    full_times = sum_by_dimensions(sums, measures.FULL_TEST_SECONDS, *by)
    times = sum_by_dimensions(sums, measures.SELECTED_TEST_SECONDS, *by)
    gains: dict[str, _Gain] = {}
    for (framework, step), runs in sum_by_dimensions(sums, measures.SELECTED_TEST_RUNS, *by).items():
        gain = gains.setdefault(framework, _Gain())
        near = [(framework, str(int(step) + away)) for away in (-1, 0, 1)]
        known = sum(full_runs.get(key, 0) for key in near)
        if known >= LEAST_RUNS:
            gain.runs += runs
            gain.selected += times.get((framework, step), 0)
            gain.full += runs * sum(full_times.get(key, 0) for key in near) / known
    return gains
