"""A generated orchestrator: sessions of phases with parallel tasks, as runs, with or without a fault."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from msgspec import structs

from stretto.analysis.realised_effects import RealisedEffect, judge_applied
from stretto.analysis.recommendation import Gain
from stretto.analysis.simulated_time_by_width import measure_time_by_running_tasks
from stretto.analysis.slowdown_fit import Slowdown
from stretto.clock import DAY, HOUR, SECOND
from stretto.model.event import Outcome
from stretto.model.run_rows_for_analyses import SessionRun, TaskRun

PHASES = ("analysis", "implementation", "review")
AGENTS = ("architect", "backend", "frontend", "tester")
TYPES = {"analysis": "architecture", "implementation": "code", "review": "tests"}
MEDIANS = {"architecture": 60.0, "code": 180.0, "tests": 90.0}
BEGIN = 20_000 * 24 * HOUR
GB = 2.0**30

FAULTS = (
    "agent",
    "phase",
    "tool",
    "model",
    "hooks",
    "person",
    "imbalance",
    "late_start",
    "contention",
    "retries",
    "failed_work",
    "waiting_on_agents",
    "conflicts",
)

CONFLICT_SHARE = 0.25
"""Share of usual sessions in which two tasks write the same file; of a faulty one half of the tasks do."""

CONFLICTING = 12
"""Tasks in conflict of a session with that fault."""

CONFLICT_SECONDS = 75.0
"""Time in which the main agent puts right what a task in conflict delivered."""


@dataclass
class GeneratedRuns:
    """Sessions with their tasks."""

    sessions: list[SessionRun] = field(default_factory=list)
    tasks: list[TaskRun] = field(default_factory=list)

    @property
    def by_session(self) -> dict[str, list[TaskRun]]:
        groups: dict[str, list[TaskRun]] = {}
        for run in self.tasks:
            groups.setdefault(run.session, []).append(run)
        return groups


@dataclass(frozen=True)
class _Task:
    agent: str
    model: float
    tools: float
    delay: float = 0.0
    outcome: Outcome = Outcome.SUCCESS


def generate_runs(
    count: int,
    seed: int,
    *,
    fault: str | None = None,
    first: int = 0,
    pattern: str = "release",
    noise: float = 0.25,
    covariates: Mapping[str, str] | None = None,
) -> GeneratedRuns:
    """Return sessions of three phases with four agents each, an hour apart; ``fault`` is in every session."""
    rng = np.random.default_rng([seed, FAULTS.index(fault) + 1 if fault else 0])
    made = GeneratedRuns()
    for number in range(first, first + count):
        luck = np.random.default_rng([seed, number, 7])
        conflicts = CONFLICTING if fault == "conflicts" else 2 * int(luck.random() < CONFLICT_SHARE)
        mending = conflicts * CONFLICT_SECONDS * float(luck.lognormal(0, 0.2))
        _add_session(made, rng, number, fault, pattern, noise, dict(covariates or {}), conflicts, mending)
    return made


def _draw_tasks(  # noqa: C901  # a branch per fault
    rng: np.random.Generator, phase: str, fault: str | None, noise: float
) -> Iterator[list[_Task]]:
    """Yield each agent's lane: its tasks one after another."""
    median = MEDIANS[TYPES[phase]]
    for agent in AGENTS:
        tasks = 2
        if fault == "imbalance" and phase == "implementation":
            # The same eight tasks, but five of them on a single lane.
            tasks = 5 if agent == "backend" else 1
        lane = []
        for place in range(tasks):
            size = rng.lognormal(0, noise)
            model = median * 0.6 * size * rng.lognormal(0, 0.1)
            tools = median * 0.4 * size * rng.lognormal(0, 0.1)
            slow = 1.0
            if (fault == "agent" and agent == "backend") or (fault == "phase" and phase == "implementation"):
                slow = 2.2
            if fault == "contention":
                slow = 1.7
            if fault == "tool":
                tools *= 2.5
            if fault == "model":
                model *= 2.0
            delay = abs(float(rng.normal(0, 1.0)))
            if fault == "late_start" and place == 0 and agent in {"backend", "tester"}:
                delay += 150
            lane.append(_Task(agent, model * slow, tools * slow, delay))
            if fault in {"retries", "failed_work"} and place == 0 and agent in {"backend", "tester"}:
                failed = _Task(agent, model * 0.9, tools * 0.9, delay, Outcome.FAILURE)
                lane.insert(-1, failed)
        if fault == "failed_work":
            # Tried last, and given up.
            lane.sort(key=lambda task: task.outcome is Outcome.FAILURE)
        yield lane


