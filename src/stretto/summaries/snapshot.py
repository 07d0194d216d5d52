"""Take the snapshot: read the store once, compute every figure, and freeze them for all surfaces."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from stretto.clock import HOUR, SECOND, to_rfc3339
from stretto.figures.bottleneck_agent import Bottleneck, find_bottlenecks_by_window
from stretto.figures.expected_and_missed_gains import compute_record_speedup_figures
from stretto.figures.figure import Figure, Labels
from stretto.figures.name_budget import MOST_NAMES
from stretto.figures.parallel_work_by_week import PERIOD_MEASURES, WeekChange, compare_weeks
from stretto.figures.resource_figures import ResourceUse, compute_current_figures
from stretto.figures.scores.document import build_scores_document
from stretto.figures.scores.score_rules import ScoreRules, Scoring
from stretto.figures.sequential_baseline_choice import (
    NOTHING_DECLARED,
    DeclaredBaselines,
    FindBaseline,
    Hours,
)
from stretto.figures.sums_by_dimension import sum_by
from stretto.figures.window_gain_verdict import (
    BY_WORK,
    HeadlineRule,
    Verdict,
    build_verdict_document,
)
from stretto.model.task_type import DEFAULT_TARGET, TaskTypes
from stretto.names import QUANTILES, WINDOWS, Label, measures
from stretto.names.measures import Dimension
from stretto.store import journal_queries, open_session_queries, session_queries, store_notes, sum_queries
from stretto.store.fanout_and_baseline_queries import list_best_fanout_by_pattern, make_baseline_finder
from stretto.store.open_session_queries import Activity
from stretto.store.session_queries import SessionRow
from stretto.store.window_sums import fold_slots
from stretto.summaries.nearest_window_of_whole_hours_or_days import (
    CoarserWindow,
    build_coarser_window_document,
)
from stretto.summaries.silent_running_tasks import StuckTask
from stretto.summaries.window_figures import compute_windows

_DAY, _WEEK = 24, 168
"""Hours."""

NO_READINGS = "only a running service reads processes"

LATEST = 25
"""Number of sessions in a snapshot; ``/api/sessions`` lists all."""

OPEN = 200
"""Most open sessions in a snapshot."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All figures at an instant."""

    at: int
    figures: tuple[Figure, ...]
    verdicts: Mapping[str, Verdict]
    change: WeekChange
    activity: Activity
    latest: tuple[SessionRow, ...]
    events: int
    rejects: Mapping[str, int]
    bottlenecks: Mapping[str, Bottleneck]
    """By window; windows in which no session ended are left out."""
    rules: ScoreRules = field(default_factory=ScoreRules)
    """The rules by which the scores were computed."""
    stuck: tuple[StuckTask, ...] | None = None
    """The tasks that are stuck; None if nothing looks for them."""
    open_sessions: tuple[SessionRow, ...] = ()
    """The open sessions, busy ones first, however long ago they were last heard of."""
    folded_names: Mapping[str, int] = field(default_factory=dict)
    """Names beyond the budget by dimension; their sums are those of ``other``."""
    coarser: CoarserWindow | None = None
    """The nearest window of whole hours or days, if this is of a window that cuts some without parts."""


@dataclass(frozen=True, slots=True)
class LiveState:
    """The live state of a running service that is not in the store."""

    use: ResourceUse = field(
        default_factory=lambda: ResourceUse(reason=NO_READINGS, machine_reason=NO_READINGS)
    )
    stuck: tuple[StuckTask, ...] | None = None


def take_snapshot(
    connection: sqlite3.Connection,
    now: int,
    task_types: TaskTypes,
    hours: Hours,
    *,
    declared: DeclaredBaselines = NOTHING_DECLARED,
    scoring: Scoring | None = None,
    live: LiveState | None = None,
    rule: HeadlineRule = BY_WORK,
    workflows: Hours = MappingProxyType({}),
) -> Snapshot:
    """Read the store in a single transaction and freeze all figures.

    ``hours`` are by task type, ``workflows`` by pattern.
    """
    connection.execute("BEGIN")
    try:
        find_baseline = make_baseline_finder(connection, hours, declared, now=now)
        scoring = scoring or Scoring(target=task_types.find_target)
        return _compute_snapshot(
            connection,
            now,
            task_types,
            find_baseline,
            scoring=scoring,
            live=live or LiveState(),
            rule=rule,
            workflows=workflows,
        )
    finally:
        connection.execute("ROLLBACK")


