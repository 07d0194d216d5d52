"""Find out by their processes which open sessions have ended without saying so, such as by SIGKILL."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import psutil

from stretto.clock import SECOND
from stretto.hook.client.client import identify_process
from stretto.model.entities import HostProcesses
from stretto.model.process_state import ProcessState, find_process_state

PAUSE = 5 * SECOND
"""Nanoseconds between two looks that must both find no process."""


@dataclass(frozen=True, slots=True)
class SessionWithProcesses:
    """An open session as the store has it."""

    id: str
    last: int
    """When it was last heard of (ns)."""
    processes: HostProcesses | None


def is_process_running(name: str) -> bool:
    """Return whether the process ``pid:started`` of this system still runs; a zombie does not."""
    pid = int(name.partition(":")[0])
    if identify_process(pid) != name:
        return False
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


@dataclass(slots=True)
class LivenessWatch:
    """Finds the sessions whose processes were all gone in two looks in a row, at least ``pause`` apart."""

    host: str | None
    is_running: Callable[[str], bool] = is_process_running
    pause: int = PAUSE
    _first_gone: dict[SessionWithProcesses, int] = field(default_factory=dict)
    """Session as it was when first seen without a process → when that was."""
    _reported: set[SessionWithProcesses] = field(default_factory=set)

    def find_gone(self, sessions: Iterable[SessionWithProcesses], now: int) -> list[SessionWithProcesses]:
        """Return the sessions that have newly lost all their processes; ``now`` is monotonic (ns).

        Example: gone at 10 s and at 14 s: not yet. Gone at 15 s too: returned. An event of the session in
        between begins anew.
        """
        without = {
            session
            for session in sessions
            if find_process_state(session.processes, self.host, self.is_running) is ProcessState.GONE
        }
        self._reported &= without
        self._first_gone = {session: self._first_gone.get(session, now) for session in without}
        gone = [
            session
            for session, since in self._first_gone.items()
            if now - since >= self.pause and session not in self._reported
        ]
        self._reported.update(gone)
        return sorted(gone, key=lambda session: session.id)
