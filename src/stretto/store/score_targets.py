"""Judged: what scores from outside are about, looked up in the store."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from stretto.model.event import Event
from stretto.sources import judgement
from stretto.sources.judgement import LATEST, Judgement

SESSIONS_SEARCHED = 1_000
"""The sessions last heard of, in which a task or phase is looked for that is named without its session."""

_NAMED = 4
"""Sessions named at most in a message."""

_KINDS = {"task": ("task", "call"), "phase": ("phase",)}
"""What can be judged → the kinds of facts that may bear its id; a task may be known by its call alone."""

SessionAndSource = tuple[str, str]
"""(session, the product whose session it is)."""


def make_score_events(connection: sqlite3.Connection, items: Iterable[object], now: int) -> list[Event | str]:
    """Return for each decoded JSON object the event of its score, or in a sentence why there is none.

    The times are ``now`` (ns) and the nanoseconds after it: of two words on one thing the later stands.
    """
    found: list[Event | str] = []
    for number, item in enumerate(items):
        told = judgement.parse_judgement(item)
        found.append(told if isinstance(told, str) else _make_event(connection, told, now + number))
    return found


def _make_event(connection: sqlite3.Connection, told: Judgement, time: int) -> Event | str:
    session = None if told.session is None else _find_session(connection, told.session)
    if isinstance(session, str):
        return session
    found = session if told.of == "session" else _find_session_of(connection, told, session)
    if found is None or isinstance(found, str):
        return found or f"there is no {told.of} {told.of_id!r}"
    id, source = found
    return told.to_event(id, source, id if told.of == "session" else told.of_id, time)


def _find_session(connection: sqlite3.Connection, id: str) -> SessionAndSource | str:
    """Return a session by its id, or the latest that is nobody's recording."""
    if id == LATEST:
        query = "SELECT id, source FROM sessions WHERE NOT recording ORDER BY last DESC, id LIMIT 1"
        row = connection.execute(query).fetchone()
        if row is None:
            return "there is no session yet"
    else:
        query = "SELECT id, source, recording FROM sessions WHERE id = ?"
        row = connection.execute(query, (id,)).fetchone()
        if row is None:
            return f"there is no session {id!r}"
        if row[2]:
            return f"{id!r} is a recording, not a session of yours"
    return row[0], row[1]


def _find_session_of(
    connection: sqlite3.Connection, told: Judgement, session: SessionAndSource | None
) -> SessionAndSource | str | None:
    """Return the session that has a task or a phase, None where none has, a sentence where several have."""
    # An agent that runs again is a task of its own, and known by the agent's id.
    base, _, run = told.of_id.rpartition("/")
    ids = [told.of_id, base] if run.isdecimal() and base else [told.of_id]
    for kind in _KINDS[told.of]:
        for id in ids:
            found = _list_sessions_with(connection, kind, id, session)
            if len(found) > 1:
                named = ", ".join(session for session, _ in found[: _NAMED - 1])
                more = " …" if len(found) >= _NAMED else ""
                what = f"{told.of} {told.of_id!r}"
                return f"{what} is in several sessions ({named}{more}): name the session, too"
            if found:
                return found[0]
    return None


def _list_sessions_with(
    connection: sqlite3.Connection, kind: str, id: str, session: SessionAndSource | None
) -> list[SessionAndSource]:
    if session is not None:
        query = "SELECT 1 FROM facts WHERE session = ? AND kind = ? AND id = ?"
        return [session] if connection.execute(query, (session[0], kind, id)).fetchone() else []
    return connection.execute(
        "SELECT s.id, s.source FROM"
        " (SELECT id, source FROM sessions WHERE NOT recording ORDER BY last DESC LIMIT ?) AS s"
        " CROSS JOIN facts AS f ON f.session = s.id AND f.kind = ? AND f.id = ? LIMIT ?",
        (SESSIONS_SEARCHED, kind, id, _NAMED),
    ).fetchall()
