from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from stretto.gates.benchmark_measurements import (
    BenchMachine,
    MeasurementError,
    Measurements,
    describe_machine,
    merge_all,
    time_reference_loop,
    write_baseline,
)
from stretto.gates.read_benchmark_reports import parse_report, read_reports

PYTEST = {
    "machine_info": {"system": "Linux", "cpu": {"brand_raw": "Fast", "count": 4}},
    "benchmarks": [
        {"name": "test_a", "fullname": "tests/t.py::test_a", "stats": {"data": [0.3, 0.1, 0.2], "median": 9}},
        {"name": "test_b", "stats": {"median": 0.5}},
    ],
}
HYPERFINE = {
    "results": [
        {"command": "sleep 1", "times": [1.0, 1.1, 1.2], "exit_codes": [0, 1, 0], "median": 1.1},
        {"command": "true", "median": 0.01},
        {"command": "false", "times": [0.1], "exit_codes": [1]},
    ]
}
JUNIT = """<?xml version="1.0"?><testsuites><testsuite>
<testcase classname="c" name="a" time="1,000.5"/><testcase name="b" time="0"/>
<testcase name="failed" time="9"><failure/></testcase><testcase name="skipped" time="9"><skipped/></testcase>
<testcase name="untimed"/></testsuite></testsuites>"""
GO = """goos: linux
cpu: Quick CPU @ 3GHz
BenchmarkParse-8   \t 1000\t  1500 ns/op\t 12 B/op
BenchmarkParse-8   \t 1000\t  1.6e+03 ns/op
BenchmarkPrint/long-8\t 10\t 2000000 ns/op
PASS
"""
GO_ON_ONE_PROCESSOR = """pkg: example.org/sums
BenchmarkSum/size-10 \t 4907199\t 10 ns/op
BenchmarkSum/size-100\t 808216\t 70 ns/op
"""
GO_ON_SOME_PROCESSORS = "BenchmarkSum  \t 10\t 10 ns/op\nBenchmarkSum-2 \t 10\t 20 ns/op\n"
GO_OF_TWO_PACKAGES = """pkg: a
BenchmarkSum-4 \t 10\t 10 ns/op
pkg: b
BenchmarkSum-4 \t 10\t 20 ns/op
"""
HYPERFINE_WITH_PARAMETERS = {
    "results": [
        {"command": "build", "median": seconds, "parameters": {"threads": threads}}
        for threads, seconds in (("1", 4.0), ("4", 1.5))
    ]
}
JUNIT_OF_A_REPEATED_TEST = (
    "<testsuite>" + '<testcase name="a" time="3"/>' * 2 + '<testcase name="a" time="9"/></testsuite>'
)
JUNIT_OF_TWO_SUITES = """<testsuites>
<testsuite name="A"><testcase name="x" time="1"/><testcase classname="c" name="y" time="2"/></testsuite>
<testsuite name="B"><testcase name="x" time="9"/><testcase classname="c" name="y" time="8"/></testsuite>
</testsuites>"""
GO_JSON = [
    {"Action": "start"}, {"Action": "output", "Output": "BenchmarkParse-8 \t"},
    {"Action": "output", "Output": " 1000\t 1500 ns/op\n"}, {"Action": "pass"},
]  # fmt: skip
CRITERION = [
    {"reason": "group-complete"},
    {
        "reason": "benchmark-complete", "id": "parse/short", "unit": "ns",
        "iteration_count": [1, 2, 3], "measured_values": [100.0, 240.0, 330.0],
    },
]  # fmt: skip


def lines(documents: Sequence[object]) -> str:
    return "\n".join(map(json.dumps, documents))


