"""Words: how the package's docstrings, functions, classes and modules are named, within limits."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from tests.sources import parse_file

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "stretto"

MOST_PER_THOUSAND = {
    ("what",): 4.0,
    ("one",): 5.0,
    ("tell", "tells", "telling", "told", "say", "says", "saying", "said"): 2.0,
}
"""Words → how often they may stand in 1,000 words of docstrings: each hides the noun it replaces."""

MOST_ONE_WORD = 0.45
"""Largest share of functions named by one word: called bare, such a name says too little."""

LEAST_VERBS = 0.45
"""Smallest share of functions whose name begins with a verb."""

VERBLESS_PREFIXES = (
    "is_", "has_", "to_", "from_", "as_", "can_", "was_", "are_", "may_", "should_", "must_", "needs_",
    "does_", "of_", "on_", "with_",
)  # fmt: skip
"""Beginnings of predicates, converters and callbacks, which need no verb."""

SHARED_STEMS: dict[str, str] = {}
"""File stem → why two modules may have it."""

SHARED_CLASSES: dict[str, str] = {}
"""Class name → why two public classes may have it."""

VERBS = frozenset(Path(__file__).with_name("verbs.txt").read_text(encoding="utf-8").split())
"""Verbs that functions begin with. A missing verb is added here if it is a common one."""


@dataclass(frozen=True)
class Function:
    """A function or method that is counted: no property, no dunder method, no function in a function."""

    name: str
    """Without leading underscores."""
    place: str

    @property
    def is_one_word(self) -> bool:
        """Whether the name has one word only."""
        return "_" not in self.name

    @property
    def needs_verb(self) -> bool:
        """Whether the name should begin with a verb."""
        return not self.name.startswith(VERBLESS_PREFIXES)

    @property
    def has_verb(self) -> bool:
        """Whether the name begins with a verb."""
        return self.name.partition("_")[0] in VERBS


def read_modules(source: Path) -> Iterator[tuple[Path, ast.Module]]:
    """Yield each module of a package with its syntax tree."""
    for path in sorted(source.rglob("*.py")):
        yield path.relative_to(source), parse_file(path)


def list_docstrings(tree: ast.Module) -> Iterator[str]:
    """Yield the docstrings of a module: of functions and classes, and those below constants and fields."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""
        if isinstance(node, ast.Module | ast.ClassDef):
            yield from (
                statement.value.value
                for statement in node.body[1:]
                if isinstance(statement, ast.Expr)
                and isinstance(statement.value, ast.Constant)
                and isinstance(statement.value.value, str)
            )


@cache
def read_docstrings() -> dict[str, list[str]]:
    """Return the docstrings of the package by file."""
    return {str(path): [*list_docstrings(tree)] for path, tree in read_modules(SOURCE)}


def list_functions(path: Path, tree: ast.Module) -> Iterator[Function]:
    """Yield the functions of a module and the methods of its classes."""
    scopes: list[ast.Module | ast.ClassDef] = [tree]
    while scopes:
        for node in scopes.pop().body:
            if isinstance(node, ast.ClassDef):
                scopes.append(node)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                name = node.name.lstrip("_")
                if not node.name.startswith("__") and not is_property(node) and not is_public_api(path, name):
                    yield Function(name, f"{path}:{node.lineno}")


