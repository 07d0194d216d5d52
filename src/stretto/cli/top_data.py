"""A frame of ``stretto top``: what goes on now, read from the store again and again, and cheaply.

What changes with every event is read for every frame, what is summed over hours and what others have to be
asked for only every ``SLOW`` nanoseconds. A session is concluded again only after something happened in it,
and the longer that takes, the more seldom.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from stretto.cli.doctor import get
from stretto.clock import MINUTE, SECOND, to_rfc3339
from stretto.config.configuration import Config
from stretto.errors import StrettoError
from stretto.figures.spending import Spending, sum_spending
from stretto.figures.sum_reading import Sums
from stretto.figures.task_silence import find_last_signs, find_silent_tasks
from stretto.figures.verdict import Verdict, build_comparison_document, build_mixes, build_verdict
from stretto.model.entities import Session, Task, ToolCall
from stretto.model.event import Outcome
from stretto.names import WINDOWS
from stretto.notifications import log as notifications
from stretto.notifications.current_alerts import alerts
from stretto.notifications.log import Notification
from stretto.state.lock import holder_of
from stretto.store import declared_baselines as declared
from stretto.store import queries
from stretto.store.database import open_reader
from stretto.store.fanout_queries import baselines
from stretto.store.queries import Activity, SessionRow
from stretto.summaries.session_summary import build_row_document, build_spending_document

SLOW = 10 * SECOND
SPARING = 10
"""A session is concluded again after so many times as long as that took: a tenth of a core for it at most."""

RATE_WINDOW = 5 * MINUTE
"""What the tokens of a minute are averaged over."""

SHOWN = 12
"""Open sessions in a frame: those at work first."""


@dataclass(frozen=True, slots=True)
class Agent:
    """A running task and what it does now."""

    task: Task
    call: ToolCall | None
    """Its open tool call that began last; None where no call of it is known to be open."""
    stuck_since: int | None
    """When it was last heard of, where that is suspiciously long ago."""


@dataclass(frozen=True, slots=True)
class OpenSession:
    """An open session with its running agents."""

    row: SessionRow
    call: ToolCall | None
    """The main agent's open tool call, if it waits for anything but its agents."""
    agents: tuple[Agent, ...]
    spent: Spending | None
    """None where no source tells of model calls."""
    tokens_per_minute: float | None = None
    """Over the last ``RATE_WINDOW``, or since it began; None where no source tells of tokens."""


@dataclass(frozen=True, slots=True)
class Known:
    """A session as it was last concluded, and when (ns of the stopwatch) it may be again."""

    row: SessionRow
    session: Session
    due: int


@dataclass(frozen=True, slots=True)
class Frame:
    """What goes on at one instant."""

    at: int
    activity: Activity
    verdicts: Mapping[str, Verdict]
    spent: Mapping[str, Spending]
    """By window; without those in which no source told of a model call."""
    sessions: tuple[OpenSession, ...]
    alerts: tuple[Notification, ...]
    """Those that fire, the gravest first."""
    problems: tuple[str, ...]

    @property
    def not_shown(self) -> int:
        """Open sessions beyond those in ``sessions``."""
        return max(0, self.activity.sessions_open - len(self.sessions))


@dataclass(slots=True)
class Look:
    """Looks at the store; keeps what need not be read again."""

    config: Config
    stopwatch: Callable[[], int] = time.perf_counter_ns
    _sessions: dict[str, Known] = field(default_factory=dict)
    _slow_at: int | None = None
    _verdicts: dict[str, Verdict] = field(default_factory=dict)
    _spent: dict[str, Spending] = field(default_factory=dict)
    _alerts: tuple[Notification, ...] = ()
    _problems: tuple[str, ...] = ()

    def frame(self, now: int) -> Frame:
        """Return what goes on at ``now`` (ns). Raises StoreError where there is no store that can be read."""
        with closing(open_reader(self.config.database)) as connection:
            connection.execute("BEGIN")
            if self._slow_at is None or not 0 <= now - self._slow_at < SLOW:
                self._sum_up(connection, now)
                self._slow_at = now
            rows = queries.open_sessions(connection, SHOWN)
            known = {row.id: found for row in rows if (found := self._concluded(connection, row))}
            self._sessions = known
            activity = queries.activity(connection)
        return Frame(
            at=now,
            activity=activity,
            verdicts=self._verdicts,
            spent=self._spent,
            sessions=tuple(self._open(row, known[row.id].session, now) for row in rows if row.id in known),
            alerts=self._alerts,
            problems=self._problems,
        )

    def _concluded(self, connection: sqlite3.Connection, row: SessionRow) -> Known | None:
        known = self._sessions.get(row.id)
        began = self.stopwatch()
        if known is not None and (known.row == row or began < known.due):
            return known
        session = queries.session(connection, row.id, self.config.task_types.classify)
        ended = self.stopwatch()
        return None if session is None else Known(row, session, ended + SPARING * (ended - began))

    def _open(self, row: SessionRow, session: Session, now: int) -> OpenSession:
        newest = find_last_signs(session)
        stuck = find_silent_tasks(newest, now, self.config.stuck_minutes * 60 * SECOND)
        running = [task for task in session.tasks if task.outcome is Outcome.RUNNING]
        calls = _open_calls(session, running)
        price = self.config.prices.compute_cost
        priced = [(call, price(call)) for call in session.model_calls]
        return OpenSession(
            row,
            calls.get(None),
            tuple(
                Agent(task, calls.get(task.id), newest[task.id] if task.id in stuck else None)
                for task in running
            ),
            sum_spending(priced).whole if priced else None,
            _rate(session, now),
        )

    def _sum_up(self, connection: sqlite3.Connection, now: int) -> None:
        problems: list[str] = []
        config = self.config
        find = baselines(connection, config.hours, declared.load(config.state))
        for window, seconds in WINDOWS.items():
            sums = queries.sums(connection, now, seconds)
            self._verdicts[window] = build_verdict(window, build_mixes(sums, find))
            self._spent.pop(window, None)
            if sums.get("model_calls"):
                self._spent[window] = _spent(sums)
        try:
            told = notifications.read(config.state / "notifications.jsonl")
        except OSError as error:
            told = []
            problems.append(f"the alerts cannot be read: {error.strerror or error}")
        self._alerts = tuple(alerts(told).firing)
        self._problems = (*problems, *_problems(config, connection))


