"""Define the backend: the functions that the service gives to the HTTP routes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from starlette.types import ASGIApp

from stretto.clock import Clock, read_wall_clock
from stretto.errors import ServiceError
from stretto.features.feature_switches import DEFAULT_STATES, FeatureStates
from stretto.feeds.orchestrator_feed_items import FeedInput
from stretto.figures.figure import Figure
from stretto.figures.finished_run_statistics import RunProfile
from stretto.findings.findings_snapshot import FindingsState
from stretto.gates.service_baseline_folder import BaselineFolder
from stretto.model.decisions import Decision
from stretto.model.run_rows_for_analyses import TaskRun
from stretto.notifications.notification_log import Notification, NotificationLog
from stretto.operations.operation_runner import OperationRunner
from stretto.reports.report_document import Report
from stretto.sources.otlp.receive import RequestResult, Signal
from stretto.store.fanout_list import FanoutPage, FanoutQuery
from stretto.store.find_work_that_a_score_judges import ScoreReceipt
from stretto.store.finished_runs_of_a_kind import RunFilter
from stretto.store.session_search import SessionPage, SessionQuery
from stretto.summaries.agents_at_work_in_window import ActivitySummary
from stretto.summaries.run_statistics_by_kind import ProfileKind
from stretto.summaries.running_tasks import ExpectedFanout, ExpectedTask
from stretto.summaries.session_summary import SessionSummary
from stretto.summaries.snapshot import Snapshot
from stretto.summaries.spending_outlook import PeriodSpending
from stretto.summaries.time_window import TimeWindow
from stretto.web.guard import Refusal
from stretto.web.live_updates import UpdateStreams

FRESH_SECONDS = 60.0
"""Age in seconds at which a snapshot is stale: several refreshes have been missed."""


def _refuse_mcp() -> ASGIApp:
    """Refuse to serve the Model Context Protocol."""
    raise ServiceError("the Model Context Protocol is not served here", hint="run 'stretto up'")


class ScrapeAnswer(Protocol):
    """The answer to a scrape."""

    @property
    def body(self) -> bytes:
        """Metrics as text."""

    @property
    def content_type(self) -> str:
        """The text format, as a Content-Type header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """The functions behind the routes. Several threads may call each at once."""

    snapshot: Callable[[], Snapshot | None]
    """Returns the newest snapshot, or None before the first."""
    windowed_snapshot: Callable[[Snapshot, TimeWindow], Snapshot]
    """(newest snapshot, window) → the snapshot with the figures of that window."""
    sessions: Callable[[SessionQuery], SessionPage]
    """Returns a page of the matching sessions. Raises CursorError for a continuation of another list."""
    fanouts: Callable[[FanoutQuery], FanoutPage]
    """Returns a page of the finished parallel executions."""
    run_profile: Callable[[ProfileKind, str, TimeWindow], RunProfile]
    """(kind, name, window) → the profile of its finished runs."""
    task_profile: Callable[[Mapping[RunFilter, str | None], TimeWindow], RunProfile]
    """(values that the tasks have, window) → the profile of its finished tasks with them."""
    task_runs: Callable[[TimeWindow, int], list[TaskRun]]
    """(window, most) → the newest finished tasks that began in it, by start."""
    activity: Callable[[TimeWindow], ActivitySummary]
    """Returns who was at work in a window."""
    session_summary: Callable[[str], SessionSummary | None]
    """A session's id → its summary, or None if it is unknown."""
    trends: Callable[[TimeWindow | None], dict[str, Any]]
    """Returns parallel work by day and by week up to the end of a window, as JSON."""
    baselines: Callable[[], dict[str, Any]]
    """Returns all baselines and their use, as JSON."""
    expose: Callable[[str], ScrapeAnswer]
    """Accept header → all metrics. Raises StrettoError if there are none."""
    append_hook: Callable[[bytes], None]
    """Appends a hook's payload to the journal. Raises OSError if the journal cannot be written."""
    append_scores: Callable[[Sequence[object]], list[ScoreReceipt]]
    """Appends decoded JSON objects; returns how each was read, or why it was refused. Raises OSError."""
    receive_otlp: Callable[[Signal, bytes, str, str], RequestResult]
    """(signal, body, Content-Type, Content-Encoding) → the accepted records. Raises RefusedError for a
    malformed request, OSError if the journal cannot be written."""
    notifications: NotificationLog
    gate_baselines: BaselineFolder
    problems: Callable[[], list[str]]
    """Returns problems that a person should act on, a sentence each."""
    runbook: Callable[[str], str | None]
    """An alert's name → its runbook page in Markdown, or None."""
    announce: Callable[[Sequence[Notification]], None]
    """Announces new notifications at the machine. Never waits, never raises."""
    alerts: Callable[[], list[str]] = list
    """Returns the names of the alerts that have a runbook page."""
    profiles: Mapping[str, Callable[[str], ScrapeAnswer]] = field(default_factory=dict)
    """Name of a selection of metrics → Accept header → its metrics."""
    version: str
    faults: Callable[[], list[str]] = list
    """Returns the problems of the running service itself, for ``doctor``."""
    unready: Callable[[], str | None] = lambda: None
    """Returns why the figures are not those of the journal, or None if they are."""
    request_rebuild: Callable[[], None] = lambda: None
    """Starts a rebuild of the store."""
    rebuild_document: Callable[[], dict[str, Any]] = dict
    """Returns the progress of the rebuild under way, or the result of the last."""
    findings: Callable[[], FindingsState] = lambda: FindingsState(0)
    """Returns what the analyses found, and what was decided about it."""
    past_findings: Callable[[int], FindingsState] = lambda at: FindingsState(at, is_past=True)
    """An instant (ns) → the findings and decisions as known then."""
    budgets: Callable[[], Sequence[PeriodSpending]] = list
    """Returns spending against each budget."""
    append_decision: Callable[[Decision], None] = lambda _: None
    """Appends a decision to the journal. Raises OSError if the journal cannot be written."""
    expected_tasks: Callable[[], Sequence[ExpectedTask]] = list
    """Returns the running tasks with their time left, the overdue ones first."""
    expected_fanouts: Callable[[], Sequence[ExpectedFanout]] = list
    """Returns the running parallel executions with their time left, by start."""
    request_forget: Callable[[str | None, str | None], None] = lambda _session, _project: None
    """(session, project) → forgets a session or all of a project. Raises UsageError unless one is named."""
    forget_document: Callable[[], dict[str, Any]] = dict
    """Returns the result of the last request to forget, or that it is under way."""
    feed_input: Callable[[], FeedInput] = lambda: FeedInput(0)
    """Returns what the feeds are made from, as of now."""
    reports: Callable[[], Sequence[Report]] = list
    """Returns the kept reports, the latest of each kind first."""
    report: Callable[[str], Report | None] = lambda _: None
    """A report's id → the kept report, or None."""
    writes_reports: bool = True
    """Whether reports are switched on."""
    self_figures: Callable[[], Sequence[Figure]] = list
    """Returns the figures about Stretto itself, as they are exported."""
    operations: OperationRunner | None = None
    """Answers the operations; None where nothing is kept up to date."""
    make_mcp_endpoint: Callable[[], ASGIApp] = _refuse_mcp
    """Makes the application of the Model Context Protocol. Raises StrettoError where it is not served."""
    updates: UpdateStreams = field(default_factory=UpdateStreams)
    """The streams that open pages listen to; the service announces each new snapshot there."""
    features: FeatureStates = DEFAULT_STATES
    """The optional parts of the service, and whether each is on."""
    is_simulated: bool = False
    """Whether all sessions are simulated: every page says so, and nothing is received."""
    input_refusal: Refusal | None = None
    """If set, nothing is received: this answers every request that would record something."""
    token: str | None = None
    """If set, every request but ``/healthz`` must carry it."""
    hosts: frozenset[str] = frozenset()
    """Host names and addresses, without ports, that are served besides the loopback interface."""
    fresh_seconds: float = FRESH_SECONDS
    clock: Clock = read_wall_clock

    @property
    def shows_pages(self) -> bool:
        """Whether the pages are switched on; figures and routes for programs always are."""
        return self.features.is_on("dashboards")
