from __future__ import annotations

from random import Random
from xml.etree import ElementTree as ET

import pytest

from stretto.gates import gate_texts
from stretto.gates.benchmark_measurements import BenchMachine, MeasurementError, Measurements
from stretto.gates.gate_verdict import GateRules, GateWord, judge_measurements

RULES = GateRules()


def runs(rng: Random, seconds: float, count: int = 10, noise: float = 0.02) -> tuple[float, ...]:
    return tuple(seconds * rng.lognormvariate(0, noise) for _ in range(count))


def suite(rng: Random, count: int = 10, /, **changes: float) -> Measurements:
    names = [f"test{number}" for number in range(8)]
    return Measurements({name: runs(rng, changes.get(name, 1.0), count) for name in names})


def test_a_slower_test_closes_the_gate() -> None:
    """Half slower: regression and exit code 1; the others are no evidence."""
    rng = Random(1)
    verdict = judge_measurements(suite(rng, test3=1.5), suite(rng), RULES)
    words = {test.name: test.word for test in verdict.tests}
    assert words.pop("test3") is GateWord.REGRESSION
    assert set(words.values()) == {GateWord.NO_EVIDENCE}
    assert (verdict.word, verdict.exit_code) == (GateWord.REGRESSION, 1)
    (test,) = [test for test in verdict.tests if test.name == "test3"]
    assert test.ratio == pytest.approx(1.5, rel=0.05)
    assert test.interval is not None
    assert test.interval[0] < 1.5 < test.interval[1]


def test_a_significant_but_small_change_is_no_regression() -> None:
    """Five per cent slower, beyond any doubt, is below the threshold of ten."""
    rng = Random(2)
    verdict = judge_measurements(suite(rng, 40, test3=1.05), suite(rng, 40), RULES)
    assert verdict.word is GateWord.NO_EVIDENCE
    assert verdict.exit_code == 0


def test_a_large_but_uncertain_change_is_too_little_data() -> None:
    """Two runs a side cannot show anything; the verdict names how many are missing."""
    rng = Random(3)
    verdict = judge_measurements(suite(rng, 2, test3=1.5), suite(rng, 2), RULES)
    assert (verdict.word, verdict.exit_code) == (GateWord.TOO_LITTLE_DATA, 4)
    assert verdict.missing == max(test.missing for test in verdict.tests) > 0
    enough = suite(rng, 2 + verdict.missing), suite(rng, 2 + verdict.missing)
    assert judge_measurements(*enough, RULES).exit_code == 0


def test_a_single_run_asks_for_more() -> None:
    """One run on each side has no noise to judge by."""
    rng = Random(4)
    verdict = judge_measurements(suite(rng, 1), suite(rng, 1), RULES)
    assert verdict.exit_code == 4
    assert verdict.missing >= 3


def test_a_faster_test_is_an_improvement() -> None:
    """An improvement passes the gate."""
    rng = Random(5)
    verdict = judge_measurements(suite(rng, test3=0.5), suite(rng), RULES)
    assert (verdict.word, verdict.exit_code) == (GateWord.IMPROVEMENT, 0)


def test_amounts_of_different_kinds_share_no_noise() -> None:
    """Ten runs are too few for a noisy time, and enough for a memory that hardly differs from run to run."""
    rng = Random(15)
    noises = {"time": 0.4, "cpu": 0.3, "memory": 0.002}
    some, other = (
        Measurements({name: runs(rng, 1.0, noise=noise) for name, noise in noises.items()}) for _ in range(2)
    )
    verdict = judge_measurements(some, other, RULES, is_two_sided=True)
    assert {test.name: test.word for test in verdict.tests} == {
        "time": GateWord.TOO_LITTLE_DATA, "cpu": GateWord.TOO_LITTLE_DATA, "memory": GateWord.NO_EVIDENCE,
    }  # fmt: skip


def test_a_changed_mix_is_called_so() -> None:
    """A suite that takes longer because of a new test has not become slower."""
    rng = Random(6)
    new = suite(rng)
    new = Measurements({**new.runs, "slow": runs(rng, 30.0)})
    verdict = judge_measurements(new, suite(rng), RULES)
    assert verdict.exit_code == 0
    assert any("the mix changed" in note for note in verdict.notes)
    assert [test.word for test in verdict.tests][-1] is GateWord.NEW