def _add_session(  # noqa: PLR0917  # all that a session is made of
    made: GeneratedRuns,
    rng: np.random.Generator,
    number: int,
    fault: str | None,
    pattern: str,
    noise: float,
    covariates: dict[str, str],
    conflicts: int,
    mending: float,
) -> None:
    session = f"{pattern}-{number}"
    start = BEGIN + number * HOUR
    parts = {
        "main_tools": 30 * rng.lognormal(0, 0.4) + 0.4 * mending,
        "model": 60 * rng.lognormal(0, 0.4) + 0.6 * mending,
        "hooks": 4 * rng.lognormal(0, 0.5),
        "waiting": 20 * rng.lognormal(0, 1.0),
        "nothing": 5 * rng.lognormal(0, 0.6),
    }
    excess = {"hooks": ("hooks", 150), "person": ("waiting", 900), "waiting_on_agents": ("nothing", 200)}
    if fault in excess:
        part, seconds = excess[fault]
        parts[part] += seconds * rng.lognormal(0, 0.2)
    if fault == "model":
        parts["model"] *= 2
    if fault == "tool":
        parts["main_tools"] *= 2.5
    at = float(sum(parts.values()) / 2)
    runs: list[TaskRun] = []
    elapsed = capacity = longest = 0.0
    for phase in PHASES:
        ends, loads = [], []
        for lane in _draw_tasks(rng, phase, fault, noise):
            clock = at
            for task in lane:
                clock += task.delay
                length = task.model + task.tools
                runs.append(
                    TaskRun(
                        session=session,
                        task=f"{session}.{len(runs)}",
                        start=start + round(clock * SECOND),
                        length=round(length * SECOND),
                        outcome=task.outcome,
                        type=TYPES[phase],
                        agent=task.agent,
                        phase=phase,
                        pattern=pattern,
                        concurrency=float(len(AGENTS)),
                        tool_time=round(task.tools * SECOND),
                        tokens=round(50 * length),
                        covariates=covariates,
                    )
                )
                clock += length
            ends.append(clock)
            loads.append(sum(task.model + task.tools for task in lane))
        elapsed += max(ends) - at
        capacity += len(AGENTS) * (max(ends) - at)
        longest += max(loads)
        at = max(ends)
    work = sum(run.length or 0 for run in runs)
    delivered = sum(run.length or 0 for run in runs if run.outcome is Outcome.SUCCESS)
    types: dict[str, int] = {}
    for run in runs:
        types[run.type] = types.get(run.type, 0) + 1
    made.tasks += runs
    made.sessions.append(
        SessionRun(
            session=session,
            start=start,
            end=start + round((at + sum(parts.values()) / 2) * SECOND),
            outcome=Outcome.SUCCESS,
            pattern=pattern,
            task_types=types,
            work=work,
            delivered_work=delivered,
            elapsed=round(elapsed * SECOND),
            capacity=round(capacity * SECOND),
            longest_lane=round(longest * SECOND),
            width=len(AGENTS),
            wall_parts={"parallel": round(elapsed * SECOND)}
            | {part: round(seconds * SECOND) for part, seconds in parts.items()},
            retries=sum(run.outcome is Outcome.FAILURE for run in runs) if fault == "retries" else 0,
            conflicts=conflicts,
            covariates=covariates,
        )
    )


def spread_over_days(made: GeneratedRuns, per_day: int) -> GeneratedRuns:
    """The same sessions, a few a day."""
    moved = GeneratedRuns()
    by_session = made.by_session
    for run in made.sessions:
        number = int(run.session.rpartition("-")[2])
        shift = BEGIN + number // per_day * DAY + number % per_day * 2 * HOUR - run.start
        moved.sessions.append(replace(run, start=run.start + shift, end=run.end + shift))
        moved.tasks += [structs.replace(task, start=task.start + shift) for task in by_session[run.session]]
    return moved


def judge_fix(before: GeneratedRuns, after: GeneratedRuns, promise: Gain) -> RealisedEffect:
    """The effect of a recommendation that was applied between two spans of sessions, after seven days."""
    applied = after.sessions[0].start
    return judge_applied(
        (promise.seconds, promise.low, promise.high),
        applied,
        [*before.sessions, *after.sessions],
        before.by_session | after.by_session,
        instant=applied + 7 * DAY,
    )


def draw_agent_tasks(
    rng: np.random.Generator, agents: int, sessions: int, better: str | None = None
) -> dict[str, list[TaskRun]]:
    """Tasks of six agents a session, drawn from equal ones; a better agent takes .3 of the time."""
    return {
        f"s{number}": [
            TaskRun(
                f"s{number}", f"s{number}.{agent}", number * HOUR,
                round(60 * SECOND * rng.lognormal(0, 0.5) * (0.3 if f"agent{agent}" == better else 1)),
                Outcome.SUCCESS, "code", f"agent{agent}", concurrency=6.0,
            )
            for agent in rng.choice(agents, 6, replace=False)
        ]
        for number in range(sessions)
    }  # fmt: skip


