"""Draw a month of simulated sessions: two projects, a slow-down, failing calls, and what was done about them.

The same end and the same seed give the same events. Every name that a title is made of says that it is
simulated. Days of 24 hours are counted back from the month's end, beginning with day 0. The sessions of a day
lie in the hours before its end, and none ends after the month.

::

    day 29 .......... 20 .... 16 ........ 12 ...... 8 ......... 4 ... 0
    tests             |       ###### slow ########  | own databases
    fetches  ## failing #     | a mirror            |
    surveys                                                  ### slow ###
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from stretto.clock import DAY, HOUR, MINUTE, SECOND
from stretto.model.decisions import Decision, DecisionKind, make_finding_decision_event
from stretto.model.event import Channel, Event, Kind, Outcome

DAYS = 30
SIMULATED = "simulated"
"""The word in every name that a title is made of."""
LARGE, SMALL = "claude-sonnet-4-5", "claude-haiku-4-5"
"""Models with a list price, so that the month has a cost."""

SLOW_TESTS = range(9, 17)
"""Days on which tests share a database and wait for each other."""
SLOW_FACTOR = 1.8
FAILING_FETCHES = range(21, 28)
"""Days on which a site that surveys read from answers badly."""
FETCH_FAILURE = 0.35
SLOW_SURVEYS = range(7)
"""Days since surveys take longer; nothing has been done about it yet."""
SURVEY_FACTOR = 1.7
SEQUENTIAL_EACH = 9
"""One session of so many runs its tasks one after another, which gives measured baselines."""

TEST_COUNT = 180
HOLES = 0.1
"""The share of security tasks that report a finding."""
PROCESSORS, GIGABYTE = 8, 10**9
MILLISECOND = SECOND // 1_000
_HOURS = (0.4, 9)
"""Between how many hours before the end of its day a session starts."""
_WEEKDAYS = 5
_SESSIONS, _WEEKEND_SESSIONS = 14, 4
_PAUSE = 2 * SECOND
_JOIN = 25
"""Seconds in which the main agent puts the results together."""


@dataclass(frozen=True, slots=True)
class SimulatedTask:
    """A task of a pattern: who does it, what it is about, and how long it usually takes (s)."""

    agent: str
    about: str
    usual: float
    model: str = LARGE


@dataclass(frozen=True, slots=True)
class SimulatedPattern:
    """A way of working on a project, with its tasks."""

    name: str
    project: str
    tasks: tuple[SimulatedTask, ...]


RELEASE = SimulatedPattern(
    f"{SIMULATED}-release",
    f"{SIMULATED}-shop",
    (
        SimulatedTask("architect", "Technical design of the change", 140),
        SimulatedTask("tester", "Testing of the checkout", 190),
        SimulatedTask("reviewer", "Review of the change", 110),
        SimulatedTask("writer", "Documentation of the change", 80, SMALL),
    ),
)
SURVEY = SimulatedPattern(
    f"{SIMULATED}-survey",
    f"{SIMULATED}-infra",
    (
        SimulatedTask("explorer", "Research of the alternatives", 150, SMALL),
        SimulatedTask("explorer", "Analysis of the running costs", 120, SMALL),
        SimulatedTask("security", "Security of the alternatives", 170),
    ),
)

_DECISIONS = (
    (27, "Research reads from a site that often fails"),
    (20, "Research reads from a mirror of that site"),
    (16, "Tests share one database"),
    (8, "Each test run has a database of its own"),
    (6, "Research reads whole documents instead of summaries"),
)
"""(day, what changed on it)."""


def draw_month(end: int, seed: int = 1) -> Iterator[Event]:
    """Yield the events of a month that ends at ``end`` (ns since the epoch), ordered by day."""
    random = Random(seed)  # noqa: S311  # a drawing, not a secret
    for number, (day, text) in enumerate(_DECISIONS):
        time = end - day * DAY - 12 * HOUR
        yield make_finding_decision_event(
            Decision(f"{SIMULATED}-{number}", time, DecisionKind.ANNOTATION, text=text)
        )
    for day in range(DAYS - 1, -1, -1):
        day_end = end - day * DAY
        # 1970-01-01 was a Thursday, and Monday is 0.
        is_weekday = (day_end // DAY + 3) % 7 < _WEEKDAYS
        for number in range(_SESSIONS if is_weekday else _WEEKEND_SESSIONS):
            pattern = SURVEY if number % 2 == 1 else RELEASE
            start = day_end - round(random.uniform(*_HOURS) * HOUR)
            drawing = SessionDrawing(f"{SIMULATED}-{DAYS - day:02}-{number}", pattern, day, random)
            events = drawing.draw(start, is_sequential=random.randrange(SEQUENTIAL_EACH) == 0)
            if events[-1].time < end:
                yield from events


@dataclass(slots=True)
class SessionDrawing:
    """A session being drawn; ``day`` decides what was slow or failing."""

    session: str
    pattern: SimulatedPattern
    day: int
    random: Random
    events: list[Event] = field(default_factory=list)

    def draw(self, start: int, *, is_sequential: bool) -> list[Event]:
        """Return the session's events, side by side or one task after another."""
        self._add(Kind.SESSION_START, start, attributes={"project": self.pattern.project})
        self._add(Kind.TURN_START, start, id="turn", type="user", attributes={"command": self.pattern.name})
        time = self._call("plan", "Read", start + SECOND, 6)
        self._add(Kind.PHASE_START, time, id="work", name="work")
        end = begun = time
        for number, task in enumerate(self.pattern.tasks):
            task_end = self._run_task(f"{self.session}-{number}", task, time)
            end = max(end, task_end)
            time = end + _PAUSE if is_sequential else time + SECOND
        self._add(Kind.PHASE_END, end, id="work", name="work", outcome=Outcome.SUCCESS)
        self._sample_machine(begun, end)
        self._add(
            Kind.HOOKS_RUN,
            end,
            id=f"{self.session}-hooks",
            name="Stop",
            duration=self.random.randint(20, 90) * MILLISECOND,
        )
        end = self._use_model("join", LARGE, end + SECOND, _JOIN * SECOND, None)
        end = self._call("merge", "Edit", end, 4)
        self._judge("synthesis", self.random.gauss(88, 4), end)
        quality = min(10.0, max(0.0, self.random.gauss(8.9, 0.6)))
        self._judge("quality", quality, end)
        self._add(Kind.TURN_END, end + SECOND, id="turn", outcome=Outcome.SUCCESS)
        self._add(Kind.SESSION_END, end + 2 * SECOND)
        return self.events

    def _run_task(self, name: str, task: SimulatedTask, start: int) -> int:
        """Draw a task, and once more if it failed; return its end."""
        fails = self.random.random() < self._find_failure_share(task)
        end = self._try_task(name, task, start, Outcome.FAILURE if fails else Outcome.SUCCESS)
        if not fails:
            return end
        return self._try_task(f"{name}-again", task, end + _PAUSE, Outcome.SUCCESS)

    def _try_task(self, name: str, task: SimulatedTask, start: int, outcome: Outcome) -> int:
        length = self._draw_length(task) * (1.0 if outcome is Outcome.SUCCESS else 0.4)
        call = f"call-{name}"
        end = start + round(length * SECOND)
        self._add(
            Kind.TOOL_START, start, id=call, name="Agent",
            attributes={"agent": task.agent, "description": task.about},
        )  # fmt: skip
        self._add(Kind.TASK_START, start + SECOND // 5, id=name, name=task.agent)
        self._fill_task(name, task, start + SECOND, length, outcome)
        self._report_task(name, task, end - SECOND, outcome)
        self._add(Kind.TASK_END, end - SECOND // 5, id=name, name=task.agent, outcome=outcome)
        self._add(
            Kind.TOOL_END, end, id=call, name="Agent", outcome=outcome,
            attributes={"status": "completed", "task": name},
        )  # fmt: skip
        return end

    def _fill_task(self, name: str, task: SimulatedTask, start: int, length: float, outcome: Outcome) -> None:
        """Draw what a task does: it thinks, calls its tools, and thinks again."""
        think = self._use_model(f"{name}-m1", task.model, start, round(0.2 * length * SECOND), name)
        if task.agent == "tester":
            failed = 0 if outcome is Outcome.SUCCESS else self.random.randint(1, 9)
            counts = {"test_framework": "pytest", "tests_passed": TEST_COUNT - failed, "tests_failed": failed}
            after = self._call(
                f"{name}-t", "Bash", think, 0.55 * length, task=name, outcome=outcome, **counts
            )
        elif task.agent == "explorer":
            after = self._call(f"{name}-t", "WebFetch", think, 0.3 * length, task=name, outcome=outcome)
            after = self._call(f"{name}-r", "Read", after, 0.1 * length, task=name)
        else:
            after = self._call(f"{name}-t", "Read", think, 0.2 * length, task=name)
            wrote = f"{self.random.getrandbits(64):016x}"
            after = self._call(
                f"{name}-e", "Edit", after, 0.1 * length, task=name, outcome=outcome, wrote=wrote
            )
        self._use_model(f"{name}-m2", task.model, after, round(0.15 * length * SECOND), name)

    def _report_task(self, name: str, task: SimulatedTask, time: int, outcome: Outcome) -> None:
        """Draw what is said about a task: a message to whoever joins the results, and judgements."""
        waited = round(self.random.uniform(1, 12) * SECOND)
        self._add(
            Kind.MESSAGE, time, id=f"{name}-message", parent=name, name="main", type="result",
            duration=waited, outcome=outcome, attributes={"sender": task.agent},
        )  # fmt: skip
        if outcome is Outcome.SUCCESS:
            self._judge("quality", min(10.0, self.random.gauss(8.8, 0.5)), time, task=name)
        if task.agent == "reviewer":
            self._judge("code_quality", self.random.gauss(86, 5), time, task=name)
        if task.agent == "security":
            self._judge("security_findings", float(self.random.random() < HOLES), time, task=name)

    def _judge(self, name: str, value: float, time: int, task: str | None = None) -> None:
        """Draw a judgement of the session, or of a task."""
        attributes = {"value": round(value, 1), "of": "session" if task is None else "task", "by": "judge"}
        self._add(Kind.SCORE, time, id=task, name=name, attributes=attributes)

    def _sample_machine(self, start: int, end: int) -> None:
        """Draw the use of a machine with eight processors while the tasks ran."""
        length, share = end - start, self.random.uniform(0.15, 0.5)
        memory = round(self.random.uniform(1, 3) * GIGABYTE)
        self._add(
            Kind.SAMPLE, start, duration=length, source="stretto", channel=Channel.API,
            attributes={
                "cpu": round(share * length), "cpu_peak": round(2 * share * SECOND),
                "memory": memory, "memory_peak": memory + GIGABYTE // 4,
                "read": 40_000_000, "written": 9_000_000,
                "machine_busy": round((share + 1) * length), "machine_available": PROCESSORS * length,
                "machine_busy_share": round((share + 1) * length),
                "machine_available_share": PROCESSORS * length,
                "machine_memory": 16 * GIGABYTE, "machine_memory_available": 12 * GIGABYTE - memory,
            },
        )  # fmt: skip

    def _draw_length(self, task: SimulatedTask) -> float:
        """Return seconds around the usual length, with a few long ones, as lengths of work are."""
        factor = math.exp(self.random.gauss(0, 0.22))
        if task.agent == "tester" and self.day in SLOW_TESTS:
            factor *= SLOW_FACTOR
        if task.agent == "explorer" and self.day in SLOW_SURVEYS:
            factor *= SURVEY_FACTOR
        return task.usual * factor

    def _find_failure_share(self, task: SimulatedTask) -> float:
        if task.agent == "explorer" and self.day in FAILING_FETCHES:
            return FETCH_FAILURE
        return 0.06 if task.agent == "tester" else 0.015

    def _call(
        self,
        name: str,
        tool: str,
        start: int,
        seconds: float,
        *,
        task: str | None = None,
        outcome: Outcome = Outcome.SUCCESS,
        **attributes: Any,
    ) -> int:
        """Draw a tool call and return its end."""
        length = round(seconds * SECOND)
        same: dict[str, Any] = {"id": f"{self.session}-{name}", "name": tool, "parent": task}
        self._add(Kind.TOOL_START, start, **same)
        self._add(
            Kind.TOOL_END, start + length, duration=length, outcome=outcome, attributes=attributes, **same
        )
        return start + length

    def _use_model(self, name: str, model: str, start: int, length: int, task: str | None) -> int:
        """Draw a model call with its tokens and return its end."""
        prompt = self.random.randint(9_000, 30_000)
        cached = round(prompt * self.random.uniform(0.5, 0.9))
        self._add(
            Kind.MODEL_CALL, start, id=f"{self.session}-{name}", name=model, parent=task,
            duration=min(length, 10 * MINUTE), outcome=Outcome.SUCCESS,
            attributes={
                "input_tokens": prompt - cached,
                "cache_read_tokens": cached,
                "output_tokens": self.random.randint(300, 2_400),
                "first_token_ms": self.random.randint(400, 1_900),
            },
        )  # fmt: skip
        return start + length

    def _add(self, kind: Kind, time: int, **rest: Any) -> None:
        self.events.append(Event(kind=kind, session=self.session, time=time, **rest))
