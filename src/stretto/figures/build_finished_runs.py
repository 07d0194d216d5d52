"""Build the runs of a session that is over: the row about the session and those about its tasks.

Runs outlive the session's entities by a year. Analyses read them, so they hold what an analysis may compare
and no text of a person.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from stretto.clock import SECOND
from stretto.figures.critical_path import CriticalPath
from stretto.figures.fanout_conflict_and_test_checks import IntegrationCheck
from stretto.figures.fanouts import Fanout
from stretto.figures.overlapping_fanouts import count_fanouts_once
from stretto.figures.retries_and_recoveries import find_retries
from stretto.figures.run_circumstances import describe_circumstances
from stretto.figures.session_spending import Spending
from stretto.figures.wall_time_parts import WallPart
from stretto.model.call_cost_and_usage_types import DOLLAR, Price
from stretto.model.entities import PATTERN_LABEL, Sample, Session, Task
from stretto.model.event import Outcome
from stretto.model.model_name import normalise_model
from stretto.model.run_rows_for_analyses import SessionRun, TaskRun
from stretto.model.tools_with_length import takes_time_of_its_own


@dataclass(slots=True)
class _TaskUse:
    """The use of one task's calls."""

    spending: Spending = field(default_factory=Spending)
    models: Counter[str] = field(default_factory=Counter)
    tool_time: int | None = None
    """None while no call reports it."""


def build_task_runs(session: Session, samples: Sequence[Sample], price: Price) -> tuple[TaskRun, ...]:
    """Return the runs of the tasks that are over, by start. ``session`` has its calls.

    ``samples`` are those of the session. Example: A at 0-60 s beside B at 0-30 s has the concurrency 1.5, B
    has 2.
    """
    uses = _sum_uses(session, price)
    count_beside = _make_concurrency_meter(session.tasks)
    runs = []
    for task in session.tasks:
        start = task.start if task.start is not None else task.end
        if start is None or task.outcome is Outcome.RUNNING:
            continue
        use = uses.get(task.id, _TaskUse())
        runs.append(
            TaskRun(
                session=session.id,
                task=task.id,
                start=start,
                length=task.length,
                outcome=task.outcome,
                type=task.task_type,
                agent=task.agent,
                phase=task.phase,
                model=use.models.most_common(1)[0][0] if use.models else None,
                pattern=session.pattern,
                project=session.project,
                concurrency=count_beside(task),
                tokens=_sum_known(use.spending.tokens.values()),
                dollars=_get_dollars(use.spending),
                tool_time=use.tool_time,
                covariates=describe_circumstances(session, samples, start, start + (task.length or 0)),
            )
        )
    return tuple(sorted(runs, key=lambda run: (run.start, run.task)))


def build_session_run(  # each is a part of the session that the caller has concluded already
    session: Session,
    *,
    fanouts: Sequence[Fanout],
    wall: Mapping[WallPart, int],
    path: CriticalPath | None,
    checks: Sequence[IntegrationCheck],
    samples: Sequence[Sample],
    score_sums: Mapping[str, float],
    usage_coverage: float | None,
    price: Price,
) -> SessionRun:
    """Return the run of a session that is over. ``session`` has its calls."""
    tasks = [task for task in session.tasks if task.outcome is not Outcome.RUNNING]
    tests = [call.tests for call in session.tool_calls if call.tests is not None]
    known_conflicts = [check.conflicting for check in checks if check.writes_known]
    spending = Spending()
    for call in session.model_calls:
        spending.add_call(call, price(call))
    end = session.last if session.end is None else session.end
    return SessionRun(
        session=session.id,
        start=session.start,
        end=end,
        outcome=session.outcome,
        pattern=session.pattern,
        project=session.project,
        repository=session.repository,
        worktree=session.worktree,
        source=session.source or None,
        labels={key: value for key, value in session.labels if key != PATTERN_LABEL},
        task_types=dict(sorted(Counter(task.task_type for task in tasks).items())),
        work=sum(task.length or 0 for task in tasks),
        delivered_work=sum(task.length or 0 for task in tasks if not task.is_wasted),
        elapsed=sum(counted.elapsed for counted in count_fanouts_once(fanouts)) if fanouts else None,
        capacity=sum(fanout.capacity for fanout in fanouts) if fanouts else None,
        longest_lane=sum(fanout.longest_lane for fanout in fanouts) if fanouts else None,
        width=max((fanout.width for fanout in fanouts), default=0),
        wall_parts={part.value: length for part, length in wall.items()},
        path_by_agent={} if path is None else dict(sorted(path.by_agent.items())),
        tokens=_sum_known(spending.tokens.values()),
        dollars=_get_dollars(spending),
        usage_coverage=usage_coverage,
        retries=len(find_retries(session.tasks)),
        conflicts=len(frozenset().union(*known_conflicts)) if known_conflicts else None,
        tests_passed=_sum_known(test.passed for test in tests),
        tests_failed=_sum_known(test.failed for test in tests),
        cpu_seconds=_get_cpu_seconds(samples),
        memory_mean=_average_known(sample.memory for sample in samples),
        memory_peak=max(
            (sample.memory_peak for sample in samples if sample.memory_peak is not None), default=None
        ),
        score_sums=score_sums,
        covariates=describe_circumstances(session, samples, session.start, end),
    )


def _sum_uses(session: Session, price: Price) -> dict[str, _TaskUse]:
    uses: defaultdict[str, _TaskUse] = defaultdict(_TaskUse)
    for call in session.model_calls:
        if call.task is not None:
            use = uses[call.task]
            use.spending.add_call(call, price(call))
            if call.model is not None:
                use.models[normalise_model(call.model)] += 1
    for tool_call in session.tool_calls:
        if tool_call.task is not None and tool_call.duration is not None and takes_time_of_its_own(tool_call):
            use = uses[tool_call.task]
            use.tool_time = (use.tool_time or 0) + tool_call.duration
    return uses


def _get_dollars(spending: Spending) -> float | None:
    return None if spending.cost is None else spending.cost / DOLLAR


def _make_concurrency_meter(tasks: Iterable[Task]) -> Callable[[Task], float]:
    """Return a function that measures how many tasks ran on average during a task, itself included."""
    # Example: A at 0-60 s and B at 0-30 s: the area below the number of running tasks is 60 at 30 s and 90 at
    # 60 s; (90 - 0) / 60 = 1.5 ran during A.
    edges = sorted(
        edge
        for task in tasks
        if task.interval is not None
        for edge in ((task.interval.start, 1), (task.interval.end, -1))
    )
    times, areas, counts = [0], [0], [0]
    for time, step in edges:
        areas.append(areas[-1] + counts[-1] * (time - times[-1]))
        times.append(time)
        counts.append(counts[-1] + step)

    def measure_area(time: int) -> int:
        place = bisect_right(times, time) - 1
        return areas[place] + counts[place] * (time - times[place])

    def count_beside(task: Task) -> float:
        interval = task.interval
        if interval is None or not interval.length:
            return 1.0
        return (measure_area(interval.end) - measure_area(interval.start)) / interval.length

    return count_beside


def _sum_known(amounts: Iterable[int | None]) -> int | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if known else None


def _average_known(amounts: Iterable[int | None]) -> float | None:
    known = [amount for amount in amounts if amount is not None]
    return fmean(known) if known else None


def _get_cpu_seconds(samples: Iterable[Sample]) -> float | None:
    nanoseconds = _sum_known(sample.cpu for sample in samples)
    return None if nanoseconds is None else nanoseconds / SECOND
