"""Scenes: small sessions drawn by hand in round seconds, whose figures are known on paper.

Each is a picture of time: ``Drawing`` puts one stroke after another on it, and its events are what hooks
would have reported. All tests draw on the same clock, which starts at ``BEGIN``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from stretto.clock import SECOND
from stretto.model.conclude import Classify, conclude
from stretto.model.entities import Session
from stretto.model.event import Event, Kind, Outcome
from stretto.model.facts import Facts
from stretto.model.fold import apply

BEGIN = 1_767_225_600 * SECOND
"""2026-01-01T00:00:00Z, on the edge of every slot of time."""


def at(second: float) -> int:
    """Return an instant of the scenes' clock in nanoseconds since the epoch."""
    return BEGIN + round(second * SECOND)


def by_description(description: str | None, agent: str | None, _command: str | None) -> str:
    """Classify a task as its description says: scenes name their types."""
    return description or agent or "other"


@dataclass(slots=True)
class Drawing:
    """A session under the pencil; every stroke returns the drawing."""

    session: str = "scene"
    events: list[Event] = field(default_factory=list)

    def stroke(self, kind: Kind, second: float, **rest: Any) -> Drawing:
        """Add one event."""
        self.events.append(Event(kind=kind, session=self.session, time=at(second), **rest))
        return self

    def opens(self, second: float = 0, **attributes: Any) -> Drawing:
        """Start the session."""
        return self.stroke(Kind.SESSION_START, second, attributes=attributes)

    def ends(self, second: float) -> Drawing:
        """End the session."""
        return self.stroke(Kind.SESSION_END, second)

    def prompt(
        self, second: float, prompt: str | None = "p1", *, by: str = "user", **attributes: Any
    ) -> Drawing:
        """Start a turn."""
        return self.stroke(Kind.TURN_START, second, id=prompt, type=by, attributes=attributes)

    def stop(
        self,
        second: float,
        prompt: str | None = "p1",
        *,
        outcome: Outcome = Outcome.SUCCESS,
        running: list[str] | None = None,
    ) -> Drawing:
        """End a turn, telling which agents still run where that is given."""
        attributes = {} if running is None else {"running": running}
        return self.stroke(Kind.TURN_END, second, id=prompt, outcome=outcome, attributes=attributes)

    def call(
        self,
        name: str,
        start: float | None,
        end: float | None = None,
        *,
        tool: str = "Bash",
        parent: str | None = None,
        took: float | None = None,
        outcome: Outcome = Outcome.SUCCESS,
        **attributes: Any,
    ) -> Drawing:
        """Draw a tool call; an edge that is None is never reported. ``took`` is what the source measured."""
        same: dict[str, Any] = {"id": name, "name": tool, "parent": parent}
        if start is not None:
            self.stroke(Kind.TOOL_START, start, **same)
        if end is not None:
            duration = None if took is None else round(took * SECOND)
            self.stroke(Kind.TOOL_END, end, duration=duration, outcome=outcome, attributes=attributes, **same)
        return self

    def order(
        self, name: str, second: float, about: str = "", *, agent: str = "worker", parent: str | None = None
    ) -> Drawing:
        """Let the main agent or a task call for an agent."""
        attributes = {"agent": agent, "description": about} if about else {"agent": agent}
        return self.stroke(
            Kind.TOOL_START, second, id=name, name="Agent", parent=parent, attributes=attributes
        )

    def answer(
        self,
        name: str,
        second: float,
        agent_id: str | None,
        *,
        status: str = "completed",
        outcome: Outcome = Outcome.SUCCESS,
        parent: str | None = None,
    ) -> Drawing:
        """Let the call for an agent return."""
        attributes = {"status": status} | ({} if agent_id is None else {"task": agent_id})
        return self.stroke(
            Kind.TOOL_END,
            second,
            id=name,
            name="Agent",
            parent=parent,
            outcome=outcome,
            attributes=attributes,
        )

    def run(
        self, agent_id: str, start: float | None, end: float | None = None, *, agent: str = "worker"
    ) -> Drawing:
        """Draw one run of an agent; an edge that is None is never reported."""
        if start is not None:
            self.stroke(Kind.TASK_START, start, id=agent_id, name=agent)
        if end is not None:
            self.stroke(Kind.TASK_END, end, id=agent_id, name=agent, outcome=Outcome.SUCCESS)
        return self

    def task(
        self, agent_id: str, start: float, end: float, about: str, *, parent: str | None = None
    ) -> Drawing:
        """Draw a task that its caller waits for: order, run, answer."""
        self.order(f"call-{agent_id}", start, about, parent=parent)
        self.run(agent_id, start, end)
        return self.answer(f"call-{agent_id}", end, agent_id, parent=parent)


def folded(events: Iterable[Event]) -> Facts:
    """Return what is known after the events of one session, merged one by one."""
    facts: Facts | None = None
    for event in events:
        facts = facts or Facts(event.session)
        apply(facts, [event])
    if facts is None:
        raise AssertionError("a scene without events")
    return facts


