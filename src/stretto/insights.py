"""Insights: one session worked out whole, the document of ``show --json`` and ``/api/sessions/<id>``."""

from __future__ import annotations

import sqlite3
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from stretto.clock import SECOND, rfc3339
from stretto.figures.parallel import Fanout, Hours, Sequential, fanouts, sequential
from stretto.model.conclude import Classify
from stretto.model.entities import ModelCall, Session, Task, Tokens, ToolCall
from stretto.model.event import Outcome
from stretto.names import NONE
from stretto.store import queries
from stretto.store.queries import SessionRow


@dataclass(frozen=True, slots=True)
class Insight:
    """A session with its fan-outs and the sequential time each is held against."""

    session: Session
    fanouts: tuple[tuple[Fanout, Sequential], ...]
    absent: dict[str, str]
    """Figure → why there is none."""


def insight(connection: sqlite3.Connection, id: str, classify: Classify, hours: Hours) -> Insight | None:
    """Work out one session, or None where it is unknown."""
    session = queries.session(connection, id, classify)
    if session is None:
        return None
    found = []
    for fanout in fanouts(session.tasks):
        measured = queries.measured(connection, session.pattern or NONE, fanout.signature)
        found.append((fanout, sequential(fanout, measured, hours)))
    return Insight(session, tuple(found), _absent(session, bool(found)))


def session_document(insight: Insight) -> dict[str, Any]:
    """Return the session as JSON: times RFC 3339 in UTC, lengths in seconds, what is unknown null."""
    session = insight.session
    calls_of = Counter(call.task for call in session.tool_calls)
    return {
        "id": session.id,
        "source": session.source,
        "project": session.project,
        "pattern": session.pattern,
        "recording": session.recording,
        "start": rfc3339(session.start),
        "end": _time(session.end),
        "last": rfc3339(session.last),
        "elapsed_seconds": _seconds((session.end or session.last) - session.start),
        "outcome": session.outcome.value,
        "turns": [
            {
                "id": turn.id,
                "origin": turn.origin,
                "start": rfc3339(turn.start),
                "end": _time(turn.end),
                "seconds": _seconds(None if turn.end is None else turn.end - turn.start),
                "outcome": turn.outcome.value,
            }
            for turn in session.turns
        ],
        "tasks": [_task(task, calls_of[task.id]) for task in session.tasks],
        "tool_calls": [_call(call) for call in session.tool_calls],
        "model_calls": [_model_call(call) for call in session.model_calls],
        "tokens": _tokens(session),
        **_told_besides(session),
        "fanouts": [_fanout(fanout, held_against) for fanout, held_against in insight.fanouts],
        "absent": insight.absent,
    }


def row_document(row: SessionRow) -> dict[str, Any]:
    """Return one row of ``/api/sessions`` and ``sessions --json``."""
    return {
        "id": row.id,
        "source": row.source,
        "project": row.project,
        "pattern": row.pattern,
        "recording": row.recording,
        "start": rfc3339(row.start),
        "end": _time(row.end),
        "last": rfc3339(row.last),
        "elapsed_seconds": _seconds((row.end or row.last) - row.start),
        "outcome": row.outcome.value,
        "turns": row.turns,
        "tasks": row.tasks,
        "tool_calls": row.tool_calls,
        "fanouts": row.fanouts,
    }


def _task(task: Task, calls: int) -> dict[str, Any]:
    interval = task.interval
    return {
        "id": task.id,
        "task_type": task.task_type,
        "agent": task.agent,
        "description": task.description,
        "phase": task.phase,
        "parent": task.parent,
        "start": _time(task.start),
        "end": _time(task.end),
        "seconds": _seconds(interval.length if interval else None),
        "outcome": task.outcome.value,
        "tool_calls": calls,
    }


def _call(call: ToolCall) -> dict[str, Any]:
    return {
        "id": call.id,
        "tool": call.tool,
        "task": call.task,
        "start": _time(call.start),
        "seconds": _seconds(call.duration),
        "overhead_seconds": _seconds(call.overhead),
        "outcome": call.outcome.value,
    }


def _model_call(call: ModelCall) -> dict[str, Any]:
    return {
        "id": call.id,
        "model": call.model,
        "task": call.task,
        "start": _time(call.start),
        "seconds": _seconds(call.duration),
        "outcome": call.outcome.value,
        "tokens": asdict(call.tokens),
    }


