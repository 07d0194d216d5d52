"""Read the profile of a task type, an agent, a pattern, a tool or a model in a window."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum

from stretto.clock import DAY, SECOND
from stretto.figures.finished_run_statistics import (
    DayOfCalls,
    RunProfile,
    build_call_profile,
    build_run_profile,
)
from stretto.figures.messages_between_agents import Conversation, sum_conversations
from stretto.figures.sums_by_dimension import collect_quantile_sketches, sum_by
from stretto.model.conclude_tasks import Classify
from stretto.names import NONE, measures
from stretto.names.measures import Dimension
from stretto.store import sum_queries
from stretto.store.finished_runs_of_a_kind import MOST_RUNS, RunFilter, read_session_points, read_task_points
from stretto.store.session_search import SessionQuery
from stretto.store.window_sums import fold_slots
from stretto.summaries.calls_of_latest_sessions import read_latest_calls
from stretto.summaries.time_window import TimeWindow


class ProfileKind(StrEnum):
    """The kinds of things that have a profile; the values are labels of figures."""

    TASK_TYPE = "task_type"
    AGENT = "agent"
    PATTERN = "pattern"
    TOOL = "tool"
    MODEL = "model"


_CALL_MEASURES = {
    ProfileKind.TOOL: (measures.CALLS, measures.CALL_TIME, Dimension.TOOL),
    ProfileKind.MODEL: (measures.MODEL_CALLS, measures.MODEL_TIME, Dimension.MODEL),
}

_TASK_FIELDS = {ProfileKind.TASK_TYPE: RunFilter.TYPE, ProfileKind.AGENT: RunFilter.AGENT}


def read_run_profile(
    connection: sqlite3.Connection,
    kind: ProfileKind,
    name: str,
    window: TimeWindow,
    now: int,
    *,
    classify: Classify,
) -> RunProfile:
    """Return the profile of tasks of a type or an agent, of sessions of a pattern, or of calls in a window.

    The name ``none`` stands for runs without a name. Calls are counted by whole days of UTC; single ones are
    listed from the latest sessions.
    """
    value = None if name == NONE else name
    if kind is ProfileKind.PATTERN:
        points = read_session_points(connection, value, window.start, window.end)
        talk = _read_conversations(connection, name, window, now)
        return replace(build_run_profile(points, read_limit=MOST_RUNS), conversations=talk)
    if kind in _TASK_FIELDS:
        return read_task_profile(connection, {_TASK_FIELDS[kind]: value}, window)
    query = SessionQuery(since=window.start, until=window.end)
    query = replace(query, tool=name) if kind is ProfileKind.TOOL else replace(query, model=name)
    listed = read_latest_calls(connection, query, classify)
    profile = _read_call_profile(connection, kind, name, window, now)
    return replace(profile, slowest=listed.slowest, failing=listed.failing, listed_sessions=listed.sessions)


def _read_call_profile(
    connection: sqlite3.Connection, kind: ProfileKind, name: str, window: TimeWindow, now: int
) -> RunProfile:
    calls, lengths, dimension = _CALL_MEASURES[kind]
    end = now if window.end is None else min(now, window.end - 1)
    first = sum_queries.find_first_day_time(connection) if window.start is None else window.start
    days = range((end if first is None else first) // DAY, end // DAY + 1)
    by_day = fold_slots(sum_queries.read_sums_by_slot(connection, DAY // SECOND, days, [calls, lengths]))
    return build_call_profile(
        {
            day: DayOfCalls(
                sum_by(sums, calls, Dimension.OUTCOME, **{dimension.value: name}),
                collect_quantile_sketches(sums, lengths, dimension).get(name, {}),
            )
            for day, sums in by_day.items()
            if name in sum_by(sums, calls, dimension)
        }
    )


def _read_conversations(
    connection: sqlite3.Connection, pattern: str, window: TimeWindow, now: int
) -> tuple[Conversation, ...]:
    """Return who talked to whom in the sessions of a pattern, those of deleted sessions too."""
    end = now if window.end is None else min(now, window.end - 1)
    first = sum_queries.find_first_day_time(connection) if window.start is None else window.start
    slots = sum_queries.encode_slots(end, max(1, (end - min(end, end if first is None else first)) // SECOND))
    named = [measures.CONVERSATIONS, measures.CONVERSATION_TIME]
    return tuple(sum_conversations(sum_queries.read_sums_of_slots(connection, slots, named), pattern))


def read_task_profile(
    connection: sqlite3.Connection, chosen: Mapping[RunFilter, str | None], window: TimeWindow
) -> RunProfile:
    """Return the profile of the tasks of a window with some values."""
    return build_run_profile(
        read_task_points(connection, chosen, window.start, window.end), read_limit=MOST_RUNS
    )