def _compute_snapshot(
    connection: sqlite3.Connection,
    now: int,
    task_types: TaskTypes,
    find_baseline: FindBaseline,
    *,
    scoring: Scoring,
    live: LiveState,
    rule: HeadlineRule,
    workflows: Hours,
) -> Snapshot:
    windows = compute_windows(connection, now, find_baseline, scoring, rule, workflows=workflows)
    figures = windows.figures
    hours = sum_queries.list_slot_numbers(now, max(WINDOWS.values()), HOUR // SECOND)
    by_hour = sum_queries.read_sums_by_slot(connection, HOUR // SECOND, hours, [measures.CRITICAL_PATH_AGENT])
    decisive = find_bottlenecks_by_window(
        figures,
        {
            hour * HOUR: sum_by(sums, measures.CRITICAL_PATH_AGENT, Dimension.AGENT)
            for hour, sums in by_hour.items()
        },
    )
    figures += _compute_targets(task_types, windows.task_types)
    figures += compute_record_speedup_figures(
        (best.pattern, best.speedup, best.end)
        for best in list_best_fanout_by_pattern(connection, most=MOST_NAMES, otherwise=windows.patterns)
    )
    activity = open_session_queries.read_activity(connection)
    figures += _compute_current_figures(activity, now)
    figures += compute_current_figures(live.use)
    if live.stuck is not None:
        figures.append(Figure("stretto_stuck_tasks", (), len(live.stuck), activity.tasks_running))
    return Snapshot(
        at=now,
        figures=tuple(figures),
        verdicts=windows.verdicts,
        change=_compare_weeks(connection, now, find_baseline, rule),
        activity=activity,
        latest=tuple(session_queries.list_sessions(connection, limit=LATEST)),
        open_sessions=tuple(open_session_queries.list_open_sessions(connection, OPEN)),
        events=sum(position.events for position in journal_queries.read_journal_positions(connection)),
        rejects=journal_queries.count_rejects(connection),
        bottlenecks=decisive,
        rules=scoring.rules,
        stuck=live.stuck,
        folded_names=windows.folded_names,
    )


def build_snapshot_document(snapshot: Snapshot) -> dict[str, Any]:
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
            {
                "session": stuck_task.session,
                "task": stuck_task.task,
                "last": to_rfc3339(stuck_task.since),
                "process": stuck_task.process.value,
            }
            for stuck_task in snapshot.stuck
        ],
        "verdicts": {
            window: build_verdict_document(verdict) for window, verdict in snapshot.verdicts.items()
        },
        "bottlenecks": {
            window: {
                "agent": bottleneck.agent,
                "seconds": bottleneck.seconds,
                "share": bottleneck.share,
                "since": None if bottleneck.since is None else to_rfc3339(bottleneck.since),
            }
            for window, bottleneck in snapshot.bottlenecks.items()
        },
        "coarser": build_coarser_window_document(snapshot.coarser),
        "change": _build_change_document(snapshot.change),
        "scores": build_scores_document(snapshot.figures, snapshot.rules, snapshot.verdicts),
        "figures": [
            {
                "name": figure.name,
                "labels": _build_labels_document(figure.labels),
                "value": figure.value,
                "count": figure.count,
                "reason": figure.reason,
                "low": figure.low,
                "high": figure.high,
                "coverage": figure.coverage,
            }
            for figure in snapshot.figures
        ],
    }


def _build_labels_document(labels: Labels) -> dict[str, str]:
    """Return labels by their JSON keys: ``stat="p95"`` of a series is ``"quantile": "0.95"`` in documents."""
    return dict(
        ("quantile", str(QUANTILES[value])) if name == Label.STAT else (name, value) for name, value in labels
    )


def _compare_weeks(
    connection: sqlite3.Connection, now: int, find_baseline: FindBaseline, rule: HeadlineRule
) -> WeekChange:
    """Compare the last 168 hours, the current hour included, with the 168 before, in days of 24 hours."""
    end = now // HOUR + 1
    hours = range(end - 2 * _WEEK, end)
    by_day = fold_slots(
        sum_queries.read_sums_by_slot(connection, HOUR // SECOND, hours, PERIOD_MEASURES, together=_DAY)
    )
    days = [by_day.get(start, {}) for start in hours[::_DAY]]
    until = store_notes.read_old_definition_until(connection)
    changed = until is not None and until >= hours.start * HOUR
    return compare_weeks(days[7:], days[:7], find_baseline, rule, definition_changed=changed)


def _build_change_document(change: WeekChange) -> dict[str, Any]:
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


def _compute_targets(task_types: TaskTypes, seen_types: set[str]) -> list[Figure]:
    configured = {
        task_type.name: task_type.target
        for task_type in task_types.types
        if task_type.configured_target is not None
    }
    targets = {**dict.fromkeys(sorted(seen_types), DEFAULT_TARGET), **configured}
    return [
        Figure("stretto_improvement_target_ratio", (("task_type", name),), target, 1)
        for name, target in sorted(targets.items())
    ]


def _compute_current_figures(activity: Activity, now: int) -> list[Figure]:
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
