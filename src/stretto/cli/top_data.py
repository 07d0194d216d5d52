"""Read a frame of ``stretto top`` from the store: open sessions, verdicts, spending and alerts.

Live rows are read for every frame; window sums and HTTP answers every 10 s. A session is concluded again only
after an event in it, and less often the longer that takes.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from stretto.cli.http_client import get_service_problems
from stretto.clock import MINUTE, SECOND, to_rfc3339
from stretto.config.configuration import Config
from stretto.errors import StrettoError
from stretto.features.switched_off_texts import describe_switched_off
from stretto.figures.session_spending import Spending, sum_spending
from stretto.figures.sums_by_dimension import Sums, sum_by, sum_up
from stretto.figures.task_silence import find_last_signs_of_idle_tasks, find_silent_tasks
from stretto.figures.unreported_model_calls import UsageGaps
from stretto.figures.window_gain_verdict import Verdict, build_verdict, build_verdict_document
from stretto.findings.finding_sentences import build_expectation_document
from stretto.findings.findings_snapshot import read_findings_state
from stretto.hook.client.client import identify_boot_and_pid_namespace
from stretto.model.entities import Message, Session, Task, ToolCall
from stretto.model.event import Outcome
from stretto.model.process_state import ProcessState, find_process_state
from stretto.names import WINDOWS, measures
from stretto.names.measures import Dimension
from stretto.notifications import notification_log as notifications
from stretto.notifications.alert_states_from_notifications import find_newest_alert_states
from stretto.notifications.notification_log import Notification
from stretto.resources.lost_session_detection import is_process_running
from stretto.state.lock import find_lock_holder
from stretto.store import declared_baseline_file as declared
from stretto.store import journal_queries, open_session_queries, session_queries, sum_queries
from stretto.store.database import open_reader
from stretto.store.fanout_and_baseline_queries import make_baseline_finder
from stretto.store.open_session_queries import Activity
from stretto.store.session_queries import SessionRow
from stretto.summaries.budget_in_words import build_budget_document
from stretto.summaries.running_tasks import (
    ExpectedTask,
    Kind,
    RunningTask,
    TaskExpectations,
    read_successful_task_lengths,
)
from stretto.summaries.session_json import build_row_document, build_spending_document
from stretto.summaries.spending_outlook import PeriodSpending, read_spending

SLOW = 10 * SECOND
SPARING = 10
"""The pause before a session is concluded again, as a multiple of the time that took: a tenth of a core."""

RATE_WINDOW = 5 * MINUTE
"""The rate of tokens is averaged over this time."""

SHOWN = 12
"""Most open sessions in a frame; busy sessions come first."""

LENGTHS = 300 * SECOND
"""Time between two readings of the finished tasks that running ones are compared with."""


@dataclass(frozen=True, slots=True)
class RunningAgent:
    """A running task and its open tool call."""

    task: Task
    call: ToolCall | None
    """Its open tool call that began last; None if no call is known to be open."""
    stuck_since: int | None
    """Time of its last event if the task looks stuck; None otherwise."""
    process: ProcessState = ProcessState.UNKNOWN
    """Whether its session's process still runs."""
    expected: ExpectedTask | None = None
    """Whether it is overdue among its kind, and the time that is left; None if its start is unknown."""
    report: Message | None = None
    """The task's latest report about its progress, if it made any."""


@dataclass(frozen=True, slots=True)
class OpenSession:
    """An open session with its running agents."""

    row: SessionRow
    call: ToolCall | None
    """The main agent's open tool call; calls that only wait for agents do not count."""
    agents: tuple[RunningAgent, ...]
    spent: Spending | None
    """None if no source reports model calls."""
    tokens_per_minute: float | None = None
    """Over the last ``RATE_WINDOW``, or since the start; None if no source reports tokens."""


@dataclass(frozen=True, slots=True)
class CachedSession:
    """A session as last concluded. ``due`` (ns of the stopwatch) is the next time it may be concluded."""

    row: SessionRow
    session: Session
    due: int


@dataclass(frozen=True, slots=True)
class Frame:
    """The open sessions and figures at an instant."""

    at: int
    activity: Activity
    verdicts: Mapping[str, Verdict]
    spent: Mapping[str, Spending]
    """By window; windows without a reported model call are missing."""
    sessions: tuple[OpenSession, ...]
    alerts: tuple[Notification, ...]
    """The firing alerts, the most severe first."""
    problems: tuple[str, ...]
    switched_off: str | None = None
    """What is switched off, if anything is: its values are missing for that reason."""
    are_tasks_slower: bool = False
    """Whether lengths of tasks got worse, so that time saved is no praise."""
    budgets: tuple[PeriodSpending, ...] = ()
    """Spending against each budget."""

    @property
    def not_shown(self) -> int:
        """Open sessions beyond those in ``sessions``."""
        return max(0, self.activity.sessions_open - len(self.sessions))


