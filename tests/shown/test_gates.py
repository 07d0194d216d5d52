"""Gates over many random suites: false alarms, found slow-downs, a changed mix; rates judged by intervals."""

from __future__ import annotations

import math
from random import Random

import pytest

from stretto.gates.benchmark_measurements import Measurements
from stretto.gates.gate_verdict import GateRules, GateWord, judge_measurements
from tests.shown.scale import LONG, choose_scale

pytestmark = pytest.mark.shown

RULES = GateRules()


def bound_rate(hits: int, rounds: int, *, upper: bool) -> float:
    """Return the bound of Wilson's 95 % interval for a rate."""
    z, rate = 1.96, hits / rounds
    middle = rate + z * z / (2 * rounds)
    half = z * math.sqrt(rate * (1 - rate) / rounds + z * z / (4 * rounds**2))
    return (middle + (half if upper else -half)) / (1 + z * z / rounds)


def draw_suite(rng: Random, runs: int, slow: str | None = None, tests: int = 300) -> Measurements:
    """Return a suite whose tests have noises from 2 to 10 %, every third with rare outliers."""
    drawn = {}
    for number in range(tests):
        name, noise = f"test{number}", 0.02 + 0.08 * (number % 9) / 8
        scale = (0.001 * (number + 1)) * (1.2 if name == slow else 1.0)
        drawn[name] = tuple(
            scale * rng.lognormvariate(0, noise) * (3 if number % 3 == 0 and rng.random() < 0.03 else 1)
            for _ in range(runs)
        )
    return Measurements(drawn)


def plan(rng: Random) -> int:
    """Return the runs that the gate asks for after a first look at five runs."""
    verdict = judge_measurements(draw_suite(rng, 5), draw_suite(rng, 5), RULES)
    assert verdict.word is GateWord.TOO_LITTLE_DATA
    return 5 + verdict.missing


def test_nothing_changed_and_the_gate_stays_open() -> None:
    """Of many suites of 300 unchanged tests at most 5 % fail, and the verdict is not "too little data"."""
    rng, rounds = Random(20), choose_scale(20, 200)
    runs = plan(rng)
    words = [
        judge_measurements(draw_suite(rng, runs), draw_suite(rng, runs), RULES).word for _ in range(rounds)
    ]
    failed = words.count(GateWord.REGRESSION)
    assert failed / rounds <= 0.05
    assert bound_rate(failed, rounds, upper=True) <= (0.05 if LONG else 0.2)


def test_one_slower_test_of_many_is_found() -> None:
    """A test that takes 20 % longer is found in .9 of the suites with the runs that the planner asked for."""
    rng, rounds = Random(21), choose_scale(20, 200)
    runs, found = plan(rng), 0
    for number in range(rounds):
        slow = f"test{number % 300}"
        verdict = judge_measurements(draw_suite(rng, runs, slow), draw_suite(rng, runs), RULES)
        found += any(test.name == slow and test.word is GateWord.REGRESSION for test in verdict.tests)
    assert found / rounds >= 0.9
    assert bound_rate(found, rounds, upper=False) >= (0.9 if LONG else 0.8)


def test_a_changed_mix_is_no_regression() -> None:
    """The mean of all tasks doubles because the slow kind became frequent: the gate says mix, each time."""
    rng, rounds, failed = Random(22), choose_scale(50, 400), 0
    for _ in range(rounds):
        kinds = {"short": 10.0, "long": 60.0}
        drawn = [
            Measurements(
                {
                    kind: tuple(s * rng.lognormvariate(0, 0.05) for _ in range(10))
                    for kind, s in kinds.items()
                },
                counts={"short": 100 - share, "long": share},
            )
            for share in (50, 10)
        ]
        verdict = judge_measurements(drawn[0], drawn[1], RULES, is_pooled=True)
        failed += verdict.exit_code == 1
        assert verdict.exit_code == 1 or any("mix changed" in note for note in verdict.notes)
    assert failed / rounds <= 0.05
