"""Judge new measurements against a baseline: per test, and as a whole.

A test is a *regression* if it is slower by more than the threshold and the difference is significant among
all tests of the suite. It has *too little data* if its noise and number of runs could not have shown the
effect that the gate shall find; the verdict then names how many runs are missing. "Not significant" alone is
never called unchanged.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

from stretto.gates.benchmark_measurements import MeasurementError, Measurements
from stretto.gates.gate_statistics import (
    adjust_p_values,
    compute_interval,
    compute_p_value,
    compute_ratio,
    estimate_noise,
    plan_runs,
)

PRIOR_FREEDOM = 6
"""Weight of the suite's median noise in a test's own: with few runs a single test's noise is little known."""

COMMON_SHIFT = 1.05
"""A median ratio of all tests beyond this points at the machine, or at something that all tests share."""


class GateWord(StrEnum):
    """What is said about a test, or about the whole."""

    REGRESSION = "regression"
    IMPROVEMENT = "improvement"
    NO_EVIDENCE = "no evidence"
    TOO_LITTLE_DATA = "too little data"
    NEW = "new"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class GateRules:
    """When a gate closes."""

    threshold: float = 1.10
    """A test regresses only if it is slower by more than this ratio."""
    level: float = 0.05
    """Largest share of false regressions among those called so."""
    effect: float = 1.20
    """The ratio that the gate shall find: fewer runs than that needs are too little data."""


@dataclass(frozen=True, slots=True)
class BenchmarkVerdict:
    """What became of a test."""

    name: str
    word: GateWord
    ratio: float | None = None
    """New over old, the Hodges-Lehmann estimate."""
    interval: tuple[float, float] | None = None
    p_value: float | None = None
    """Adjusted for the number of tests."""
    runs: tuple[int, int] = (0, 0)
    """New and old."""
    missing: int = 0
    """Runs that each side lacks."""


@dataclass(frozen=True, slots=True)
class GateVerdict:
    """What became of the whole."""

    word: GateWord
    tests: tuple[BenchmarkVerdict, ...]
    missing: int
    """Most runs that a test lacks."""
    notes: tuple[str, ...]
    """Sentences: a common shift, a changed mix, calibration."""

    @property
    def exit_code(self) -> int:
        """1 for a regression, 4 for too little data, else 0."""
        return {GateWord.REGRESSION: 1, GateWord.TOO_LITTLE_DATA: 4}.get(self.word, 0)


def judge_measurements(
    new: Measurements,
    old: Measurements,
    rules: GateRules,
    *,
    is_pooled: bool = False,
    is_two_sided: bool = False,
) -> GateVerdict:
    """Return the verdict. Raises MeasurementError if the machines differ and nothing calibrates them.

    ``is_pooled``: values are those of single tasks, whose number may differ between both sides.
    ``is_two_sided``: improvements are looked for as much as regressions, so both share the false alarms. The
    names are then amounts of different kinds, such as time and memory, which share no noise.
    """
    new, notes = _calibrate(new, old)
    common = [name for name in old.runs if new.runs.get(name) and old.runs[name]]
    rises = [compute_p_value(new.runs[name], old.runs[name]) for name in common]
    falls = [compute_p_value(old.runs[name], new.runs[name]) for name in common]
    if is_two_sided:
        rises, falls = ([min(1.0, 2 * p) for p in p_values] for p_values in (rises, falls))
    adjusted_rises, adjusted_falls = adjust_p_values(rises), adjust_p_values(falls)
    noises = _estimate_noises(new, old, common, is_shared=not is_two_sided)
    needed_level = rules.level / max(1, len(common)) / (2 if is_two_sided else 1)
    tests = [
        _judge_test(
            name,
            (new.runs[name], old.runs[name]),
            (adjusted_rises[index], adjusted_falls[index]),
            rules,
            noise=noises[name],
            needed_level=needed_level,
        )
        for index, name in enumerate(common)
    ]
    tests += [
        BenchmarkVerdict(name, GateWord.NEW, runs=(len(new.runs[name]), 0))
        for name in new.runs
        if name not in common
    ]
    tests += [
        BenchmarkVerdict(name, GateWord.GONE, runs=(0, len(old.runs[name])))
        for name in old.runs
        if name not in common
    ]
    words = {test.word for test in tests}
    order = (GateWord.REGRESSION, GateWord.TOO_LITTLE_DATA, GateWord.IMPROVEMENT)
    word = next((each for each in order if each in words), GateWord.NO_EVIDENCE)
    if not common:
        word = GateWord.TOO_LITTLE_DATA
        notes.append("no test is in both: there is nothing to compare")
    notes += _describe_common_shift(tests)
    if word is not GateWord.REGRESSION:
        notes += describe_total_change_by_mix(new, old, common, rules, is_pooled=is_pooled)
    return GateVerdict(word, tuple(tests), max((test.missing for test in tests), default=0), tuple(notes))


