"""Compare the arms of a team's experiment by people: each counts alike, however many runs he has.

Runs of one person resemble each other, so they are no independent values: with 20 runs a person, comparing
runs would find a difference in most experiments without any. The value of a person is the mean of his runs
in an arm. The runs of an arm's people are compared like with like: patterns have levels, which are fitted
together with the difference of the arms.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stretto.analysis.effect_estimates import (
    LEVEL,
    EffectEstimate,
    estimate_change_of_means,
    estimate_paired_change,
)
from stretto.analysis.experiment_definition_and_plan import ExperimentMetric, find_detectable_ratio
from stretto.model.findings import FindingVerdict

Arms = tuple[str, str]


@dataclass(frozen=True, slots=True)
class PersonRun:
    """A run that an experiment may compare."""

    person: str
    arm: str
    value: float
    """Above 0; for successes 1 or 0."""
    stratum: str = ""
    """Its pattern, if runs are compared within patterns."""
    id: str = ""
    """The session and its revision."""
    tasks: tuple[str, ...] = ()
    """Its tasks whose lengths are in the value, if the value is of tasks."""


@dataclass(frozen=True, slots=True)
class ArmComparison:
    """How the people of the new arm differ from those of the usual one."""

    verdict: FindingVerdict
    estimate: EffectEstimate | None
    detectable: float | None
    """The smallest ratio that so many people would have shown with probability .8; None for shares."""


def choose_runs(runs: Iterable[PersonRun], arms: Arms, *, is_paired: bool) -> list[PersonRun]:
    """Return the runs that can be compared.

    If it is paired, these are of people who ran both arms, else of people who ran one of them. Strata that
    the chosen people ran in one arm alone are left out.
    """
    chosen = [run for run in runs if run.arm in arms]
    while True:
        arms_of_person, arms_of_stratum = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)
        for run in chosen:
            arms_of_person[run.person].add(run.arm)
            arms_of_stratum[run.stratum].add(run.arm)
        wanted = len(arms) if is_paired else 1
        fewer = [
            run
            for run in chosen
            if len(arms_of_person[run.person]) == wanted and len(arms_of_stratum[run.stratum]) == len(arms)
        ]
        if len(fewer) == len(chosen):
            return chosen
        chosen = fewer


def compare_arms(
    runs: Sequence[PersonRun], metric: ExperimentMetric, arms: Arms, *, is_paired: bool
) -> ArmComparison:
    """Return the comparison of chosen runs: by Student's t over pairs of a person's means, or by Welch's."""
    is_ratio = metric is not ExperimentMetric.SUCCESS
    means = _average_people(runs, arms, is_ratio=is_ratio)
    first, second = (means[arm] for arm in arms)
    if is_paired:
        pairs = [(first[person], second[person]) for person in sorted(first)]
        estimate = estimate_paired_change(pairs, is_ratio=is_ratio)
    else:
        estimate = estimate_change_of_means([*first.values()], [*second.values()], is_ratio=is_ratio)
    if estimate is None:
        return ArmComparison(FindingVerdict.TOO_LITTLE_DATA, None, None)
    verdict = FindingVerdict.NO_EVIDENCE
    if estimate.p <= LEVEL:
        is_better = (estimate.z < 0) is metric.less_is_better
        verdict = FindingVerdict.IMPROVEMENT if is_better else FindingVerdict.REGRESSION
    return ArmComparison(verdict, estimate, _find_detectable(estimate, is_paired=is_paired))


def _average_people(runs: Sequence[PersonRun], arms: Arms, *, is_ratio: bool) -> dict[str, dict[str, float]]:
    """Return arm → person → mean of the runs, without the levels of their strata."""
    values = [math.log(run.value) if is_ratio else run.value for run in runs]
    levels = _fit_levels(runs, values, arms)
    by_arm: dict[str, dict[str, list[float]]] = {arm: defaultdict(list) for arm in arms}
    for run, value in zip(runs, values, strict=True):
        by_arm[run.arm][run.person].append(value - levels[run.stratum])
    return {
        arm: {person: sum(values) / len(values) for person, values in people.items()}
        for arm, people in by_arm.items()
    }


def _fit_levels(runs: Sequence[PersonRun], values: Sequence[float], arms: Arms) -> Mapping[str, float]:
    """Return the level of each stratum around that of all; a person's runs weigh as much as another's."""
    strata = sorted({run.stratum for run in runs})
    if len(strata) <= 1:
        return dict.fromkeys(strata, 0.0)
    place = {stratum: number for number, stratum in enumerate(strata)}
    number_of_runs = Counter((run.person, run.arm) for run in runs)
    design = np.zeros((len(runs), len(strata) + 1))
    weights = np.zeros(len(runs))
    for number, run in enumerate(runs):
        design[number, place[run.stratum]] = 1
        design[number, -1] = run.arm == arms[1]
        weights[number] = 1 / math.sqrt(number_of_runs[run.person, run.arm])
    fitted = np.linalg.lstsq(design * weights[:, None], np.array(values) * weights, rcond=None)[0][:-1]
    return dict(zip(strata, (fitted - fitted.mean()).tolist(), strict=True))


def _find_detectable(estimate: EffectEstimate, *, is_paired: bool) -> float | None:
    if estimate.standard_error is None:
        return None
    people = min(estimate.first_count, estimate.second_count)
    spread = estimate.standard_error * math.sqrt(people / (1 if is_paired else 2))
    return find_detectable_ratio(people, spread, paired=is_paired)
