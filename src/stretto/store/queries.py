"""Queries of the store: each returns entities, sums or typed rows, never bare database rows."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from stretto.clock import SECOND
from stretto.figures.sums_by_dimension import Sums
from stretto.model.conclude_session import conclude_session
from stretto.model.conclude_tasks import Classify
from stretto.model.entities import HostProcesses, Session
from stretto.model.event import Outcome
from stretto.model.facts import SessionFacts
from stretto.model.phases_messages_and_scores_from_facts import conclude_host_processes
from stretto.model.task_type import OTHER
from stretto.sources.redact import redact_id_if_secret
from stretto.store.derive_missing_measures_of_old_sums import OLD_DEFINITION_UNTIL
from stretto.store.packed_session import PackedSession, unpack_session
from stretto.store.stored_facts import (
    load_all_facts,
    load_facts_of_session_alone,
    read_packed_session,
)
from stretto.store.sums_by_time_slot import SLOTS

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


@dataclass(frozen=True, slots=True)
class Activity:
    """Counts of what is running now, and of what is stored."""

    sessions_open: int
    sessions_busy: int
    tasks_running: int
    last_event: int | None
    sessions: int
    recordings: int
    busy_since: int | None = None
    """Start (ns) of the busy session that has run longest."""


@dataclass(frozen=True, slots=True)
class JournalPosition:
    """How far a journal file has been read."""

    file: str
    offset: int
    events: int


EMITTING_SINCE = "emitting since"
"""Name of the note of when spans were first sent. Sessions that ended before are never sent."""

SESSION_COLUMNS = (
    'id, source, project, pattern, recording, start, "end", last, outcome,'
    " busy, turns, tasks, running, tool_calls, fanouts,"
    " worktree, failures, delivered, delivered_work, parallel_elapsed, dollars, repository,"
    " usage_coverage, calls_at_least"
)
"""The columns of a SessionRow, in its order."""
_SHORTENED = "shortened "
"""Prefix of the names of notes about journal files that became shorter."""

_decode_dims = msgspec.json.Decoder(tuple[str | int, ...]).decode
_encode = msgspec.json.Encoder().encode


def list_sessions(connection: sqlite3.Connection, *, limit: int = 50) -> list[SessionRow]:
    """Return sessions, the latest event first, those with an event at the same instant by id."""
    query = f"SELECT {SESSION_COLUMNS} FROM sessions ORDER BY last DESC, id LIMIT ?"  # noqa: S608  # a constant
    return [to_session_row(row) for row in connection.execute(query, (limit,))]


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


def read_sums(connection: sqlite3.Connection, now: int, window: int) -> Sums:
    """Return the sums over the last ``window`` seconds.

    The first slot is that in which the window begins. Slots later than ``now``, of a
    clock that runs ahead, are left out.
    """
    return read_sums_of_slots(connection, encode_slots(now, window))


def read_sums_of_slots(connection: sqlite3.Connection, slots: str, measures: Sequence[str] = ()) -> Sums:
    """Return the sums of stretches of slots, as ``encode_slots`` returns them; of all or some measures."""
    query = FROM_SLOTS.format("measure, dims, SUM(value)")
    if measures:
        query += f" AND measure IN ({', '.join('?' * len(measures))})"
    rows = _fetch_sums(connection, f"{query} GROUP BY measure, dims", (slots, *measures))
    sums: dict[str, dict[tuple[str | int, ...], int]] = {}
    for measure, dims, value in rows:
        sums.setdefault(measure, {})[_decode_dims(dims)] = value
    return sums


def _fetch_sums(
    connection: sqlite3.Connection, query: str, parameters: Sequence[str | int]
) -> list[tuple[Any, ...]]:
    """Return the rows of a query whose last column is SUM(value).

    SQLite refuses a sum of more than 64 bits: of 5,000 people, a month of working time in ns is as large.
    Then all sums are those of floats, right to 16 digits.
    """
    try:
        return connection.execute(query, parameters).fetchall()
    except sqlite3.OperationalError as error:
        if str(error) != "integer overflow":
            raise
    rows = connection.execute(query.replace("SUM(value)", "TOTAL(value)"), parameters)
    return [(*row, int(total)) for *row, total in rows]


FROM_SLOTS = (
    "WITH stretch (width, first, last) AS MATERIALIZED"
    " (SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]')"
    " FROM json_each(?))"
    " SELECT {} FROM stretch CROSS JOIN rollup"
    " ON rollup.width = stretch.width AND slot BETWEEN first AND last"
)
"""Selects columns of the sums in the stretches of slots that ``encode_slots`` returns."""


def encode_slots(now: int, window: int) -> str:
    """Return the stretches of slots of the last ``window`` seconds, as JSON for a query.

    A window of more than an hour begins with a full hour. Its last hour is read by the narrowest slots: one
    that ended in the past has nothing of the rest of that hour.
    """
    narrowest, hour = SLOTS[:2]
    width = narrowest if window <= hour else hour
    first = (now - window * SECOND) // (width * SECOND) * (width // narrowest)
    return _encode([*split_into_slots(first, now // (narrowest * SECOND), SLOTS)]).decode()


def split_into_slots(first: int, last: int, widths: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Yield (width, first slot, last slot) that cover some slots of the narrowest width by few, wide slots.

    Example: a week from Monday 10:00 is 14 hours, six whole days and 10 hours, instead of 168 hours.
    """
    width, *wider = widths
    if wider:
        factor = wider[0] // width
        begin, end = -(-first // factor), (last + 1) // factor
        if begin < end:
            yield from split_into_slots(first, begin * factor - 1, [width])
            yield from split_into_slots(begin, end - 1, wider)
            first = end * factor
    if first <= last:
        yield width, first, last


def read_sums_by_slot(
    connection: sqlite3.Connection, width: int, slots: range, measures: Sequence[str], *, together: int = 1
) -> dict[int, Sums]:
    """Return the sums of some measures by slot; ``width`` is in seconds, and slots without sums are left out.

    ``together`` groups so many slots together, under the number of the first slot of the group.
    """
    rows = _fetch_sums(
        connection,
        # By key and not by range: between two slots the table has rows of all other measures.
        "SELECT slot - (slot - ?) % ? AS begin, measure, dims, SUM(value) FROM rollup WHERE width = ?"
        " AND slot IN (SELECT value FROM json_each(?)) AND measure IN (SELECT value FROM json_each(?))"
        " GROUP BY begin, measure, dims",
        (slots.start, together, width, _encode([*slots]).decode(), _encode([*measures]).decode()),
    )
    by_slot: dict[int, dict[str, dict[tuple[str | int, ...], int]]] = {}
    for slot, measure, dims, value in rows:
        by_slot.setdefault(slot, {}).setdefault(measure, {})[_decode_dims(dims)] = value
    return dict(by_slot)


def read_cache_sizes(
    connection: sqlite3.Connection, since: int, until: int
) -> dict[str, tuple[int, int | None]]:
    """Return entries and bytes of each cache by its last report between two instants (ns)."""
    rows = connection.execute(
        "SELECT cache, entries, bytes FROM cache_entries WHERE time BETWEEN ? AND ? ORDER BY time, entries",
        (since, until),
    )
    return {cache: (int(entries), size) for cache, entries, size in rows}


def list_slot_numbers(now: int, window: int, width: int) -> range:
    """Return the numbers of the slots of a width (s) that the last ``window`` seconds touch."""
    return range((now - window * SECOND) // (width * SECOND), now // (width * SECOND) + 1)


def find_first_slot_time(connection: sqlite3.Connection) -> int | None:
    """Return the start (ns) of the earliest slot of the sums, or None without any sums."""
    (slot,) = connection.execute("SELECT MIN(slot) FROM rollup WHERE width = ?", (SLOTS[1],)).fetchone()
    return None if slot is None else int(slot) * SLOTS[1] * SECOND


def find_first_day_time(connection: sqlite3.Connection) -> int | None:
    """Return the start (ns) of the earliest day with sums, or None without any; days are kept longest."""
    (day,) = connection.execute("SELECT MIN(slot) FROM rollup WHERE width = ?", (SLOTS[2],)).fetchone()
    return None if day is None else int(day) * SLOTS[2] * SECOND


def find_newest_day(connection: sqlite3.Connection, today: int) -> int:
    """Return the number of the newest day with sums up to ``today``, or ``today`` without any."""
    query = "SELECT MAX(slot) FROM rollup WHERE width = ? AND slot <= ?"
    (day,) = connection.execute(query, (SLOTS[2], today)).fetchone()
    return today if day is None else int(day)


def read_activity(connection: sqlite3.Connection) -> Activity:
    """Return the counts of what is running now, and of what is stored."""
    is_open, busy, running, since = connection.execute(
        "SELECT COUNT(*), COALESCE(SUM(busy), 0), COALESCE(SUM(running), 0),"
        " MIN(CASE WHEN busy THEN start END) FROM sessions WHERE outcome = 'running'"
    ).fetchone()
    last, count, recordings = connection.execute(
        "SELECT MAX(last), (SELECT COUNT(*) FROM sessions), (SELECT COUNT(*) FROM sessions WHERE recording)"
        " FROM sessions"
    ).fetchone()
    return Activity(is_open, busy, running, last, count, recordings, since)


class BusySession(NamedTuple):
    """A busy session: when it began (ns), and the processes that run it where they are known."""

    id: str
    start: int
    processes: HostProcesses | None


def list_busy_session_processes(connection: sqlite3.Connection) -> list[BusySession]:
    """Return the busy sessions that are not recordings, with their processes."""
    rows = connection.execute(
        "SELECT id, start FROM sessions WHERE outcome = 'running' AND busy AND NOT recording"
        " ORDER BY start, id"
    ).fetchall()
    return [BusySession(id, start, read_host_processes(connection, id)) for id, start in rows]


def list_busy_session_ids(connection: sqlite3.Connection) -> frozenset[str]:
    """Return the ids of the busy sessions."""
    return frozenset(
        id for (id,) in connection.execute("SELECT id FROM sessions WHERE outcome = 'running' AND busy")
    )


def list_open_session_keys(connection: sqlite3.Connection) -> list[tuple[str, int]]:
    """Return (id, last event in ns) of the open sessions that are not recordings."""
    return connection.execute(
        "SELECT id, last FROM sessions WHERE outcome = 'running' AND NOT recording"
    ).fetchall()


def read_host_processes(connection: sqlite3.Connection, session_id: str) -> HostProcesses | None:
    """Return the processes in which a session runs, or None if no source reported any."""
    return conclude_host_processes(load_facts_of_session_alone(connection, session_id))


def list_sessions_with_running_tasks(connection: sqlite3.Connection, began_before: int) -> list[SessionRow]:
    """Return the open sessions that began before a time (ns) and have a running task."""
    rows = connection.execute(
        f"SELECT {SESSION_COLUMNS} FROM sessions WHERE outcome = 'running' AND running AND start < ?"  # noqa: S608  # a constant
        " ORDER BY start, id",
        (began_before,),
    )
    return [to_session_row(row) for row in rows]


def list_open_sessions(connection: sqlite3.Connection, limit: int) -> list[SessionRow]:
    """Return the open sessions without recordings: busy ones first, then by latest event."""
    rows = connection.execute(
        f"SELECT {SESSION_COLUMNS} FROM sessions WHERE outcome = 'running' AND NOT recording"  # noqa: S608  # a constant
        " ORDER BY busy DESC, last DESC, id LIMIT ?",
        (limit,),
    )
    return [to_session_row(row) for row in rows]


def read_journal_positions(connection: sqlite3.Connection) -> list[JournalPosition]:
    """Return how far each journal file has been read."""
    return [
        JournalPosition(*row)
        for row in connection.execute("SELECT file, offset, events FROM journal ORDER BY file")
    ]


def read_old_definition_until(connection: sqlite3.Connection) -> int | None:
    """Return until when (ns) sums of pruned sessions are of the old definition; None if none are."""
    query = "SELECT value FROM meta WHERE name = ?"
    row = connection.execute(query, (OLD_DEFINITION_UNTIL,)).fetchone()
    return None if row is None else int(row[0])


def count_rejects(connection: sqlite3.Connection) -> dict[str, int]:
    """Return the number of rejected pieces of input by reason."""
    return dict(connection.execute("SELECT reason, COUNT(*) FROM rejects GROUP BY reason ORDER BY reason"))


def count_reject_kinds(rejects: Mapping[str, int]) -> dict[str, int]:
    """Return the rejects by kind of fault, the commonest first.

    The kind is the text before a reason's colon. The text after it is the detail of a single line.
    """
    kinds: Counter[str] = Counter()
    for reason, count in rejects.items():
        kinds[reason.partition(":")[0]] += count
    return dict(kinds.most_common())


def list_newest_rejects(connection: sqlite3.Connection, limit: int = 5) -> list[tuple[str, int, str]]:
    """Return (file, offset, reason) of the newest rejects."""
    rows = connection.execute(
        "SELECT file, offset, reason FROM rejects ORDER BY file DESC, offset DESC LIMIT ?", (limit,)
    )
    return list(rows)


def list_recording_ids(connection: sqlite3.Connection) -> list[str]:
    """Return the ids of the sessions that are recordings."""
    return [id for (id,) in connection.execute("SELECT id FROM sessions WHERE recording ORDER BY id")]


def get_last_event_time_of_sent_spans(connection: sqlite3.Connection, id: str) -> int | None:
    """Return the time (ns) of a session's last event when its spans were sent, or None before that."""
    row = connection.execute("SELECT at FROM emitted WHERE session = ?", (id,)).fetchone()
    return int(row[0]) if row else None


def list_unsent_session_ids(connection: sqlite3.Connection, since: int) -> list[str]:
    """Return the ended sessions with events since a time (ns) whose spans, as they are now, were not sent."""
    rows = connection.execute(
        "SELECT id FROM sessions LEFT JOIN emitted ON emitted.session = sessions.id"
        " WHERE outcome <> 'running' AND NOT recording AND last >= ? AND (at IS NULL OR at <> last)"
        " ORDER BY last",
        (since,),
    )
    return [session_id for (session_id,) in rows]


def note_spans_emitted(connection: sqlite3.Connection, id: str, at: int) -> None:
    """Note that the spans of a session were sent."""
    connection.execute("INSERT OR REPLACE INTO emitted VALUES (?, ?)", (id, at))


def read_note(connection: sqlite3.Connection, name: str) -> str | None:
    """Return a note about the store as a whole."""
    row = connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return str(row[0]) if row else None


def write_note(connection: sqlite3.Connection, name: str, value: str) -> None:
    """Store a note about the store as a whole."""
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))


