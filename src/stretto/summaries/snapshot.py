"""Snapshot: the store read once, every figure worked out, the answer frozen; every surface prints from it."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stretto.clock import DAY, HOUR, SECOND, to_rfc3339
from stretto.figures.baselines import NOTHING_DECLARED, Declared, FindBaseline, Hours
from stretto.figures.bottleneck import Bottleneck, bottlenecks
from stretto.figures.critical_path import path_figures
from stretto.figures.efficiency_tree import efficiency_figures
from stretto.figures.figure import Figure, Labels
from stretto.figures.gains import gain_figures, record_figures
from stretto.figures.period_rows import MEASURES, WeekChange, week_change
from stretto.figures.resource_figures import Use, now_figures, resource_figures
from stretto.figures.scores.document import scores_document
from stretto.figures.scores.score_rules import ScoreRules, Scoring
from stretto.figures.scores.window_scores import TREND_MEASURES, score_figures, trend_figures
from stretto.figures.speedup_cost import price_figures
from stretto.figures.usage_figures import cache_entries, usage_figures
from stretto.figures.verdict import Verdict, held_against_document, mixes, parallel_by_type, verdict
from stretto.figures.wall_time import timeline_figures
from stretto.figures.window_figures import window_figures
from stretto.model.task_type import DEFAULT_TARGET, TaskTypes
from stretto.names import QUANTILES, WINDOWS, Label
from stretto.store import queries
from stretto.store.fanout_queries import baselines, best_speedups
from stretto.store.queries import Activity, SessionRow
from stretto.summaries.stuck_tasks import StuckTask

_DAY, _WEEK = 24, 168
"""Hours."""

LATEST = 25
"""Sessions a snapshot carries; ``/api/sessions`` lists the rest."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All figures at one instant."""

    at: int
    figures: tuple[Figure, ...]
    verdicts: Mapping[str, Verdict]
    change: WeekChange
    activity: Activity
    latest: tuple[SessionRow, ...]
    events: int
    rejects: Mapping[str, int]
    bottlenecks: Mapping[str, Bottleneck]
    """By window; a window in which no session ended has none."""
    rules: ScoreRules = field(default_factory=ScoreRules)
    """The rules that the scores were made by."""
    stuck: tuple[StuckTask, ...] | None = None
    """The tasks that are stuck; None where nobody has looked."""


@dataclass(frozen=True, slots=True)
class Live:
    """What a running service knows beside the store."""

    use: Use = field(default_factory=lambda: Use(reason="only a running service reads processes"))
    stuck: tuple[StuckTask, ...] | None = None


def take(
    connection: sqlite3.Connection,
    now: int,
    task_types: TaskTypes,
    hours: Hours,
    *,
    declared: Declared = NOTHING_DECLARED,
    scoring: Scoring | None = None,
    live: Live | None = None,
) -> Snapshot:
    """Read the store in one transaction and freeze all figures."""
    connection.execute("BEGIN")
    try:
        find = baselines(connection, hours, declared)
        scoring = scoring or Scoring(target=task_types.find_target)
        return _take(connection, now, task_types, find, scoring=scoring, live=live or Live())
    finally:
        connection.execute("ROLLBACK")


