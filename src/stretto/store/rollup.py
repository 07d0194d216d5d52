"""Roll-ups: what each entity adds to the sums of its slot of time.

An addition is a pure function of the concluded entity and is made of integers, so an entity that changes is
taken out with exactly what it once added: the sums never drift, and a rebuild gives the same.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

import msgspec

from stretto.clock import SECOND
from stretto.figures.parallel import Fanout
from stretto.figures.sketch import bucket
from stretto.model.entities import Session, Task, ToolCall
from stretto.model.event import Outcome
from stretto.model.facts import DELEGATES
from stretto.names import NONE

SLOTS = (300, 3_600)
"""Widths of the slots in seconds: the narrow ones serve windows of an hour, the wide ones longer windows.

Each is a multiple of the first, so the first one's number tells all of them.
"""

Addition = tuple[int, str, tuple[str | int, ...]]
"""(number of the narrowest slot, measure, label values)."""

Additions = Counter[Addition]

_encode = msgspec.json.Encoder().encode
_OVER = frozenset({Outcome.SUCCESS, Outcome.FAILURE, Outcome.CANCELLED, Outcome.UNKNOWN})


def slot_of(time: int) -> int:
    """Return the number of the narrowest slot that an instant (ns) falls into."""
    return time // (SLOTS[0] * SECOND)


def of_call(call: ToolCall) -> tuple[Addition, ...]:
    """Return what a tool call adds: nothing while it runs."""
    at = call.end if call.end is not None else call.start
    if call.outcome is Outcome.RUNNING or at is None:
        return ()
    tool = call.tool or NONE
    duration = None if call.duration is None or tool in DELEGATES else bucket(call.duration)
    overhead = None if call.overhead is None else bucket(call.overhead)
    outcome = call.outcome if call.end is not None else None
    return _of_call(slot_of(at), tool, outcome, duration, overhead)


@lru_cache(maxsize=2_048)
def _of_call(
    slot: int, tool: str, outcome: Outcome | None, duration: int | None, overhead: int | None
) -> tuple[Addition, ...]:
    # Calls of one slot resemble each other: those that add the same share one tuple in memory. As time
    # goes on few are enough, and a larger cache was slower: it drives other things out of the processor's.
    added: list[Addition] = [
        (slot, "calls", (tool, (outcome or Outcome.UNKNOWN).value)),
        (slot, "ends_expected", ()),
    ]
    if outcome is not None:
        added.append((slot, "ends_seen", ()))
    if duration is not None:
        added.append((slot, "call_time", (tool, duration)))
    if overhead is not None:
        added.append((slot, "overhead", (overhead,)))
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
    slot, agent = slot_of(at), task.agent or NONE
    added[slot, "tasks", (task.task_type, agent, task.outcome.value)] += 1
    added[slot, "ends_expected", ()] += 1
    if task.end is not None:
        added[slot, "ends_seen", ()] += 1
    if task.interval is not None:
        length = bucket(task.interval.length)
        added[slot, "task_time", (task.task_type, length)] += 1
        added[slot, "agent_time", (agent, length)] += 1


def _add_fanout(added: Additions, fanout: Fanout, pattern: str) -> None:
    slot = slot_of(fanout.end)
    added[slot, "fanouts", (pattern,)] += 1
    added[slot, "capacity", (pattern,)] += fanout.capacity
    added[slot, "pattern_work", (pattern,)] += fanout.work
    added[slot, "longest_lane", (pattern,)] += fanout.width * fanout.longest_lane
    kind = (pattern, fanout.signature)
    for task, share in zip(fanout.tasks, fanout.shares, strict=True):
        added[slot, "parallel_tasks", (*kind, task.task_type)] += 1
        added[slot, "parallel_work", (*kind, task.task_type)] += task.interval.length if task.interval else 0
        added[slot, "parallel_elapsed", (*kind, task.task_type)] += round(share)
        added[slot, "parallel_outcomes", (task.outcome.value,)] += 1


def write(connection: sqlite3.Connection, change: Additions) -> None:
    """Add a change to the sums; a sum that falls to nothing goes."""
    cells: Counter[tuple[int, int, str, str]] = Counter()
    for (slot, measure, dims), value in change.items():
        if value:
            text = _encode(dims).decode()
            for width in SLOTS:
                cells[width, slot * SLOTS[0] // width, measure, text] += value
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
