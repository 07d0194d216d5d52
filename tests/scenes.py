"""Scenes: small sessions drawn by hand in round seconds, whose figures are computed on paper.

A scene is a picture of time. Each stroke of a ``Drawing`` adds the events that hooks would have reported. All
tests draw on the same clock, which starts at ``BEGIN``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from msgspec import structs

from stretto.clock import SECOND
from stretto.model.conclude_session import conclude_session
from stretto.model.conclude_tasks import Classify
from stretto.model.entities import Session
from stretto.model.event import Channel, Event, Kind, Outcome
from stretto.model.facts import SessionFacts
from stretto.model.fold import fold_events

PROJECT = "shop"
"""The project of the scenes that follow a pattern."""

BEGIN = 1_767_225_600 * SECOND
"""2026-01-01T00:00:00Z, on the edge of every slot of time."""


def at(second: float) -> int:
    """Return an instant of the scenes' clock in nanoseconds since the epoch."""
    return BEGIN + round(second * SECOND)


def by_description(description: str | None, agent: str | None) -> str:
    """Return a task's type: its description in scenes."""
    return description or agent or "other"


@dataclass(slots=True)
class Drawing:
    """A session being drawn; every stroke returns the drawing."""

    session: str = "scene"
    events: list[Event] = field(default_factory=list)

    def stroke(self, kind: Kind, second: float, **rest: Any) -> Drawing:
        """Add an event."""
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
        """End a turn; ``running`` names the agents that still run."""
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
        """Draw a tool call; an edge that is None is never reported. ``took`` is the measured duration."""
        same: dict[str, Any] = {"id": name, "name": tool, "parent": parent}
        if start is not None:
            self.stroke(Kind.TOOL_START, start, **same)
        if end is not None:
            duration = None if took is None else round(took * SECOND)
            self.stroke(Kind.TOOL_END, end, duration=duration, outcome=outcome, attributes=attributes, **same)
        return self

    def model(
        self,
        name: str,
        start: float,
        *,
        model: str = "claude-sonnet-4-5",
        parent: str | None = None,
        took: float | None = None,
        **attributes: Any,
    ) -> Drawing:
        """Draw a report on a model call: its use so far, and its other ids."""
        duration = None if took is None else round(took * SECOND)
        return self.stroke(
            Kind.MODEL_CALL,
            start,
            id=name,
            name=model,
            parent=parent,
            duration=duration,
            outcome=Outcome.SUCCESS,
            attributes=attributes,
        )

    def cached(self, second: float, name: str, **counts: int) -> Drawing:
        """Draw a report on a cache."""
        return self.stroke(Kind.CACHE_REPORT, second, name=name, attributes=counts)

    def staged(self, name: str, start: float, end: float | None) -> Drawing:
        """Draw a phase; it still runs if its end is None."""
        self.stroke(Kind.PHASE_START, start, id=f"phase-{name}", name=name)
        if end is not None:
            self.stroke(Kind.PHASE_END, end, id=f"phase-{name}", name=name, outcome=Outcome.SUCCESS)
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
        **attributes: Any,
    ) -> Drawing:
        """Let the call for an agent return."""
        attributes |= {"status": status} | ({} if agent_id is None else {"task": agent_id})
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
        """Draw a run of an agent; an edge that is None is never reported."""
        if start is not None:
            self.stroke(Kind.TASK_START, start, id=agent_id, name=agent)
        if end is not None:
            self.stroke(Kind.TASK_END, end, id=agent_id, name=agent, outcome=Outcome.SUCCESS)
        return self

    def task(
        self,
        agent_id: str,
        start: float,
        end: float,
        about: str,
        *,
        parent: str | None = None,
        outcome: Outcome = Outcome.SUCCESS,
        agent: str = "worker",
    ) -> Drawing:
        """Draw a task that its caller waits for: order, run, answer."""
        self.order(f"call-{agent_id}", start, about, agent=agent, parent=parent)
        self.run(agent_id, start, end, agent=agent)
        return self.answer(f"call-{agent_id}", end, agent_id, parent=parent, outcome=outcome)

    def phase(
        self, name: str, start: float, end: float | None, *, outcome: Outcome = Outcome.SUCCESS
    ) -> Drawing:
        """Draw a phase; an end that is None is never reported."""
        self.stroke(Kind.PHASE_START, start, id=name, name=name)
        return self if end is None else self.stroke(Kind.PHASE_END, end, id=name, name=name, outcome=outcome)

    def message(
        self,
        name: str,
        second: float,
        receiver: str,
        *,
        answered: float | None = None,
        outcome: Outcome | None = None,
    ) -> Drawing:
        """Draw a message; ``answered`` is how long its answer took."""
        duration = None if answered is None else round(answered * SECOND)
        return self.stroke(Kind.MESSAGE, second, id=name, name=receiver, duration=duration, outcome=outcome)

    def score(
        self,
        name: str,
        value: float,
        second: float,
        *,
        of: str = "session",
        id: str | None = None,
        by: str = "judge",
    ) -> Drawing:
        """Judge the session, a phase or a task."""
        return self.stroke(
            Kind.SCORE, second, id=id, name=name, attributes={"value": value, "of": of, "by": by}
        )

    def sample(self, second: float, length: float, **amounts: int) -> Drawing:
        """Report the use of the session's processes, as the service does: nanoseconds and bytes."""
        return self.stroke(
            Kind.SAMPLE,
            second,
            duration=round(length * SECOND),
            source="stretto",
            channel=Channel.API,
            attributes=amounts,
        )


