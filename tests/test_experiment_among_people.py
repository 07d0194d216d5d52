"""Arms of a team's experiment are compared by people: each counts alike, however many runs he has."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from stretto.analysis.effect_estimates import estimate_ratio_of_geometric_means
from stretto.analysis.experiment_among_people import ArmComparison, PersonRun, choose_runs, compare_arms
from stretto.analysis.experiment_definition_and_plan import ExperimentMetric
from stretto.fleet.team_experiment_messages import TEAM_METRICS
from stretto.model.findings import FindingVerdict

ARMS = ("A", "B")
SECONDS = ExperimentMetric.WALL_SECONDS


def draw_runs(
    seed: int,
    *,
    is_paired: bool,
    ratio: float = 1.0,
    people: int = 16,
    runs: Callable[[int], int] = lambda _: 20,
) -> list[PersonRun]:
    """Draw people of different speed, with runs of two patterns of which one takes twice as long."""
    rng = np.random.default_rng(seed)
    drawn = []
    for person in range(people):
        level = rng.normal(0, 0.5)
        for number in range(runs(person)):
            arm = ARMS[(number if is_paired else person) % 2]
            pattern = int(rng.integers(2))
            length = 10 + level + 0.7 * pattern + (arm == "B") * math.log(ratio) + rng.normal(0, 0.5)
            drawn.append(PersonRun(f"p{person}", arm, math.exp(length), f"pattern {pattern}", f"{number}"))
    return drawn


def judge(runs: list[PersonRun], *, is_paired: bool, metric: ExperimentMetric = SECONDS) -> ArmComparison:
    """Compare the runs that can be compared."""
    return compare_arms(choose_runs(runs, ARMS, is_paired=is_paired), metric, ARMS, is_paired=is_paired)


@pytest.mark.parametrize("is_paired", [True, False])
def test_equal_arms_are_rarely_different(is_paired: bool) -> None:
    """Of 100 experiments without a difference about five find one; by runs, people of one arm find half."""
    drawn = [draw_runs(seed, is_paired=is_paired) for seed in range(100)]
    found = [judge(runs, is_paired=is_paired).verdict is not FindingVerdict.NO_EVIDENCE for runs in drawn]
    assert sum(found) <= 10
    if not is_paired:
        by_runs = [
            estimate_ratio_of_geometric_means(
                *([run.value for run in runs if run.arm == arm] for arm in ARMS)
            )
            for runs in drawn
        ]
        assert sum(estimate is not None and estimate.p <= 0.05 for estimate in by_runs) > 30


def test_a_difference_is_found_with_its_size_and_direction() -> None:
    """Each person takes 1.3 times as long in the new arm, or two thirds."""
    slower = judge(draw_runs(1, is_paired=True, ratio=1.3), is_paired=True)
    assert slower.verdict is FindingVerdict.REGRESSION
    assert slower.estimate is not None
    assert slower.estimate.low < 1.3 < slower.estimate.high
    faster = judge(draw_runs(2, is_paired=False, ratio=0.3), is_paired=False)
    assert faster.verdict is FindingVerdict.IMPROVEMENT
    assert faster.detectable is not None
    assert faster.detectable > 1


def test_each_person_counts_alike() -> None:
    """One of nine has a thousand runs and is three times as slow in the new arm: it is not nine's answer."""
    runs = draw_runs(3, is_paired=True, people=9, runs=lambda person: 1_000 if person == 0 else 20)
    changed = [
        PersonRun(
            run.person, run.arm, run.value * (3 if (run.person, run.arm) == ("p0", "B") else 1), run.stratum
        )
        for run in runs
    ]
    compared = judge(changed, is_paired=True)
    assert compared.estimate is not None
    assert compared.estimate.effect == pytest.approx(3 ** (1 / 9), abs=0.15)
    assert compared.verdict is FindingVerdict.NO_EVIDENCE


def test_who_ran_one_arm_has_no_part_in_pairs_and_who_ran_both_none_in_groups() -> None:
    """Patterns of one arm alone are left out first, and with them people who ran nothing else."""
    runs = [PersonRun("both", "A", 1), PersonRun("both", "B", 1), PersonRun("one", "A", 1)]
    assert {run.person for run in choose_runs(runs, ARMS, is_paired=True)} == {"both"}
    assert choose_runs(runs, ARMS, is_paired=False) == []
    runs += [PersonRun("other", "B", 1), PersonRun("odd", "B", 1, "only B"), PersonRun("x", "C", 1)]
    assert {run.person for run in choose_runs(runs, ARMS, is_paired=False)} == {"one", "other"}


def test_shares_of_success_are_those_of_people() -> None:
    """Everybody succeeds half as often in the new arm: a difference of shares, in which more is better."""
    runs = [
        PersonRun(f"p{person}", arm, float(number % (2 if arm == "B" else 1 + person % 2 * 9) == 0))
        for person in range(12)
        for arm in ARMS
        for number in range(20)
    ]
    compared = judge(runs, is_paired=True, metric=ExperimentMetric.SUCCESS)
    assert compared.estimate is not None
    assert compared.estimate.unit == "share"
    assert compared.detectable is None


def test_without_scatter_there_is_no_answer() -> None:
    """All runs took one second, as in a test of the set-up."""
    runs = [PersonRun(f"p{person}", arm, 1.0) for person in range(6) for arm in ARMS]
    assert judge(runs, is_paired=True).verdict is FindingVerdict.TOO_LITTLE_DATA


def test_teams_have_every_metric_but_scores() -> None:
    """The list of the messages is that of the analyses; scores have no values there."""
    assert set(TEAM_METRICS) == {str(metric) for metric in ExperimentMetric} - {"score"}
