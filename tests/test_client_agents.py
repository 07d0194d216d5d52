"""Warm-up agents of Claude Code 2.0: by hooks they look like agents, and are no tasks."""

from __future__ import annotations

import pytest

from stretto.model.event import Event, Kind, Outcome
from tests.scenes import at, conclude_scene


def event(kind: Kind, second: float, **values: object) -> Event:
    """Return a hook's event."""
    return Event(kind=kind, session="s", time=at(second), **values)  # type: ignore[arg-type]


def run(agent: str, kind: str, start: float, end: float) -> list[Event]:
    """Return start and end of an agent."""
    return [
        event(Kind.TASK_START, start, id=agent, name=kind),
        event(Kind.TASK_END, end, id=agent, name=kind, outcome=Outcome.SUCCESS),
    ]


SESSION = [event(Kind.SESSION_START, 0), event(Kind.TURN_START, 1, type="user"), event(Kind.TURN_END, 60)]


def test_agents_before_the_first_prompt_that_do_nothing_are_no_tasks() -> None:
    """Explore and Plan start with the session, call no tool and were asked for by no call."""
    session = conclude_scene([*SESSION, *run("a", "Explore", 0.2, 1.5), *run("b", "Plan", 0.2, 1.4)])

    assert session.tasks == ()


@pytest.mark.parametrize("case", ["within the turn", "another kind", "it works", "it was asked for"])
def test_other_agents_are_tasks(case: str) -> None:
    """An agent in a turn, of another kind, with a call of a tool or asked for by a call is a task."""
    kind = "reviewer" if case == "another kind" else "Explore"
    events = run("a", kind, 20 if case == "within the turn" else 0.2, 30)
    if case == "it works":
        events += [event(Kind.TOOL_START, 5, id="c", name="Read", parent="a")]
    if case == "it was asked for":
        events += [event(Kind.TOOL_START, 0.1, id="c", name="Task", attributes={"agent": kind})]

    assert [task.id for task in conclude_scene([*SESSION, *events]).tasks] == ["a"]