def fold_scene(events: Iterable[Event]) -> SessionFacts:
    """Return the facts of a session after its events, merged in order."""
    facts: SessionFacts | None = None
    for event in events:
        facts = facts or SessionFacts(event.session)
        fold_events(facts, [event])
    if facts is None:
        raise AssertionError("a scene without events")
    return facts


def conclude_scene(
    events: Iterable[Event], *, lost: bool = False, classify: Classify = by_description
) -> Session:
    """Return the session that the events give."""
    return conclude_session(fold_scene(events), lost=lost, classify=classify)


def frame_drawing(drawing: Drawing, until: float, command: str | None = None) -> Drawing:
    """Put a session and a turn around a drawing; ``command`` names its pattern, and gives it a project."""
    if not command:
        return drawing.opens().prompt(0).stop(until).ends(until)
    return drawing.opens(project=PROJECT).prompt(0, command=command).stop(until).ends(until)


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
    return frame_drawing(drawing, 50)


def straggler(session: str = "straggler", command: str | None = "release") -> Drawing:
    """Draw three tasks, the last of them late and long; docs/figures.md has its figures.

    ::

        architecture   ####################                                          0 - 20
        prd            ##############################                                0 - 30
        test_strategy       #######################################################  5 - 60
    """
    drawing = Drawing(session)
    drawing.task(f"{session}-a", 0, 20, "architecture")
    drawing.task(f"{session}-b", 0, 30, "prd")
    drawing.task(f"{session}-c", 5, 60, "test_strategy")
    return frame_drawing(drawing, 60, command)


def one_by_one(session: str = "one-by-one", command: str | None = "release") -> Drawing:
    """Draw the straggler's tasks one after another: 18, 32 and 50 s of work, 5 and 15 s between them."""
    drawing = Drawing(session)
    drawing.task(f"{session}-a", 0, 18, "architecture")
    drawing.task(f"{session}-b", 23, 55, "prd")
    drawing.task(f"{session}-c", 70, 120, "test_strategy")
    return frame_drawing(drawing, 120, command)


def earlier_runs(sessions: int = 2, command: str | None = "release") -> list[Event]:
    """Draw the straggler's tasks one after another in sessions of 20 days before the other scenes.

    With ``one_by_one`` two of them are enough for a measured baseline, and no window has them.
    """
    begin = -20 * 86_400
    return [
        structs.replace(event, time=event.time + begin * SECOND)
        for number in range(sessions)
        for event in one_by_one(f"earlier-{number}", command).events
    ]


def nested(session: str = "nested") -> Drawing:
    """Draw a task that delegates two tasks, which overlap.

    ::

        outer  ####################################################   0 - 100
        left        ###############                                  10 -  40
        right            ###############                             20 -  50
    """
    drawing = Drawing(session).task("outer", 0, 100, "plan")
    drawing.task("left", 10, 40, "review", parent="outer").task("right", 20, 50, "review", parent="outer")
    return frame_drawing(drawing, 110)


