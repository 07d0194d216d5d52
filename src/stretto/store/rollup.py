"""Roll-ups: what each entity adds to the sums of its slot of time.

An addition is a pure function of the concluded entity and is made of integers, so an entity that changes is taken
out with exactly what it once added: the sums never drift, and a rebuild gives the same.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable

import msgspec

from stretto.clock import SECOND
from stretto.figures.parallel import Fanout
from stretto.figures.sketch import bucket
from stretto.model.entities import Session, Task, ToolCall
from stretto.model.event import Outcome
from stretto.model.facts import DELEGATES
from stretto.names import NONE

SLOTS = (300, 3_600)
"""Widths of the slots in seconds: the narrow ones serve windows of an hour, the wide ones longer windows."""

Addition = tuple[int, str, tuple[str | int, ...]]
"""(time in ns, measure, label values)."""

Additions = Counter[Addition]

_encode = msgspec.json.Encoder().encode
_OVER = frozenset({Outcome.SUCCESS, Outcome.FAILURE, Outcome.CANCELLED, Outcome.UNKNOWN})


def of_call(call: ToolCall) -> tuple[Addition, ...]:
    """Return what a tool call adds: nothing while it runs."""
    at = call.end if call.end is not None else call.start
    if call.outcome is Outcome.RUNNING or at is None:
        return ()
    tool = call.tool or NONE
    added: list[Addition] = [(at, "calls", (tool, call.outcome.value)), (at, "ends_expected", ())]
    if call.end is not None:
        added.append((at, "ends_seen", ()))
        if call.duration is not None and tool not in DELEGATES:
            added.append((at, "call_time", (tool, bucket(call.duration))))
        if call.overhead is not None:
            added.append((at, "overhead", (bucket(call.overhead),)))
    return tuple(added)


def of_session(session: Session, fanouts: Iterable[Fanout]) -> Additions:
    """Return what a session adds beside its tool calls."""
    added: Additions = Counter()
    for task in session.tasks:
        _add_task(added, task)
    for fanout in fanouts:
        _add_fanout(added, fanout, session.pattern or NONE)
    return added


def _add_task(added: Additions, task: Task) -> None:
    at = task.end if task.end is not None else task.start
    if task.outcome not in _OVER or at is None:
        return
    agent = task.agent or NONE
    added[at, "tasks", (task.task_type, agent, task.outcome.value)] += 1
    added[at, "ends_expected", ()] += 1
    if task.interval is not None:
        added[at, "ends_seen", ()] += 1
        added[at, "task_time", (task.task_type, bucket(task.interval.length))] += 1


def _add_fanout(added: Additions, fanout: Fanout, pattern: str) -> None:
    at = fanout.end
    added[at, "fanouts", (pattern,)] += 1
    added[at, "capacity", (pattern,)] += fanout.capacity
    added[at, "pattern_work", (pattern,)] += fanout.work
    added[at, "longest_lane", (pattern,)] += fanout.width * fanout.longest_lane
    kind = (pattern, fanout.signature)
    for task, share in zip(fanout.tasks, fanout.shares, strict=True):
        added[at, "parallel_tasks", (*kind, task.task_type)] += 1
        added[at, "parallel_work", (*kind, task.task_type)] += task.interval.length if task.interval else 0
        added[at, "parallel_elapsed", (*kind, task.task_type)] += round(share)
        added[at, "parallel_outcomes", (task.outcome.value,)] += 1


def write(connection: sqlite3.Connection, change: Additions) -> None:
    """Add a change to the sums; a sum that falls to nothing goes."""
    cells: Counter[tuple[int, int, str, str]] = Counter()
    for (at, measure, dims), value in change.items():
        if value:
            text = _encode(dims).decode()
            for width in SLOTS:
                cells[width, at // (width * SECOND), measure, text] += value
    rows = [(*cell, value) for cell, value in cells.items() if value]
    connection.executemany(
        "INSERT INTO rollup VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (width, slot, measure, dims) DO UPDATE SET value = value + excluded.value",
        rows,
    )
    gone = [row[:4] for row in rows if row[4] < 0]
    connection.executemany(
        "DELETE FROM rollup WHERE width = ? AND slot = ? AND measure = ? AND dims = ? AND value = 0", gone
    )
