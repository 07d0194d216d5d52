"""The units of an experiment: the finished sessions of both arms, each with the value that is compared."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from stretto.analysis.experiment_definition_and_plan import ExperimentDefinition, ExperimentMetric
from stretto.analysis.two_session_comparison import measure_active_time
from stretto.model.event import Outcome
from stretto.model.run_rows_for_analyses import SessionRun, TaskRun


@dataclass(frozen=True, slots=True)
class ExperimentUnit:
    """A finished session of an arm with the value that is compared; 1 or 0 for a success or a failure."""

    session: str
    arm: str
    value: float
    end: int
    stratum: str = ""
    pair: str | None = None


def list_experiment_sessions(
    definition: ExperimentDefinition,
    sessions: Iterable[SessionRun],
    tasks: Iterable[TaskRun] = (),
    instant: int | None = None,
) -> list[ExperimentUnit]:
    """Return the finished sessions of both arms with their values, by end.

    Only those that began after the experiment and ended before ``instant`` count, and only those whose metric
    is known. ``tasks`` are needed for ``task_seconds`` alone.
    """
    chosen = [
        run
        for run in sessions
        if run.labels.get(definition.label) in definition.arms
        and run.start >= definition.start
        and (instant is None or run.end <= instant)
    ]
    if definition.metric is ExperimentMetric.TASK_SECONDS:
        arm_of = {run.session: run.labels[definition.label] for run in chosen}
        values = _average_task_lengths(arm_of, definition.arms, tasks)
    else:
        values = {
            run.session: value
            for run in chosen
            if (value := _read_metric(run, definition.metric)) is not None
        }
    return [
        ExperimentUnit(
            run.session,
            run.labels[definition.label],
            values[run.session],
            run.end,
            run.pattern or "" if definition.by_pattern else "",
            run.labels.get(definition.pair_by) if definition.pair_by else None,
        )
        for run in sorted(chosen, key=lambda run: (run.end, run.session))
        if run.session in values
    ]


def _read_metric(run: SessionRun, metric: ExperimentMetric) -> float | None:
    match metric:
        case ExperimentMetric.ELAPSED_SECONDS:
            value: float | None = run.elapsed
        case ExperimentMetric.WALL_SECONDS:
            value = measure_active_time(run)
        case ExperimentMetric.TOKENS:
            value = run.tokens
        case ExperimentMetric.DOLLARS:
            value = run.dollars
        case ExperimentMetric.SUCCESS:
            known = {Outcome.SUCCESS: 1.0, Outcome.FAILURE: 0.0}
            return known.get(run.outcome)
        case _:
            return None
    return float(value) if value is not None and value > 0 else None


def list_compared_tasks(
    arm_of: Mapping[str, str], arms: tuple[str, str], tasks: Iterable[TaskRun]
) -> list[TaskRun]:
    """Return the delivered tasks of known length whose type ran in both arms; ``arm_of`` is by session."""
    known = [
        task
        for task in tasks
        if task.session in arm_of and task.length is not None and task.length > 0 and task.is_delivered
    ]
    arms_of_type: dict[str, set[str]] = defaultdict(set)
    for task in known:
        arms_of_type[task.type].add(arm_of[task.session])
    return [task for task in known if len(arms_of_type[task.type]) == len(arms)]


def _average_task_lengths(
    arm_of: Mapping[str, str], arms: tuple[str, str], tasks: Iterable[TaskRun]
) -> dict[str, float]:
    """Return the geometric mean of each session's task lengths, as if its tasks were of an average type.

    Types and the arms' ratio are fitted together, so that an arm with more tasks of a long type does not look
    slower. Types that ran in only one arm cannot be compared and are left out.
    """
    rows = [
        (task.session, task.type, math.log(task.length or 0))
        for task in list_compared_tasks(arm_of, arms, tasks)
    ]
    if not rows:
        return {}
    types = sorted({type_ for _, type_, _ in rows})
    index = {type_: place for place, type_ in enumerate(types)}
    design = np.zeros((len(rows), len(types) + 1))
    for number, (session, type_, _) in enumerate(rows):
        design[number, index[type_]] = 1
        design[number, -1] = arm_of[session] == arms[1]
    logs = np.array([log for _, _, log in rows])
    fitted = np.linalg.lstsq(design, logs, rcond=None)[0]
    adjusted = logs - design[:, :-1] @ fitted[:-1] + fitted[:-1].mean()
    by_session: dict[str, list[float]] = defaultdict(list)
    for (session, _, _), value in zip(rows, adjusted, strict=True):
        by_session[session].append(float(value))
    return {session: math.exp(sum(values) / len(values)) for session, values in by_session.items()}
