"""Trace sessions: remember the session of each trace, so that a trace never falls into two sessions."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

TRACE_LIMIT = 10_000
"""Traces remembered, about 3 MB; the trace that was idle for longest is forgotten first."""


class TraceSessions:
    """The session of each recent trace. Safe to use from several threads.

    Instrumentations put the session's id on some spans of a trace and not on others. Nested agents bring
    conversation ids of their own. The spans of a trace arrive in many requests, the outermost last. So the
    first name of a trace's session is final: otherwise tasks that ran together would be in several sessions,
    and no fan-out would be found. Until there is a name, the trace itself is the session; the store then
    moves it.
    """

    def __init__(self, limit: int = TRACE_LIMIT) -> None:
        self._sessions: OrderedDict[str, str] = OrderedDict()
        self._limit = limit
        self._lock = Lock()

    def resolve_session(self, trace: str, candidate: str | None) -> str:
        """Return a trace's session: the remembered name, else the candidate, else the trace's id."""
        with self._lock:
            session = self._sessions.get(trace, trace)
            if session == trace and candidate is not None:
                session = candidate
            self._store_session(trace, session)
        return session

    def find_session(self, thread: str) -> str:
        """Return the session of a thread that another may have started, else the thread itself.

        Example: thread 3 was started by 2 and 2 by 1: its session is 1. A ring ends where it began.
        """
        with self._lock:
            seen = {thread}
            while (session := self._sessions.get(thread, thread)) not in seen:
                seen.add(session)
                thread = session
        return thread

    def set_session(self, trace: str, session: str) -> None:
        """Set the session of a trace, as named by a source that is always right."""
        with self._lock:
            self._store_session(trace, session)

    def _store_session(self, trace: str, session: str) -> None:
        self._sessions[trace] = session
        self._sessions.move_to_end(trace)
        if len(self._sessions) > self._limit:
            self._sessions.popitem(last=False)
