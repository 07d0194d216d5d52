"""Profiles over many comparisons: the same program is seldom called different, a slower one is found."""

from __future__ import annotations

import sys
from random import Random

import pytest

from stretto.gates.benchmark_measurements import Measurements
from stretto.gates.gate_verdict import GateRules, GateWord, judge_measurements
from stretto.gates.repeated_command_runs import run_interleaved, to_measurements
from tests.shown.scale import LONG, choose_scale
from tests.shown.test_gates import bound_rate

pytestmark = pytest.mark.shown

RULES = GateRules()
CHANGED = {GateWord.REGRESSION, GateWord.IMPROVEMENT}


def draw_profile(rng: Random, slower: float = 1.0) -> Measurements:
    """Return ten runs with the noises of a quiet machine: 5 % in time, 3 % in processor, 1 % in memory."""
    amounts = (("time", slower, 0.05), ("cpu", slower, 0.03), ("memory", 3e7, 0.01), ("written", 4096.0, 0.0))
    return Measurements(
        {name: tuple(mean * rng.lognormvariate(0, noise) for _ in range(10)) for name, mean, noise in amounts}
    )


def test_the_same_is_seldom_called_different() -> None:
    """Of many comparisons of a program with itself at most 5 % call an amount different."""
    rng, rounds, different = Random(30), choose_scale(200, 2_000), 0
    for _ in range(rounds):
        verdict = judge_measurements(draw_profile(rng), draw_profile(rng), RULES, is_two_sided=True)
        different += any(test.word in CHANGED for test in verdict.tests)
    assert bound_rate(different, rounds, upper=True) <= 0.05


def test_a_slower_program_is_found_with_ten_runs() -> None:
    """A program that takes 20 % longer is found in .9 of the comparisons at n = 10."""
    rng, rounds, found = Random(31), choose_scale(200, 2_000), 0
    for _ in range(rounds):
        verdict = judge_measurements(draw_profile(rng, 1.2), draw_profile(rng), RULES, is_two_sided=True)
        found += any(test.name == "time" and test.word is GateWord.REGRESSION for test in verdict.tests)
    assert bound_rate(found, rounds, upper=False) >= 0.9


def measure_pair(some: float, other: float, seed: int) -> bool:
    """Return whether two real programs that sleep are called different in time, from ten runs in turn."""
    commands = [
        [sys.executable, "-I", "-S", "-c", f"import time; time.sleep({seconds})"] for seconds in (some, other)
    ]
    runs = run_interleaved(
        commands, 10, warm_up=0, environ={}, read_components=lambda _: {}, random=Random(seed)
    )
    first, second = map(to_measurements, runs)
    verdict = judge_measurements(first, second, RULES, is_two_sided=True)
    return any(test.name == "time" and test.word in CHANGED for test in verdict.tests)


def test_real_programs_are_told_apart() -> None:
    """Real processes, measured in turn: the same are seldom different, one that takes longer is found.

    The long form looks for 20 %, the short one for twice the time, which is there sooner.
    """
    rounds = choose_scale(3, 200)
    different = sum(measure_pair(0.1, 0.1, seed) for seed in range(rounds))
    assert bound_rate(different, rounds, upper=False) <= 0.05
    slower, usual = (0.6, 0.5) if LONG else (0.2, 0.1)
    pairs = choose_scale(3, 40)
    found = sum(measure_pair(slower, usual, seed) for seed in range(pairs))
    assert found >= (0.9 if LONG else 0.66) * pairs
    assert different <= 0.05 * rounds or not LONG
