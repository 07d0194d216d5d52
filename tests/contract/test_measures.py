from __future__ import annotations

import ast
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest
from tests.counted import SCENES, SHIPPED, list_changed_dimensions, read_shipped_dimensions
from tests.fakes import recorded, store
from tests.scenes import Drawing, frame_drawing
from tests.sources import parse_file

from stretto.model.event import Outcome
from stretto.names import METRICS, measures
from stretto.names.measures import MEASURES, Dimension, Unit
from stretto.names.modules_using_each_measure import READERS, WRITERS

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src"
TABLES = {"stretto.names.measures", "stretto.names.modules_using_each_measure"}
CONSTANTS = {
    value: name for name, value in vars(measures).items() if name.isupper() and isinstance(value, str)
}

HANDLES_SUMS = re.compile(r"^stretto\.(figures|store\.contributions)\.")
"""Modules that write sums or read them: here no other text may be spelled like a measure by chance."""

OTHER_MEANINGS = {("stretto.figures.session_analysis", "critical_path")}
"""Texts in these modules that are keys of a document."""


@cache
def modules() -> Mapping[str, ast.Module]:
    found = {}
    for path in sorted(SRC.rglob("*.py")):
        parts = path.relative_to(SRC).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = parse_file(path)
    return found


def texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield (line, text) of each literal, and of each built text with its unknown parts as ``*``."""
    built: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            built.update(node.values)
            parts = [str(part.value) if isinstance(part, ast.Constant) else "*" for part in node.values]
            yield node.lineno, "".join(parts)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in built:
            yield node.lineno, node.value


def keys_of_sums(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield (line, text) of the literals that sums are read by, or that stand in an addition."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and "sums" in ast.dump(node.value):
            yield from texts(node.slice)
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "get"
            and "sums" in ast.dump(node.func.value)
        ):
            yield from texts(ast.Tuple(node.args[:1]))
        elif isinstance(node, ast.Call) and any("sums" in ast.dump(given) for given in node.args):
            yield from texts(ast.Tuple([given for given in node.args if isinstance(given, ast.Constant)]))
        elif isinstance(node, ast.Tuple) and len(node.elts) == 3 and "slot" in ast.dump(node.elts[0]):
            yield from texts(node.elts[1])


@cache
def users() -> Mapping[str, frozenset[str]]:
    """Return the measures that each module names by their constants."""
    found: dict[str, set[str]] = defaultdict(set)
    for module, tree in modules().items():
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id == "measures"
                and node.attr.isupper()
            ):
                found[module.removeprefix("stretto.")].add(getattr(measures, node.attr))
    return {module: frozenset(names) for module, names in found.items()}


def test_no_measure_is_spelled_outside_the_table() -> None:
    """A measure that is spelled by hand can be mistyped, and then reads as absent without an error."""
    escaped = []
    for module, tree in modules().items():
        if module in TABLES:
            continue
        spelled = set(keys_of_sums(tree))
        if HANDLES_SUMS.match(module):
            spelled |= {(line, text) for line, text in texts(tree) if "_" in text}
        for line, text in sorted(spelled):
            if (module, text) in OTHER_MEANINGS:
                continue
            pattern = re.compile(re.escape(text).replace(r"\*", "[a-z_]+"))
            hits = [name for name in MEASURES if text.strip("*") and pattern.fullmatch(name)]
            escaped += [f"{module}:{line} {text!r}: write measures.{CONSTANTS[name]}" for name in hits]
    assert escaped == []


def test_each_constant_is_one_row() -> None:
    """Constant and stored name differ in case alone, so that either finds the other in a search."""
    assert {name: value for value, name in CONSTANTS.items()} == {name.upper(): name for name in MEASURES}
    for name, row in MEASURES.items():
        assert row.name == name
        assert row.meaning.endswith("."), name
        assert len(set(row.dimensions)) == len(row.dimensions), name
        assert (Dimension.BUCKET in row.dimensions) == row.unit.startswith("count by bucket"), name
        assert row.merge == "add", name
    assert {row.unit for row in MEASURES.values()} == {*Unit}
    assert {dimension for row in MEASURES.values() for dimension in row.dimensions} == {*Dimension}


def test_writers_and_readers_are_listed() -> None:
    """The table says who writes and who reads each measure; a measure that nobody reads is stored in vain."""
    used = {module: names for module, names in users().items() if names}
    writers = {module: names for module, names in used.items() if module.startswith("store.contributions.")}
    readers = {module: names for module, names in used.items() if module not in writers}
    step = "list each measure in names/modules_using_each_measure.py under its modules"
    assert {module: frozenset(names) for module, names in WRITERS.items()} == writers, step
    assert {module: frozenset(names) for module, names in READERS.items()} == {
        module: names for module, names in readers.items() if module != "names.modules_using_each_measure"
    }, step
    assert frozenset().union(*writers.values()) == frozenset(MEASURES)
    assert frozenset().union(*readers.values()) == frozenset(MEASURES)


def test_a_measure_keeps_the_dimensions_that_it_was_shipped_with() -> None:
    """A hub adds sums of older and newer machines: under one name they mean the same."""
    listed = json.loads(SHIPPED.read_text(encoding="utf-8"))
    assert list_changed_dimensions(read_shipped_dimensions()) == []
    assert sorted(MEASURES.keys() - listed.keys()) == [], "run make counted"
    renamed = {name: ["another", *dimensions] for name, dimensions in listed.items() if name == "tasks"}
    assert len(list_changed_dimensions(read_shipped_dimensions() | renamed)) == 1


def test_what_is_written_has_the_declared_dimensions(tmp_path: Path) -> None:
    """Readers reach a dimension by name: a writer with one more or less would shift all after it."""
    seen = set()
    with store(tmp_path) as opened:
        opened.take(*(scene().events for scene in SCENES), recorded("fanout-background"))
        # The writer waits for no one: it has slack while the reader decides when the end comes.
        slack = Drawing("slack").run("a", 0, 10, agent="writer").run("b", 0, 30, agent="reader")
        opened.take(frame_drawing(slack, 30).events)
        tested = Drawing("tested").call(
            "all", 1, 3, test_framework="pytest", tests_passed=4, tests_failed=0, tests_deselected=0,
            test_parts=2, test_parts_cached=1,
        )  # fmt: skip
        tested.call("write", 4, 5, tool="Write", wrote="one", new_files=1)
        opened.take(frame_drawing(tested, 30).events)
        often = Drawing("often").opens().prompt(0)
        for second in range(5):
            often.sample(second, 1, memory=10, machine_busy=1, machine_available=2)
        opened.take(often.events)
        # An agent's name was mistyped, and the call made again.
        mended = Drawing("mended").order("wrong", 1, "review", agent="reviwer")
        mended.answer("wrong", 2, None, outcome=Outcome.FAILURE).order("right", 3, "review").run("m", 4, 9)
        opened.take(frame_drawing(mended.answer("right", 9, "m"), 10).events)
        rows = opened.rows()["rollup"]
    for _, _, measure, dims, *_ in rows:
        row, values = MEASURES[measure], json.loads(dims)
        assert len(values) == len(row.dimensions), (measure, dims)
        for dimension, value in zip(row.dimensions, values, strict=True):
            assert isinstance(value, int if dimension is Dimension.BUCKET else str), (measure, dims)
        seen.add(measure)
    assert set(MEASURES) - seen == set()


@pytest.mark.parametrize("name", ["figures", "store", "exporter", "summaries", "service"])
def test_no_metric_name_is_put_together(name: str) -> None:
    """A metric seen on a dashboard is found in the code by its full name."""
    for module, tree in modules().items():
        if module.startswith(f"stretto.{name}."):
            assert "PREFIX" not in {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}, module


def test_each_metric_stands_in_the_code_that_makes_it() -> None:
    """The full name of an exported metric is a literal outside the table of names."""
    made = {
        text
        for module, tree in modules().items()
        if not module.startswith("stretto.names")
        for _, text in texts(tree)
    }
    assert sorted(set(METRICS) - made) == []
