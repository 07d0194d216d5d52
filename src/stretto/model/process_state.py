"""Process state: whether the processes in which a session was reported to run still exist."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from stretto.model.entities import HostProcesses

_MOST_DIGITS = 19
"""Digits of a number of 64 bits."""


class ProcessState(Enum):
    """Whether any process of a session still runs."""

    ALIVE = "alive"
    GONE = "gone"
    UNKNOWN = "unknown"
    """No process was reported, or they are of another boot, machine or container."""


def find_process_state(
    processes: HostProcesses | None, host: str | None, is_running: Callable[[str], bool]
) -> ProcessState:
    """Return the state of a session's processes, as seen from ``host``, a boot and a pid namespace.

    A pid proves nothing about another boot or namespace, nor without its start. ``is_running`` gets
    ``pid:started``.
    """
    if processes is None or host is None or processes.host != host:
        return ProcessState.UNKNOWN
    if not all(_is_exact(name) for name in processes.names):
        return ProcessState.UNKNOWN
    return ProcessState.ALIVE if any(map(is_running, processes.names)) else ProcessState.GONE


def _is_exact(name: str) -> bool:
    pid, _, started = name.partition(":")
    return all(part.isascii() and part.isdigit() and len(part) <= _MOST_DIGITS for part in (pid, started))
