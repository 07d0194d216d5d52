"""Find sessions by words and filters, in any order, a page at a time."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from hashlib import blake2b
from itertools import chain
from typing import Any

from stretto.model.entities import Session, Task
from stretto.model.event import Outcome
from stretto.sources.redact import redact_id_if_secret
from stretto.store.session_queries import SESSION_COLUMNS, SessionRow, to_session_row
from stretto.store.split_title_from_search_words import split_title

MOST_MATCHES = 1_000
"""Sessions that a search looks at: those of the matching ones that began last."""

MOST_WORDS = 300
"""Most different words of a session that can be searched: those of a thousand tasks mostly repeat."""


_MATCHING = (
    "id IN (SELECT session FROM session_words WHERE session_words MATCH ? ORDER BY rowid DESC LIMIT ?)"
)
_BEGUN_IN_MINUTE = "strftime('%m-%d %H:%M', start / 1000000000, 'unixepoch') = ?"

# Made once: ``json.dumps`` makes an encoder with each call that departs from its defaults.
_encode = json.JSONEncoder(ensure_ascii=False).encode

_HASH_BITS = (1 << 20) - 1

NO_WORDS = (0, "")
"""Start and words of a session that is not stored."""


class SessionSort(StrEnum):
    """The columns by which a list of sessions can be sorted."""

    LAST = "last"
    START = "start"
    ELAPSED = "elapsed"
    SPEEDUP = "speedup"
    DELIVERED = "delivered"
    COST = "cost"
    FAILURES = "failures"
    TURNS = "turns"
    TASKS = "tasks"
    FANOUTS = "fanouts"
    TOOL_CALLS = "tool_calls"
    PROJECT = "project"
    PATTERN = "pattern"
    OUTCOME = "outcome"
    FINDING = "finding"


_EXPRESSIONS = {
    **{sort: f"sessions.{sort.value}" for sort in SessionSort},
    SessionSort.ELAPSED: 'COALESCE(sessions."end", sessions.last) - sessions.start',
    SessionSort.SPEEDUP: "sessions.delivered_work * 1.0 / sessions.parallel_elapsed",
    SessionSort.DELIVERED: "sessions.delivered * 1.0 / NULLIF(sessions.tasks, 0)",
    SessionSort.COST: "sessions.dollars",
    SessionSort.FINDING: "ranks.seconds",
}
"""Column → what SQLite sorts by."""

_RANKS = "WITH ranks (session, seconds) AS MATERIALIZED (SELECT key, CAST(value AS REAL) FROM json_each(?))"
"""The values of ``SessionQuery.finding_seconds``."""


@dataclass(frozen=True, slots=True)
class SessionQuery:
    """A page of a list of sessions. A filter that is None or false matches all."""

    words: str = ""
    """The session has a word that begins like each of these, or the title that they are."""
    ids: tuple[str, ...] | None = None
    """The session is one of these."""
    project: str | None = None
    worktree: str | None = None
    repository: str | None = None
    source: str | None = None
    pattern: str | None = None
    outcome: Outcome | None = None
    agent: str | None = None
    task_type: str | None = None
    tool: str | None = None
    """Known at the end of a session, as the model."""
    model: str | None = None
    label: tuple[str, str] | None = None
    has_failures: bool = False
    has_fanouts: bool = False
    since: int | None = None
    """The session has an event at this time (ns) or later."""
    until: int | None = None
    """The session began before this time (ns)."""
    sort: SessionSort = SessionSort.LAST
    ascending: bool = False
    finding_seconds: Mapping[str, float] = field(default_factory=dict)
    """Id of a session → what it has to be sorted by ``SessionSort.FINDING``; the others have nothing."""
    limit: int = 50
    after: str | None = None
    """The ``next`` of the page before."""


@dataclass(frozen=True, slots=True)
class SessionPage:
    """Sessions of a list, and how it continues."""

    rows: tuple[SessionRow, ...]
    next: str | None
    """The value of ``after`` for the next page; None on the last page."""


class CursorError(ValueError):
    """A continuation is not one that an earlier page gave."""


def find_sessions(connection: sqlite3.Connection, query: SessionQuery) -> SessionPage:
    """Return a page of the matching sessions; sessions without a value to sort by come last.

    Raises CursorError if ``query.after`` was not given by an earlier page.
    """
    conditions, values = [], []
    for condition, *bound in [*_list_conditions(query), *_continue_after(query)]:
        conditions.append(condition)
        values += bound
    condition = " AND ".join(conditions) or "TRUE"
    read_page = _read_page_by_finding if query.sort is SessionSort.FINDING else _read_page
    rows = read_page(connection, query, condition, [*values, query.limit + 1])
    page = rows[: query.limit]
    following = json.dumps([page[-1][0], page[-1][1]]) if len(rows) > len(page) and page else None
    return SessionPage(tuple(to_session_row(row[1:]) for row in page), following)


def _read_page(
    connection: sqlite3.Connection, query: SessionQuery, condition: str, values: Sequence[Any]
) -> list[tuple[Any, ...]]:
    """Return what each row is sorted by, and its columns; ``values`` end with the number of rows."""
    expression, order = _EXPRESSIONS[query.sort], _format_order(query)
    # The ids come first: an index has all that is compared, and only the rows of the page are read whole.
    return connection.execute(
        f"SELECT {expression}, {SESSION_COLUMNS} FROM sessions WHERE id IN ("  # noqa: S608  # names from constants
        f"SELECT id FROM sessions WHERE {condition} ORDER BY {order} LIMIT ?"
        f") ORDER BY {order}",
        values,
    ).fetchall()


def _read_page_by_finding(
    connection: sqlite3.Connection, query: SessionQuery, condition: str, values: Sequence[Any]
) -> list[tuple[Any, ...]]:
    """Return the same in the order of findings.

    Few of many sessions have one. The others are in the order of their ids, by which they are stored: so
    neither part sorts the whole table.
    """
    order, joined = _format_order(query), "FROM sessions LEFT JOIN ranks ON ranks.session = id"
    return connection.execute(
        f"{_RANKS} SELECT ranks.seconds, {SESSION_COLUMNS} {joined} WHERE id IN ("  # noqa: S608  # names from constants
        "SELECT id FROM (SELECT id FROM ranks CROSS JOIN sessions ON id = ranks.session"
        f" WHERE {condition} ORDER BY {order} LIMIT ?) UNION ALL SELECT id FROM ("
        f"SELECT id {joined} WHERE ranks.session IS NULL AND {condition} ORDER BY id LIMIT ?)"
        f") ORDER BY {order} LIMIT {query.limit + 1}",
        (json.dumps(dict(query.finding_seconds)), *values, *values),
    ).fetchall()


def _format_order(query: SessionQuery) -> str:
    """Return the order of rows. SQLite takes NULL for the smallest, so it is last when descending."""
    expression = _EXPRESSIONS[query.sort]
    return f"{expression} ASC NULLS LAST, id" if query.ascending else f"{expression} DESC, id"


def split_label(text: str) -> tuple[str, str] | None:
    """Return key and value of the filter ``KEY=VALUE``; None if it is none."""
    key, equals, value = text.partition("=")
    return (key, value) if key and equals else None


def _list_id_conditions(query: SessionQuery) -> Iterator[tuple[Any, ...]]:
    """Yield the conditions that the words lead to, and that of the ids that are asked for."""
    title = split_title(query.words)
    match = _format_match(title.words)
    if match:
        yield _MATCHING, match, MOST_MATCHES
    if title.minute is not None:
        yield _BEGUN_IN_MINUTE, title.minute
    if query.ids is not None:
        yield "id IN (SELECT value FROM json_each(?))", json.dumps(query.ids)


def _list_conditions(query: SessionQuery) -> Iterator[tuple[Any, ...]]:
    """Yield (condition, value, …) of each filter."""
    yield from _list_id_conditions(query)
    for column, value in (
        ("project", query.project),
        ("worktree", query.worktree),
        ("repository", query.repository),
        ("source", query.source),
        ("pattern", query.pattern),
        ("outcome", query.outcome),
    ):
        if value is not None:
            yield f"{column} = ?", str(value)
    for column, item in (
        ("agents", query.agent),
        ("types", query.task_type),
        ("tools", query.tool),
        ("models", query.model),
        ("labels", query.label),
    ):
        if item is not None:
            # The column is a JSON array: its items are found by their own JSON text.
            yield f"instr({column}, ?)", _encode_item(item)
    for is_set, condition in ((query.has_failures, "failures > 0"), (query.has_fanouts, "fanouts > 0")):
        if is_set:
            yield (condition,)
    if query.since is not None:
        yield "last >= ?", query.since
    if query.until is not None:
        yield "start < ?", query.until


def _continue_after(query: SessionQuery) -> Iterator[tuple[Any, ...]]:
    """Yield the condition of the rows after the last row of the page before."""
    if query.after is None:
        return
    value, id = _parse_cursor(query.after)
    expression = _EXPRESSIONS[query.sort]
    if value is None:
        yield f"{expression} IS NULL AND id > ?", id
        return
    beyond = ">" if query.ascending else "<"
    yield (
        f"({expression} {beyond} ? OR ({expression} = ? AND id > ?) OR {expression} IS NULL)",
        value,
        value,
        id,
    )


def _parse_cursor(text: str) -> tuple[str | int | float | None, str]:
    try:
        value, id = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        raise CursorError("after must be the next of the page before") from None
    if not isinstance(id, str) or not isinstance(value, str | int | float | None):
        raise CursorError("after must be the next of the page before")
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
        raise CursorError("after must be the next of the page before")
    return value, id


def _format_match(words: str) -> str:
    """Return words as a query of SQLite's full-text search: each is the beginning of a word."""
    return " ".join(f'"{word}"*' for word in _split_words(words))


