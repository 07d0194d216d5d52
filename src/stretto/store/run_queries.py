"""Queries of runs: finished tasks and sessions of a time span, as they were known at an instant.

An analysis is a function of these and the instant, so that it can be repeated for any day in the past.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from stretto.figures.quality_with_parallel_work import JudgedSession
from stretto.model.event import Outcome
from stretto.model.run_rows_for_analyses import SessionRun, TaskRun
from stretto.model.score_scales import Scale
from stretto.store.database import bound_instant
from stretto.store.run_rows import SESSION_RUN_FIELDS, TASK_RUN_FIELDS

_OUTCOMES = {outcome.value: outcome for outcome in Outcome}
_MAPS = frozenset(
    {"labels", "task_types", "wall_parts", "path_by_agent", "score_sums", "covariates"}
)  # stored as JSON

QUALITY_SUM, QUALITY_NUMBER = "quality:sum", "quality:number"
"""The keys of a session's judgements of quality among its sums of scores."""

_decode = msgspec.json.Decoder(dict[str, str | int | float]).decode
_decode_numbers = msgspec.json.Decoder(list[int]).decode


class SeriesKey(NamedTuple):
    """A series of task lengths."""

    pattern: str | None
    type: str
    agent: str | None
    outcome: Outcome


class LengthSeries(NamedTuple):
    """Starts and lengths (ns) of the tasks of a series, by start."""

    starts: list[int]
    lengths: list[int]


def read_task_runs_begun_between(
    connection: sqlite3.Connection,
    start: int,
    end: int | None,
    *,
    at: int | None = None,
    most: int | None = None,
) -> list[TaskRun]:
    """Return the tasks that began from ``start`` to before ``end`` (ns), by start.

    Of these only the tasks that were over at ``at`` (ns), if it is given, and only the newest ``most``.
    """
    columns = ", ".join(f'"{name}"' for name in ("session", *TASK_RUN_FIELDS))
    rows = connection.execute(
        f"SELECT {columns} FROM task_runs WHERE start >= ? AND start < ?"  # noqa: S608  # names from a constant
        " AND start + COALESCE(length, 0) <= ? ORDER BY start DESC, session DESC, number DESC LIMIT ?",
        # SQLite takes a limit below 0 for none.
        (start, bound_instant(end), bound_instant(at), -1 if most is None else most),
    )
    decode_map, outcomes = _make_map_decoder(), _OUTCOMES
    # Each column is named, in the order of the fields: to gather them in a list costs a third of the query.
    runs = [
        TaskRun(
            session, task, begin, length, outcomes[outcome], task_type, agent, phase, model, pattern, project,
            concurrency, tokens, dollars, tool_time, decode_map(covariates),
        )
        for (
            session, task, begin, length, outcome, task_type, agent, phase, model, pattern, project,
            concurrency, tokens, dollars, tool_time, covariates,
        ) in rows
    ]  # fmt: skip
    runs.reverse()
    return runs


def read_session_runs(
    connection: sqlite3.Connection, start: int, end: int, *, at: int | None = None
) -> list[SessionRun]:
    """Return the sessions that ended from ``start`` to before ``end`` (ns), by end, as known at ``at``."""
    columns = ", ".join(f'"{name}"' for name in ("session", *SESSION_RUN_FIELDS))
    rows = connection.execute(
        f'SELECT {columns} FROM session_runs WHERE "end" >= ? AND "end" < ? AND "end" <= ?'  # noqa: S608  # constants
        ' ORDER BY "end", session',
        (start, end, bound_instant(at)),
    )
    decode_map = _make_map_decoder()
    runs = []
    for session, *values in rows:
        named: dict[str, Any] = {
            name: decode_map(value) if name in _MAPS else value
            for name, value in zip(SESSION_RUN_FIELDS, values, strict=True)
        }
        runs.append(SessionRun(session=session, **named | {"outcome": _OUTCOMES[named["outcome"]]}))
    return runs


def make_session_run(session: str, row: Mapping[str, Any]) -> SessionRun:
    """Return the run of a session's row by column, as documents have it. Unknown columns are left out."""
    return SessionRun(session=session, **_read_columns(row, SESSION_RUN_FIELDS))