@pytest.mark.parametrize(
    ("text", "runs", "source"),
    [
        (json.dumps(PYTEST), {"tests/t.py::test_a": (0.2,), "test_b": (0.5,)}, "pytest-benchmark"),
        (json.dumps(HYPERFINE), {"sleep 1": (1.0, 1.2), "true": (0.01,)}, "hyperfine"),
        (JUNIT, {"c.a": (1000.5,), "b": (1e-9,)}, "junit"),
        (GO, {"BenchmarkParse-8": (1.5e-6, 1.6e-6), "BenchmarkPrint/long-8": (0.002,)}, "go"),
        (
            GO_ON_ONE_PROCESSOR,
            {
                "example.org/sums.BenchmarkSum/size-10": (1e-8,),
                "example.org/sums.BenchmarkSum/size-100": (7e-8,),
            },
            "go",
        ),
        (GO_ON_SOME_PROCESSORS, {"BenchmarkSum": (1e-8,), "BenchmarkSum-2": (2e-8,)}, "go"),
        (GO_OF_TWO_PACKAGES, {"a.BenchmarkSum-4": (1e-8,), "b.BenchmarkSum-4": (2e-8,)}, "go"),
        (
            json.dumps(HYPERFINE_WITH_PARAMETERS),
            {"build threads=1": (4.0,), "build threads=4": (1.5,)},
            "hyperfine",
        ),
        (JUNIT_OF_A_REPEATED_TEST, {"a": (3.0,)}, "junit"),
        (JUNIT_OF_TWO_SUITES, {"A.x": (1.0,), "B.x": (9.0,), "A.c.y": (2.0,), "B.c.y": (8.0,)}, "junit"),
        (lines(GO_JSON), {"BenchmarkParse-8": (1.5e-6,)}, "go"),
        (lines(CRITERION), {"parse/short": (1.1e-7,)}, "criterion"),
    ],
)
def test_each_format_is_read(text: str, runs: dict[str, tuple[float, ...]], source: str) -> None:
    """Times are seconds; rounds of a run become their median; what failed has no time to compare."""
    measurements = parse_report(text, "report")
    assert measurements.source == source
    assert measurements.runs.keys() == runs.keys()
    for name, values in runs.items():
        assert measurements.runs[name] == pytest.approx(values)


def test_the_name_of_a_benchmark_does_not_depend_on_the_others_in_its_report(tmp_path: Path) -> None:
    """One size is no other size, a package the same beside others; files of packages are not pooled."""
    for size in (10, 100):
        assert [*parse_report(f"BenchmarkSize-{size} 10 {size} ns/op", "report").runs] == [
            f"BenchmarkSize-{size}"
        ]
    first, second = (f"pkg: {package}\nBenchmarkA-4 10 10 ns/op\n" for package in "ab")
    assert parse_report(first, "report").runs.keys() < parse_report(first + second, "report").runs.keys()
    (tmp_path / "a.txt").write_text(first, encoding="utf-8")
    (tmp_path / "b.txt").write_text(second, encoding="utf-8")
    assert {*read_reports(tmp_path).runs} == {"a.BenchmarkA-4", "b.BenchmarkA-4"}
    suite = '<testsuite name="A"><testcase name="x" time="1"/></testsuite>'
    assert [*parse_report(suite, "report").runs] == ["A.x"]


def test_the_machine_is_read_where_the_report_names_it() -> None:
    """pytest-benchmark and Go name it; the others do not."""
    assert parse_report(json.dumps(PYTEST), "r").machine == BenchMachine("Fast, 4, Linux")
    assert parse_report(GO, "r").machine == BenchMachine("Quick CPU @ 3GHz")
    assert parse_report(JUNIT, "r").machine is None


