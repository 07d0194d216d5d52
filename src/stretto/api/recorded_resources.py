"""Record what a session's processes used, as somebody else measured it: work that Stretto cannot watch.

A record is a span without duration, ``resources``, at the end of the stretch that it is about.
"""

from __future__ import annotations

import logging
from math import isfinite

from stretto.api.context import get_context, get_surroundings
from stretto.api.span_block import build_attributes, get_tracer, list_session_and_agent_attributes
from stretto.clock import SECOND

_log = logging.getLogger(__name__)


def record_resources(
    *,
    start: float,
    seconds: float,
    cpu_seconds: float | None = None,
    memory_bytes: int | None = None,
    memory_peak_bytes: int | None = None,
    read_bytes: int | None = None,
    written_bytes: int | None = None,
) -> None:
    """Record what the session's processes used from ``start``, in seconds since the epoch, for ``seconds``.

    ``memory_bytes`` is the mean. Uses add up to those that Stretto reads: record work of other machines only.
    Stretches of a session must not overlap. A record that cannot be right, or that is made outside of a
    session, is left out with a warning.
    """
    amounts = {
        "cpu_seconds": cpu_seconds,
        "memory_bytes": memory_bytes,
        "memory_peak_bytes": memory_peak_bytes,
        "read_bytes": read_bytes,
        "written_bytes": written_bytes,
    }
    tracer = get_tracer()
    if tracer is None:
        return
    context = get_context()
    surroundings = get_surroundings(context)
    problem = _find_problem(start, seconds, amounts)
    if problem is None and (surroundings is None or surroundings.session is None):
        problem = "it belongs to no session"
    if problem is not None or surroundings is None:
        _log.warning("a record of resources was left out: %s", problem)
        return
    used = build_attributes(
        RESOURCES_SECONDS=float(seconds),
        RESOURCES_CPU_SECONDS=cpu_seconds,
        RESOURCES_MEMORY_BYTES=memory_bytes,
        RESOURCES_MEMORY_PEAK_BYTES=memory_peak_bytes,
        RESOURCES_READ_BYTES=read_bytes,
        RESOURCES_WRITTEN_BYTES=written_bytes,
    )
    attributes = list_session_and_agent_attributes(surroundings) | used
    end = round((start + seconds) * SECOND)
    tracer.start_span("resources", context, attributes=attributes, start_time=end).end(end)


def _find_problem(start: float, seconds: float, amounts: dict[str, float | None]) -> str | None:
    if not (isfinite(start) and isfinite(seconds)) or start <= 0 or seconds <= 0:
        return "start and seconds must be finite and above 0"
    if all(amount is None for amount in amounts.values()):
        return "it has no amount"
    for name, amount in amounts.items():
        if amount is not None and not (isfinite(amount) and amount >= 0):
            return f"{name} must be finite and not negative, not {amount!r}"
        if name.endswith("_bytes") and amount is not None and not isinstance(amount, int):
            return f"{name} must be a whole number, not {amount!r}"
    return None