def test_other_shares_of_task_types_are_a_changed_mix() -> None:
    """Of 90 short and 10 long tasks become 50 and 50: the mean doubles, no task became slower."""
    rng = Random(7)
    short, long = runs(rng, 10.0), runs(rng, 60.0)
    old = Measurements({"short": short, "long": long}, counts={"short": 90, "long": 10})
    new = Measurements({"short": runs(rng, 10.0), "long": runs(rng, 60.0)}, counts={"short": 50, "long": 50})
    verdict = judge_measurements(new, old, RULES, is_pooled=True)
    assert verdict.exit_code == 0
    (note,) = verdict.notes
    assert note.startswith("the mean went from 1")
    assert "mix changed" in note
    assert judge_measurements(old, old, RULES, is_pooled=True).notes == ()


def test_nothing_in_common_is_too_little_data() -> None:
    """Renamed tests must not open the gate silently."""
    rng = Random(8)
    verdict = judge_measurements(Measurements({"a": runs(rng, 1)}), Measurements({"b": runs(rng, 1)}), RULES)
    assert verdict.exit_code == 4
    assert "nothing to compare" in verdict.notes[0]


def test_another_machine_is_refused_unless_calibrated() -> None:
    """With the reference loop of both, times are scaled; without it there is no verdict."""
    rng = Random(9)
    old = Measurements(suite(rng).runs, BenchMachine("old", 0.010))
    slow = {f"test{number}": runs(rng, 2.0) for number in range(8)}
    with pytest.raises(MeasurementError, match="another machine"):
        judge_measurements(Measurements(slow, BenchMachine("new")), old, RULES)
    verdict = judge_measurements(Measurements(slow, BenchMachine("new", 0.020)), old, RULES)
    assert verdict.exit_code == 0
    assert "multiplied by 0.500" in verdict.notes[0]


def test_a_slower_machine_is_suspected() -> None:
    """If all tests are slower by the same ratio, the verdict says that they share the cause."""
    rng = Random(10)
    slower = {f"test{number}": 1.3 for number in range(8)}
    verdict = judge_measurements(suite(rng, 10, **slower), suite(rng), RULES)
    assert verdict.exit_code == 1
    assert any("1.3" in note and "the machine" in note for note in verdict.notes)


def test_the_texts_name_what_happened() -> None:
    """Lines, Markdown, annotations and JUnit show the regression, escaped for their readers."""
    rng = Random(11)
    new, old = suite(rng, test3=1.5), suite(rng)
    odd = "a|b: 100 %\n\x00, end"
    new = Measurements({**new.runs, odd: runs(rng, 2.0)})
    old = Measurements({**old.runs, odd: runs(rng, 1.0)})
    verdict = judge_measurements(new, old, RULES)
    lines = gate_texts.to_lines(verdict, RULES)
    assert lines[0] == "regression: 2 regression, 7 no evidence"
    assert any("regression       test3: 1." in line for line in lines)
    markdown = gate_texts.to_markdown(verdict, "main")
    assert "| test3 | regression | 1." in markdown
    assert "a\\|b: 100 % \x00, end" in markdown
    annotations = gate_texts.to_annotations(verdict, RULES)
    assert len(annotations) == 2
    assert annotations[0].startswith("::error title=regression%3A a|b%3A 100 %25%0A\x00%2C end::")
    root = ET.fromstring(gate_texts.to_junit(verdict, RULES))
    assert (root.get("tests"), root.get("failures")) == ("9", "2")
    assert len(root.findall("testcase/failure")) == 2
    document = gate_texts.to_document(verdict, "main")
    assert document["verdict"] == "regression"
    assert len(document["tests"]) == 9


def test_thin_tests_are_warnings_and_skipped() -> None:
    """Too little data is a warning on GitHub and a skipped test in JUnit."""
    rng = Random(12)
    verdict = judge_measurements(suite(rng, 2), suite(rng, 2), RULES)
    assert all(line.startswith("::warning ") for line in gate_texts.to_annotations(verdict, RULES))
    assert ET.fromstring(gate_texts.to_junit(verdict, RULES)).get("skipped") == "8"
    assert "more runs of each side are needed" in gate_texts.to_lines(verdict, RULES)[0]