# The tasks of a session have few distinct names, and a live session is written again and again.
@lru_cache(maxsize=4_096)
def _split_words(text: str) -> Sequence[str]:
    """Return the words of a text as SQLite's full-text search splits them: letters and digits."""
    words = text.lower().split()
    if all(map(str.isalnum, words)):
        return words
    return "".join([sign if sign.isalnum() else " " for sign in text.lower()]).split()


def _encode_item(item: str | tuple[str, str]) -> str:
    text = item if isinstance(item, str) else f"{item[0]}={item[1]}"
    return _encode(text)


def encode_items(items: Sequence[str]) -> str:
    """Return the texts of a column that the filters of lists look into."""
    return _encode(items)


def list_words(session: Session, task_words: Iterable[str]) -> str:
    """Return the words by which a session is found, each once: names and descriptions, no prompt.

    ``task_words`` are those of its tasks, in their order, such as ``iterate_task_words`` yields.
    """
    texts = [
        redact_id_if_secret(session.id),
        *filter(None, (session.project, session.worktree, session.pattern, session.source)),
        *(value for _, value in session.labels),
    ]
    return " ".join(
        _take_distinct(chain((word for text in texts for word in _split_words(text)), task_words))
    )


def iterate_task_words(tasks: Iterable[Task]) -> Iterator[str]:
    """Yield the words of tasks."""
    return (
        word
        for task in tasks
        for text in (task.agent, task.task_type, task.description)
        if text
        for word in _split_words(text)
    )


