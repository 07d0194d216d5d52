"""The decorator ``cached``, and the switch in front of each cache.

A wrapped call first looks whether caching is switched on; switched off, it calls the function and nothing
else. Switched off at import, the function is not wrapped at all.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Sequence
from functools import wraps
from time import monotonic
from typing import Any, TypeVar

from stretto.caching.cached_subresults import Level, add_levels
from stretto.caching.function_cache import FunctionCache
from stretto.caching.policy import CachePolicy
from stretto.features.feature_state_in_program import is_part_on_for_program

Function = TypeVar("Function", bound=Callable[..., Any])

CACHE = "__stretto_cache__"
"""The attribute of a function that leads to its cache."""


def cached(
    name: str,
    *,
    levels: Sequence[Level] = (),
    clock: Callable[[], float] = monotonic,
    **options: Any,
) -> Callable[[Function], Function]:
    """Cache the results of a function or coroutine function under a name that reports use.

    ``options`` are the fields of ``CachePolicy``; docs/caching.md explains each. ``levels`` are parts whose
    results outlive the whole's. ``clock`` returns seconds that never fall. Raises TypeError for an unknown
    option, and for a class or generator, whose results cannot be handed out twice.
    """
    if callable(name):
        raise TypeError(f"give a name first, as in @cached('…'), not {name!r}")
    policy = CachePolicy(**options)

    def wrap(function: Function) -> Function:
        return _wrap_function(function, name, policy, tuple(levels), clock)

    return wrap


def get_cache(function: Callable[..., Any]) -> FunctionCache:
    """Return the cache of a function that ``cached`` has wrapped. Raises TypeError for any other."""
    cache = getattr(function, CACHE, None)
    if not isinstance(cache, FunctionCache):
        raise TypeError(f"{function!r} is not cached: wrap it with stretto.caching.cached")
    return cache


def _wrap_function(
    function: Function, name: str, policy: CachePolicy, levels: tuple[Level, ...], clock: Callable[[], float]
) -> Function:
    if isinstance(function, type):
        raise TypeError(f"a class cannot be cached: {function!r}; cache a function that makes its instances")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(f"a generator cannot be cached, because it is used up: {function!r}; return a list")
    cache = FunctionCache(name, function, policy, clock=clock)
    add_levels(cache, levels, clock)
    if not is_part_on_for_program("caching", os.environ):
        # The cache stays empty, so that a program can go on to invalidate and count.
        setattr(function, CACHE, cache)
        return function
    if inspect.iscoroutinefunction(function):

        @wraps(function)
        async def call_coroutine(*args: Any, **kwargs: Any) -> Any:
            if cache.is_switched_on:
                return await cache.call_coroutine(args, kwargs)
            return await function(*args, **kwargs)

        wrapped: Any = call_coroutine
    else:

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            if cache.is_switched_on:
                return cache.call(args, kwargs)
            return function(*args, **kwargs)

        wrapped = call
    setattr(wrapped, CACHE, cache)
    return wrapped  # type: ignore[no-any-return]  # of the function's own type
