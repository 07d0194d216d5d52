"""Metrics and commands without a test of their value, listed in tests/contract/untested.json.

A metric counts as tested if an expression of a test holds its name beside a number: an assert, an entry of a
dict, a tuple, a call with no other text, or a line of exposition text. The name may stand without
``stretto_``. What is put into ``Figure(…)`` and ``Sample(…)`` does not count: it is a test's input. A command
counts as tested if a test function with an assert passes its words to the program. Neither proves that the
number is right; a listed name is known to have no such test.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Container, Iterator, Sequence
from functools import cache
from pathlib import Path

from tests.commands import list_commands
from tests.sources import parse_file

from stretto.names import METRICS, PREFIX

TESTS = Path(__file__).parents[1]
UNTESTED = Path(__file__).with_name("untested.json")

INPUTS = frozenset({"Figure", "Sample"})
"""Calls that make what a test puts in."""

TREES = ("test_*.py", "corpus/test_*.py", "stack/test_*.py", "contract/test_[!u]*.py")

MOST_WORDS = max(len(command.split()) for command in list_commands())

METRIC_LINE = re.compile(r"stretto_(\w+)(?:\{[^}]*\})? [-+0-9]")
"""A sample in exposition text."""


def read_tests() -> Iterator[ast.Module]:
    """Yield the syntax tree of each test module."""
    for pattern in TREES:
        for path in sorted(TESTS.glob(pattern)):
            yield parse_file(path)


def list_texts(node: ast.AST) -> Iterator[str]:
    """Yield the texts in an expression."""
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value


def has_number(node: ast.AST) -> bool:
    """Return whether an expression holds a number."""
    return any(isinstance(part, ast.Constant) and type(part.value) in {int, float} for part in ast.walk(node))


def list_expectations(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield the smallest expressions that may hold a name beside the value that is expected of it."""
    inputs: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in INPUTS:
            inputs.update(ast.walk(node))
    for node in ast.walk(tree):
        if node in inputs:
            continue
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if key is not None:
                    yield ast.Tuple(elts=[key, value], ctx=ast.Load())
        elif isinstance(node, ast.Assert | ast.Tuple | ast.Call):
            yield node


@cache
def find_tested_metrics() -> frozenset[str]:
    """Return the metrics that a test expects a number of."""
    tested: set[str] = set()
    for tree in read_tests():
        for node in list_expectations(tree):
            texts = [*list_texts(node)]
            tested.update(name for text in texts for name in METRIC_LINE.findall(text))
            # A call with several texts says which is the name by its place only: too weak.
            if has_number(node) and (not isinstance(node, ast.Call) or len(texts) == 1):
                tested.update(word for text in texts for word in re.findall(r"\w+", text))
    return frozenset(name for name in METRICS if not tested.isdisjoint({name, name.removeprefix(PREFIX)}))


def find_commands(words: Sequence[object], commands: Container[tuple[object, ...]]) -> Iterator[str]:
    """Yield the commands whose words follow each other among arguments."""
    for start in range(len(words)):
        for end in range(start + 1, min(start + MOST_WORDS, len(words)) + 1):
            if (command := tuple(words[start:end])) in commands:
                yield " ".join(map(str, command))


@cache
def find_tested_commands() -> frozenset[str]:
    """Return the commands whose words stand together in a test function that asserts something."""
    tested: set[str] = set()
    commands = {tuple(command.split()) for command in list_commands()}
    for tree in read_tests():
        for function in ast.walk(tree):
            if not isinstance(function, ast.FunctionDef) or not function.name.startswith("test_"):
                continue
            if not any(isinstance(node, ast.Assert) for node in ast.walk(function)):
                continue
            for node in ast.walk(function):
                items = node.args if isinstance(node, ast.Call) else getattr(node, "elts", [])
                words = [item.value for item in items if isinstance(item, ast.Constant)]
                tested.update(find_commands(words, commands))
    return frozenset(tested)


def compare(kind: str, untested: set[str]) -> None:
    """Fail if a name lacks a test and is not listed, or is listed and has one."""
    listed = set(json.loads(UNTESTED.read_text(encoding="utf-8"))[kind])
    assert sorted(untested - listed) == [], f"without a test of their value: test each of these {kind}"
    assert sorted(listed - untested) == [], f"tested now, or gone: remove these {kind} from {UNTESTED.name}"


def test_every_metric_has_a_test_of_its_value() -> None:
    """A metric that no test expects a number of is listed; a new one is tested from the start."""
    compare("metrics", METRICS.keys() - find_tested_metrics())


def test_every_command_has_a_test_of_its_answer() -> None:
    """A command that no test calls is listed; a new one is tested from the start."""
    compare("commands", set(list_commands()) - find_tested_commands())
