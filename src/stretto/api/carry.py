"""Carry a function together with its session, phase and task to another thread, event loop or process.

This module is above ``context`` and ``setup``. It loads ``setup``, and with it the SDK, only for another
process.
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
    """Return a function that runs in the session, phase and task in which ``carry`` was called.

    Use it for another thread (``pool.submit(stretto.carry(work), item)``), event loop or process. The result
    can be pickled if ``function`` can. In a process without an SDK it calls ``configure`` with the options
    used here. Spans recorded there are written before the call's result is returned.
    """
    if inspect.iscoroutinefunction(function):
        return _CarriedCoroutine(function, get_context())  # type: ignore[return-value]  # its result is awaitable
    return _Carried(function, get_context())


class _Carried:
    """A function and the context that it runs in."""

    def __init__(
        self, function: Callable[..., Any], context: Context, *, in_other_process: bool = False
    ) -> None:
        self._function = function
        self._context = context
        self._in_other_process = in_other_process

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        token = attach(self._context)
        try:
            return self._function(*args, **kwargs)
        finally:
            detach(token)
            self._flush_in_other_process()

    def __reduce__(self) -> tuple[Callable[..., _Carried], tuple[object, ...]]:
        from stretto.api import setup  # noqa: PLC0415  # loads the SDK, which a thread does not need

        return _rebuild_carried, (
            type(self),
            self._function,
            write_variables(self._context, os.environ),
            setup.get_chosen_options(),
        )

    def _flush_in_other_process(self) -> None:
        if self._in_other_process:
            from stretto.api import setup  # noqa: PLC0415  # likewise

            # A pool may kill a worker at any time after its answer.
            setup.flush()


class _CarriedCoroutine(_Carried):
    """A coroutine function and the context that it runs in."""

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        token = attach(self._context)
        try:
            return await self._function(*args, **kwargs)
        finally:
            detach(token)
            self._flush_in_other_process()


def _rebuild_carried(
    kind: type[_Carried],
    function: Callable[..., Any],
    variables: Mapping[str, str],
    options: Mapping[str, Any] | None,
) -> _Carried:
    """Return the carried function that was pickled in another process."""
    if options is not None:
        from stretto.api import setup  # noqa: PLC0415  # likewise

        setup.configure(**options)
    # The agent's own variables show whether the carried session is still the nearest.
    context = read_context({**os.environ, **variables}) if variables else Context()
    return kind(function, context, in_other_process=True)
