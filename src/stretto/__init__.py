"""Stretto measures how much faster agents run in parallel, at what cost, and what slows them down.

The names below are the Python API (docs/api.md). Each is loaded on first use, because the service and the
command line share this package and do not need them.
"""

from __future__ import annotations

# Type checkers know this name; importing typing would take most of this module's loading time.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from stretto.api.cache_counters import cache
    from stretto.api.carry import carry
    from stretto.api.context import environ
    from stretto.api.read_service_feeds import context
    from stretto.api.recorded_resources import record_resources
    from stretto.api.score_events import score
    from stretto.api.setup import configure, flush
    from stretto.api.work_blocks import message, model_call, phase, record, session, task, tool_call

    __version__: str

__all__ = [
    "__version__", "cache", "carry", "configure", "context", "environ", "flush", "message", "model_call",
    "phase", "record", "record_resources", "score", "session", "task", "tool_call",
]  # fmt: skip

_MODULES = {
    "cache": "cache_counters",
    "carry": "carry",
    "configure": "setup",
    "context": "read_service_feeds",
    "environ": "context",
    "flush": "setup",
    "message": "work_blocks",
    "model_call": "work_blocks",
    "phase": "work_blocks",
    "record": "work_blocks",
    "record_resources": "recorded_resources",
    "score": "score_events",
    "session": "work_blocks",
    "task": "work_blocks",
    "tool_call": "work_blocks",
}
"""Name → module of ``stretto.api``."""


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from stretto.version import read_version  # noqa: PLC0415  # only when it is used

        value = read_version()
    elif name in _MODULES:
        from importlib import import_module  # noqa: PLC0415  # only when the API is used

        value = getattr(import_module(f"stretto.api.{_MODULES[name]}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
