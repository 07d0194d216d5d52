"""Schedules: sessions at random on a short clock, so that their stretches meet, nest and touch."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from stretto.model.entities import (
    HooksRun,
    ModelCall,
    PermissionRequest,
    Session,
    Task,
    ToolCall,
    Turn,
)
from stretto.model.event import Outcome

END = 60
EDGE = st.integers(0, END)


def session(until: int = END, **rest: Any) -> Session:
    """Return a session [0, until) that is over, with what is given."""
    whole: dict[str, Any] = {
        "id": "s", "source": "test", "project": None, "pattern": None, "traceparent": None,
        "recording": False, "start": 0, "end": until, "last": until, "outcome": Outcome.SUCCESS,
        "turns": (), "tasks": (), "tool_calls": (), "model_calls": (),
    }  # fmt: skip
    return Session(**{**whole, **rest})


def task(name: str, start: int | None, end: int | None, parent: str | None = None, **rest: Any) -> Task:
    """Return a task; without an end it runs, unless the outcome says otherwise."""
    outcome = rest.get("outcome", Outcome.RUNNING if end is None else Outcome.SUCCESS)
    return Task(
        name, rest.get("type", "review"), rest.get("agent", name), None, parent, None, start, end, outcome
    )


def call(name: str, start: int, end: int, took: int | None = None, **rest: Any) -> ToolCall:
    """Return a tool call; ``took`` is what was measured of its execution."""
    measured = took is not None and took != end - start
    overhead = end - start - took if took is not None and measured and rest.get("overhead") else None
    return ToolCall(
        id=name,
        tool=rest.get("tool", "Bash"),
        task=rest.get("task"),
        start=start,
        end=end,
        duration=end - start if took is None else took,
        overhead=overhead,
        outcome=Outcome.SUCCESS,
    )


@st.composite
def tasks_at_random(draw: st.DrawFn, *, sound: bool = False) -> tuple[Task, ...]:
    """Draw tasks under one another; unless ``sound``, some without edges, outliving or above themselves."""
    found: list[Task] = []
    for number in range(draw(st.integers(0, 8))):
        known = [task for task in found if task.interval is not None and task.interval.length > 1]
        above = draw(st.none() | st.sampled_from(known)) if known else None
        if sound and above is not None and above.interval is not None:
            start = draw(st.integers(above.interval.start, above.interval.end - 1))
            end = draw(st.integers(start + 1, above.interval.end))
        else:
            start = draw(st.integers(0, END - 1))
            end = draw(st.integers(start + 1, END))
        parent = above.id if above else None
        if not sound and draw(st.integers(0, 9)) == 0:
            parent = draw(st.sampled_from([str(other) for other in range(number + 2)]))
        lost = not sound and draw(st.integers(0, 9)) == 0
        kind, agent = draw(st.sampled_from(["review", "testing"])), draw(st.sampled_from(["a", "b", None]))
        found.append(
            task(
                str(number),
                start,
                None if lost else end,
                parent,
                type=kind,
                agent=agent,
                outcome=Outcome.UNKNOWN if lost else Outcome.SUCCESS,
            )
        )
    return tuple(sorted(found, key=lambda task: (task.start or 0, task.id)))


@st.composite
def sessions_at_random(draw: st.DrawFn, *, sound: bool = False) -> Session:
    """Draw a session with tasks, calls, requests, hooks, model calls and turns, whatever may meet."""
    tasks = draw(tasks_at_random(sound=sound))
    owners = st.sampled_from([None, None, *(task.id for task in tasks)])
    calls = []
    for number in range(draw(st.integers(0, 6))):
        start = draw(EDGE)
        length = draw(st.integers(0, 12))
        took = draw(st.none() | st.integers(0, length))
        tool, overhead = draw(st.sampled_from(["Bash", "Read", "Agent"])), draw(st.booleans())
        calls.append(
            call(f"c{number}", start, start + length, took, task=draw(owners), tool=tool, overhead=overhead)
        )
    models = tuple(
        ModelCall(f"m{number}", "model", draw(owners), draw(EDGE), draw(st.integers(0, 9)), Outcome.SUCCESS)
        for number in range(draw(st.integers(0, 3)))
    )
    turns = tuple(
        Turn(
            f"p{number}",
            draw(st.sampled_from(["user", "host"])),
            start := draw(EDGE),
            draw(st.none() | st.integers(start, END)),
            Outcome.SUCCESS,
        )
        for number in range(draw(st.integers(0, 3)))
    )
    requests = tuple(
        PermissionRequest(draw(EDGE), draw(owners), draw(st.sampled_from(["Bash", "Read"])))
        for _ in range(draw(st.integers(0, 3)))
    )
    hooks = tuple(
        HooksRun(f"h{number}", "Stop", draw(owners), draw(EDGE), draw(st.integers(0, 5)))
        for number in range(draw(st.integers(0, 2)))
    )
    return session(
        draw(st.integers(30, END)),
        tasks=tasks,
        tool_calls=tuple(calls),
        model_calls=models,
        turns=tuple(sorted(turns, key=lambda turn: (turn.start, turn.id))),
        permissions=requests,
        hooks_run=hooks,
        ends=tuple(sorted(draw(st.sets(EDGE, max_size=2)))),
    )
