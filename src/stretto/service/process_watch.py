"""Watch the processes of open sessions, and report in the journal which of them have ended."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field

from stretto.clock import Clock
from stretto.model.event import Channel, Event, Kind
from stretto.model.process_state import ProcessState, find_process_state
from stretto.resources.lost_session_detection import LivenessWatch, SessionWithProcesses
from stretto.resources.sampler import SOURCE
from stretto.store import open_session_queries


@dataclass(slots=True)
class ProcessWatch:
    """Looks at the processes of all open sessions; for use in a single thread.

    The result is an event, since a store that is made again from the journal must close the same sessions.
    """

    clock: Clock
    liveness: LivenessWatch
    _known: dict[tuple[str, int], SessionWithProcesses] = field(default_factory=dict)
    """(Session id, its last event) → the session, so that only changed sessions are read again."""

    def look(self, connection: sqlite3.Connection, tick: int) -> list[Event]:
        """Return an event for each session whose processes are gone; ``tick`` is monotonic (ns)."""
        gone = self.liveness.find_gone(self._list_open(connection), tick)
        return [
            Event(
                kind=Kind.PROCESSES_GONE,
                session=session.id,
                time=self.clock(),
                source=SOURCE,
                channel=Channel.API,
                attributes={"processes": [*session.processes.names]},
            )
            for session in gone
            if session.processes is not None
        ]

    def find_state(self, connection: sqlite3.Connection, session_id: str) -> ProcessState:
        """Return the state of a session's processes at this moment."""
        processes = open_session_queries.read_host_processes(connection, session_id)
        return find_process_state(processes, self.liveness.host, self.liveness.is_running)

    def _list_open(self, connection: sqlite3.Connection) -> list[SessionWithProcesses]:
        known = self._known
        self._known = {
            key: known.get(key)
            or SessionWithProcesses(
                *key, processes=open_session_queries.read_host_processes(connection, key[0])
            )
            for key in open_session_queries.list_open_session_keys(connection)
        }
        return [*self._known.values()]
