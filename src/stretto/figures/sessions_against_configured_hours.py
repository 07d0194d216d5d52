"""Compare whole sessions with the hours configured for their pattern, apart from any parallel speedup.

Credited hours are the configured hours times delivered tasks over tasks, by count; tasks that were retried
away do not count. The time beside them is the session's wall time without idle time and waits for a person.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stretto.clock import HOUR, SECOND
from stretto.figures.expected_and_missed_gains import MOST_PLAUSIBLE_HOURS
from stretto.figures.figure import Figure, Labels, make_ratio
from stretto.figures.sequential_baseline_choice import Hours
from stretto.figures.sums_by_dimension import Sums, sum_by
from stretto.figures.wall_time_parts import WallPart
from stretto.model.entities import Session
from stretto.model.event import Outcome
from stretto.model.task_delivery_classes import WasteReason
from stretto.names import measures
from stretto.names.measures import Dimension

MILLION = 1_000_000

NOT_WORKED = frozenset({WallPart.IDLE, WallPart.WAITING})
"""Parts of wall time in which nobody but a person could have gone on."""

NO_TASK = "none of its tasks is over: no share of the hours is known"


@dataclass(frozen=True, slots=True)
class WorkflowRun:
    """A session that is over, as a run of a whole workflow. Lengths are nanoseconds."""

    tasks: int
    """Tasks that are over, without those that were retried away; at least 1."""
    retried: int
    delivered: int
    """Those of ``tasks`` that were delivered or taken as delivered."""
    elapsed: int
    """Wall time without idle time and waits for a person."""
    work: int
    """Busy time of the delivered tasks."""

    @property
    def share(self) -> float:
        """The share of the configured hours that is credited."""
        return self.delivered / self.tasks


def measure_workflow(session: Session, wall: Mapping[WallPart, int]) -> WorkflowRun | None:
    """Return a session as a run of a workflow, given its wall time by part.

    None while it runs, without a task that is over, and if its wall time is not known.
    """
    # Example: of 4 tasks 2 were delivered, 1 failed and 1 was retried away: 2 of 3, two thirds of the hours.
    judged = [(task, task.delivery) for task in session.tasks if task.delivery is not None]
    counted = [(task, judgement) for task, judgement in judged if judgement.reason is not WasteReason.RETRIED]
    if session.outcome is Outcome.RUNNING or not counted or not wall:
        return None
    delivered = [task for task, judgement in counted if not judgement.is_wasted]
    return WorkflowRun(
        tasks=len(counted),
        retried=len(judged) - len(counted),
        delivered=len(delivered),
        elapsed=sum(length for part, length in wall.items() if part not in NOT_WORKED),
        work=sum(task.length or 0 for task in delivered),
    )


def compute_workflow_figures(window: str, sums: Sums, hours: Hours) -> Iterator[Figure]:
    """Yield the figures of each pattern with configured hours of which a session ended in the window."""
    ended = sum_by(sums, measures.SESSIONS, Dimension.PATTERN)
    counted = sum_by(sums, measures.WORKFLOW_SESSIONS, Dimension.PATTERN)
    shares = sum_by(sums, measures.WORKFLOW_SHARE, Dimension.PATTERN)
    lengths = sum_by(sums, measures.WORKFLOW_ELAPSED, Dimension.PATTERN)
    for pattern in sorted(hours.keys() & ended.keys()):
        sessions = counted.get(pattern, 0)
        labels: Labels = (("pattern", pattern), ("window", window))
        yield Figure("stretto_workflow_sessions", labels, sessions, ended[pattern])
        if not sessions:
            yield Figure("stretto_workflow_credited_seconds", labels, None, 0, NO_TASK)
            continue
        # Seconds, because that is the unit of the figures.
        per_session = hours[pattern] * (HOUR // SECOND)
        configured = per_session * sessions
        credited = per_session * shares.get(pattern, 0) / MILLION
        elapsed = lengths.get(pattern, 0) / SECOND
        coverage = sessions / ended[pattern]
        for name, value in (
            ("stretto_workflow_configured_seconds", configured),
            ("stretto_workflow_credited_seconds", credited),
            ("stretto_workflow_elapsed_seconds", elapsed),
            ("stretto_workflow_saved_seconds", credited - elapsed),
        ):
            yield Figure(name, labels, value, sessions, coverage=coverage)
        for name, numerator, denominator in (
            ("stretto_workflow_delivery_ratio", credited, configured),
            ("stretto_workflow_speedup_ratio", credited, elapsed),
            ("stretto_workflow_improvement_ratio", credited - elapsed, credited),
        ):
            yield make_ratio(name, labels, numerator, denominator, sessions, coverage=coverage)


def find_workflow_doubt(run: WorkflowRun, hours: float) -> str | None:
    """Return why hours can hardly be of this work, or None. They stay in every sum."""
    times = hours * HOUR * run.share / run.work if run.work else 0.0
    if times <= MOST_PLAUSIBLE_HOURS:
        return None
    return f"the credited hours are {times:.0f} times its tasks' own, more than {MOST_PLAUSIBLE_HOURS:.0f}"


def build_workflow_document(run: WorkflowRun, hours: float) -> dict[str, Any]:
    """Return a session's comparison with the hours of its workflow as JSON."""
    configured, elapsed = hours * (HOUR // SECOND), run.elapsed / SECOND
    credited = configured * run.share
    return {
        "configured_seconds": configured,
        "tasks": run.tasks,
        "retried": run.retried,
        "delivered": run.delivered,
        "credited_seconds": credited,
        "elapsed_seconds": elapsed,
        "saved_seconds": credited - elapsed,
        "speedup": credited / elapsed if elapsed else None,
        "improvement": (credited - elapsed) / credited if credited else None,
        "doubt": find_workflow_doubt(run, hours),
    }