def paid(session: str = "paid", command: str | None = "release", cost: float | None = 0.5) -> Drawing:
    """Draw the straggler with the use of its tasks: 100, 200 (in two calls) and 300 tokens.

    ``cost`` is the reported cost of each of the four model calls, in US dollars.
    """
    drawing = straggler(session, command)
    for name, second, tokens in (("a", 1, 100), ("b", 2, 150), ("b", 9, 50), ("c", 6, 300)):
        used: dict[str, Any] = {"input_tokens": tokens - 10, "output_tokens": 10}
        drawing.stroke(
            Kind.MODEL_CALL,
            second,
            id=f"model-{session}-{name}-{second}",
            parent=f"{session}-{name}",
            name="a-model",
            outcome=Outcome.SUCCESS,
            attributes=used if cost is None else {**used, "cost_usd": cost},
        )
    return drawing


def wasteful(session: str = "wasteful", command: str | None = "release") -> Drawing:
    """Draw four tasks of which two deliver; docs/figures.md has its figures.

    ::

        review     xxxxxxxxxx    ################             10 - 20 fails, 24 - 40 delivers the same
        testing    ##########################                 10 - 36
        planning   xxxxxxxxxxxxxxxxxxxx                       10 - 30 cancelled
    """
    drawing = Drawing(session)
    drawing.task(f"{session}-a", 10, 20, "review", outcome=Outcome.FAILURE)
    drawing.task(f"{session}-b", 10, 36, "testing")
    drawing.task(f"{session}-c", 10, 30, "planning", outcome=Outcome.CANCELLED)
    drawing.task(f"{session}-d", 24, 40, "review")
    for name, second, tokens in (("a", 11, 100), ("b", 11, 200), ("c", 12, 300), ("d", 25, 400)):
        used: dict[str, Any] = {"input_tokens": tokens - 10, "output_tokens": 10, "cost_usd": tokens / 1000}
        drawing.model(f"model-{session}-{name}", second, model="a-model", parent=f"{session}-{name}", **used)
    return frame_drawing(drawing, 50, command)


def background(session: str = "background") -> Drawing:
    """Draw two agents that are launched and not waited for, and the host's notices of how they ended.

    The calls return at once; the first stop names both agents as running; each agent reports its end; the
    host's prompts report that the first completed and the second failed.
    """
    drawing = Drawing(session).opens().prompt(0)
    drawing.order("call-x", 1, "review").answer("call-x", 2, "x", status="async_launched").run("x", 2, 22)
    drawing.order("call-y", 3, "testing").answer("call-y", 4, "y", status="async_launched").run("y", 4, 34)
    drawing.stop(5, running=["x", "y"])
    drawing.prompt(23, "p2", by="host", task="x", task_status="completed", delegated_by="call-x")
    drawing.stop(24, "p2", running=["y"])
    drawing.prompt(35, "p3", by="host", task="y", task_status="failed", delegated_by="call-y")
    return drawing.stop(36, "p3", running=[]).ends(40)


def idle_tail(session: str = "idle-tail") -> Drawing:
    """Draw two turns of the main agent alone, a person's pauses, hooks, a model call, and a long tail.

    ::

        turn 1  model 0-2, a call 2-12 that executed for 8 s, unknown until 20
        person  thinks until 50
        turn 2  a call 52-59 asked for at 53 that executed for 4 s, then until 60
        hooks   60-61
        tail    until 100, when the session ends
    """
    drawing = Drawing(session).opens().prompt(0)
    drawing.stroke(Kind.MODEL_CALL, 0, id="m1", name="opus", duration=2 * SECOND, outcome=Outcome.SUCCESS)
    drawing.call("c1", 2, 12, took=8).stop(20)
    drawing.prompt(50, "p2").call("c2", 52, 59, took=4).stroke(Kind.PERMISSION_REQUEST, 53, name="Bash")
    drawing.stop(60, "p2").stroke(Kind.HOOKS_RUN, 60, id="h1", name="Stop", duration=SECOND)
    return drawing.ends(100)


def lost_end(session: str = "lost-end") -> Drawing:
    """Draw two tasks; the end of the second is never reported, so its length is unknown.

    ::

        a  ####################            10 - 30
        b  #######…                        10 - ?
    """
    drawing = Drawing(session).task(f"{session}-a", 10, 30, "review")
    drawing.order(f"call-{session}-b", 10, "testing").run(f"{session}-b", 10)
    return frame_drawing(drawing, 60)


def clock_step_back(session: str = "clock-step-back") -> Drawing:
    """Draw a task of 20 s, and a task during which the clock was set back by more than its length."""
    drawing = Drawing(session).opens().prompt(0).task(f"{session}-a", 10, 30, "review")
    drawing.order(f"call-{session}-b", 50, "testing").run(f"{session}-b", 50, 40)
    drawing.answer(f"call-{session}-b", 41, f"{session}-b")
    return drawing.stop(55).ends(60)