def schedule_in_order(lengths: Sequence[float], lanes: int) -> float:
    """The elapsed time of tasks that start in this order, each on the lane that is free first."""
    loads = [0.0] * max(1, lanes)
    for length in lengths:
        heapq.heapreplace(loads, loads[0] + length)
    return max(loads)


def simulate_lanes(lengths: Sequence[float], width: int, slowdown: Slowdown) -> float:
    """The elapsed time of tasks that are handed out in this order to the lane that is free first.

    ``lengths`` are those alone. Example: four tasks of 10 s on two lanes with a slow-down of 1.2 at two take
    24 s.
    """
    return sum(
        time * slowdown.compute_factor(running + 1)
        for running, time in enumerate(measure_time_by_running_tasks(lengths, width))
    )


def generate_sets(
    widths: Sequence[int],
    seed: int,
    *,
    contention: float = 0.0,
    crosstalk: float = 0.0,
    tasks: int = 16,
    spread: float = 0.4,
    memory: float = 0.0,
    drawn: Sequence[float] | None = None,
) -> tuple[list[SessionRun], dict[str, list[TaskRun]]]:
    """Sessions that run sets of tasks at given widths, with a true slow-down."""
    rng = np.random.default_rng(seed)
    true = Slowdown(contention, crosstalk)
    sessions, by_session = [], {}
    for number, width in enumerate(widths):
        alone = drawn or [60.0 * float(rng.lognormal(0, spread)) for _ in range(tasks)]
        elapsed = simulate_lanes(alone, width, true)
        running = sum(alone) / schedule_in_order(alone, width)
        factor = true.compute_factor(running)
        name = f"s{seed}-{number}"
        by_session[name] = [
            TaskRun(
                name,
                f"{name}.{place}",
                number * HOUR + place,
                round(length * factor * SECOND),
                Outcome.SUCCESS,
                "code",
                concurrency=running,
            )
            for place, length in enumerate(alone)
        ]
        sessions.append(
            SessionRun(
                name,
                number * HOUR,
                number * HOUR + round(elapsed * SECOND),
                Outcome.SUCCESS,
                pattern="release",
                width=width if width > 1 else 0,
                elapsed=round(elapsed * SECOND) if width > 1 else None,
                capacity=round(width * elapsed * SECOND) if width > 1 else None,
                memory_peak=GB + memory * width if memory else None,
                dollars=0.5,
            )
        )
    return sessions, by_session


def generate_conditions(
    count: int, seed: int, success: Callable[[dict[str, str]], float], patterns: int = 2
) -> list[SessionRun]:
    """Sessions with eight covariates of two values; ``success`` is the probability of it."""
    rng = np.random.default_rng(seed)
    sessions = []
    for number in range(count):
        covariates = {f"c{place}": str(rng.integers(2)) for place in range(8)}
        pattern = f"p{rng.integers(patterns)}"
        tasks = int(rng.integers(2, 6))
        length = round(150 * SECOND * tasks * rng.lognormal(0, 0.5))
        sessions.append(
            SessionRun(
                f"s{number}", number * HOUR, number * HOUR + length,
                Outcome.SUCCESS if rng.random() < success(covariates) else Outcome.FAILURE,
                pattern=pattern, task_types={"code": tasks}, width=int(rng.integers(1, 5)),
                elapsed=length, covariates=covariates,
            )
        )  # fmt: skip
    return sessions


def generate_lengths(
    sessions: int, seed: int, *, per_session: int = 12, driven_by_size: bool = False
) -> list[TaskRun]:
    """Tasks of three types whose level differs from session to session, or by a size known beforehand."""
    rng = np.random.default_rng(seed)
    tasks = []
    for number in range(sessions):
        level = rng.normal(0, 0.2)
        for place in range(per_session):
            type_, median = (("lint", 20.0), ("code", 200.0), ("tests", 90.0))[place % 3]
            size = float(rng.uniform(1, 10)) if driven_by_size else 3.0
            length = (
                median * size / 3 * float(np.exp(level + rng.normal(0, 0.3 if not driven_by_size else 0.1)))
            )
            tasks.append(
                TaskRun(
                    f"{seed}-{number}", f"{seed}-{number}.{place}", number * HOUR, round(length * SECOND),
                    Outcome.SUCCESS, type_, pattern="release", covariates={"size": f"{size:.3f}"},
                )
            )  # fmt: skip
    return tasks