def _told_besides(session: Session) -> dict[str, list[dict[str, Any]]]:
    """Return what nothing hangs on: phases, messages, scores, and the hooks that the agent timed itself."""
    return {
        "phases": [
            {
                "id": phase.id,
                "name": phase.name,
                "start": _time(phase.start),
                "end": _time(phase.end),
                "seconds": _seconds(phase.interval.length if phase.interval else None),
                "outcome": phase.outcome.value,
            }
            for phase in session.phases
        ],
        "messages": [
            {
                "id": message.id,
                "sender": message.sender,
                "receiver": message.receiver,
                "task": message.task,
                "time": rfc3339(message.time),
                "response_seconds": _seconds(message.response),
                "outcome": message.outcome.value,
            }
            for message in session.messages
        ],
        "scores": [
            {
                "of": score.of,
                "of_id": score.of_id,
                "name": score.name,
                "value": score.value,
                "by": score.by,
                "time": rfc3339(score.time),
            }
            for score in session.scores
        ],
        "hooks_run": [
            {
                "event": run.event,
                "task": run.task,
                "start": rfc3339(run.start),
                "seconds": _seconds(run.duration),
            }
            for run in session.hooks_run
        ],
    }


def _tokens(session: Session) -> dict[str, int] | None:
    """Return what all model calls used together, or None where no source told."""
    used = [asdict(call.tokens) for call in session.model_calls]
    if not any(count is not None for tokens in used for count in tokens.values()):
        return None
    return {name: sum(tokens[name] or 0 for tokens in used) for name in asdict(Tokens())}


def _fanout(fanout: Fanout, held_against: Sequential) -> dict[str, Any]:
    saved = held_against.length - fanout.elapsed
    return {
        "tasks": [task.id for task in fanout.tasks],
        "parent": fanout.parent,
        "start": rfc3339(fanout.start),
        "end": rfc3339(fanout.end),
        "width": fanout.width,
        "work_seconds": _seconds(fanout.work),
        "elapsed_seconds": _seconds(fanout.elapsed),
        "sequential_seconds": _seconds(held_against.length),
        "baseline": held_against.provenance.value,
        "speedup": held_against.length / fanout.elapsed,
        "improvement": saved / held_against.length if held_against.length else None,
        "time_saved_seconds": _seconds(saved),
        "efficiency": fanout.efficiency,
        "load_balance": fanout.load_balance,
        "concurrency": fanout.concurrency,
    }


def _absent(session: Session, parallel: bool) -> dict[str, str]:
    absent: dict[str, str] = {}
    unfinished = sum(task.outcome is Outcome.RUNNING for task in session.tasks)
    over = [task for task in session.tasks if task.outcome is not Outcome.RUNNING]
    if not parallel:
        if not session.tasks:
            absent["fanouts"] = "no task was delegated"
        elif unfinished:
            absent["fanouts"] = f"{unfinished} task(s) still running"
        else:
            absent["fanouts"] = "no two tasks with known ends overlapped"
    calls = [call for call in session.tool_calls if call.outcome is not Outcome.RUNNING]
    for name, what, parts in (
        ("tasks.seconds", "task(s)", [(task.start, task.end) for task in over]),
        ("tool_calls.seconds", "tool call(s)", [(c.start, c.end) for c in calls if c.duration is None]),
    ):
        reasons = _missing_edges(what, parts)
        if reasons:
            absent[name] = reasons
    if session.end is None:
        absent["end"] = (
            "still running" if session.outcome is Outcome.RUNNING else "the session's end was never seen"
        )
    if not session.model_calls:
        absent["model_calls"] = "no source told of model calls; hooks do not"
    return absent


def _missing_edges(what: str, parts: list[tuple[int | None, int | None]]) -> str:
    no_end = sum(end is None for _, end in parts)
    no_start = sum(start is None and end is not None for start, end in parts)
    counts = (("end", no_end), ("start", no_start))
    return "; ".join(f"the {edge} of {count} {what} was never seen" for edge, count in counts if count)


def _time(at: int | None) -> str | None:
    return None if at is None else rfc3339(at)


def _seconds(length: float | None) -> float | None:
    return None if length is None else length / SECOND
