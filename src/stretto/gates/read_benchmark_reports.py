"""Read the reports of benchmark tools: pytest-benchmark, hyperfine, JUnit, Go, Criterion, and our baselines.

The format is recognised by content. Formats: pytest-benchmark's ``--benchmark-json``, hyperfine's
``--export-json``, JUnit's XML (``testcase`` with ``time``), ``go test -bench`` as text or with ``-json``,
cargo-criterion's ``--message-format=json`` and Criterion's ``sample.json``. All times become seconds. A
report is a run, the median of its rounds. hyperfine's times are runs, because each is a process.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any
from xml.etree import ElementTree as ET

from stretto.gates.benchmark_measurements import (
    BenchMachine,
    MeasurementError,
    Measurements,
    check_seconds,
    from_document,
    merge_all,
)

SUFFIXES = (".json", ".jsonl", ".txt", ".xml")
UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0}
LARGEST_REPORT = 256 * 1024 * 1024

_GO_RESULT = re.compile(r"^(Benchmark\S+)\s+\d+\s+([\d.eE+]+) ns/op", re.MULTILINE)
_GO_LINE = re.compile(rf"{_GO_RESULT.pattern}|^pkg: (\S+)", re.MULTILINE)
_NOT_PASSED = ("failure", "error", "skipped")
_GO_CPU = re.compile(r"^cpu: (.+)$", re.MULTILINE)

AGAIN = "make it again"
KNOWN = "pytest-benchmark, hyperfine, JUnit, go test -bench, Criterion, or a baseline of stretto gate"


def read_reports(path: Path) -> Measurements:
    """Return the runs of a report, or of all reports in a folder. Raises MeasurementError."""
    if path.is_dir():
        inside = sorted(
            each
            for each in path.rglob("*")
            if each.suffix in SUFFIXES and not _is_beside_a_sample(each, path)
        )
        if not inside:
            raise MeasurementError(
                "there is no report", where=str(path), hint="reports end in .json, .xml, .txt"
            )
        return merge_all(read_report(each) for each in inside)
    return read_report(path)


def read_report(path: Path) -> Measurements:
    """Return the runs of a report. Raises MeasurementError if it cannot be read or is of no known format."""
    try:
        if path.stat().st_size > LARGEST_REPORT:
            raise MeasurementError("the report is too large", where=str(path), cause="it has over 256 MB")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise MeasurementError("the report cannot be read", where=str(path), cause=str(error)) from error
    measurements = parse_report(text, str(path))
    # Criterion's sample.json has no name: the file beside it has, else its folder's.
    if set(measurements.runs) == {""}:
        name = _read_criterion_name(path) or "/".join(path.parts[-4:-2]) or path.stem
        measurements = Measurements({name: measurements.runs[""]}, measurements.machine, measurements.source)
    return measurements


def _is_beside_a_sample(path: Path, given: Path) -> bool:
    """Return whether a file of Criterion's in the given folder is no report of the latest run there.

    ``target/criterion`` has for each benchmark the folders ``new``, ``base``, ``change`` and those of saved
    baselines. A folder of a run has ``sample.json``, and beside it what was computed of it. Where the given
    folder is itself that of a run, such as a saved baseline's, its sample is the report.
    """
    if path.name == "sample.json":
        latest = path.parent.parent / "new" / "sample.json"
        return path != latest and latest.is_relative_to(given) and latest.exists()
    is_computed = path.name in {"benchmark.json", "estimates.json", "tukey.json"}
    return is_computed and any(
        (folder / "sample.json").exists() for folder in (path.parent, path.parent.parent / "new")
    )


def _read_criterion_name(sample: Path) -> str | None:
    """Return the benchmark's name from the file that Criterion writes beside its sample, if it is there."""
    try:
        name = json.loads(sample.with_name("benchmark.json").read_text(encoding="utf-8"))["full_id"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return name if isinstance(name, str) and name else None


def parse_report(text: str, where: str) -> Measurements:
    """Return the runs of a report's text. Raises MeasurementError."""
    try:
        return _read_known(text, where)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise MeasurementError(
            "the report is damaged",
            where=where,
            cause=f"{type(error).__name__}: {error}",
            hint=AGAIN,
        ) from error


def _read_known(text: str, where: str) -> Measurements:
    head = text.lstrip()[:1]
    if head == "<":
        return _read_junit(text, where)
    if _GO_RESULT.search(text):
        return _read_go(text, where)
    if head not in {"{", "["}:
        raise MeasurementError("the report is of no known format", where=where, hint=f"known are {KNOWN}")
    try:
        documents = [json.loads(text)]
    except ValueError:
        documents = _split_lines(text, where)
    for fits, read in _READERS:
        if fits(documents):
            return read(documents, where)
    raise MeasurementError("the report is of no known format", where=where, hint=f"known are {KNOWN}")


def _split_lines(text: str, where: str) -> list[Any]:
    documents = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            documents += [json.loads(line)] if line.strip() else []
        except ValueError as error:
            raise MeasurementError(
                "the report is not JSON", where=f"{where}:{number}", cause=str(error), hint=AGAIN
            ) from error
    return documents


def _read_junit(text: str, where: str) -> Measurements:
    """Return one run: the time of each test that passed; failed and skipped ones have no time to compare.

    The suite's name stands in front of a test without a class, and of one that several suites name alike.
    """
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise MeasurementError("the report declares entities", where=where, hint="JUnit reports need none")
    try:
        root = ET.fromstring(text)  # noqa: S314  # entities are refused above
    except ET.ParseError as error:
        raise MeasurementError("the report is not XML", where=where, cause=str(error)) from error
    top = ET.Element("testsuites")
    top.append(root)
    cases = [
        (suite.get("name", "") if suite.tag == "testsuite" else "", case)
        for suite in top.iter()
        for case in suite.findall("testcase")
    ]
    suites: defaultdict[tuple[str | None, ...], set[str]] = defaultdict(set)
    for suite_name, case in cases:
        suites[case.get("classname"), case.get("name")].add(suite_name)
    times: defaultdict[str, list[float]] = defaultdict(list)
    for suite_name, case in cases:
        if case.get("time") is None or any(case.find(tag) is not None for tag in _NOT_PASSED):
            continue
        class_name, test = case.get("classname"), case.get("name")
        has_suite = not class_name or len(suites[class_name, test]) > 1
        name = ".".join(part for part in (suite_name if has_suite else "", class_name, test) if part)
        try:
            seconds = float((case.get("time") or "").replace(",", ""))
        except ValueError as error:
            raise MeasurementError(
                "a time is not a number", where=f"{where}: {name}", cause=str(error)
            ) from error
        times[name].append(check_seconds(seconds, where))
    if not times:
        raise MeasurementError("no test has a time", where=where, hint="JUnit's testcase needs time=")
    # A name that comes again in a suite is the same test once more, which is a round of the run.
    return Measurements({name: (median(each),) for name, each in times.items()}, source="junit")


def _read_go(text: str, where: str) -> Measurements:
    """Return the runs of ``go test -bench``: ``-count N`` prints each benchmark N times.

    Names have the package in front and end as Go prints them. Go adds the number of processors, as in ``-8``,
    but for a single one. No report tells that end from one of the benchmark's (``size-10``): it stays, as
    benchstat leaves it. So a name depends on nothing else in the report.
    """
    runs: defaultdict[str, list[float]] = defaultdict(list)
    package = ""
    for name, nanoseconds, named_package in _GO_LINE.findall(text):
        if named_package:
            package = f"{named_package}."
        else:
            runs[package + name].append(check_seconds(float(nanoseconds) * 1e-9, where))
    cpu = _GO_CPU.search(text)
    machine = BenchMachine(cpu.group(1).strip()) if cpu else None
    return Measurements({name: tuple(values) for name, values in runs.items()}, machine, "go")


def _read_go_json(documents: list[Any], where: str) -> Measurements:
    """Return the runs of ``go test -bench -json``; test2json splits a result's line into pieces."""
    text = "".join(event.get("Output", "") for event in documents if event.get("Action") == "output")
    if not _GO_RESULT.search(text):
        raise MeasurementError("no benchmark has a result", where=where, hint="run go test -bench=. -json")
    return _read_go(text, where)


def _read_pytest_benchmark(documents: list[Any], where: str) -> Measurements:
    (document,) = documents
    runs = {}
    for benchmark in document["benchmarks"]:
        stats = benchmark["stats"]
        rounds = stats.get("data") or [stats["median"]]
        name = benchmark.get("fullname") or benchmark["name"]
        runs[name] = (check_seconds(median(rounds), f"{where}: {name}"),)
    info = document.get("machine_info") or {}
    cpu = info.get("cpu") or {}
    name = ", ".join(
        str(part)
        for part in (cpu.get("brand_raw") or info.get("machine"), cpu.get("count"), info.get("system"))
        if part
    )
    return Measurements(runs, BenchMachine(name) if name else None, "pytest-benchmark")


def _read_hyperfine(documents: list[Any], where: str) -> Measurements:
    """Return the runs of hyperfine. Parameters tell commands apart that were given the same name."""
    (document,) = documents
    names = [result["command"] for result in document["results"]]
    runs = {}
    for result in document["results"]:
        name = result["command"]
        if names.count(name) > 1:
            parts = [f"{key}={value}" for key, value in (result.get("parameters") or {}).items()]
            name = " ".join([name, *parts])
        if name in runs:
            raise MeasurementError(
                "two commands have the same name", where=f"{where}: {name}", hint="name each with -n"
            )
        times = result.get("times") or [result["median"]]
        codes = result.get("exit_codes") or []
        kept = [t for t, code in zip(times, codes, strict=True) if code == 0] if codes else times
        if kept:
            runs[name] = tuple(check_seconds(value, where) for value in kept)
    return Measurements(runs, source="hyperfine")


def _read_criterion(documents: list[Any], where: str) -> Measurements:
    """Return the runs of cargo-criterion: a measured value is the time of all iterations of a round."""
    runs = {}
    for message in documents:
        if message.get("reason") == "benchmark-complete":
            unit = UNITS[message["unit"]]
            pairs = zip(message["measured_values"], message["iteration_count"], strict=True)
            runs[message["id"]] = (check_seconds(median(value / n for value, n in pairs) * unit, where),)
    return Measurements(runs, source="criterion")


def _read_criterion_sample(documents: list[Any], where: str) -> Measurements:
    (document,) = documents
    pairs = zip(document["times"], document["iters"], strict=True)
    seconds = check_seconds(median(value / n for value, n in pairs) * 1e-9, where)
    return Measurements({"": (seconds,)}, source="criterion")


def _read_ours(documents: list[Any], where: str) -> Measurements:
    return from_document(documents[0], where)


def _has_keys(*keys: str) -> Callable[[list[Any]], bool]:
    return lambda documents: (
        len(documents) == 1 and isinstance(documents[0], dict) and documents[0].keys() >= {*keys}
    )


def _is_stream(key: str, *values: str) -> Callable[[list[Any]], bool]:
    def fits(documents: list[Any]) -> bool:
        return any(isinstance(each, dict) and each.get(key) in values for each in documents)

    return fits


_READERS: tuple[tuple[Callable[[list[Any]], bool], Callable[[list[Any], str], Measurements]], ...] = (
    (_has_keys("benchmarks"), _read_pytest_benchmark),
    (_has_keys("results"), _read_hyperfine),
    (_has_keys("format", "runs"), _read_ours),
    (_has_keys("iters", "times"), _read_criterion_sample),
    (_is_stream("reason", "benchmark-complete"), _read_criterion),
    (_is_stream("Action", "output"), _read_go_json),
)
