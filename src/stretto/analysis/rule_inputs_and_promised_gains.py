"""The sessions that a rule of recommendations reads, and the promise that it makes of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import special

from stretto.analysis.recommendation import Effort, Gain, Recommendation, RecommendationKind
from stretto.analysis.session_holdups import UsualLengths
from stretto.analysis.session_lane_schedule import (
    RunSchedule,
    order_tasks_of_known_length,
)
from stretto.analysis.simulated_time_by_width import CapacityPlan, measure_usual_width, plan_capacity
from stretto.clock import DAY, SECOND
from stretto.model.findings import RunLink
from stretto.model.run_rows_for_analyses import SessionRun, TaskRun

FEWEST_SESSIONS = 5
LEVEL = 0.05
LIKELY = 1.96
LEAST_RATIO = 0.95
"""Ratio of lengths at and below which another agent is worth a change."""


class MissingDataReason(str):
    """Why a rule could not look: it has not the data that it needs. A plain text is of a rule that did."""

    __slots__ = ()


Verdict = Recommendation | str
"""A recommendation, or the reason why there is none."""


@dataclass(frozen=True)
class RuleInputs:
    """A pattern's sessions of some weeks, by start, with their tasks and the machine's size if known."""

    pattern: str
    sessions: tuple[SessionRun, ...]
    tasks: Mapping[str, Sequence[TaskRun]]
    cores: int | None = None
    memory: float | None = None

    @cached_property
    def schedules(self) -> list[RunSchedule]:
        """The schedule of each session."""
        return [order_tasks_of_known_length(self.tasks.get(run.session, ())) for run in self.sessions]

    @cached_property
    def usual(self) -> UsualLengths:
        """Usual lengths of the pattern's tasks."""
        return UsualLengths(self.all_tasks)

    @cached_property
    def all_tasks(self) -> list[TaskRun]:
        """The tasks of all sessions."""
        return [task for run in self.sessions for task in self.tasks.get(run.session, ())]

    @cached_property
    def spans(self) -> np.ndarray:
        """Seconds from the first start to the last end of the tasks, by session."""
        return np.array([schedule.span / SECOND for schedule in self.schedules])

    @cached_property
    def plan(self) -> CapacityPlan:
        """The elapsed time by width."""
        return plan_capacity(self.pattern, self.sessions, self.tasks, machine_memory=self.memory)

    @cached_property
    def width(self) -> int:
        """The width that most sessions ran at."""
        return measure_usual_width(self.sessions)

    @cached_property
    def span_per_work(self) -> Mapping[int, float]:
        """Place of a session → logarithm of its span per usual work, on which a fix's change is measured."""
        return measure_session_log_spans_per_work(self.schedules, self.usual)

    @cached_property
    def week_error(self) -> float:
        """Standard error (s) of an effect that is measured on a week of sessions after a change."""
        if len(self.span_per_work) < FEWEST_SESSIONS:
            return 0.0
        days = max(1.0, (self.sessions[-1].end - self.sessions[0].start) / DAY)
        week = max(1.0, 7 * len(self.sessions) / days)
        spread = float(np.std([*self.span_per_work.values()], ddof=1))
        return float(self.spans.mean()) * spread * math.sqrt(1 / len(self.sessions) + 1 / week)


def measure_session_log_spans_per_work(
    schedules: Sequence[RunSchedule], usual: UsualLengths
) -> dict[int, float]:
    """Return by place the logarithm of a session's span per usual work, if it has any work."""
    values = {}
    for place, schedule in enumerate(schedules):
        work = sum(one.total for run in schedule.tasks if run.is_delivered and (one := usual.find(run)))
        if work and schedule.span:
            values[place] = math.log(schedule.span / work)
    return values


def promise(inputs: RuleInputs, savings: np.ndarray, confidence: float | None = None) -> Gain:
    """Return the gain of savings by session."""
    mean, spread = float(savings.mean()), float(savings.std(ddof=1)) / math.sqrt(len(savings))
    if confidence is None:
        confidence = float(special.ndtr(mean / spread)) if spread else float(mean > 0)
    half = LIKELY * math.hypot(spread, inputs.week_error)
    length = float(inputs.spans.mean())
    return Gain(mean, mean - half, mean + half, mean / length if length else 0.0, confidence)


def recommend(
    inputs: RuleInputs, kind: RecommendationKind, savings: np.ndarray, text: str, rationale: str,
    *, effort: Effort, name: str = "", confidence: float | None = None, needs_trial: bool = False,
    changes_code: bool = False,
) -> Verdict:  # fmt: skip
    """Return the recommendation that promises the savings, by session, or the reason why there is none."""
    gain = promise(inputs, savings, confidence)
    if gain.seconds <= 0:
        return "nothing to gain"
    worst = inputs.sessions[int(savings.argmax())]
    return Recommendation(
        kind=kind,
        pattern=inputs.pattern,
        name=name,
        text=text,
        rationale=rationale,
        gain=gain,
        effort=effort,
        sessions=len(savings),
        changes_code=changes_code,
        needs_trial=needs_trial,
        links=(RunLink(worst.session, role="slowest"),),
    )