@dataclass(slots=True)
class FrameReader:
    """Reads frames from the store; caches sums and concluded sessions between two frames."""

    config: Config
    stopwatch: Callable[[], int] = time.perf_counter_ns
    host: str | None = field(default_factory=identify_boot_and_pid_namespace)
    """The boot and pid namespace of this process."""
    _sessions: dict[str, CachedSession] = field(default_factory=dict)
    _slow_at: int | None = None
    _lengths: dict[Kind, Sequence[int]] = field(default_factory=dict)
    """Lengths of finished tasks by kind, read every few minutes."""
    _lengths_at: int | None = None
    _verdicts: dict[str, Verdict] = field(default_factory=dict)
    _spent: dict[str, Spending] = field(default_factory=dict)
    _alerts: tuple[Notification, ...] = ()
    _problems: tuple[str, ...] = ()
    _are_tasks_slower: bool = False
    _budgets: tuple[PeriodSpending, ...] = ()

    def read_frame(self, now: int) -> Frame:
        """Return the frame at ``now`` (ns). Raises StoreError if the store cannot be read."""
        with closing(open_reader(self.config.database)) as connection:
            connection.execute("BEGIN")
            if self._slow_at is None or not 0 <= now - self._slow_at < SLOW:
                self._sum_up(connection, now)
                self._slow_at = now
            rows = open_session_queries.list_open_sessions(connection, SHOWN)
            self._sessions = {row.id: cached for row in rows if (cached := self._conclude(connection, row))}
            activity = open_session_queries.read_activity(connection)
        return Frame(
            at=now,
            activity=activity,
            verdicts=self._verdicts,
            spent=self._spent,
            sessions=tuple(
                self._describe_session(row, self._sessions[row.id].session, now)
                for row in rows
                if row.id in self._sessions
            ),
            alerts=self._alerts,
            problems=self._problems,
            switched_off=describe_switched_off(self.config.features),
            are_tasks_slower=self._are_tasks_slower,
            budgets=self._budgets,
        )

    def _conclude(self, connection: sqlite3.Connection, row: SessionRow) -> CachedSession | None:
        """Return the session from the cache, or from the store after a change.

        Example: a session that took 20 ms to conclude is concluded again after 200 ms at the earliest.
        """
        cached = self._sessions.get(row.id)
        started = self.stopwatch()
        if cached is not None and (cached.row == row or started < cached.due):
            return cached
        session = session_queries.read_session(connection, row.id, self.config.task_types.classify)
        ended = self.stopwatch()
        return None if session is None else CachedSession(row, session, ended + SPARING * (ended - started))

    def _describe_session(self, row: SessionRow, session: Session, now: int) -> OpenSession:
        newest = find_last_signs_of_idle_tasks(session)
        stuck = find_silent_tasks(newest, now, self.config.stuck_minutes * 60 * SECOND)
        running = [task for task in session.tasks if task.outcome is Outcome.RUNNING]
        calls = _find_open_calls(session, running)
        reports = session.latest_reports
        process = find_process_state(session.processes, self.host, is_process_running)
        price = self.config.prices.compute_cost
        priced = [(call, price(call)) for call in session.model_calls]
        return OpenSession(
            row,
            calls.get(None),
            tuple(
                RunningAgent(
                    task,
                    calls.get(task.id),
                    newest[task.id] if task.id in stuck else None,
                    process,
                    self._expect(session, task, now),
                    reports.get(task.id),
                )
                for task in running
            ),
            sum_spending(priced, UsageGaps(session)).total if priced else None,
            _compute_token_rate(session, now),
        )

    def _expect(self, session: Session, task: Task, now: int) -> ExpectedTask | None:
        if task.start is None:
            return None
        kind = (session.pattern, task.task_type)
        running = RunningTask(session.id, task.id, kind, task.agent, task.start)
        return TaskExpectations((running,), self._lengths).list_expected(now)[0]

    def _sum_up(self, connection: sqlite3.Connection, now: int) -> None:
        problems: list[str] = []
        config = self.config
        if self._lengths_at is None or not 0 <= now - self._lengths_at < LENGTHS:
            self._lengths, self._lengths_at = read_successful_task_lengths(connection, now), now
        recorded = declared.load_declared_baselines(config.state)
        find = make_baseline_finder(connection, config.hours, recorded, now=now)
        rule = config.make_headline_rule(recorded)
        for window, seconds in WINDOWS.items():
            sums = sum_queries.read_sums(connection, now, seconds)
            self._verdicts[window] = build_verdict(window, sums, find, rule)
            self._spent.pop(window, None)
            if sums.get(measures.MODEL_CALLS):
                self._spent[window] = _sum_spending(sums)
        state = read_findings_state(
            connection, now, config.timezone, switched_off=config.features.off_analyses
        )
        self._are_tasks_slower = state.has_slower_tasks
        self._budgets = (*read_spending(connection, now, config.timezone, config.budgets),)
        try:
            received = notifications.read_notifications(config.state / "notifications.jsonl")
        except OSError as error:
            received = []
            problems.append(f"the alerts cannot be read: {error.strerror or error}")
        self._alerts = tuple(find_newest_alert_states(received).firing)
        self._problems = (*problems, *_list_problems(config, connection))


