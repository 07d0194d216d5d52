"""Fact fields: no field name is spelled out outside the table ``stretto.names.fact_fields``.

A mistyped field reads as absent, and nothing fails. If a test here fails, use the constant of the table. Add
a new field to ``FIELDS`` first.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.sources import walk_file

from stretto.names import fact_fields
from stretto.names.fact_fields import FIELDS, EntityKind, FactField, MergeRule

SOURCE = Path(__file__).parents[2] / "src" / "stretto"

NAMES = frozenset(field.name for field in FIELDS)

FACT_MODULES = tuple(
    SOURCE / "model" / f"{name}.py"
    for name in (
        "facts",
        "plausible_values",
        "fold",
        "fold_aliases",
        "fold_phases_messages_and_scores",
        "join_channel_reports",
        "match_reports_across_channels",
        "conclude_session",
        "calls_from_facts",
        "phases_messages_and_scores_from_facts",
        "match_agents_with_delegating_calls",
    )
)
"""The modules that read and write facts: no field name may be spelled out in them at all."""

ACCESSORS = {
    "stretto.model.facts": {"get_text", "get_number", "merge_fact"},
    "stretto.model.plausible_values": {"merge_plausible_counts", "merge_plausible_duration"},
    "stretto.names.fact_fields": {"make_stamped_key", "list_stamped_facts"},
}
"""The functions that take a field, by the module from which they are imported."""

NOT_FIELDS = {("fold.py", "stopped"): "a status word of Claude Code's notices"}
"""Literals of the fact modules that only look like a field."""

ATTRIBUTE_READERS = {"read_text", "read_plausible_count"}
"""The functions that read an event's attributes, whose names belong to the journal and not to facts."""


def find_docstrings(nodes: Sequence[ast.AST]) -> set[ast.expr]:
    """Return the nodes of all docstrings: an expression that is a text and nothing else."""
    return {node.value for node in nodes if isinstance(node, ast.Expr)}


def reads_attributes(function: ast.expr) -> bool:
    """Return whether a function takes the name of an event's attribute."""
    if isinstance(function, ast.Name):
        return function.id in ATTRIBUTE_READERS
    return (
        isinstance(function, ast.Attribute)
        and function.attr == "get"
        and isinstance(function.value, ast.Attribute)
        and function.value.attr == "attributes"
    )


def find_attribute_names(nodes: Sequence[ast.AST]) -> set[ast.expr]:
    """Return the arguments that name an attribute of an event."""
    return {
        argument
        for node in nodes
        if isinstance(node, ast.Call) and reads_attributes(node.func)
        for argument in node.args
    }


def find_accessors(nodes: Sequence[ast.AST]) -> set[str]:
    """Return the functions that a module imports and that take a field."""
    return {
        alias.asname or alias.name
        for node in nodes
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name in ACCESSORS.get(node.module or "", ())
    }


def find_spelled_fields(nodes: Sequence[ast.AST], *, is_fact_module: bool) -> Iterator[tuple[int, str]]:
    """Yield (line, literal) for each field name that a module spells out where a field is meant."""
    exempt = find_docstrings(nodes) | find_attribute_names(nodes)
    accessors = find_accessors(nodes)
    for node in nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in accessors:
            suspects: list[ast.AST] = [part for argument in node.args for part in ast.walk(argument)]
        elif is_fact_module:
            suspects = [node]
        else:
            continue
        for suspect in suspects:
            if isinstance(suspect, ast.Constant) and suspect not in exempt and is_field(suspect.value):
                yield suspect.lineno, str(suspect.value)


def is_field(value: object) -> bool:
    """Return whether a literal is a field's name, or the prefix of a stamped key (``start@``)."""
    return isinstance(value, str) and value.removesuffix(fact_fields.STAMP) in NAMES


def test_no_field_name_is_spelled_out() -> None:
    """Every module reads and writes facts by the constants of the table."""
    faults = [
        f"{path.relative_to(SOURCE)}:{line}: {literal!r}"
        for path in sorted(SOURCE.rglob("*.py"))
        if path != SOURCE / "names" / "fact_fields.py"
        for line, literal in find_spelled_fields(walk_file(path), is_fact_module=path in FACT_MODULES)
        if (path.name, literal) not in NOT_FIELDS
    ]
    assert faults == []


def test_the_fact_modules_exist() -> None:
    """A moved module would drop out of the walk without a sound."""
    assert [path for path in FACT_MODULES if not path.is_file()] == []