def resumed(session: str = "resumed") -> Drawing:
    """Draw a session that ends at 50, is opened again at 100 and ends again at 111."""
    drawing = frame_drawing(Drawing(session).task(f"{session}-a", 10, 40, "review"), 50)
    return drawing.opens(100).prompt(101, "p2").stop(110, "p2").ends(111)


def spender(session: str = "spender") -> Drawing:
    """Draw a session's use of models, tests and a cache; docs/figures.md has its figures.

    ::

        m1       sonnet   4 s    reported twice by a transcript, and by its request with a length
        m2       sonnet          by a transcript alone, in task ``a``
        m3       gpt-5    2 s    its source reports the cost
        m4       homemade 1 s    its price is unknown
        pytest   #############    0 - 12   10 passed, 2 failed, exit code lost in a pipe
        bazel                #### 12 - 16  4 passed, 3 of 4 targets answered by its cache
        Write    #                12 - 13
    """
    drawing = Drawing(session).task("a", 20, 40, "review")
    usage: dict[str, Any] = {"input_tokens": 1_000, "cache_read_tokens": 8_000, "cache_write_tokens": 1_000}
    drawing.model("m1", 1, **usage, output_tokens=10, request="r1")
    drawing.model("m1", 1, **usage, output_tokens=500, request="r1")
    drawing.model("r1", 0, took=4, first_token_ms=1_200, **usage, output_tokens=500, request="r1")
    drawing.model("m2", 21, parent="a", input_tokens=2_000, output_tokens=100)
    drawing.model(
        "m3", 30, model="gpt-5-2025-08-07", took=2, input_tokens=400, output_tokens=50, cost_usd=0.25
    )
    drawing.model("m4", 33, model="homemade", took=1, input_tokens=5, cache_read_tokens=0, output_tokens=7)
    drawing.call(
        "pytest", 0, 12, test_framework="pytest",
        tests_passed=10, tests_failed=2, tests_skipped=1, tests_deselected=39,
    )  # fmt: skip
    drawing.call(
        "bazel", 12, 16, test_framework="bazel",
        tests_passed=4, tests_failed=0, test_parts=4, test_parts_cached=3,
    )  # fmt: skip
    drawing.call("write", 12, 13, tool="Write", wrote="00112233aabbccdd")
    drawing.cached(10, "summaries", hits=30, misses=10, evictions=0, invalidations=1, entries=9)
    drawing.cached(20, "summaries", hits=30, misses=0, evictions=4, invalidations=0, entries=5)
    timed = {
        "refused": 1,
        "evicted_misses": 1,
        "saved": 8 * SECOND,
        "lookup_time": 1_000,
        "entries": 2,
        "bytes": 900,
    }
    drawing.cached(25, "plans", hits=2, misses=2, **timed)
    return frame_drawing(drawing, 50)


def retried(session: str = "retried") -> Drawing:
    """Draw a review that fails, fails again and then succeeds, and a test that succeeds at once.

    ::

        review   xxxxxxxxxx  xxxxxxxx  ########                0-10 12-20 22-30
        testing                                  ########     32-40
    """
    drawing = Drawing(session)
    drawing.task(f"{session}-a", 0, 10, "review", outcome=Outcome.FAILURE)
    drawing.task(f"{session}-b", 12, 20, "review", outcome=Outcome.FAILURE)
    drawing.task(f"{session}-c", 22, 30, "review")
    drawing.task(f"{session}-d", 32, 40, "testing")
    return frame_drawing(drawing, 45, "fix")


def conflict(session: str = "conflict") -> Drawing:
    """Draw three parallel tasks; two write the same file, and the tests after them fail, then pass."""
    drawing = Drawing(session)
    for name, file in (("a", "one"), ("b", "one"), ("c", "two")):
        drawing.task(f"{session}-{name}", 0, 30, "implementation")
        drawing.call(f"{session}-{name}-w", 10, 11, tool="Write", parent=f"{session}-{name}", wrote=file)
    drawing.call("tests", 35, 36, outcome=Outcome.FAILURE, test_framework="pytest")
    drawing.call("again", 40, 41, test_framework="pytest")
    return frame_drawing(drawing, 45, "build")