def unreadable(error: StrettoError | sqlite3.Error) -> str:
    """Return in words why there is no frame now."""
    if isinstance(error, StrettoError):
        return ": ".join(filter(None, (error.sentence(), error.hint)))
    return f"the store cannot be read now: {error}"


def document(frame: Frame) -> dict[str, Any]:
    """Return a frame as JSON: times RFC 3339 in UTC, lengths in seconds, what is unknown null."""
    activity = frame.activity
    return {
        "at": to_rfc3339(frame.at),
        "activity": {
            "sessions_open": activity.sessions_open,
            "sessions_busy": activity.sessions_busy,
            "tasks_running": activity.tasks_running,
            "last_event": _time(activity.last_event),
        },
        "verdicts": {
            window: {
                "fanouts": found.fanouts,
                "tasks": found.tasks,
                "lead": None if found.lead is None else build_comparison_document(found.lead),
                "others": [build_comparison_document(part) for part in found.parts[1:]],
            }
            for window, found in frame.verdicts.items()
        },
        "spending": {
            window: build_spending_document(frame.spent[window]) if window in frame.spent else None
            for window in frame.verdicts
        },
        "sessions": [
            {
                **build_row_document(session.row),
                "busy": session.row.busy,
                "running": session.row.running,
                "call": _call(session.call),
                "agents": [
                    {
                        "task": agent.task.id,
                        "task_type": agent.task.task_type,
                        "agent": agent.task.agent,
                        "description": agent.task.description,
                        "start": _time(agent.task.start),
                        "call": _call(agent.call),
                        "stuck_since": _time(agent.stuck_since),
                    }
                    for agent in session.agents
                ],
                "spending": None if session.spent is None else build_spending_document(session.spent),
                "tokens_per_minute": session.tokens_per_minute,
            }
            for session in frame.sessions
        ],
        "alerts": [notifications.document(alert) for alert in frame.alerts],
        "problems": list(frame.problems),
    }


def _rate(session: Session, now: int) -> float | None:
    """Return the tokens of a minute of late, None where no source tells of any."""
    if not sum_spending((call, None) for call in session.model_calls).whole.tokens:
        return None
    since = max(now - RATE_WINDOW, session.start)
    late = [call for call in session.model_calls if call.start is not None and since <= call.start <= now]
    tokens = sum(sum_spending((call, None) for call in late).whole.tokens.values())
    return tokens * MINUTE / max(now - since, SECOND)


def _open_calls(session: Session, running: list[Task]) -> dict[str | None, ToolCall]:
    """Return each agent's open call that began last; a call that waits for an agent is that agent's work."""
    delegating = {task.delegated_by for task in running} | {task.id for task in running}
    found: dict[str | None, ToolCall] = {}
    for call in session.tool_calls:
        if call.outcome is not Outcome.RUNNING or call.id in delegating:
            continue
        known = found.get(call.task)
        if known is None or (known.start or 0) <= (call.start or 0):
            found[call.task] = call
    return found


def _spent(sums: Sums) -> Spending:
    tokens: dict[str, int] = {}
    for (_, kind), count in sums.get("tokens", {}).items():
        tokens[str(kind)] = tokens.get(str(kind), 0) + count
    return Spending(
        model_calls=sum(sums["model_calls"].values()),
        tokens=tokens,
        cost=sum(sums.get("cost", {}).values()) if sums.get("priced_calls") else None,
        unpriced=sum(sums.get("unpriced_calls", {}).values()),
    )


def _problems(config: Config, connection: sqlite3.Connection) -> list[str]:
    holder = holder_of(config.state)
    found = []
    if holder is None or holder.address is None:
        found.append("no service takes in what happens now: run 'stretto up'")
    else:
        answer = get(holder.address, "/api/problems", config.token)
        try:
            found += [str(problem) for problem in json.loads(answer[1])["problems"]] if answer else []
        except (ValueError, KeyError, TypeError):
            answer = None
        if answer is None:
            found.append(f"the service at {holder.address} does not answer")
    rejects = sum(queries.rejects(connection).values())
    if rejects:
        found.append(f"{rejects} stretch(es) of input were set aside: 'stretto doctor' says why")
    return found


def _call(call: ToolCall | None) -> dict[str, Any] | None:
    return None if call is None else {"id": call.id, "tool": call.tool, "start": _time(call.start)}


def _time(at: int | None) -> str | None:
    return None if at is None else to_rfc3339(at)