def test_a_folder_is_several_runs(tmp_path: Path) -> None:
    """Each report of a folder is a run; Criterion's samples are named by their folder."""
    for number in range(3):
        (tmp_path / f"{number}.xml").write_text(JUNIT, encoding="utf-8")
    assert len(read_reports(tmp_path).runs["c.a"]) == 3
    sample = tmp_path / "crit" / "parse" / "short" / "new" / "sample.json"
    sample.parent.mkdir(parents=True)
    sample.write_text(json.dumps({"iters": [10, 20], "times": [100, 220]}), encoding="utf-8")
    assert read_reports(sample).runs == {"parse/short": pytest.approx((1.05e-8,))}
    # The folder that Criterion leaves has the run before, a saved one and what was computed of each.
    for run, times in (("base", [900, 900]), ("change", None), ("saved", [800, 800])):
        other = tmp_path / "crit" / "parse" / "short" / run
        other.mkdir()
        (other / "estimates.json").write_text("{}", encoding="utf-8")
        if times:
            (other / "sample.json").write_text(json.dumps({"iters": [10, 20], "times": times}))
    sample.with_name("benchmark.json").write_text('{"full_id": "parse it/short"}', encoding="utf-8")
    assert read_reports(tmp_path / "crit").runs == {"parse it/short": pytest.approx((1.05e-8,))}
    saved = tmp_path / "crit" / "parse" / "short" / "saved"
    assert [*read_reports(saved).runs.values()] == [pytest.approx((6e-8,))]
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(MeasurementError, match="there is no report"):
        read_reports(empty)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hello", "no known format"),
        ("{}", "no known format"),
        ("[1, 2]", "no known format"),
        ("", "no known"),
        ("{", "not JSON"),
        ('{"a": 1}\n{', "report:2"),
        ("<a", "not XML"),
        ("<testsuite/>", "no test has a time"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><a/>', "declares entities"),
        ('<testcase name="a" time="soon"/>', "not a number"),
        ('<testcase name="a" time="nan"/>', "not a number"),
        (json.dumps({"benchmarks": [{"name": "a"}]}), "damaged .*KeyError"),
        ("BenchmarkA-8 10 1.2.3 ns/op", "damaged .*ValueError"),
        (json.dumps({"benchmarks": [{"name": "a", "stats": {"median": -1}}]}), "not a number of seconds"),
        (json.dumps({"results": [{"command": "a", "times": ["x"]}]}), "not a number of seconds"),
        (json.dumps({"results": [{"command": "a", "times": [1], "exit_codes": [0, 0]}]}), "ValueError"),
        (json.dumps({"results": [{"command": "a", "median": 1}] * 2}), "two commands have the same name"),
        (json.dumps({"format": 2, "runs": {}}), "format 2"),
        (json.dumps({"format": 1, "runs": []}), "not a baseline"),
        (lines([{"Action": "output", "Output": "ok"}]), "no benchmark has a result"),
        (json.dumps({"reason": "benchmark-complete", "unit": "parsec", "id": "a"}), "damaged .*KeyError"),
    ],
)  # fmt: skip
def test_a_report_that_cannot_be_used_is_named(text: str, message: str) -> None:
    """The error names the place and the cause; nothing is guessed."""
    with pytest.raises(MeasurementError, match=message):
        parse_report(text, "report")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Bytes that are no text, and a missing file."""
    (tmp_path / "a.json").write_bytes(b"\xff\xfe\x00")
    for name in ("a.json", "missing.json"):
        with pytest.raises(MeasurementError, match=f"cannot be read .*{name}"):
            read_reports(tmp_path / name)


def test_a_baseline_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    """Runs, machine, reference loop and counts survive the file."""
    saved = Measurements({"a": (1.0, 2.0)}, BenchMachine("here", 0.5), "go", {"a": 7})
    write_baseline(tmp_path / "folder" / "main.json", saved)
    assert read_reports(tmp_path / "folder" / "main.json") == saved


def test_reports_of_two_machines_are_not_mixed() -> None:
    """Their runs would look like noise."""
    here, there = (Measurements({"a": (1.0,)}, BenchMachine(name)) for name in ("here", "there"))
    with pytest.raises(MeasurementError, match="two machines"):
        merge_all([here, there])
    assert merge_all([here, here]).runs == {"a": (1.0, 1.0)}


def test_the_reference_loop_takes_about_the_same_time_twice() -> None:
    """It is a yardstick: within a factor of two on a busy machine."""
    some, other = time_reference_loop(), time_reference_loop()
    assert 0.5 < some / other < 2
    assert "processors" in describe_machine()
