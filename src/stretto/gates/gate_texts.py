"""Write a gate's verdict for people and for build servers: text, Markdown, annotations, JUnit, JSON."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

from stretto.gates.gate_verdict import BenchmarkVerdict, GateRules, GateVerdict, GateWord

MOST_ROWS = 30
"""Rows of a table for people; the JSON has all tests."""

MOST_ANNOTATIONS = 10
"""GitHub shows ten of each kind in a step."""

_ORDER = (GateWord.REGRESSION, GateWord.TOO_LITTLE_DATA, GateWord.IMPROVEMENT, GateWord.NEW, GateWord.GONE)


def to_document(verdict: GateVerdict, baseline: str) -> dict[str, Any]:
    """Return the verdict as JSON."""
    return {
        "verdict": verdict.word.value,
        "baseline": baseline,
        "missing_runs": verdict.missing,
        "notes": list(verdict.notes),
        "tests": [
            {
                "name": test.name,
                "verdict": test.word.value,
                "ratio": test.ratio,
                "interval": None if test.interval is None else list(test.interval),
                "p_value": test.p_value,
                "runs": list(test.runs),
                "missing_runs": test.missing,
            }
            for test in verdict.tests
        ],
    }


def describe_whole(verdict: GateVerdict) -> str:
    """Return the verdict in a sentence."""
    counts = {word: sum(test.word is word for test in verdict.tests) for word in GateWord}
    parts = [f"{counts[word]} {word.value}" for word in GateWord if counts[word]]
    text = f"{verdict.word.value}: {', '.join(parts) or 'no tests'}"
    if verdict.word is GateWord.TOO_LITTLE_DATA and verdict.missing:
        text += f"; {verdict.missing} more runs of each side are needed"
    return text


def describe_test(test: BenchmarkVerdict, rules: GateRules) -> str:
    """Return what happened to a test."""
    if test.ratio is None:
        return {GateWord.NEW: "not in the baseline", GateWord.GONE: "not measured any more"}[test.word]
    text = f"{test.ratio:.3f} times the baseline"
    if test.interval is not None:
        text += f" [{test.interval[0]:.3f}, {test.interval[1]:.3f}]"
    text += f", p {test.p_value:.2g}, {test.runs[0]} and {test.runs[1]} runs"
    if test.missing:
        text += f"; {test.missing} more runs would show {rules.effect:g} times"
    return text


def list_noteworthy(verdict: GateVerdict) -> list[BenchmarkVerdict]:
    """Return the tests that somebody should look at, the worst first."""
    tests = [test for test in verdict.tests if test.word in _ORDER]
    return sorted(tests, key=lambda test: (_ORDER.index(test.word), -(test.ratio or 0), test.name))


def to_lines(verdict: GateVerdict, rules: GateRules) -> list[str]:
    """Return the verdict as lines for a terminal."""
    lines = [describe_whole(verdict), *verdict.notes]
    noteworthy = list_noteworthy(verdict)
    lines += [
        f"  {test.word.value:<16} {test.name}: {describe_test(test, rules)}"
        for test in noteworthy[:MOST_ROWS]
    ]
    if len(noteworthy) > MOST_ROWS:
        lines.append(f"  and {len(noteworthy) - MOST_ROWS} more: --json has all")
    return lines


def to_markdown(verdict: GateVerdict, baseline: str) -> str:
    """Return the verdict as a job's summary in Markdown."""
    lines = [f"### Performance gate: {describe_whole(verdict)}", "", f"Against baseline `{baseline}`.", ""]
    lines += [f"- {note}" for note in verdict.notes]
    rows = list_noteworthy(verdict)[:MOST_ROWS]
    if rows:
        lines += [
            "",
            "| test | verdict | ratio | 95 % interval | p | runs | missing |",
            "| --- | --- | --- | --- | --- | --- | --- |",
        ]
    for test in rows:
        ratio = "–" if test.ratio is None else f"{test.ratio:.3f}"
        interval = "–" if test.interval is None else f"{test.interval[0]:.3f} to {test.interval[1]:.3f}"
        p_value = "–" if test.p_value is None else f"{test.p_value:.2g}"
        name = test.name.replace("|", "\\|").replace("\n", " ")
        runs = f"{test.runs[0]} / {test.runs[1]}"
        cells = [name, test.word.value, ratio, interval, p_value, runs, str(test.missing or "")]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def to_annotations(verdict: GateVerdict, rules: GateRules) -> list[str]:
    """Return GitHub's workflow commands: an error for each regression, a warning for each thin test."""
    kinds = {GateWord.REGRESSION: "error", GateWord.TOO_LITTLE_DATA: "warning"}
    lines = []
    for word, kind in kinds.items():
        tests = [test for test in list_noteworthy(verdict) if test.word is word]
        for test in tests[:MOST_ANNOTATIONS]:
            title = _escape_property(f"{word.value}: {test.name}")
            lines.append(f"::{kind} title={title}::{_escape_data(describe_test(test, rules))}")
    return lines


def to_junit(verdict: GateVerdict, rules: GateRules) -> str:
    """Return the verdict as JUnit's XML: a regression is a failure, a thin test is skipped."""
    words = [test.word for test in verdict.tests]
    suite = ET.Element(
        "testsuite",
        name="stretto gate",
        tests=str(len(words)),
        failures=str(words.count(GateWord.REGRESSION)),
        skipped=str(words.count(GateWord.TOO_LITTLE_DATA)),
    )
    for test in verdict.tests:
        case = ET.SubElement(suite, "testcase", classname="stretto.gate", name=_drop_controls(test.name))
        text = _drop_controls(describe_test(test, rules))
        if test.word is GateWord.REGRESSION:
            ET.SubElement(case, "failure", message=text).text = text
        elif test.word is GateWord.TOO_LITTLE_DATA:
            ET.SubElement(case, "skipped", message=text)
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _escape_data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    return _escape_data(text).replace(":", "%3A").replace(",", "%2C")


def _drop_controls(text: str) -> str:
    """Replace characters that XML 1.0 does not allow."""
    return "".join(
        each if each in "\t\n\r" or " " <= each < "\ud800" or each > "\udfff" else "?" for each in text
    )
