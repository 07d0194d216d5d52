"""Levels: keep the result of a part of a computation, though the whole has become stale.

A level has an age and a version by itself. Its results belong to a call of the whole, by its arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from inspect import iscoroutinefunction
from time import perf_counter
from typing import Any, TypeVar

from stretto.caching.call_keys import CallBinder
from stretto.caching.function_cache import RUNNING, Ask, FunctionCache
from stretto.caching.policy import CachePolicy

Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class Level:
    """A part whose results are kept apart from the whole's; ``options`` are those of ``cached``."""

    name: str
    policy: CachePolicy = field(default_factory=CachePolicy)


def call_part(level: Level, part: Callable[..., Result], *args: Any, **kwargs: Any) -> Result:
    """Return the part's result, kept at a level of the cached function that is being computed.

    A coroutine function gives a coroutine. Outside of a cached function that has this level, and while its
    cache is switched off, the part is simply computed.
    """
    for cache, base in reversed(RUNNING.get()):
        kept = cache.parts.get(level)
        if kept is not None:
            started = perf_counter()
            key = (base, part.__qualname__, CallBinder(part).bind(args, kwargs))
            ask = Ask(part, args, kwargs, kept.policy.ask_for(key, args, kwargs), started)
            if iscoroutinefunction(part):
                return kept.run_coroutine(ask)  # type: ignore[return-value]  # a coroutine, as promised
            return kept.run(ask)  # type: ignore[no-any-return]  # computed by the part itself
    return part(*args, **kwargs)


def add_levels(cache: FunctionCache, levels: tuple[Level, ...], clock: Callable[[], float]) -> None:
    """Give a cache its levels; each is reported under the names of both."""
    for level in levels:
        name = f"{cache.name}.{level.name}"
        cache.parts[level] = FunctionCache(name, _take_anything, level.policy, clock=clock)


def _take_anything(*args: Any, **kwargs: Any) -> None:
    """Stand in for the parts, which are given call by call."""
