"""Experiments: the bounds, the plan, the assignment, and the answer at planned and unplanned looks."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import pytest

from stretto.analysis.effect_estimates import (
    estimate_paired_ratio,
    estimate_ratio_of_geometric_means,
    estimate_score_difference,
    estimate_share_difference,
    estimate_stratified_ratio,
)
from stretto.analysis.experiment_definition_and_plan import (
    ExperimentDefinition,
    ExperimentMetric,
    assign_arm,
    define_experiment,
    find_detectable_ratio,
    make_environment,
    plan_cases_per_arm_for_share,
    plan_units,
)
from stretto.analysis.experiment_units import ExperimentUnit, list_experiment_sessions
from stretto.analysis.experiments import judge_experiment
from stretto.analysis.planned_and_anytime_looks import (
    compute_look_inflation,
    compute_z_bounds_of_looks,
    weigh_pairs,
    weigh_successes,
)
from stretto.clock import HOUR, SECOND
from stretto.errors import UsageError
from stretto.model.event import Outcome
from stretto.model.findings import FindingVerdict
from stretto.model.run_rows_for_analyses import SessionRun, TaskRun

TIMES = ExperimentDefinition("cache", ExperimentMetric.ELAPSED_SECONDS, units=20, looks=4)


def make_units(arm: str, values: Iterable[float], stratum: str = "") -> list[ExperimentUnit]:
    return [
        ExperimentUnit(f"{arm}{stratum}{number}", arm, float(value), number, stratum, f"case {number}")
        for number, value in enumerate(values)
    ]


def run_sessions(arm: str, seconds: Sequence[float], **changes: object) -> list[SessionRun]:
    return [
        SessionRun(
            session=f"{arm}{number}",
            start=number * HOUR,
            end=number * HOUR + HOUR // 2,
            outcome=Outcome.SUCCESS,
            labels={"arm": arm},
            elapsed=round(length * SECOND),
            **changes,  # type: ignore[arg-type]  # fields of the run
        )
        for number, length in enumerate(seconds)
    ]


def test_the_bounds_of_looks_are_those_of_the_tables() -> None:
    """Four and five looks have the bounds of Jennison and Turnbull's table; a single look has 1.96."""
    assert compute_z_bounds_of_looks(4) == pytest.approx((4.049, 2.863, 2.337, 2.024), abs=0.001)
    assert compute_z_bounds_of_looks(5)[-1] == pytest.approx(2.040, abs=0.001)
    assert compute_z_bounds_of_looks(1) == pytest.approx((1.960,), abs=0.001)
    assert compute_look_inflation(4, 0.05, 0.8) == pytest.approx(1.024, abs=0.001)
    with pytest.raises(ValueError, match="from 1 to 20"):
        compute_z_bounds_of_looks(21)


def test_the_planner_needs_119_runs_for_a_fifth() -> None:
    """Runs per arm for +20 % and +10 % at four spreads, and for shares, lie within 5 % of the known ones."""
    per_arm = [plan_units(math.log(1.2), spread) for spread in (0.25, 0.5, 0.62, 1.0)]
    assert per_arm == pytest.approx([30, 119, 182, 473], rel=0.05)
    assert plan_units(math.log(1.1), 0.5) == pytest.approx(433, rel=0.05)
    assert plan_cases_per_arm_for_share(0.80, 0.15) == 76
    assert plan_cases_per_arm_for_share(0.90, 0.05) == 435
    defined = define_experiment("cache", metric="task_seconds", smallest_effect=1.2, spread=0.5, looks=4)
    assert defined.units == pytest.approx(119, rel=0.05)
    assert defined.look_sizes == (31, 62, 93, defined.units)


def test_runs_and_detectable_ratio_agree() -> None:
    """As many runs as are planned for a ratio detect just this ratio; pairs need a fraction."""
    assert find_detectable_ratio(119, 0.5) == pytest.approx(1.2, rel=0.01)
    assert find_detectable_ratio(20, 0.5) == pytest.approx(1.57, rel=0.02)
    assert find_detectable_ratio(1, 0.5) == math.inf
    pairs = plan_units(math.log(1.3), 0.3 * math.sqrt(2), paired=True)
    assert pairs < plan_units(math.log(1.3), math.hypot(0.6, 0.3)) / 4


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"metric": "task_second"}, "did you mean task_seconds"),
        ({"arms": ("A",)}, "two different arms"),
        ({"arms": ("A", "B", "C")}, "two different arms"),
        ({"looks": 0}, "0 looks"),
        ({"smallest_effect": 1.0}, "ratio above 0 and not 1"),
        ({"smallest_effect": -0.2}, "ratio above 0 and not 1"),
        ({"metric": "success", "base_share": 0.9, "smallest_effect": 0.2}, "cannot change by 0.2"),
        ({"spread": 0.0}, "the spread above 0"),
    ],
)
def test_an_impossible_experiment_is_refused(change: dict[str, object], cause: str) -> None:
    """Every option that cannot work is refused with its cause and a hint."""
    options: dict[str, object] = {"metric": "task_seconds", "smallest_effect": 1.2, **change}
    with pytest.raises(UsageError) as caught:
        define_experiment("cache", **options)  # type: ignore[arg-type]  # wrong on purpose
    assert cause in f"{caught.value.cause} {caught.value.hint}"
    assert caught.value.hint