def is_property(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Return whether a method is read or set like an attribute."""
    names = {getattr(decorator, "id", getattr(decorator, "attr", "")) for decorator in node.decorator_list}
    return not names.isdisjoint({"property", "cached_property", "setter"})


def is_public_api(path: Path, name: str) -> bool:
    """Return whether a function is one of those that programs call as ``stretto.NAME``."""
    return path.parts[0] == "api" and name in PUBLIC_API


def read_public_api() -> frozenset[str]:
    """Return the names that ``stretto`` offers to programs."""
    for node in ast.parse((SOURCE / "__init__.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            return frozenset(ast.literal_eval(node.value))
    raise AssertionError("stretto/__init__.py has no __all__")


PUBLIC_API = read_public_api()


def count_per_thousand(docstrings: Iterable[str], words: tuple[str, ...]) -> float:
    """Return how often words occur in 1,000 words of docstrings."""
    all_words = [word.lower() for text in docstrings for word in re.findall(r"[A-Za-z']+", text)]
    return 1000 * sum(word in words for word in all_words) / max(1, len(all_words))


def find_shared_names(names: Iterable[tuple[str, str]], allowed: Iterable[str]) -> dict[str, list[str]]:
    """Return each name that stands at two places or more, unless it is allowed to."""
    places = defaultdict(list)
    for name, place in names:
        places[name].append(place)
    return {name: where for name, where in places.items() if len(where) > 1 and name not in allowed}


def list_classes(source: Path) -> Iterator[tuple[str, str]]:
    """Yield the name and the place of each public class at the top of a module."""
    for path, tree in read_modules(source):
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                yield node.name, f"{path}:{node.lineno}"


def list_stems(source: Path) -> Iterator[tuple[str, str]]:
    """Yield the stem and the path of each module."""
    for path, _ in read_modules(source):
        if path.stem != "__init__":
            yield path.stem, str(path)


@pytest.mark.parametrize("words", MOST_PER_THOUSAND, ids="/".join)
def test_docstrings_name_things(words: tuple[str, ...]) -> None:
    """Docstrings use nouns of the glossary; words that stand in for a noun stay rare."""
    by_file = read_docstrings()
    rate = count_per_thousand((text for texts in by_file.values() for text in texts), words)
    worst = sorted(
        (
            (sum(len(re.findall(rf"(?i)\b{word}\b", text)) for text in texts for word in words), file)
            for file, texts in by_file.items()
        ),
        reverse=True,
    )
    most = MOST_PER_THOUSAND[words]
    assert rate <= most, f"{rate:.1f} of 1,000 docstring words, {most} at most; most often in {worst[:12]}"


def test_few_functions_are_named_by_one_word() -> None:
    """A function called by a bare name says what it does to what."""
    functions = [each for path, tree in read_modules(SOURCE) for each in list_functions(path, tree)]
    one_word = [each for each in functions if each.is_one_word]
    share = len(one_word) / len(functions)
    assert share <= MOST_ONE_WORD, f"{share:.0%}: {[f'{each.place} {each.name}' for each in one_word]}"


def test_functions_begin_with_a_verb() -> None:
    """Functions do something, and their names begin with it; predicates and converters are left out."""
    functions = [each for path, tree in read_modules(SOURCE) for each in list_functions(path, tree)]
    counted = [each for each in functions if each.needs_verb]
    verbless = [each for each in counted if not each.has_verb]
    share = 1 - len(verbless) / len(counted)
    assert share >= LEAST_VERBS, f"{share:.0%}: {[f'{each.place} {each.name}' for each in verbless]}"


def test_each_stem_names_one_module() -> None:
    """Two modules of one stem would be mixed up. Rename one, or declare the pair in SHARED_STEMS."""
    assert find_shared_names(list_stems(SOURCE), SHARED_STEMS) == {}


def test_each_class_name_means_one_thing() -> None:
    """Two classes of one name would be mixed up. Rename one, or declare the pair in SHARED_CLASSES."""
    assert find_shared_names(list_classes(SOURCE), SHARED_CLASSES) == {}


def test_declared_pairs_exist() -> None:
    """A declared pair that is gone is removed from the list."""
    stems = find_shared_names(list_stems(SOURCE), ())
    classes = find_shared_names(list_classes(SOURCE), ())
    assert [*SHARED_STEMS.keys() - stems.keys(), *SHARED_CLASSES.keys() - classes.keys()] == []


def test_the_counting_is_right(tmp_path: Path) -> None:
    """Of four functions in a small package one has one word and one lacks a verb; of 4 words "one" is 1."""
    (tmp_path / "sample.py").write_text(
        '"""Return one value here."""\n'
        "def read_file(): ...\ndef apply(): ...\ndef last_row(): ...\ndef is_open(): ...\n"
        "class A:\n    @property\n    def size(self): ...\n    def __len__(self): ...\n"
    )
    ((path, tree),) = read_modules(tmp_path)
    functions = [*list_functions(path, tree)]
    assert [each.name for each in functions] == ["read_file", "apply", "last_row", "is_open"]
    assert [each.name for each in functions if each.is_one_word] == ["apply"]
    assert [each.name for each in functions if each.needs_verb and not each.has_verb] == ["last_row"]
    assert count_per_thousand(list_docstrings(tree), ("one",)) == 250
