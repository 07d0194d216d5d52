from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from stretto.caching.call_keys import CallBinder, UncacheableArgumentError, freeze, list_environment_versions

UTC_NOON = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
NAN = float("nan")


@dataclass
class Order:
    lines: list[str]


@pytest.mark.parametrize(
    ("some", "other"),
    [
        (1, 1.0), (1, True), (0, False), (0.0, -0.0), ((1,), [1]), ([1], [1.0]), ({"a": 1}, {"a": True}),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}), (Decimal("1.0"), Decimal("1.00")), (b"a", bytearray(b"a")),
        ({1}, frozenset({1})), (1 + 0j, 1), (Order(["a"]), Order(["b"])), ("1", 1), (None, False),
        (UTC_NOON, UTC_NOON.astimezone(dt.timezone(dt.timedelta(hours=1)))),
    ],
)  # fmt: skip
def test_values_that_a_function_can_tell_apart_have_two_keys(some: Any, other: Any) -> None:
    """Python calls most of these pairs equal, but a function can answer them differently."""
    assert freeze(some) != freeze(other)


@pytest.mark.parametrize(
    "make",
    [
        lambda: [1, {"a": (2.5, None)}, {"x", "y"}], lambda: float("nan"), lambda: Order(["a", "b"]),
        lambda: Decimal("1.50"), lambda: UTC_NOON, lambda: bytearray(b"ab"), lambda: {"a": [1]},
    ],
)  # fmt: skip
def test_equal_values_have_one_key(make: Any) -> None:
    """Mutable values, dataclasses and nan are keys by their content."""
    assert freeze(make()) == freeze(make())
    assert hash(freeze(make())) == hash(freeze(make()))


def test_a_value_that_cannot_be_frozen_is_named() -> None:
    """The error names the type and the way out."""

    class Odd:
        __hash__ = None  # type: ignore[assignment]  # as mutable classes do

    with pytest.raises(UncacheableArgumentError, match=r"Odd cannot be part .* key="):
        freeze([Odd()])


def test_a_call_has_one_key_however_it_is_spelled() -> None:
    """Positions, names and defaults are brought into one form."""

    def f(a: int, b: int = 2, *rest: int, c: int = 3, **others: int) -> None: ...

    bind = CallBinder(f).bind
    assert bind((1,), {}) == bind((), {"a": 1}) == bind((1, 2), {"c": 3})
    assert bind((1,), {"x": 1, "y": 2}) == bind((1,), {"y": 2, "x": 1})
    different = [
        bind((1,), {}),
        bind((1, 2, 3), {}),
        bind((1,), {"c": 4}),
        bind((1,), {"x": 1}),
        bind((2,), {}),
    ]
    assert len(set(different)) == len(different)
    with pytest.raises(TypeError, match="missing a required argument"):
        bind((), {})


def test_a_simple_function_is_bound_by_position() -> None:
    """The quick way for positions and defaults gives the same key as the way by names."""

    def f(a: int, b: float = 2.0) -> None: ...

    bind = CallBinder(f).bind
    assert bind((1,), {}) == bind((1, 2.0), {}) == bind((), {"b": 2.0, "a": 1})
    assert bind((1,), {}) != bind((1, 2), {})
    with pytest.raises(TypeError, match="too many"):
        bind((1, 2, 3), {})


def test_an_environment_is_names_with_or_without_versions() -> None:
    """A list of tools and a table of versions are read alike; a text is a mistake."""
    assert list_environment_versions(["grep", "git"]) == {"grep": None, "git": None}
    assert list_environment_versions({"git": "2.45"}) == {"git": "2.45"}
    with pytest.raises(TypeError, match="names of the tools"):
        list_environment_versions("git")
