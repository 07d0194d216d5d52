"""Read the slowest and the failed calls of a tool or a model in the latest sessions that made some.

Calls are kept as sums for a year, and one by one only with the facts of their session. Reading a session
takes time with its size, so only as many are read as a page can wait for.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from stretto.figures.finished_run_statistics import MOST_LISTED, RunPoint, list_slowest
from stretto.model.conclude_tasks import Classify
from stretto.model.entities import ModelCall, Session, ToolCall
from stretto.model.event import Outcome
from stretto.names import MAIN_AGENT
from stretto.store.session_queries import read_session
from stretto.store.session_search import SessionQuery, find_sessions

SESSIONS_READ = 20
"""Most sessions that are read."""

ENTITIES_READ = 20_000
"""Tool calls and model calls, of any name, after which no further session is read."""


class ListedCalls(NamedTuple):
    """Single calls from the latest sessions that made some."""

    sessions: int
    """Sessions that were read."""
    slowest: tuple[RunPoint, ...]
    failing: tuple[RunPoint, ...]
    """The latest ones."""


def read_latest_calls(
    connection: sqlite3.Connection,
    query: SessionQuery,
    classify: Classify,
    *,
    most_entities: int = ENTITIES_READ,
) -> ListedCalls:
    """Return the calls of a query's tool or model in the latest sessions that it finds.

    Sessions of which a team's hub has only sums have none.
    """
    points: list[RunPoint] = []
    sessions = entities = 0
    for row in find_sessions(connection, replace(query, limit=SESSIONS_READ)).rows:
        if entities >= most_entities:
            break
        session = read_session(connection, row.id, classify)
        if session is None or not (session.tool_calls or session.model_calls):
            continue
        sessions += 1
        entities += len(session.tool_calls) + len(session.model_calls)
        points += _list_points(session, query)
    failing = [point for point in points if point.outcome is Outcome.FAILURE]
    return ListedCalls(
        sessions,
        list_slowest(points),
        tuple(sorted(failing, key=lambda point: -point.start)[:MOST_LISTED]),
    )


def _list_points(session: Session, query: SessionQuery) -> Iterator[RunPoint]:
    agents = {task.id: task.agent for task in session.tasks}
    calls: list[tuple[ToolCall | ModelCall, str]] = []
    if query.tool is not None:
        calls += [(call, query.tool) for call in session.tool_calls if call.tool == query.tool]
    if query.model is not None:
        calls += [(call, query.model) for call in session.model_calls if call.model == query.model]
    for call, name in calls:
        if call.start is not None:
            agent = MAIN_AGENT if call.task is None else agents.get(call.task)
            yield RunPoint(
                session.id, call.task, call.start, call.duration, call.outcome, name, agent, session.project
            )