def test_assignment_is_balanced_and_repeatable() -> None:
    """Every four sessions are split evenly, a session keeps its arm, and other names give other orders."""
    assigned: dict[str, str] = {}
    for number in range(40):
        session = f"session-{number}"
        arm = assign_arm(TIMES, session, assigned)
        assert assign_arm(TIMES, session, {**assigned, session: arm}) == arm
        assert assign_arm(TIMES, session, assigned) == arm
        assigned[session] = arm
    arms = [*assigned.values()]
    assert all(Counter(arms[n : n + 4]) == {"A": 2, "B": 2} for n in range(0, 40, 4))
    assert len({tuple(arms[n : n + 4]) for n in range(0, 40, 4)}) > 1
    assert make_environment(TIMES, "B") == {"STRETTO_LABELS": "arm=B"}


def test_a_look_waits_for_its_number_of_runs() -> None:
    """Below the first look there is too little data; the answer names how many runs the next look needs."""
    status = judge_experiment(TIMES, [*make_units("A", [1.0] * 4), *make_units("B", [9.0] * 20)])
    assert (status.verdict, status.look, status.next_look) == (FindingVerdict.TOO_LITTLE_DATA, 0, 5)
    assert status.to_finding().advice == "Go on until both arms have 5 runs."


def test_a_large_effect_ends_the_experiment_early() -> None:
    """Three times as fast is seen at the second look of four; later runs do not change the answer."""
    rng = np.random.default_rng(7)
    slow, fast = rng.lognormal(0, 0.4, 20), rng.lognormal(0, 0.4, 20) / 3
    early = judge_experiment(TIMES, [*make_units("A", slow[:10]), *make_units("B", fast[:10])])
    assert (early.verdict, early.final) == (FindingVerdict.IMPROVEMENT, True)
    late = judge_experiment(TIMES, [*make_units("A", slow), *make_units("B", fast)])
    assert (late.look, late.estimate, late.verdict) == (early.look, early.estimate, early.verdict)
    assert late.estimate is not None
    assert late.estimate.low < 1 / 3 < late.estimate.high < 1
    finding = late.to_finding()
    assert finding.advice.startswith("Take B")
    assert finding.evidence.n == 2 * late.definition.look_sizes[late.look - 1]


def test_equal_arms_are_rarely_different_at_four_looks() -> None:
    """Of 400 experiments of equal arms about 5 % pass a bound; of 400 at a ratio of 2 nearly all."""
    rng = np.random.default_rng(20261130)
    passed = {1.0: 0, 2.0: 0}
    for ratio in passed:
        for _ in range(400):
            first, second = rng.lognormal(0, 0.5, 20), ratio * rng.lognormal(0, 0.5, 20)
            status = judge_experiment(TIMES, [*make_units("A", first), *make_units("B", second)])
            passed[ratio] += status.verdict in {FindingVerdict.REGRESSION, FindingVerdict.IMPROVEMENT}
    assert 8 <= passed[1.0] <= 34
    assert passed[2.0] >= 380


def test_no_difference_after_all_looks_says_how_much_could_have_been_seen() -> None:
    """Equal arms end as no evidence, with the ratio that the runs would have shown."""
    rng = np.random.default_rng(3)
    values = rng.lognormal(0, 0.5, 20)
    status = judge_experiment(TIMES, [*make_units("A", values), *make_units("B", values[::-1])])
    assert (status.verdict, status.final, status.next_look) == (FindingVerdict.NO_EVIDENCE, True, None)
    assert status.detectable == pytest.approx(1.57, rel=0.15)


