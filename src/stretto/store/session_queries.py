"""Queries of stored sessions, as rows of a list or concluded from their facts."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stretto.figures.sums_by_dimension import Sums
from stretto.model.conclude_session import conclude_session
from stretto.model.conclude_tasks import Classify
from stretto.model.entities import Session
from stretto.model.event import Outcome
from stretto.model.facts import SessionFacts
from stretto.model.task_type import OTHER
from stretto.sources.redact import redact_id_if_secret
from stretto.store.packed_session import PackedSession, unpack_session
from stretto.store.stored_facts import (
    load_all_facts,
    read_packed_session,
)

SHORTEST_ID = 8
"""Least characters of an id that is shortened."""


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session in a list."""

    id: str
    source: str
    project: str | None
    pattern: str | None
    recording: bool
    start: int
    end: int | None
    last: int
    outcome: Outcome
    busy: bool
    turns: int
    tasks: int
    running: int
    tool_calls: int
    fanouts: int
    worktree: str | None
    failures: int
    """Tasks that failed."""
    delivered: int
    """Tasks that are over and were not wasted."""
    delivered_work: int | None
    """Length (ns) of the delivered tasks of its parallel executions; None without any."""
    parallel_elapsed: int | None
    """Length (ns) of its parallel executions; None without any."""
    dollars: float | None
    """Its cost, as far as it is known; None while it runs."""
    repository: str | None = None
    """What tells its project from another one of the same name, if it is known."""
    usage_coverage: float | None = None
    """The share of its calls and tasks that reported their tokens; None if none could, or while it runs."""
    has_more_calls: bool = False
    """Whether it is over and has tasks of which not even the number of tool calls is known."""

    @property
    def is_cost_lower_bound(self) -> bool:
        """Whether some of its calls and tasks reported no tokens, or not all."""
        return self.usage_coverage is not None and self.usage_coverage < 1

    @property
    def speedup(self) -> float | None:
        """Delivered work over elapsed time of its parallel executions."""
        if self.delivered_work is None or not self.parallel_elapsed:
            return None
        return self.delivered_work / self.parallel_elapsed


SESSION_COLUMNS = (
    'id, source, project, pattern, recording, start, "end", last, outcome,'
    " busy, turns, tasks, running, tool_calls, fanouts,"
    " worktree, failures, delivered, delivered_work, parallel_elapsed, dollars, repository,"
    " usage_coverage, calls_at_least"
)
"""The columns of a SessionRow, in its order."""


def list_sessions(connection: sqlite3.Connection, *, limit: int = 50) -> list[SessionRow]:
    """Return sessions, the latest event first, those with an event at the same instant by id."""
    return select_sessions(connection, "ORDER BY last DESC, id LIMIT ?", (limit,))


def select_sessions(connection: sqlite3.Connection, rest: str, parameters: Sequence[int]) -> list[SessionRow]:
    """Return the sessions that the rest of a query, a constant of the caller's, chooses and orders."""
    query = f"SELECT {SESSION_COLUMNS} FROM sessions {rest}"  # noqa: S608  # constants
    return [to_session_row(row) for row in connection.execute(query, parameters)]


def find_session_begun_last(connection: sqlite3.Connection, at: int) -> str | None:
    """Return the id of the session that began last by ``at`` (ns); None if none had begun."""
    row = connection.execute(
        "SELECT id FROM sessions WHERE start <= ? ORDER BY start DESC, id LIMIT 1", (at,)
    ).fetchone()
    return None if row is None else str(row[0])


def read_session_start(connection: sqlite3.Connection, id: str) -> int | None:
    """Return when (ns) a session began; None if it is not stored."""
    row = connection.execute("SELECT start FROM sessions WHERE id = ?", (id,)).fetchone()
    return None if row is None else int(row[0])


