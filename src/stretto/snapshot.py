"""Snapshot: the store read once, every figure worked out, the answer frozen; every surface prints from it."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from stretto.clock import SECOND, rfc3339
from stretto.figures.figure import Figure
from stretto.figures.parallel import Hours, Measured
from stretto.figures.resources import Use, now_figures, resource_figures
from stretto.figures.window import Verdict, parallel_by_type, verdict, window_figures
from stretto.model.task_type import DEFAULT_TARGET, TaskTypes
from stretto.names import PREFIX, WINDOWS
from stretto.store import queries
from stretto.store.queries import Activity, SessionRow
from stretto.stuck import StuckTask

LATEST = 25
"""Sessions a snapshot carries; ``/api/sessions`` lists the rest."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All figures at one instant."""

    at: int
    figures: tuple[Figure, ...]
    verdicts: Mapping[str, Verdict]
    activity: Activity
    latest: tuple[SessionRow, ...]
    events: int
    rejects: Mapping[str, int]
    stuck: tuple[StuckTask, ...] | None = None
    """The tasks that are stuck; None where nobody has looked."""


@dataclass(frozen=True, slots=True)
class Live:
    """What a running service knows beside the store."""

    use: Use = field(default_factory=lambda: Use(reason="only a running service reads processes"))
    stuck: tuple[StuckTask, ...] | None = None


def take(
    connection: sqlite3.Connection, now: int, task_types: TaskTypes, hours: Hours, live: Live | None = None
) -> Snapshot:
    """Read the store in one transaction and freeze all figures."""
    connection.execute("BEGIN")
    try:
        return _take(connection, now, task_types, hours, live or Live())
    finally:
        connection.execute("ROLLBACK")


def windowed(
    connection: sqlite3.Connection, now: int, hours: Hours
) -> tuple[list[Figure], dict[str, Verdict], set[str]]:
    """Return every windowed figure as of ``now``, the verdicts, and the task types that ran in parallel."""

    @cache
    def find_measured(pattern: str, signature: str) -> Measured | None:
        return queries.measured(connection, pattern, signature)

    figures: list[Figure] = []
    verdicts: dict[str, Verdict] = {}
    seen_types: set[str] = set()
    for window, seconds in WINDOWS.items():
        sums = queries.sums(connection, now, seconds)
        parallel = parallel_by_type(sums, find_measured, hours)
        seen_types |= {task_type for task_type, _ in parallel}
        figures += window_figures(window, sums, parallel)
        figures += resource_figures(window, sums)
        verdicts[window] = verdict(window, sums, parallel)
    return figures, verdicts, seen_types


def _take(
    connection: sqlite3.Connection, now: int, task_types: TaskTypes, hours: Hours, live: Live
) -> Snapshot:
    figures, verdicts, seen_types = windowed(connection, now, hours)
    figures += _targets(task_types, seen_types)
    activity = queries.activity(connection)
    figures += _now(activity, now)
    figures += now_figures(live.use)
    if live.stuck is not None:
        figures.append(Figure(PREFIX + "stuck_tasks", (), len(live.stuck), activity.tasks_running))
    return Snapshot(
        at=now,
        figures=tuple(figures),
        verdicts=verdicts,
        activity=activity,
        latest=tuple(queries.sessions(connection, limit=LATEST)),
        events=sum(position.events for position in queries.positions(connection)),
        rejects=queries.rejects(connection),
        stuck=live.stuck,
    )


def document(snapshot: Snapshot) -> dict[str, Any]:
    """Return the snapshot as the JSON document of ``/api/snapshot``."""
    return {
        "at": rfc3339(snapshot.at),
        "events": snapshot.events,
        "rejects": dict(snapshot.rejects),
        "activity": {
            "sessions": snapshot.activity.sessions,
            "sessions_open": snapshot.activity.sessions_open,
            "sessions_busy": snapshot.activity.sessions_busy,
            "tasks_running": snapshot.activity.tasks_running,
            "last_event": None
            if snapshot.activity.last_event is None
            else rfc3339(snapshot.activity.last_event),
        },
        "stuck_tasks": None
        if snapshot.stuck is None
        else [
            {"session": one.session, "task": one.task, "last": rfc3339(one.since)} for one in snapshot.stuck
        ],
        "verdicts": {
            window: {
                "fanouts": v.fanouts,
                "tasks": v.tasks,
                "work_seconds": v.work,
                "elapsed_seconds": v.elapsed,
                "sequential_seconds": v.sequential,
                "time_saved_seconds": v.time_saved,
                "speedup": v.speedup,
                "improvement": v.improvement,
                "baselines": dict(v.baselines),
            }
            for window, v in snapshot.verdicts.items()
        },
        "figures": [
            {"name": f.name, "labels": dict(f.labels), "value": f.value, "count": f.count, "reason": f.reason}
            for f in snapshot.figures
        ],
    }


def _targets(task_types: TaskTypes, seen: set[str]) -> list[Figure]:
    configured = {t.name: t.target for t in task_types.types if t.target_improvement is not None}
    targets = {**dict.fromkeys(sorted(seen), DEFAULT_TARGET), **configured}
    return [
        Figure(PREFIX + "improvement_target_ratio", (("task_type", name),), target, 1)
        for name, target in sorted(targets.items())
    ]


def _now(activity: Activity, now: int) -> list[Figure]:
    figures = [
        Figure(PREFIX + "sessions_open", (), activity.sessions_open, activity.sessions),
        Figure(PREFIX + "sessions_busy", (), activity.sessions_busy, activity.sessions_open),
        Figure(PREFIX + "tasks_running", (), activity.tasks_running, activity.tasks_running),
    ]
    name = PREFIX + "longest_open_session_seconds"
    if activity.busy_since is None:
        figures.append(Figure(name, (), None, 0, "no session is busy"))
    else:
        open_for = max(0, now - activity.busy_since) / SECOND
        figures.append(Figure(name, (), open_for, activity.sessions_busy))
    name = PREFIX + "last_event_timestamp_seconds"
    if activity.last_event is None:
        figures.append(Figure(name, (), None, 0, "no event yet"))
    else:
        figures.append(Figure(name, (), activity.last_event / SECOND, 1))
    return figures
