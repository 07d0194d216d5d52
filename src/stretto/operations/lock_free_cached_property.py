"""An attribute that is computed when it is first read, without a lock.

Until Python 3.12 ``functools.cached_property`` locks by class: a call that reads figures for a minute would
hold up every other call. An object for a single thread needs no lock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar, overload

Value = TypeVar("Value")


class LazyAttribute(Generic[Value]):
    """Decorator of a method: its value is stored under its name. Nothing is stored if it raises."""

    def __init__(self, compute: Callable[[Any], Value]) -> None:
        self._compute = compute
        self._name = compute.__name__
        self.__doc__ = compute.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...

    @overload
    def __get__(self, instance: object, owner: type) -> Value: ...

    def __get__(self, instance: object, owner: type) -> Self | Value:
        """Return the value; the object's own dictionary answers from then on."""
        if instance is None:
            return self
        value = self._compute(instance)
        instance.__dict__[self._name] = value
        return value