def windowed(
    connection: sqlite3.Connection, now: int, find: FindBaseline, scoring: Scoring
) -> tuple[list[Figure], dict[str, Verdict], set[str]]:
    """Return every windowed figure as of ``now``, the verdicts, and the task types that ran in parallel."""
    figures: list[Figure] = []
    verdicts: dict[str, Verdict] = {}
    seen_types: set[str] = set()
    for window, seconds in WINDOWS.items():
        sums = queries.sums(connection, now, seconds)
        found = mixes(sums, find)
        parallel = parallel_by_type(found)
        seen_types |= {task_type for task_type, _ in parallel}
        figures += window_figures(window, sums, parallel)
        figures += efficiency_figures(window, sums)
        figures += path_figures(window, sums)
        figures += timeline_figures(window, sums)
        figures += gain_figures(window, sums, parallel, scoring.target)
        figures += price_figures(window, sums, find)
        figures += usage_figures(window, sums)
        figures += resource_figures(window, sums)
        verdicts[window] = verdict(window, found)
        # Last: scores are made of the window's other figures.
        figures += [*score_figures(window, sums, figures, scoring, find)]
        days = queries.slots(now, seconds, DAY // SECOND)
        by_day = queries.sums_by_slot(connection, DAY // SECOND, days, TREND_MEASURES)
        figures += trend_figures(window, by_day, scoring.rules)
    figures += cache_entries(queries.cache_entries(connection, now - max(WINDOWS.values()) * SECOND, now))
    return figures, verdicts, seen_types


def _take(
    connection: sqlite3.Connection,
    now: int,
    task_types: TaskTypes,
    find: FindBaseline,
    *,
    scoring: Scoring,
    live: Live,
) -> Snapshot:
    figures, verdicts, seen_types = windowed(connection, now, find, scoring)
    hours = queries.slots(now, max(WINDOWS.values()), HOUR // SECOND)
    by_hour = queries.sums_by_slot(connection, HOUR // SECOND, hours, ["critical_path_agent"])
    decisive = bottlenecks(
        figures,
        {
            hour * HOUR: {str(dims[0]): length for dims, length in sums["critical_path_agent"].items()}
            for hour, sums in by_hour.items()
        },
    )
    figures += _targets(task_types, seen_types)
    figures += record_figures((best.pattern, best.speedup, best.end) for best in best_speedups(connection))
    activity = queries.activity(connection)
    figures += _now(activity, now)
    figures += now_figures(live.use)
    if live.stuck is not None:
        figures.append(Figure("stretto_stuck_tasks", (), len(live.stuck), activity.tasks_running))
    return Snapshot(
        at=now,
        figures=tuple(figures),
        verdicts=verdicts,
        change=_change(connection, now, find),
        activity=activity,
        latest=tuple(queries.sessions(connection, limit=LATEST)),
        events=sum(position.events for position in queries.positions(connection)),
        rejects=queries.rejects(connection),
        bottlenecks=decisive,
        rules=scoring.rules,
        stuck=live.stuck,
    )


def document(snapshot: Snapshot) -> dict[str, Any]:
    """Return the snapshot as the JSON document of ``/api/snapshot``."""
    return {
        "at": to_rfc3339(snapshot.at),
        "events": snapshot.events,
        "rejects": dict(snapshot.rejects),
        "activity": {
            "sessions": snapshot.activity.sessions,
            "sessions_open": snapshot.activity.sessions_open,
            "sessions_busy": snapshot.activity.sessions_busy,
            "tasks_running": snapshot.activity.tasks_running,
            "last_event": None
            if snapshot.activity.last_event is None
            else to_rfc3339(snapshot.activity.last_event),
        },
        "stuck_tasks": None
        if snapshot.stuck is None
        else [
            {"session": one.session, "task": one.task, "last": to_rfc3339(one.since)} for one in snapshot.stuck
        ],
        "verdicts": {
            window: {
                "fanouts": v.fanouts,
                "tasks": v.tasks,
                "lead": None if v.lead is None else held_against_document(v.lead),
                "others": [held_against_document(part) for part in v.parts[1:]],
            }
            for window, v in snapshot.verdicts.items()
        },
        "bottlenecks": {
            window: {
                "agent": b.agent,
                "seconds": b.seconds,
                "share": b.share,
                "since": None if b.since is None else to_rfc3339(b.since),
            }
            for window, b in snapshot.bottlenecks.items()
        },
        "change": _change_document(snapshot.change),
        "scores": scores_document(snapshot.figures, snapshot.rules),
        "figures": [
            {
                "name": f.name,
                "labels": _labels_document(f.labels),
                "value": f.value,
                "count": f.count,
                "reason": f.reason,
                "low": f.low,
                "high": f.high,
                "coverage": f.coverage,
            }
            for f in snapshot.figures
        ],
    }


def _labels_document(labels: Labels) -> dict[str, str]:
    """Return labels by their JSON keys: ``stat="p95"`` of a series is ``"quantile": "0.95"`` in documents."""
    return dict(
        ("quantile", str(QUANTILES[value])) if name == Label.STAT else (name, value) for name, value in labels
    )


def _change(connection: sqlite3.Connection, now: int, find: FindBaseline) -> WeekChange:
    """Compare the last 168 hours, the one under way included, with the 168 before, by days of 24 of them."""
    end = now // HOUR + 1
    hours = range(end - 2 * _WEEK, end)
    by_day = queries.sums_by_slot(connection, HOUR // SECOND, hours, MEASURES, together=_DAY)
    days = [by_day.get(start, {}) for start in hours[::_DAY]]
    return week_change(days[7:], days[:7], find)


def _change_document(change: WeekChange) -> dict[str, Any]:
    return {
        "baseline": None if change.baseline is None else change.baseline.value,
        "fanouts": {"now": change.fanouts[0], "before": change.fanouts[1]},
        "figures": [
            {
                "name": figure.name,
                "now": figure.now,
                "before": figure.before,
                "difference": figure.difference,
                "exceeds_noise": figure.exceeds_noise,
                "reason": figure.reason,
            }
            for figure in change.figures
        ],
    }


def _targets(task_types: TaskTypes, seen: set[str]) -> list[Figure]:
    configured = {t.name: t.target for t in task_types.types if t.target_improvement is not None}
    targets = {**dict.fromkeys(sorted(seen), DEFAULT_TARGET), **configured}
    return [
        Figure("stretto_improvement_target_ratio", (("task_type", name),), target, 1)
        for name, target in sorted(targets.items())
    ]


def _now(activity: Activity, now: int) -> list[Figure]:
    figures = [
        Figure("stretto_sessions_open", (), activity.sessions_open, activity.sessions),
        Figure("stretto_sessions_busy", (), activity.sessions_busy, activity.sessions_open),
        Figure("stretto_tasks_running", (), activity.tasks_running, activity.tasks_running),
    ]
    name = "stretto_longest_open_session_seconds"
    if activity.busy_since is None:
        figures.append(Figure(name, (), None, 0, "no session is busy"))
    else:
        open_for = max(0, now - activity.busy_since) / SECOND
        figures.append(Figure(name, (), open_for, activity.sessions_busy))
    name = "stretto_last_event_timestamp_seconds"
    if activity.last_event is None:
        figures.append(Figure(name, (), None, 0, "no event yet"))
    else:
        figures.append(Figure(name, (), activity.last_event / SECOND, 1))
    return figures
