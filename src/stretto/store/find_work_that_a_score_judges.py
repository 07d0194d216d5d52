"""Targets of scores from outside: find the session, phase or task in the store, and make the event."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from stretto.model.event import Event
from stretto.model.score_scales import PlacedScore, Scales
from stretto.model.task_type import to_label_value
from stretto.sources import outside_score
from stretto.sources.outside_score import LATEST, Judgement
from stretto.sources.redact import redact_id_if_secret
from stretto.store.stored_facts import list_entities

SESSIONS_SEARCHED = 1_000
"""A task or phase without a session id is searched in this many sessions, the latest first."""

_NAMED = 4
"""Most sessions listed in a message, plus a last one that shows there are more."""

_KINDS = {"task": ("task", "call"), "phase": ("phase",)}
"""Kind of target → kinds of facts that may have its id. A task may be known by its call alone."""

_ALL_KINDS = frozenset(kind for kinds in _KINDS.values() for kind in kinds)

SessionAndSource = tuple[str, str]
"""(session id, the source of the session)."""

_Owners = dict[tuple[str, str], list[SessionAndSource]]
"""(kind, id) of an entity → the latest sessions that have it, at most ``_NAMED``."""


@dataclass(frozen=True, slots=True)
class ScoreReceipt:
    """The answer to a score: the event and how it was read, or a sentence with the reason of refusal."""

    event: Event | None = None
    placed: PlacedScore | None = None
    problem: str | None = None


def read_scores(
    connection: sqlite3.Connection, items: Iterable[object], now: int, scales: Scales
) -> list[ScoreReceipt]:
    """Return the answer to each decoded JSON object.

    A value off its scale is refused: 11 of 10 may be a slip, or on another scale. Each
    score is stamped 1 ns after the score before, from ``now`` (ns) on. So the last of two scores on the same
    target wins.
    """
    scores = [outside_score.parse_judgement(item) for item in items]
    owners = _find_owners(
        connection,
        {
            id
            for score in scores
            if isinstance(score, Judgement) and score.session is None and score.of != "session"
            for id in _list_stored_ids(score)
        },
    )
    return [
        ScoreReceipt(problem=score)
        if isinstance(score, str)
        else _receive_score(connection, score, owners, now + number, scales)
        for number, score in enumerate(scores)
    ]


def _receive_score(
    connection: sqlite3.Connection, score: Judgement, owners: _Owners, time: int, scales: Scales
) -> ScoreReceipt:
    placed = scales.place_score(to_label_value(score.name), score.value, score.out_of)
    if placed.problem is not None:
        hint = "" if score.out_of is not None or placed.scale is None else ": name its top with 'of'"
        return ScoreReceipt(problem=f"{score.name} {score.value:g} is {placed.problem}{hint}")
    event = _make_event(connection, score, owners, time)
    return ScoreReceipt(problem=event) if isinstance(event, str) else ScoreReceipt(event, placed)


def _make_event(connection: sqlite3.Connection, score: Judgement, owners: _Owners, time: int) -> Event | str:
    session = None if score.session is None else _find_session(connection, redact_id_if_secret(score.session))
    if isinstance(session, str):
        return session
    owner = session if score.of == "session" else _find_session_of(connection, score, session, owners)
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
    connection: sqlite3.Connection, score: Judgement, session: SessionAndSource | None, owners: _Owners
) -> SessionAndSource | str | None:
    """Return the session that has a task or phase. None if there is none, a sentence if there are several."""
    ids, kinds = _list_stored_ids(score), _KINDS[score.of]
    if session is not None:
        known = set(list_entities(connection, session[0], kinds))
        return session if any((kind, id) in known for kind in kinds for id in ids) else None
    for kind in kinds:
        for id in ids:
            sessions = owners.get((kind, id), [])
            if len(sessions) > 1:
                listed = ", ".join(session for session, _ in sessions[: _NAMED - 1])
                more = " …" if len(sessions) >= _NAMED else ""
                subject = f"{score.of} {score.of_id!r}"
                return f"{subject} is in several sessions ({listed}{more}): name the session, too"
            if sessions:
                return sessions[0]
    return None


def _list_stored_ids(score: Judgement) -> list[str]:
    """Return the ids under which the facts of a score's target may be stored."""
    # A second run of agent "a" is task "a/2", and its facts are stored under "a".
    base, _, run = score.of_id.rpartition("/")
    return [
        redact_id_if_secret(id) for id in ([score.of_id, base] if run.isdecimal() and base else [score.of_id])
    ]


def _find_owners(connection: sqlite3.Connection, ids: Collection[str]) -> _Owners:
    """Return the latest sessions that have an entity with one of the ids, in one pass for all scores."""
    owners: _Owners = {}
    query = "SELECT id, source FROM sessions WHERE NOT recording ORDER BY last DESC LIMIT ?"
    for session in connection.execute(query, (SESSIONS_SEARCHED,)) if ids else ():
        for kind, id in list_entities(connection, session[0], _ALL_KINDS):
            if id in ids and len(sessions := owners.setdefault((kind, id), [])) < _NAMED:
                sessions.append(session)
    return owners
