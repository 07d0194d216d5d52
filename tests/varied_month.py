"""A varied month: two patterns, phases, three agents, samples, prices, failures, messages and scores."""

from __future__ import annotations

import math
from collections.abc import Iterator
from random import Random

from stretto.clock import DAY, SECOND
from stretto.model.event import Channel, Event, Kind, Outcome
from tests.scenes import Drawing

SLOW_DAY = 21
SLOW_FACTOR = 1.6
"""From this day on tests take so many times as long."""

PATTERNS = ("hotfix", "release")
SESSIONS_A_DAY = 4
HELD_UP = {"hotfix": 150, "release": 500}
"""Pattern → seconds by which its hooks, or its reviews, take longer on the last day."""

SLOW_REVIEWER = 1.8
"""The factor by which reviews of the worker take longer."""

SAMPLES = 6
GIGABYTE = 10**9


def draw_varied_month(days: int, seed: int = 1) -> Iterator[Event]:
    """Yield the events of a month of both patterns, drawn by chance from a seed.

    Sessions of arm B fail more often, and a failed task is tried again. Tests become slower on SLOW_DAY. On
    the last day hooks hold up one pattern, and reviews the other.
    """
    random = Random(seed)
    for day in range(days):
        number = 0
        for pattern in PATTERNS:
            for _ in range(SESSIONS_A_DAY):
                start = day * DAY // SECOND + 30_000 + number * 3_000
                late = HELD_UP[pattern] if day == days - 1 else 0
                factor = SLOW_FACTOR if day >= SLOW_DAY else 1.0
                name = f"d{day}n{number}"
                yield from draw_varied_session(name, start, pattern, random, factor, late).events
                number += 1


def draw_varied_session(  # noqa: PLR0917  # all that makes sessions differ
    session: str, start: float, pattern: str, random: Random, factor: float, late: int
) -> Drawing:
    """Return a session: a plan alone, then tests beside a review and notes; what failed is tried again.

    ``factor`` is how much longer tests take; hooks of a hotfix, and reviews of a release, take ``late``
    seconds more.
    """
    arm = random.choice("AB")
    drawing = Drawing(session).opens(start, pattern=pattern, project="shop", labels=[f"arm={arm}"])
    drawing.prompt(start)

    def draw_length(usual: float) -> float:
        return usual * math.exp(random.gauss(0, 0.25))

    planned = start + 5 + draw_length(20)
    drawing.phase("plan", start + 1, planned + 1)
    draw_task(drawing, f"{session}p", start + 5, planned, "plan", "planner", phase="plan")
    begin = planned + 5
    fails = random.random() < (0.6 if arm == "B" else 0.05)
    reviewer, writer = random.sample(["worker", "reviewer"], 2)
    error = "TimeoutError" if fails else None
    building = begin
    lengths = {"tests": draw_length(90) * factor, "review": draw_length(60), "docs": draw_length(15)}
    if reviewer == "worker":
        lengths["review"] *= SLOW_REVIEWER
    if pattern == "release":
        lengths["review"] += late
    if pattern == "hotfix":
        # Its notes wait for nothing, and are written alone all the same.
        draw_task(drawing, f"{session}-docs", begin, begin + lengths["docs"], "docs", writer, phase="build")
        begin += lengths.pop("docs") + 1
    agents = {"tests": "worker", "review": reviewer, "docs": writer}
    for kind, length in lengths.items():
        draw_task(
            drawing, f"{session}-{kind}", begin, begin + length, kind, agents[kind],
            phase="build", error=error if kind == "tests" else None,
        )  # fmt: skip
    end = begin + max(lengths.values())
    if fails:
        again = end + 2
        end = again + lengths["tests"]
        draw_task(drawing, f"{session}-again", again, end, "tests", "worker", phase="build")
    drawing.phase("build", building - 1, end + 1)
    checked = 1 + (late if pattern == "hotfix" else 0)
    drawing.stroke(Kind.HOOKS_RUN, end + 1, id="hooks", name="Stop", duration=checked * SECOND)
    end += 1 + checked
    draw_surroundings(drawing, start, end)
    # A third of the sessions in which something failed fails as a whole.
    outcome = Outcome.FAILURE if fails and random.random() < 1 / 3 else Outcome.SUCCESS
    return drawing.stop(end + 2, outcome=outcome).ends(end + 2)


def draw_task(  # noqa: PLR0917  # a task as a source reports it
    drawing: Drawing, id: str, start: float, end: float, kind: str, agent: str, *,
    phase: str, error: str | None = None,
) -> None:  # fmt: skip
    """Draw a task in a phase with a call of a model that cost something, and a short call of a tool."""
    outcome = Outcome.SUCCESS if error is None else Outcome.FAILURE
    drawing.order(f"call-{id}", start, kind, agent=agent)
    drawing.stroke(Kind.TASK_START, start, id=id, name=agent, attributes={"phase": phase})
    ended = {} if error is None else {"error": error}
    drawing.stroke(Kind.TASK_END, end, id=id, name=agent, outcome=outcome, attributes=ended)
    drawing.answer(f"call-{id}", end, id, outcome=outcome)
    seconds = end - start
    drawing.model(
        f"{id}-model", start + seconds / 2, parent=id, took=seconds / 4, first_token_ms=900,
        input_tokens=round(100 * seconds), output_tokens=round(10 * seconds), cost_usd=seconds / 1_000,
    )  # fmt: skip
    drawing.call(f"{id}-call", start + 1, start + 1.5, took=0.4, parent=id)


def draw_surroundings(drawing: Drawing, start: float, end: float) -> None:
    """Draw what is around the tasks: samples of processes, a message, judgements, and the cost of hooks."""
    length = (end - start) / SAMPLES
    for number in range(SAMPLES):
        drawing.sample(
            start + number * length, length,
            cpu=round(length * SECOND / 2), cpu_peak=SECOND, memory=GIGABYTE, memory_peak=2 * GIGABYTE,
            read=1_000, written=500,
            machine_busy=round(length * SECOND), machine_available=round(2 * length * SECOND),
            machine_memory=8 * GIGABYTE, machine_memory_available=4 * GIGABYTE,
        )  # fmt: skip
    drawing.message("question", start + 3, "planner", answered=2, outcome=Outcome.SUCCESS)
    drawing.score("quality", 8.5, end, of="session").score("satisfaction", 9, end)
    drawing.stroke(
        Kind.API_COST, start + 1, id="cost", duration=SECOND // 8, source="stretto", channel=Channel.API
    )