@pytest.mark.parametrize(
    ("text", "is_fact_module", "faults"),
    [
        ('get_text(call, "tool")', False, ["tool"]),
        ('get_number(call, "start") or 0', False, ["start"]),
        ('merge_fact(task, f"end@{time}", rank, time)', False, ["end@"]),
        ('list_stamped_facts(task, "notice")', False, ["notice"]),
        ('known["start"]', True, ["start"]),
        ('"batched" in known', True, ["batched"]),
        ('name.startswith("ended@")', True, ["ended@"]),
        ('for name in ("agent", "unrelated"): pass', True, ["agent"]),
        ('known["start"]', False, []),
        ('"""start"""', True, []),
        ('read_text(event.attributes, "task")', True, []),
        ('event.attributes.get("running")', True, []),
        ('get_text(call, fact_fields.TOOL) == "Bash"', True, []),
    ],
)
def test_a_spelled_field_is_found(text: str, is_fact_module: bool, faults: list[str]) -> None:
    """Literals where a field is meant are found; attributes of events and docstrings are not."""
    imports = "".join(
        f"from {module} import {', '.join(sorted(names))}\n" for module, names in ACCESSORS.items()
    )
    nodes = [*ast.walk(ast.parse(imports + text))]
    found = find_spelled_fields(nodes, is_fact_module=is_fact_module)
    assert sorted({literal for _, literal in found}) == faults


def test_every_constant_is_in_the_table_and_every_field_has_one() -> None:
    """The constants of the module are exactly the names of ``FIELDS``, each under its own name."""
    constants = {
        name: value
        for name, value in vars(fact_fields).items()
        if name.isupper() and isinstance(value, str) and value != fact_fields.STAMP
    }
    assert {name: name.lower() for name in constants} == constants
    assert set(constants.values()) == NAMES


def test_the_table_is_consistent() -> None:
    """Each field is listed once, of a known kind, with a meaning; a name has one merge rule everywhere."""
    keys = [(field.entity, field.name, field.stamped) for field in FIELDS]
    assert len(set(keys)) == len(keys)
    kinds = {value for name, value in vars(EntityKind).items() if name.isupper()}
    assert {field.entity for field in FIELDS} == kinds - {EntityKind.PERMISSION}
    assert [field for field in FIELDS if not field.meaning.endswith(".")] == []
    for name in NAMES:
        assert len({field.merge for field in FIELDS if field.name == name and not field.stamped}) <= 1, name
    assert [field for field in FIELDS if field.stamped and field.merge is MergeRule.LARGEST] == []


def test_the_kinds_are_those_that_facts_are_kept_for() -> None:
    """The table's kinds and the fold's are the same."""
    from stretto.model.facts import ENTITY_KINDS  # noqa: PLC0415  # beside the table that it is compared with

    kinds = {value for name, value in vars(EntityKind).items() if name.isupper()}
    assert kinds == set(ENTITY_KINDS)


def test_keys_and_timed_texts_survive_the_round_trip() -> None:
    """Keys and texts are made and parsed in one place, and spelled as stores on disk have them."""
    key = fact_fields.make_stamped_key(fact_fields.START, 1_763_000_000_000_000_000)
    assert key == "start@1763000000000000000"
    assert fact_fields.parse_stamped_key(key) == (fact_fields.START, 1_763_000_000_000_000_000)
    assert fact_fields.parse_stamped_key("a@b|Bash@5") == ("a@b|Bash", 5)
    facts = {key: (2, 1), "start": (2, 1), "started@9": (2, 1), "end@3": (2, 3)}
    assert fact_fields.list_stamped_facts(facts, fact_fields.START) == [(1_763_000_000_000_000_000, (2, 1))]
    assert fact_fields.list_stamped_facts(facts, fact_fields.NOTICE) == []
    assert fact_fields.group_stamped_facts(facts) == {
        field: fact_fields.list_stamped_facts(facts, field) for field in ("start", "started", "end")
    }
    assert fact_fields.pack_timed_text(7, "a", "b") == "00000000000000000007 a b"
    assert fact_fields.unpack_timed_text("00000000000000000007 a b") == (7, "a b")
    assert fact_fields.unpack_timed_text(fact_fields.pack_timed_text(7)) == (7, "")
    assert fact_fields.pack_timed_text(9, "z") < fact_fields.pack_timed_text(10, "a")


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: f"{field.entity}-{field.name}")
def test_every_field_is_written(field: FactField) -> None:
    """A field that no writer uses is removed from the table."""
    text = "".join(path.read_text("utf-8") for path in FACT_MODULES)
    lists = {
        name: value
        for name, value in vars(fact_fields).items()
        if name.isupper() and isinstance(value, tuple)
    }
    names = [field.name.upper(), *(name for name, value in lists.items() if field.name in value)]
    assert any(f"fields.{name}" in text for name in names)