def concluded(events: Iterable[Event], *, lost: bool = False, classify: Classify = by_description) -> Session:
    """Return the session that the events give."""
    return conclude(folded(events), lost=lost, classify=classify)


def framed(drawing: Drawing, until: float, command: str | None = None) -> Drawing:
    """Put a session and one turn around what is drawn; ``command`` names its pattern."""
    attributes = {"command": command} if command else {}
    return drawing.opens().prompt(0, **attributes).stop(until).ends(until)


def fork_join(session: str = "fork-join") -> Drawing:
    """Draw three tasks of 30 s side by side: nothing is lost.

    ::

        a  ##############################
        b  ##############################
        c  ##############################
           10                            40
    """
    drawing = Drawing(session)
    for name in "abc":
        drawing.task(f"{session}-{name}", 10, 40, "review")
    return framed(drawing, 50)


def straggler(session: str = "straggler", command: str | None = "release") -> Drawing:
    """Draw three tasks, the last one late and long; docs/figures.md works out its figures.

    ::

        architecture   ####################                                          0 - 20
        prd            ##############################                                0 - 30
        test_strategy       #######################################################  5 - 60
    """
    drawing = Drawing(session)
    drawing.task(f"{session}-a", 0, 20, "architecture")
    drawing.task(f"{session}-b", 0, 30, "prd")
    drawing.task(f"{session}-c", 5, 60, "test_strategy")
    return framed(drawing, 60, command)


def one_by_one(session: str = "one-by-one", command: str | None = "release") -> Drawing:
    """Draw the straggler's tasks one after another: 18, 32 and 50 s of work, 5 and 15 s between them."""
    drawing = Drawing(session)
    drawing.task(f"{session}-a", 0, 18, "architecture")
    drawing.task(f"{session}-b", 23, 55, "prd")
    drawing.task(f"{session}-c", 70, 120, "test_strategy")
    return framed(drawing, 120, command)


def nested(session: str = "nested") -> Drawing:
    """Draw one task that itself delegates two that overlap.

    ::

        outer  ####################################################   0 - 100
        left        ###############                                  10 -  40
        right            ###############                             20 -  50
    """
    drawing = Drawing(session).task("outer", 0, 100, "plan")
    drawing.task("left", 10, 40, "review", parent="outer").task("right", 20, 50, "review", parent="outer")
    return framed(drawing, 110)


def background(session: str = "background") -> Drawing:
    """Draw two agents that are launched and not waited for, and the host's notices of how they ended.

    The calls return at once; the first stop names both agents as running; each end is the agent's own; the
    host's prompts say that the first completed and the second failed.
    """
    drawing = Drawing(session).opens().prompt(0)
    drawing.order("call-x", 1, "review").answer("call-x", 2, "x", status="async_launched").run("x", 2, 22)
    drawing.order("call-y", 3, "testing").answer("call-y", 4, "y", status="async_launched").run("y", 4, 34)
    drawing.stop(5, running=["x", "y"])
    drawing.prompt(23, "p2", by="host", task="x", task_status="completed", delegated_by="call-x")
    drawing.stop(24, "p2", running=["y"])
    drawing.prompt(35, "p3", by="host", task="y", task_status="failed", delegated_by="call-y")
    return drawing.stop(36, "p3", running=[]).ends(40)


def orchestrated(session: str = "orchestrated") -> Drawing:
    """Draw an orchestrator's session: two phases, two tasks in the first, messages, hooks and judgements.

    ::

        analysis  ##############################              0 - 30
          left      ####################                      2 - 22
          right     ##########################                2 - 28
        report                                  ##########   30 - 40

    ``right`` is judged twice by the same judge, and the session a day after it has ended.
    """
    drawing = Drawing(session).opens(0, pattern="fan-out").run("left", 2, 22).run("right", 2, 28)
    for phase, start, end in (("analysis", 0, 30), ("report", 30, 40)):
        drawing.stroke(Kind.PHASE_START, start, id=f"phase-{phase}", name=phase)
        drawing.stroke(Kind.PHASE_END, end, id=f"phase-{phase}", name=phase, outcome=Outcome.SUCCESS)
    for number, second in enumerate((5, 12), 1):
        drawing.stroke(
            Kind.MESSAGE,
            second,
            id=f"m{number}",
            name="left",
            duration=number * SECOND,
            outcome=Outcome.SUCCESS,
            attributes={"sender": "lead"},
        )
    drawing.stroke(Kind.HOOKS_RUN, 3, id="h1", name="PreToolUse", parent="left", duration=SECOND // 4)
    for second, of, id, name, value in (
        (23, "task", "right", "quality", 4.0),
        (29, "task", "right", "quality", 8.0),
        (31, "phase", "phase-analysis", "coverage", 0.5),
        (86_400, "session", session, "satisfaction", 9.0),
    ):
        drawing.stroke(
            Kind.SCORE, second, id=id, name=name, attributes={"of": of, "value": value, "by": "lead"}
        )
    return drawing.ends(40)