def find_session_ids(connection: sqlite3.Connection, prefix: str) -> list[str]:
    """Return at most three session ids that begin with a text, or the session of a whole redacted id."""
    prefix = redact_id_if_secret(prefix)
    end = prefix + "\U0010ffff"
    rows = connection.execute(
        "SELECT id FROM sessions WHERE id >= ? AND id < ? ORDER BY id LIMIT 3", (prefix, end)
    )
    return [id for (id,) in rows]


def shorten_session_ids(connection: sqlite3.Connection, ids: Iterable[str]) -> dict[str, str]:
    """Return for each id its shortest beginning that no other id has, of ``SHORTEST_ID`` characters or more.

    Example: with 0199a and 0199b stored beside 5b1e0c77-4f0e, the last one is 5b1e0c77.
    """
    return {id: id[: max(SHORTEST_ID, 1 + _count_shared(connection, id))] for id in ids}


def _count_shared(connection: sqlite3.Connection, id: str) -> int:
    """Return how many first characters an id shares with another one: in order, a neighbour shares most."""
    neighbours = connection.execute(
        "SELECT (SELECT max(id) FROM sessions WHERE id < :id), (SELECT min(id) FROM sessions WHERE id > :id)",
        {"id": id},
    ).fetchone()
    return max(_count_same(id, other or "") for other in neighbours)


def _count_same(id: str, other: str) -> int:
    pairs = enumerate(zip(id, other, strict=False))
    return next((place for place, (one, two) in pairs if one != two), min(len(id), len(other)))


def read_session(connection: sqlite3.Connection, id: str, classify: Classify | None) -> Session | None:
    """Return a session with all of its entities, or None for an unknown id.

    Without rules its tasks have any types: for callers that read none.
    """
    id = redact_id_if_secret(id)
    packed = _read_packed(connection, id, classify)
    if packed is not None:
        return packed.session
    concluded = _conclude_stored_session(connection, id, classify)
    return None if concluded is None else concluded[0]


def read_session_with_facts(
    connection: sqlite3.Connection, id: str, classify: Classify
) -> tuple[Session, SessionFacts, Sums | None] | None:
    """Return a session, its facts, and its sums if the store has them; None for an unknown id.

    The sums are those of ``compute_session_sums`` without ``NOT_SCORED``. With sums no facts are read.
    """
    id = redact_id_if_secret(id)
    packed = _read_packed(connection, id, classify)
    if packed is None:
        concluded = _conclude_stored_session(connection, id, classify)
        return None if concluded is None else (*concluded, None)
    sums = packed.make_sums()
    facts = SessionFacts(id) if sums is not None else load_all_facts(connection, id)
    return packed.session, facts, sums


def _read_packed(connection: sqlite3.Connection, id: str, classify: Classify | None) -> PackedSession | None:
    packed = read_packed_session(connection, id)
    return None if packed is None else unpack_session(packed, classify)


def _conclude_stored_session(
    connection: sqlite3.Connection, id: str, classify: Classify | None
) -> tuple[Session, SessionFacts] | None:
    row = connection.execute("SELECT lost FROM sessions WHERE id = ?", (id,)).fetchone()
    if row is None:
        return None
    facts = load_all_facts(connection, id)
    return conclude_session(facts, lost=bool(row[0]), classify=classify or (lambda *_: OTHER)), facts


def list_recording_ids(connection: sqlite3.Connection) -> list[str]:
    """Return the ids of the sessions that are recordings."""
    return [id for (id,) in connection.execute("SELECT id FROM sessions WHERE recording ORDER BY id")]


def to_session_row(row: tuple[object, ...]) -> SessionRow:
    """Return the session of a database row with the columns ``SESSION_COLUMNS``."""
    values = dict(zip(SessionRow.__dataclass_fields__, row, strict=True))
    for name in ("recording", "busy", "has_more_calls"):
        values[name] = bool(values[name])
    return SessionRow(**{**values, "outcome": Outcome(str(values["outcome"]))})  # type: ignore[arg-type]  # SQL's types