def read_shortened_files(connection: sqlite3.Connection) -> dict[str, int]:
    """Return the journal files that were cut after they were read, and by how many bytes."""
    rows = connection.execute(
        "SELECT name, value FROM meta WHERE name LIKE ? ORDER BY name", (_SHORTENED + "%",)
    )
    return {name.removeprefix(_SHORTENED): int(value) for name, value in rows}


def note_shortened_file(connection: sqlite3.Connection, file: str, lost_bytes: int) -> None:
    """Note that a journal file has lost some bytes, added to those it lost before."""
    write_note(connection, _SHORTENED + file, str(read_shortened_files(connection).get(file, 0) + lost_bytes))


def forget_shortened_files(connection: sqlite3.Connection) -> None:
    """Delete the notes about cut files, since the store is made anew from the files as they are."""
    connection.execute("DELETE FROM meta WHERE name LIKE ?", (_SHORTENED + "%",))


def to_session_row(row: tuple[object, ...]) -> SessionRow:
    """Return the session of a database row with the columns ``SESSION_COLUMNS``."""
    values = dict(zip(SessionRow.__dataclass_fields__, row, strict=True))
    for name in ("recording", "busy", "has_more_calls"):
        values[name] = bool(values[name])
    return SessionRow(**{**values, "outcome": Outcome(str(values["outcome"]))})  # type: ignore[arg-type]  # SQL's types