def list_task_words(tasks: Iterable[Task]) -> Sequence[str]:
    """Return the first ``MOST_WORDS`` words of tasks, each once."""
    return [*_take_distinct(iterate_task_words(tasks))]


def _take_distinct(words: Iterable[str]) -> Iterable[str]:
    distinct: dict[str, None] = {}
    for word in words:
        distinct[word] = None
        if len(distinct) == MOST_WORDS:
            break
    return distinct


def insert_words(connection: sqlite3.Connection, session_id: str, start: int, words: str) -> None:
    """Store the words of a session that has none stored."""
    connection.execute(
        "INSERT OR REPLACE INTO session_words (rowid, session, words) VALUES (?, ?, ?)",
        (number_words(session_id, start), session_id, words),
    )


def delete_words(connection: sqlite3.Connection, session_id: str) -> None:
    """Delete the words of a session, before its row in ``sessions``."""
    connection.execute(
        "DELETE FROM session_words WHERE rowid = (SELECT word_row FROM sessions WHERE id = ?)", (session_id,)
    )


def number_words(session_id: str, start: int) -> int:
    """Return the number of the row of a session's words: its start to a thousandth of a second, and a hash.

    So the matches of a search are in the order of time without being sorted.
    """
    hashed = int.from_bytes(blake2b(session_id.encode(), digest_size=4).digest()) & _HASH_BITS
    return (start & ~_HASH_BITS) | hashed