def _judge_test(
    name: str,
    runs: tuple[tuple[float, ...], tuple[float, ...]],
    p_values: tuple[float, float],
    rules: GateRules,
    *,
    noise: float,
    needed_level: float,
) -> BenchmarkVerdict:
    new, old = runs
    ratio = compute_ratio(new, old)
    rise, fall = p_values
    word, missing = GateWord.NO_EVIDENCE, 0
    if ratio >= rules.threshold and rise <= rules.level:
        word = GateWord.REGRESSION
    elif ratio <= 1 / rules.threshold and fall <= rules.level:
        word = GateWord.IMPROVEMENT
    else:
        # Rounded up, so that the plans of a suite's tests are mostly the same and made once.
        noise = math.ceil(noise * 200) / 200
        needed = plan_runs(noise, rules.effect, level=needed_level, gate=rules.threshold)
        missing = max(0, needed - min(len(new), len(old)))
        if missing:
            word = GateWord.TOO_LITTLE_DATA
    sizes = (len(new), len(old))
    return BenchmarkVerdict(name, word, ratio, compute_interval(new, old), min(rise, fall), sizes, missing)


def _estimate_noises(
    new: Measurements, old: Measurements, common: list[str], *, is_shared: bool
) -> dict[str, float]:
    """Return each test's noise, if shared drawn towards the suite's median by as much as its runs are few."""
    own = {name: estimate_noise(new.runs[name], old.runs[name]) for name in common}
    freedoms = {name: max(0, len(new.runs[name]) + len(old.runs[name]) - 2) for name in common}
    known = [noise for name, noise in own.items() if freedoms[name]]
    if not known:
        # A single run on each side has no noise: the usual one of a quiet machine asks for enough to see it.
        return dict.fromkeys(common, 0.05)
    usual = median(known)
    prior = PRIOR_FREEDOM if is_shared and len(known) > 1 else 0
    return {
        name: ((prior * usual**2 + freedoms[name] * own[name] ** 2) / max(1, prior + freedoms[name])) ** 0.5
        for name in common
    }


def _calibrate(new: Measurements, old: Measurements) -> tuple[Measurements, list[str]]:
    """Return the new measurements as the baseline's machine would have them, with a sentence on it."""
    if new.machine is None or old.machine is None or new.machine.name == old.machine.name:
        return new, []
    ours, theirs = new.machine.reference_seconds, old.machine.reference_seconds
    if not ours or not theirs:
        raise MeasurementError(
            "the baseline is of another machine",
            cause=f"{old.machine.name}; this is {new.machine.name}",
            hint="measure the baseline here, or save and judge both with --calibrate",
        )
    factor = theirs / ours
    runs = {name: tuple(value * factor for value in values) for name, values in new.runs.items()}
    note = f"another machine: times are multiplied by {factor:.3f}, by the reference loop"
    return Measurements(runs, new.machine, new.source, new.counts), [note]


def _describe_common_shift(tests: list[BenchmarkVerdict]) -> list[str]:
    ratios = [test.ratio for test in tests if test.ratio is not None]
    if len(ratios) < 5:  # noqa: PLR2004  # a median of fewer says nothing about a suite
        return []
    middle = median(ratios)
    if 1 / COMMON_SHIFT < middle < COMMON_SHIFT:
        return []
    return [
        f"the median test takes {middle:.2f} times as long: the machine, or something that all tests share"
    ]


def describe_total_change_by_mix(
    new: Measurements, old: Measurements, common: list[str], rules: GateRules, *, is_pooled: bool
) -> list[str]:
    """Return a sentence if the total changed because other tests ran, or in other shares.

    Example: 90 tasks of 10 s and 10 of 60 s become 50 and 50: the mean goes from 15 s to 35 s though no task
    became slower.
    """
    before, after = _weigh(old, old.runs, is_pooled=is_pooled), _weigh(new, new.runs, is_pooled=is_pooled)
    if not before or not after or 1 / rules.threshold <= after / before <= rules.threshold:
        return []
    if not is_pooled and {*new.runs} == {*old.runs} == {*common}:
        return []
    kind = "mean" if is_pooled else "total"
    change = f"the {kind} went from {before:.3g} s to {after:.3g} s because the mix changed"
    return [f"{change} (tests added, removed, or run in other shares), not because a test became slower"]


def _weigh(measurements: Measurements, runs: Mapping[str, tuple[float, ...]], *, is_pooled: bool) -> float:
    medians = {name: median(values) for name, values in runs.items() if values}
    if not is_pooled:
        return sum(medians.values())
    counts = {name: measurements.counts.get(name, len(runs[name])) for name in medians}
    total = sum(counts.values())
    return sum(medians[name] * counts[name] for name in medians) / total if total else 0.0