def explain_unreadable(error: StrettoError | sqlite3.Error) -> str:
    """Return a sentence on why no frame can be read now."""
    if isinstance(error, StrettoError):
        return ": ".join(filter(None, (error.to_line(), error.hint)))
    return f"the store cannot be read now: {error}"


def build_document(frame: Frame) -> dict[str, Any]:
    """Return a frame as JSON: times in RFC 3339 and UTC, durations in seconds, unknown values null."""
    activity = frame.activity
    return {
        "at": to_rfc3339(frame.at),
        "activity": {
            "sessions_open": activity.sessions_open,
            "sessions_busy": activity.sessions_busy,
            "tasks_running": activity.tasks_running,
            "last_event": _format_time(activity.last_event),
        },
        "verdicts": {window: build_verdict_document(verdict) for window, verdict in frame.verdicts.items()},
        "spending": {
            window: build_spending_document(frame.spent[window]) if window in frame.spent else None
            for window in frame.verdicts
        },
        "budgets": [build_budget_document(budget) for budget in frame.budgets],
        "sessions": [
            {
                **build_row_document(session.row),
                "busy": session.row.busy,
                "running": session.row.running,
                "call": _build_call_document(session.call),
                "agents": [
                    {
                        "task": agent.task.id,
                        "task_type": agent.task.task_type,
                        "agent": agent.task.agent,
                        "description": agent.task.description,
                        "start": _format_time(agent.task.start),
                        "call": _build_call_document(agent.call),
                        "stuck_since": _format_time(agent.stuck_since),
                        "process": agent.process.value,
                        "progress": None if agent.report is None else agent.report.share,
                        "blocked": None if agent.report is None else agent.report.description,
                        "expected": None
                        if agent.expected is None
                        else build_expectation_document(agent.expected),
                    }
                    for agent in session.agents
                ],
                "spending": None if session.spent is None else build_spending_document(session.spent),
                "tokens_per_minute": session.tokens_per_minute,
            }
            for session in frame.sessions
        ],
        "alerts": [notifications.build_document(alert) for alert in frame.alerts],
        "problems": list(frame.problems),
        "switched_off": frame.switched_off,
        "are_tasks_slower": frame.are_tasks_slower,
    }


def _compute_token_rate(session: Session, now: int) -> float | None:
    """Return the recent tokens per minute; None if no source reports tokens.

    Example: 300 tokens in the last 5 minutes are 60 per minute.
    """
    if not sum_spending((call, None) for call in session.model_calls).total.tokens:
        return None
    since = max(now - RATE_WINDOW, session.start)
    recent = [call for call in session.model_calls if call.start is not None and since <= call.start <= now]
    tokens = sum(sum_spending((call, None) for call in recent).total.tokens.values())
    return tokens * MINUTE / max(now - since, SECOND)


def _find_open_calls(session: Session, running: list[Task]) -> dict[str | None, ToolCall]:
    """Return each agent's open call that began last. Calls that wait for an agent are left out."""
    delegating = {task.delegated_by for task in running} | {task.id for task in running}
    newest: dict[str | None, ToolCall] = {}
    for call in session.tool_calls:
        if call.outcome is not Outcome.RUNNING or call.id in delegating:
            continue
        other = newest.get(call.task)
        if other is None or (other.start or 0) <= (call.start or 0):
            newest[call.task] = call
    return newest


def _sum_spending(sums: Sums) -> Spending:
    expected, reported = sum_up(sums, measures.USAGE_EXPECTED), sum_up(sums, measures.USAGE_REPORTED)
    return Spending(
        model_calls=sum_up(sums, measures.MODEL_CALLS),
        tokens=sum_by(sums, measures.TOKENS, Dimension.KIND),
        cost=sum_up(sums, measures.COST) if sums.get(measures.PRICED_CALLS) else None,
        unpriced=sum_up(sums, measures.UNPRICED_CALLS),
        unreported=max(0, expected - reported),
        expected=expected,
    )


def _list_problems(config: Config, connection: sqlite3.Connection) -> list[str]:
    holder = find_lock_holder(config.state)
    problems = []
    if holder is None or holder.address is None:
        problems.append("the figures are not updated: no service is running, start it with 'stretto up'")
    else:
        reported = get_service_problems(holder.address, config.token)
        if reported is None:
            problems.append(f"the service at {holder.address} does not answer")
        problems += reported or []
    rejects = sum(journal_queries.count_rejects(connection).values())
    if rejects:
        problems.append(f"{rejects} part(s) of the input were set aside: 'stretto doctor' shows why")
    return problems


def _build_call_document(call: ToolCall | None) -> dict[str, Any] | None:
    return None if call is None else {"id": call.id, "tool": call.tool, "start": _format_time(call.start)}


def _format_time(at: int | None) -> str | None:
    return None if at is None else to_rfc3339(at)
