"""The sources of operations: the functions through which a surface lets them read."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from stretto.clock import Clock
from stretto.findings.analysis_run import AnalysisReplies, AnalysisRequest
from stretto.findings.efficiency_score_by_day import ScoreSettings
from stretto.findings.findings_snapshot import FindingsState
from stretto.model.entities import Session
from stretto.notifications.notification_log import Notification
from stretto.servers.alert_limits import AlertLimits
from stretto.summaries.running_tasks import ExpectedTask
from stretto.summaries.session_summary import SessionSummary
from stretto.summaries.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationSources:
    """The functions behind operations. Several threads may call each at once."""

    clock: Clock
    zone: str
    """The time zone of calendars and dates."""
    database: str
    """The store's file, which an analysis of its own opens."""
    connect: Callable[[], AbstractContextManager[sqlite3.Connection]]
    """Opens the store to read. Raises StoreError or sqlite3.Error."""
    snapshot: Callable[[int | None], Snapshot | None]
    """An instant (ns) → the figures then, read from the store; None → the newest figures, from memory."""
    session_summary: Callable[[str], SessionSummary | None]
    session: Callable[[str], Session | None]
    """Reads a session alone, whose tasks may have any types, at a fraction of the cost of its summary."""
    findings: Callable[[], FindingsState]
    """Returns the findings as last stored, from memory where a service runs."""
    past_findings: Callable[[int], FindingsState]
    """An instant (ns) in the past → the findings as they were known then."""
    ask: Callable[[AnalysisRequest], AnalysisReplies | str]
    """Runs analyses in a process of their own; returns their replies, or why there are none."""
    expected_tasks: Callable[[], Sequence[ExpectedTask]]
    """Returns the running tasks with what is expected of them."""
    notifications: Callable[[], Sequence[Notification]] = tuple
    """Returns Alertmanager's notifications, the newest first."""
    alerting_gap: Callable[[], str | None] = lambda: None
    """Returns why alerts are not those of now, as while Prometheus does not run; None if they are."""
    is_followed: bool = True
    """Whether a service works the analyses out again when they are due; else they are worked out here."""
    alert_limits: AlertLimits = field(default_factory=dict)
    """Limits of alerts that differ from the shipped ones."""
    score_settings: Callable[[], ScoreSettings] = ScoreSettings
    """Returns the rules and baselines by which days are scored."""
    machine_memory: float | None = None
    """Bytes of the machine."""
