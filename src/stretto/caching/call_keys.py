"""Make the key of a call: equal keys only for calls that a function cannot tell apart.

Python's equality is too generous for that: ``1 == 1.0 == True``, and two equal times can be in two time
zones. So every value is frozen together with its type, and dictionaries together with their order.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import inspect
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any

Environment = Mapping[str, str | None] | Iterable[str]
"""The tools that a result may depend on: their names, or name → version."""

_SAFE = frozenset({str, bytes, type(None), type, type(Ellipsis)})
"""Types whose values equal no value of another type."""

_EXACT = frozenset({int, bool})
"""Types whose values are equal only if they are the same, as long as the type is compared too."""


class UncacheableArgumentError(TypeError):
    """An argument has no key: it is mutable, and of a type that cannot be frozen."""


def freeze(value: Any) -> Hashable:
    """Return a hashable stand-in for a value. Raises UncacheableArgumentError if there is none.

    Example: ``[1, {"a": 2.0}]`` becomes ``(list, ((int, 1), (dict, (("a", (float, "0x1.0p+1")),))))``.
    """
    kind = type(value)
    if kind in _SAFE:
        return value  # type: ignore[no-any-return]  # hashable by the table
    if kind in _EXACT:
        return kind, value
    for types, freeze_one in _FREEZERS:
        if isinstance(value, types):
            return kind, freeze_one(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return kind, tuple(freeze(getattr(value, field.name)) for field in dataclasses.fields(value))
    try:
        hash(value)
    except TypeError:
        raise UncacheableArgumentError(
            f"a {kind.__qualname__} cannot be part of a cache's key; name the key of a call with key="
        ) from None
    return kind, value


def _freeze_items(value: Mapping[Any, Any]) -> Hashable:
    return tuple((freeze(key), freeze(inner)) for key, inner in value.items())


_FREEZERS: tuple[tuple[type | tuple[type, ...], Callable[[Any], Hashable]], ...] = (
    # Text, because nan is unlike itself, -0.0 like 0.0 and a decimal 1.0 like 1.00.
    (float, float.hex),
    ((decimal.Decimal, complex), repr),
    ((list, tuple), lambda value: tuple(map(freeze, value))),
    (Mapping, _freeze_items),
    ((set, frozenset), lambda value: frozenset(map(freeze, value))),
    (bytearray, bytes),
    # The same instant in two time zones is equal.
    ((dt.datetime, dt.time), lambda value: (value.isoformat(), value.fold, str(value.tzinfo))),
)
"""Types, and how a value of them is frozen, from the first that fits."""


class CallBinder:
    """Brings the arguments of a function's calls into one form, whichever way they were passed."""

    __slots__ = ("_defaults", "_signature", "_simple", "_size")

    def __init__(self, function: Callable[..., Any]) -> None:
        self._signature = inspect.signature(function)
        parameters = [*self._signature.parameters.values()]
        kinds = {parameter.kind for parameter in parameters}
        positional = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
        self._simple = kinds <= positional
        self._size = len(parameters)
        self._defaults = tuple(parameter.default for parameter in parameters)

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Hashable:
        """Return the frozen arguments. Raises TypeError if the function does not take them.

        Those of ``f(1)`` and ``f(a=1)`` are equal, and those of ``f(1, b=2)`` too if 2 is b's default.
        """
        if self._simple and not kwargs and len(args) <= self._size:
            rest = self._defaults[len(args) :]
            if inspect.Parameter.empty not in rest:
                return tuple(map(freeze, args + rest))
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        values: list[Hashable] = []
        for name, value in bound.arguments.items():
            if self._signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
                values.append(tuple(sorted((key, freeze(inner)) for key, inner in value.items())))
            else:
                values.append(freeze(value) if not self._is_rest(name) else tuple(map(freeze, value)))
        return tuple(values)

    def _is_rest(self, name: str) -> bool:
        return self._signature.parameters[name].kind is inspect.Parameter.VAR_POSITIONAL


def list_environment_versions(environment: Environment) -> dict[str, str | None]:
    """Return the environment as name → version, None if no version is given. Raises TypeError for a text."""
    if isinstance(environment, str):
        raise TypeError(f"env= must be the names of the tools, or name → version; it is {environment!r}")
    if isinstance(environment, Mapping):
        return dict(environment)
    return dict.fromkeys(environment)