def test_patterns_of_unequal_share_are_compared_within() -> None:
    """B ran the long pattern more often: in the mixed groups it looks slower, within patterns it is equal."""
    rng = np.random.default_rng(5)
    units = [
        *make_units("A", rng.lognormal(0, 0.1, 30), "short"),
        *make_units("A", 10 * rng.lognormal(0, 0.1, 10), "long"),
        *make_units("B", rng.lognormal(0, 0.1, 10), "short"),
        *make_units("B", 10 * rng.lognormal(0, 0.1, 30), "long"),
    ]
    status = judge_experiment(ExperimentDefinition("mix", ExperimentMetric.ELAPSED_SECONDS, 40), units)
    assert status.verdict is FindingVerdict.NO_EVIDENCE
    assert status.estimate is not None
    assert status.estimate.effect == pytest.approx(1, abs=0.06)
    assert "the arms ran different mixes of patterns: compared within each pattern" in status.notes
    mixed = estimate_ratio_of_geometric_means(
        [unit.value for unit in units if unit.arm == "A"], [unit.value for unit in units if unit.arm == "B"]
    )
    assert mixed is not None
    assert mixed.p < 0.01


def test_an_odd_split_is_reported() -> None:
    """60 runs of one arm and 20 of the other did not come about by chance."""
    units = [*make_units("A", [1.0, 2.0] * 30), *make_units("B", [1.0, 2.0] * 10)]
    status = judge_experiment(TIMES, units)
    assert any("something other than chance chose the arm" in note for note in status.notes)


def test_pairs_see_more_than_groups() -> None:
    """The same work in both arms: +30 % among works that differ by a factor is seen by pairs only."""
    rng = np.random.default_rng(11)
    size = rng.lognormal(0, 1.0, 20)
    first, second = size * rng.lognormal(0, 0.1, 20), 1.3 * size * rng.lognormal(0, 0.1, 20)
    units = [*make_units("A", first), *make_units("B", second[::-1])]
    # The second arm ran the works in reverse order: pairs are made by the label.
    cases = [*range(20), *reversed(range(20))]
    units = [
        ExperimentUnit(unit.session, unit.arm, unit.value, unit.end, "", f"case {case}")
        for unit, case in zip(units, cases, strict=True)
    ]
    paired = ExperimentDefinition("pairs", ExperimentMetric.ELAPSED_SECONDS, 20, pair_by="case")
    status = judge_experiment(paired, units)
    assert status.verdict is FindingVerdict.REGRESSION
    assert status.estimate is not None
    assert status.estimate.low < 1.3 < status.estimate.high
    unpaired = judge_experiment(ExperimentDefinition("all", ExperimentMetric.ELAPSED_SECONDS, 20), units)
    assert unpaired.verdict is FindingVerdict.NO_EVIDENCE


def test_an_unplanned_look_is_answered_by_the_e_process() -> None:
    """The e-value of the pairs so far stands beside the last planned look; 20 and more is evidence."""
    rng = np.random.default_rng(2)
    units = [*make_units("A", rng.lognormal(0, 0.3, 12)), *make_units("B", 4 * rng.lognormal(0, 0.3, 12))]
    status = judge_experiment(TIMES, units, unplanned=True)
    assert status.anytime is not None
    assert (status.anytime.pairs, status.anytime.e_value > 20, status.anytime.p < 0.05) == (12, True, True)
    assert status.anytime.low is not None
    assert status.anytime.high is not None
    assert 1 < status.anytime.low < 4 < status.anytime.high
    assert judge_experiment(TIMES, units).anytime is None


def test_the_e_process_of_equal_arms_seldom_exceeds_20_at_any_look() -> None:
    """Of 300 pairs of equal arms, looked at after each of 60 pairs, fewer than 5 % ever show 20."""
    rng = np.random.default_rng(4)
    exceeded = 0
    for _ in range(300):
        pairs = rng.lognormal(0, 0.5, (60, 2))
        exceeded += any(
            weigh_pairs([(a, b) for a, b in pairs[:count]]).e_value >= 20 for count in range(3, 61, 3)
        )
    assert exceeded <= 15
    assert weigh_successes([(False, True)] * 8).e_value > 20
    assert weigh_successes([(True, True)] * 50).e_value == pytest.approx(1)


def test_shares_are_tested_by_barnard_with_the_interval_of_newcombe() -> None:
    """16 of 20 against 19 of 20: p and limits of the published methods; nothing to see where all succeed."""
    estimate = estimate_share_difference((16, 20), (19, 20))
    assert estimate is not None
    assert (estimate.effect, estimate.low, estimate.high) == pytest.approx((0.15, -0.071, 0.370), abs=0.001)
    assert estimate.p == pytest.approx(0.231, abs=0.002)
    certain = estimate_share_difference((20, 20), (30, 30))
    assert certain is not None
    assert certain.p == 1
    assert estimate_share_difference((0, 0), (1, 2)) is None
    large = estimate_share_difference((400, 500), (470, 500))
    assert large is not None
    assert large.p < 1e-6


