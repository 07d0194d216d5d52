"""Carry a function and its session, phase and task to another thread, event loop or process.

This module stands above ``context`` and ``setup``. It loads ``setup``, and with it the SDK, only for another process.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

from opentelemetry.context import Context, attach, detach

from stretto.api.context import get_context, read_context, write_variables

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def carry(function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """Return a function that runs where ``carry`` was called: in the same session, phase and task.

    For another thread (``pool.submit(stretto.carry(work), item)``), another event loop or another process: it
    can be pickled where ``function`` can. In a process without an SDK it sets up the one that ``configure``
    set up here, and what a call recorded there is written down before its result goes back.
    """
    if inspect.iscoroutinefunction(function):
        return _CarriedCoroutine(function, get_context())  # type: ignore[return-value]  # its result is awaitable
    return _Carried(function, get_context())


class _Carried:
    """A function and the context that it runs in."""

    def __init__(self, function: Callable[..., Any], context: Context, *, abroad: bool = False) -> None:
        self._function = function
        self._context = context
        self._abroad = abroad

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        token = attach(self._context)
        try:
            return self._function(*args, **kwargs)
        finally:
            detach(token)
            self._settle()

    def __reduce__(self) -> tuple[Callable[..., _Carried], tuple[object, ...]]:
        from stretto.api import setup  # noqa: PLC0415  # it loads the SDK, which a thread does not need

        return _rebuild_carried, (
            type(self),
            self._function,
            write_variables(self._context, os.environ),
            setup.get_chosen_options(),
        )

    def _settle(self) -> None:
        if self._abroad:
            from stretto.api import setup  # noqa: PLC0415  # likewise

            # A pool may kill its workers at any time after they have answered.
            setup.flush()


class _CarriedCoroutine(_Carried):
    """The same for a coroutine function."""

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        token = attach(self._context)
        try:
            return await self._function(*args, **kwargs)
        finally:
            detach(token)
            self._settle()


def _rebuild_carried(
    kind: type[_Carried],
    function: Callable[..., Any],
    variables: Mapping[str, str],
    chosen: Mapping[str, Any] | None,
) -> _Carried:
    """Return what was pickled in another process."""
    if chosen is not None:
        from stretto.api import setup  # noqa: PLC0415  # likewise

        setup.configure(**chosen)
    # The agent's own variables tell whether what was sent is still the nearest.
    context = read_context({**os.environ, **variables}) if variables else Context()
    return kind(function, context, abroad=True)
