"""Profiles over many comparisons: the same program is seldom called different, a slower one is found."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from random import Random

import pytest

from stretto.gates.benchmark_measurements import Measurements
from stretto.gates.gate_verdict import GateRules, GateWord, judge_measurements
from stretto.gates.repeated_command_runs import run_interleaved, to_measurements
from tests.shown.scale import choose_scale
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


def measure_pair(programs: Sequence[str], amount: str, seed: int) -> GateWord:
    """Return what is said of an amount of two real programs, from ten runs in turn."""
    commands = [[sys.executable, "-I", "-S", "-c", program] for program in programs]
    runs = run_interleaved(
        commands, 10, warm_up=0, environ={}, read_components=lambda _: {}, random=Random(seed)
    )
    first, second = map(to_measurements, runs)
    verdict = judge_measurements(first, second, RULES, is_two_sided=True)
    (word,) = (test.word for test in verdict.tests if test.name == amount)
    return word


def test_real_programs_are_told_apart() -> None:
    """Real processes, measured in turn: the same are seldom different, twice as long is found."""
    rounds = choose_scale(3, 200)
    long, short = ("import time; time.sleep(0.2)", "import time; time.sleep(0.1)")
    different = sum(measure_pair((short, short), "time", seed) in CHANGED for seed in range(rounds))
    assert bound_rate(different, rounds, upper=False) <= 0.05
    assert different <= 0.05 * rounds
    pairs = max(3, rounds // 10)
    found = sum(measure_pair((long, short), "time", seed) in CHANGED for seed in range(pairs))
    assert found >= 0.66 * pairs


def test_a_real_program_that_works_a_fifth_more_is_not_passed() -> None:
    """It is found, or on a machine too noisy for ten runs the answer is that there are too few."""
    pairs = choose_scale(3, 40)
    more, usual = "for _ in range(2_500_000): pass", "for _ in range(2_000_000): pass"
    words = [measure_pair((more, usual), "cpu", seed) for seed in range(pairs)]
    passed = pairs - words.count(GateWord.REGRESSION) - words.count(GateWord.TOO_LITTLE_DATA)
    assert passed <= 0.1 * pairs
