"""Targets of scores from outside: find the session, phase or task in the store, and make the event."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from stretto.model.event import Event
from stretto.sources import outside_score
from stretto.sources.outside_score import LATEST, Judgement
from stretto.sources.redact import redact_id

SESSIONS_SEARCHED = 1_000
"""A task or phase without a session id is searched in this many sessions, the latest first."""

_NAMED = 4
"""Most sessions listed in a message, plus a last one that shows there are more."""

_KINDS = {"task": ("task", "call"), "phase": ("phase",)}
"""Kind of target → kinds of facts that may have its id. A task may be known by its call alone."""

SessionAndSource = tuple[str, str]
"""(session id, the source of the session)."""


def make_score_events(connection: sqlite3.Connection, items: Iterable[object], now: int) -> list[Event | str]:
    """Return for each decoded JSON object the event of its score, or a sentence with the reason of refusal.

    Each score is stamped 1 ns after the score before, from ``now`` (ns) on. So the last of two scores on the
    same target wins.
    """
    results: list[Event | str] = []
    for number, item in enumerate(items):
        score = outside_score.parse_judgement(item)
        results.append(score if isinstance(score, str) else _make_event(connection, score, now + number))
    return results


def _make_event(connection: sqlite3.Connection, score: Judgement, time: int) -> Event | str:
    session = None if score.session is None else _find_session(connection, redact_id(score.session))
    if isinstance(session, str):
        return session
    owner = session if score.of == "session" else _find_session_of(connection, score, session)
    if owner is None or isinstance(owner, str):
        return owner or f"there is no {score.of} {score.of_id!r}"
    id, source = owner
    return score.to_event(id, source, id if score.of == "session" else score.of_id, time)


def _find_session(connection: sqlite3.Connection, id: str) -> SessionAndSource | str:
    """Return a session by its id, or the latest session that is not a recording."""
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
    connection: sqlite3.Connection, score: Judgement, session: SessionAndSource | None
) -> SessionAndSource | str | None:
    """Return the session that has a task or phase. None if there is none, a sentence if there are several."""
    # A second run of agent "a" is task "a/2", and its facts are stored under "a".
    base, _, run = score.of_id.rpartition("/")
    ids = [redact_id(id) for id in ([score.of_id, base] if run.isdecimal() and base else [score.of_id])]
    for kind in _KINDS[score.of]:
        for id in ids:
            owners = _list_sessions_with(connection, kind, id, session)
            if len(owners) > 1:
                listed = ", ".join(session for session, _ in owners[: _NAMED - 1])
                more = " …" if len(owners) >= _NAMED else ""
                subject = f"{score.of} {score.of_id!r}"
                return f"{subject} is in several sessions ({listed}{more}): name the session, too"
            if owners:
                return owners[0]
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