def test_success_is_compared_as_a_share() -> None:
    """Sessions that reported no outcome are left out; a clear difference of shares is an improvement."""
    definition = ExperimentDefinition("retry", ExperimentMetric.SUCCESS, 30)
    sessions = [
        SessionRun(f"{arm}{n}", n, n + 1, outcome, labels={"arm": arm})
        for arm, hits in (("A", 10), ("B", 29))
        for n, outcome in enumerate(
            [Outcome.SUCCESS] * hits + [Outcome.FAILURE] * (30 - hits) + [Outcome.UNKNOWN]
        )
    ]
    status = judge_experiment(definition, list_experiment_sessions(definition, sessions))
    assert (status.counts, status.verdict) == ({"A": 30, "B": 30}, FindingVerdict.IMPROVEMENT)
    assert status.to_finding().evidence.unit == "share"


def test_units_are_the_finished_sessions_of_both_arms() -> None:
    """Earlier sessions, later ones, those without an arm and those without a value do not count."""
    sessions = [
        *run_sessions("A", [10, 20, 30]),
        *run_sessions("B", [10, 20, 30]),
        *run_sessions("C", [10]),
        SessionRun("none", HOUR, 2 * HOUR, Outcome.SUCCESS, labels={"arm": "A"}),
    ]
    definition = ExperimentDefinition("cache", ExperimentMetric.ELAPSED_SECONDS, 2, start=HOUR)
    units = list_experiment_sessions(definition, sessions, instant=2 * HOUR)
    assert [(unit.session, unit.value) for unit in units] == [("A1", 20 * SECOND), ("B1", 20 * SECOND)]


def test_task_lengths_are_compared_within_types() -> None:
    """An arm with more tasks of a long type is not slower; a type of one arm only is left out."""
    sessions = [*run_sessions("A", [1] * 8), *run_sessions("B", [1] * 8)]
    lengths = {"lint": 10.0, "tests": 100.0, "deploy": 1_000.0}
    mixes = {"A": ["lint"] * 5 + ["tests"], "B": ["lint"] + ["tests"] * 5 + ["deploy"]}
    rng = np.random.default_rng(9)
    tasks = [
        TaskRun(
            run.session,
            f"{run.session}.{place}",
            run.start,
            round(lengths[type_] * SECOND * rng.lognormal(0, 0.05)),
            Outcome.SUCCESS,
            type_,
        )
        for run in sessions
        for place, type_ in enumerate(mixes[run.labels["arm"]])
    ]
    definition = ExperimentDefinition("cache", ExperimentMetric.TASK_SECONDS, 8)
    status = judge_experiment(definition, list_experiment_sessions(definition, sessions, tasks))
    assert status.estimate is not None
    assert status.estimate.effect == pytest.approx(1, abs=0.05)
    assert status.verdict is FindingVerdict.NO_EVIDENCE


def test_ratios_of_groups_strata_and_pairs_agree_on_exact_multiples() -> None:
    """Twice the values are the ratio 2 by every estimator; too few or constant values have no estimate."""
    strata = [((1.0, 2.0), (2.0, 4.0)), ((10.0, 20.0, 40.0), (20.0, 40.0, 80.0)), ((1.0,), ())]
    for estimate in (
        estimate_ratio_of_geometric_means((1, 2, 4), (2, 4, 8)),
        estimate_stratified_ratio(strata),
        estimate_paired_ratio([(1, 2.1), (2, 4), (4, 8), (3, 6 / 1.05)]),
    ):
        assert estimate is not None
        assert estimate.effect == pytest.approx(2, rel=0.001)
    assert estimate_ratio_of_geometric_means((1,), (2, 3)) is None
    assert estimate_ratio_of_geometric_means((1, 1), (2, 2)) is None
    assert estimate_stratified_ratio([((1.0,), ())]) is None
    assert estimate_stratified_ratio([((1.0,), (2.0,)), ((1.0,), (2.0,))]) is None
    assert estimate_paired_ratio([(1, 2), (2, 4)]) is None


def test_scores_are_compared_as_differences() -> None:
    """Two points more in every judgement are a difference of 2, with limits around it."""
    first = [5.0, 6.0, 6.5, 7.0, 7.5, 8.0]
    estimate = estimate_score_difference(first, [value + 2 for value in first])
    assert estimate is not None
    assert estimate.effect == pytest.approx(2)
    assert estimate.low <= 2 <= estimate.high
    assert estimate.unit == "score"
    definition = ExperimentDefinition("prompt", ExperimentMetric.SCORE, 6)
    units = [*make_units("A", first), *make_units("B", [value + 3 for value in first])]
    status = judge_experiment(definition, units, unplanned=True)
    assert status.verdict is FindingVerdict.IMPROVEMENT
    assert status.anytime is not None
    assert status.anytime.e_value > 1
