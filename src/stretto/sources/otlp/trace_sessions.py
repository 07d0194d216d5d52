"""Sessions: which session a trace belongs to, remembered so that one trace never falls into two."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

REMEMBERED = 10_000
"""Traces kept in mind, about 3 MB; the longest unheard of is forgotten first."""


class TraceSessions:
    """The session of each trace that was heard of lately. Safe to use from several threads.

    Instrumentations put the session's id on some spans of a trace and not on others, nested agents bring
    conversation ids of their own, and the spans of one trace come in many requests, the outermost last. So
    the first word on a trace is final: otherwise tasks that ran together would lie in several sessions,
    where no fan-out is found.
    """

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._sessions: OrderedDict[str, str] = OrderedDict()
        self._remembered = remembered
        self._lock = Lock()

    def resolve_session(self, trace: str, said: str | None) -> str:
        """Return a trace's session: the one given first, else the one said now, else the trace's id."""
        with self._lock:
            session = self._sessions.get(trace) or said or trace
            self._store_session(trace, session)
        return session

    def set_session(self, trace: str, session: str) -> None:
        """Keep the word of a source that knows."""
        with self._lock:
            self._store_session(trace, session)

    def _store_session(self, trace: str, session: str) -> None:
        self._sessions[trace] = session
        self._sessions.move_to_end(trace)
        if len(self._sessions) > self._remembered:
            self._sessions.popitem(last=False)