def repaired(session: str = "repaired") -> Drawing:
    """Draw a whole workflow: a task is retried, another fails; from 140 until the end at 200 it is idle.

    ::

        review          ##########                             10 -  40
        plan            #######                                10 -  30   fails
        plan again                    ##########               50 -  80   tries it again
        tests                         #######                  50 -  70   fails
        the person                                ..........   90 - 120
    """
    drawing = Drawing(session).opens(project=PROJECT).prompt(0, command="release")
    drawing.task(f"{session}-review", 10, 40, "review")
    drawing.task(f"{session}-plan", 10, 30, "plan", outcome=Outcome.FAILURE)
    drawing.task(f"{session}-again", 50, 80, "plan again")
    drawing.task(f"{session}-tests", 50, 70, "tests", outcome=Outcome.FAILURE)
    return drawing.stop(90).prompt(120, "p2").stop(140, "p2").ends(200)


def delivery(session: str = "delivery") -> Drawing:
    """Draw an orchestrator's session with all inputs of the scores; docs/figures.md has its scores.

    ::

        plan    ##########                                                      0 -  20
        build              ###################################                 30 - 100
        a                  ###############                                     30 -  60
        b                  xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx                       30 -  90   fails
        c                                                #####                 90 - 100   tries b again
    """
    drawing = Drawing(session).opens(pattern="release").phase("plan", 0, 20).phase("build", 30, 100)
    drawing.task("a", 30, 60, "review").call("a-w", 40, 41, tool="Write", parent="a", wrote="one")
    drawing.task("b", 30, 90, "review", outcome=Outcome.FAILURE)
    drawing.call("b-w", 50, 51, tool="Write", parent="b", wrote="two").task("c", 90, 100, "review")
    drawing.call("tests", 101, 102, test_framework="pytest", tests_passed=7, tests_failed=0)
    for number in range(5):
        drawing.message(f"m{number}", 31 + number, "worker", answered=60, outcome=Outcome.SUCCESS)
    drawing.score("quality", 8, 61, of="task", id="a").score("depth", 6, 61, of="task", id="a")
    drawing.score("quality", 11, 91, of="task", id="b").score("satisfaction", 4, 103)
    return drawing.ends(110)


def sampled(session: str = "sampled") -> Drawing:
    """Draw the fork and join with two minutes of samples, on two processors, half of them its share.

    ::

                              0 - 60 s        60 - 120 s
        processors in use     1.5             0.5
        memory                1.0 GB          3.0 GB
        machine busy          114 of 120 s    60 of 120 s
    """
    gigabyte = 10**9
    drawing = Drawing(session)
    for name in "abc":
        drawing.task(f"{session}-{name}", 10, 40, "review")
    frame_drawing(drawing, 120)
    for start, cpu, memory, busy in ((0, 90, 1, 114), (60, 30, 3, 60)):
        drawing.sample(
            start,
            60,
            cpu=cpu * SECOND,
            cpu_peak=2 * cpu * SECOND // 60,
            memory=memory * gigabyte,
            memory_peak=memory * gigabyte + 1,
            read=1_000 * memory,
            written=0,
            machine_busy=busy * SECOND,
            machine_available=120 * SECOND,
            machine_busy_share=busy * SECOND // 2,
            machine_available_share=60 * SECOND,
            machine_memory=8 * gigabyte,
            machine_memory_available=memory * gigabyte,
        )
    return drawing


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
    drawing.stroke(
        Kind.HOOKS_RUN,
        3,
        id="h1",
        name="PreToolUse",
        parent="left",
        duration=SECOND // 4,
        attributes={"command": "ruff"},
    )
    drawing.stroke(Kind.API_COST, 3, id="cost", duration=SECOND // 8, source="stretto", channel=Channel.API)
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


def draw_test_runs(framework: str, *runs: tuple[float, int, int]) -> Drawing:
    """Draw test runs one after another, each as (seconds, tests that passed, tests not chosen)."""
    drawing, at = Drawing(framework), 0.0
    for number, (seconds, passed, deselected) in enumerate(runs):
        drawing.call(
            f"{framework}-{number}", at, at + seconds, test_framework=framework,
            tests_passed=passed, tests_failed=0, tests_deselected=deselected,
        )  # fmt: skip
        at += seconds
    return frame_drawing(drawing, at)


def selections() -> Drawing:
    """Draw three runs of all of 100 tests, then three that chose 20 of them."""
    return draw_test_runs("pytest", *[(7.0, 100, 0)] * 3, *[(3.0, 20, 80)] * 3)