def make_task_run(session: str, row: Mapping[str, Any]) -> TaskRun:
    """Return the run of a task's row, likewise."""
    return TaskRun(session=session, **_read_columns(row, TASK_RUN_FIELDS))


def _read_columns(row: Mapping[str, Any], fields: Iterable[str]) -> dict[str, Any]:
    values = {name: row[name] for name in fields if row.get(name) is not None}
    maps = {name: _decode(values[name]) for name in _MAPS.intersection(values)}
    return values | maps | {"outcome": _OUTCOMES[values["outcome"]]}


def read_length_series(
    connection: sqlite3.Connection, start: int, end: int, *, at: int | None = None
) -> dict[SeriesKey, LengthSeries]:
    """Return the known lengths of tasks by pattern, type, agent and outcome.

    The fast way to many series: a task costs two numbers and no object.
    """
    # SQLite puts a series together and JSON takes it apart, which is five times as fast as a row per task.
    rows = connection.execute(
        "SELECT pattern, type, agent, outcome, json_group_array(start), json_group_array(length) FROM ("
        " SELECT pattern, type, agent, outcome, start, length FROM task_runs"
        " WHERE start >= ? AND start < ? AND start + length <= ? ORDER BY start, session, number)"
        " GROUP BY pattern, type, agent, outcome",
        (start, end, bound_instant(at)),
    )
    return {
        SeriesKey(pattern, task_type, agent, _OUTCOMES[outcome]): LengthSeries(
            _decode_numbers(starts), _decode_numbers(lengths)
        )
        for pattern, task_type, agent, outcome, starts, lengths in rows
    }


class RunCounts(NamedTuple):
    """Numbers of finished sessions and of tasks."""

    sessions: int
    tasks: int


def count_runs(connection: sqlite3.Connection, start: int, end: int) -> RunCounts:
    """Return how many sessions ended and how many tasks began from ``start`` to before ``end`` (ns).

    Pruned sessions count, too. A session that runs counts neither, nor do its tasks.
    """
    query = (
        'SELECT (SELECT COUNT(*) FROM session_runs WHERE "end" >= ?1 AND "end" < ?2),'
        " (SELECT COUNT(*) FROM task_runs WHERE start >= ?1 AND start < ?2)"
    )
    return RunCounts(*connection.execute(query, (start, end)).fetchone())


def read_judged_sessions(
    connection: sqlite3.Connection, start: int, end: int, scale: Scale | None
) -> list[JudgedSession]:
    """Return the sessions with a judgement of quality that ended from ``start`` to before ``end`` (ns).

    ``scale`` is that of the score ``quality``; without one with an end there are none.
    """
    if scale is None or scale.high is None:
        return []
    rows = connection.execute(
        'SELECT "end", pattern, width > 0, json_extract(score_sums, ?1) / json_extract(score_sums, ?2)'
        ' FROM session_runs WHERE "end" >= ?3 AND "end" < ?4 AND json_extract(score_sums, ?2) > 0',
        (f'$."{QUALITY_SUM}"', f'$."{QUALITY_NUMBER}"', start, end),
    )
    top = scale.high - scale.low
    return [
        JudgedSession(at, pattern, bool(is_parallel), 10 * (mean - scale.low) / top)
        for at, pattern, is_parallel, mean in rows
    ]


def read_newest_run_time(connection: sqlite3.Connection) -> int | None:
    """Return the end (ns) of the newest session that is stored as a run; None if there is none."""
    (newest,) = connection.execute('SELECT MAX("end") FROM session_runs').fetchone()
    return None if newest is None else int(newest)


def list_patterns(connection: sqlite3.Connection) -> list[str]:
    """Return the names of all patterns that sessions followed, also of those that were pruned."""
    rows = connection.execute(
        "SELECT pattern FROM sessions WHERE pattern IS NOT NULL"
        " UNION SELECT pattern FROM session_runs WHERE pattern IS NOT NULL ORDER BY pattern"
    )
    return [name for (name,) in rows]


def _make_map_decoder() -> Callable[[str | None], Mapping[str, Any]]:
    """Return a decoder of maps that decodes equal texts once: most runs share their circumstances."""

    @lru_cache(maxsize=4_096)
    def decode(text: str | None) -> Mapping[str, Any]:
        return {} if text is None else _decode(text)

    return decode
