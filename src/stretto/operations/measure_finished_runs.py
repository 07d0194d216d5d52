"""Measure finished tasks and sessions: lengths, outcomes, agents, phases, resources and money, as JSON.

Where a number is not known, its place holds null, and ``absent`` beside it holds the reason.
"""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from stretto.clock import SECOND, to_rfc3339
from stretto.figures.quantile_sketch import pick_quantile
from stretto.model.event import Outcome
from stretto.model.run_rows_for_analyses import SessionRun, TaskRun
from stretto.store.fanout_and_baseline_queries import FanoutRun

FEWEST_FOR_P95 = 20
FEWEST_FOR_P99 = 100
FEWEST_FOR_SPREAD = 8
"""Fewest values that have a value beyond the quantile."""

BUCKETS = (1, 5, 15, 60, 300, 900, 3_600)
"""Seconds: upper ends of the distribution's classes."""

NO_FANOUT = "no tasks ran side by side"
NO_TASK = "no task with a known length ended in this time"
NO_DELIVERED_TASK = "no task with a known length was delivered in this time"
NOT_SAMPLED = "no session's processes were sampled"
NO_USAGE = "no source reported the tokens"
NO_COST = "no source reported the cost, and no price is known"
NONE_DELIVERED = "the sessions that reported it delivered no task"

UNREPORTED_OF_PHASE = {
    "end": "its end was not reported",
    "seconds": "its end was not reported",
    "progress": "nobody reported how far it is",
    "blocked": "nobody reported that it cannot go on",
}
"""Part of a declared phase that may be null → the reason."""


def measure_timing(tasks: Sequence[TaskRun]) -> dict[str, Any]:
    """Return the lengths of tasks: mean, quantiles, fastest and slowest task, distribution. In seconds.

    The fastest task is one that was delivered: a task that failed at once was not fast.
    """
    known = sort_by_length(tasks)
    delivered = [run for run in known if run.is_delivered]
    seconds = [(run.length or 0) / SECOND for run in known]
    timing: dict[str, Any] = {
        "tasks": len(tasks),
        "total_task_seconds": sum(seconds) if seconds else None,
        "mean_seconds": statistics.fmean(seconds) if seconds else None,
        "median_seconds": statistics.median(seconds) if seconds else None,
        "p95_seconds": find_quantile(seconds, 0.95, FEWEST_FOR_P95),
        "p99_seconds": find_quantile(seconds, 0.99, FEWEST_FOR_P99),
        "fastest_task": describe_task(delivered[0]) if delivered else None,
        "slowest_task": describe_task(known[-1]) if known else None,
        "distribution": _count_classes(seconds),
    }
    absent = {}
    if not seconds:
        names = ("total_task_seconds", "mean_seconds", "median_seconds", "slowest_task")
        absent = dict.fromkeys(names, NO_TASK)
    if not delivered:
        absent["fastest_task"] = NO_DELIVERED_TASK if seconds else NO_TASK
    for name, fewest in (("p95_seconds", FEWEST_FOR_P95), ("p99_seconds", FEWEST_FOR_P99)):
        if len(seconds) < fewest:
            absent[name] = f"{len(seconds)} tasks, {fewest} are needed"
    absent["timeout_share"] = "no source reports that a task ended by a time-out"
    return {**timing, "timeout_share": None, "absent": absent}


def sort_by_length(tasks: Iterable[TaskRun]) -> list[TaskRun]:
    """Return the tasks of known length, the shortest first."""
    return sorted((run for run in tasks if run.length is not None), key=lambda run: (run.length, run.task))


def find_quantile(values: Sequence[float], share: float, fewest: int = 1) -> float | None:
    """Return the quantile of sorted values, as of every figure (``pick_quantile``); None below ``fewest``.

    Example: of 20 values the .95 quantile is the nineteenth.
    """
    return None if len(values) < fewest else pick_quantile(values, share)


def measure_spread(values: Sequence[float]) -> float | None:
    """Return the middle half of sorted values over their median; None below FEWEST_FOR_SPREAD.

    Example: quarters of the lengths are below 40 s and above 70 s, and the median is 60 s: a spread of 0.5.
    """
    median = statistics.median(values) if len(values) >= FEWEST_FOR_SPREAD else 0
    low, high = find_quantile(values, 0.25), find_quantile(values, 0.75)
    return (high - low) / median if median and low is not None and high is not None else None


def describe_task(run: TaskRun) -> dict[str, Any]:
    """Return a finished task in a list."""
    return {
        "task": run.task,
        "session": run.session,
        "task_type": run.type,
        "agent": run.agent,
        "start": to_rfc3339(run.start),
        "seconds": None if run.length is None else run.length / SECOND,
        "outcome": run.outcome.value,
    }


def measure_outcomes(tasks: Iterable[TaskRun]) -> dict[str, Any]:
    """Return how many tasks ended how, and the share of success among those with a known outcome."""
    counts = Counter(run.outcome for run in tasks)
    judged = counts[Outcome.SUCCESS] + counts[Outcome.FAILURE]
    shares = {
        "success_share": counts[Outcome.SUCCESS] / judged if judged else None,
        "error_share": counts[Outcome.FAILURE] / judged if judged else None,
    }
    absent = {} if judged else dict.fromkeys(shares, "no task ended with a known outcome")
    return {
        **{outcome.value: counts[outcome] for outcome in Outcome if outcome is not Outcome.RUNNING},
        **shares,
        "absent": absent,
    }


def measure_usage(tasks: Sequence[TaskRun], sessions: Sequence[SessionRun]) -> dict[str, Any]:
    """Return tokens and money of sessions, and of each delivered task of those that reported them.

    ``at_least`` says that some session reported no tokens, or not all: the sums are then lower bounds.
    """
    tokens = [run.tokens for run in sessions if run.tokens is not None]
    dollars = [run.dollars for run in sessions if run.dollars is not None]
    by_tokens = _count_delivered(tasks, (run.session for run in sessions if run.tokens is not None))
    by_dollars = _count_delivered(tasks, (run.session for run in sessions if run.dollars is not None))
    usage: dict[str, Any] = {
        "tokens": sum(tokens) if tokens else None,
        "cost_usd": sum(dollars) if dollars else None,
        "tokens_per_delivered_task": sum(tokens) / by_tokens if by_tokens else None,
        "cost_per_delivered_task_usd": sum(dollars) / by_dollars if by_dollars else None,
        "at_least": bool(tokens)
        and any(run.usage_coverage is None or run.usage_coverage < 1 for run in sessions),
        "sessions_with_tokens": len(tokens),
        "sessions_with_cost": len(dollars),
    }
    reasons = {"tokens": NO_USAGE, "tokens_per_delivered_task": NONE_DELIVERED if tokens else NO_USAGE}
    reasons |= {"cost_usd": NO_COST, "cost_per_delivered_task_usd": NONE_DELIVERED if dollars else NO_COST}
    return {**usage, "absent": keep_reasons(usage, reasons)}


def _count_delivered(tasks: Iterable[TaskRun], sessions: Iterable[str]) -> int:
    """Return how many tasks of some sessions were delivered: cost and work are those of the same sessions."""
    among = {*sessions}
    return sum(run.is_delivered for run in tasks if run.session in among)


def measure_processors_and_memory(tasks: Sequence[TaskRun], sessions: Sequence[SessionRun]) -> dict[str, Any]:
    """Return processors and memory that sessions used; null where nothing sampled them."""
    cpu = [run.cpu_seconds for run in sessions if run.cpu_seconds is not None]
    means = [run.memory_mean for run in sessions if run.memory_mean is not None]
    peaks = [run.memory_peak for run in sessions if run.memory_peak is not None]
    delivered = _count_delivered(tasks, (run.session for run in sessions if run.cpu_seconds is not None))
    found: dict[str, Any] = {
        "sessions_sampled": len(cpu),
        "cpu_seconds": sum(cpu) if cpu else None,
        "cpu_seconds_per_delivered_task": sum(cpu) / delivered if delivered else None,
        "memory_mean_bytes": statistics.fmean(means) if means else None,
        "memory_peak_bytes": max(peaks) if peaks else None,
    }
    reasons = dict.fromkeys(found, NOT_SAMPLED) | {
        "io_wait_share": "samples have no such number by process",
        "garbage_collection_share": "no agent's runtime reports it",
        "network_bytes": "samples have no such number by process",
    }
    if cpu:
        reasons["cpu_seconds_per_delivered_task"] = NONE_DELIVERED
    unknown = dict.fromkeys(("io_wait_share", "garbage_collection_share", "network_bytes"))
    return {**found, **unknown, "absent": keep_reasons({**found, **unknown}, reasons)}


def measure_parallel_work(fanouts: Sequence[FanoutRun]) -> dict[str, Any]:
    """Return elapsed time, capacity, delivered work and efficiency of parallel executions, all together."""
    capacity = sum(run.width * run.elapsed for run in fanouts)
    delivered = sum(run.delivered_work for run in fanouts)
    found: dict[str, Any] = {
        "fanouts": len(fanouts),
        "parallel_elapsed_seconds": sum(run.elapsed for run in fanouts) / SECOND if fanouts else None,
        "capacity_seconds": capacity / SECOND if fanouts else None,
        "delivered_work_seconds": delivered / SECOND if fanouts else None,
        "saved_seconds": measure_saved(fanouts) if fanouts else None,
        "efficiency": delivered / capacity if capacity else None,
        "width_mean": statistics.fmean(run.width for run in fanouts) if fanouts else None,
        "width_max": max((run.width for run in fanouts), default=None),
    }
    return {**found, "absent": keep_reasons(found, dict.fromkeys(found, NO_FANOUT))}


def measure_saved(fanouts: Iterable[FanoutRun]) -> float:
    """Return the seconds that parallel executions saved by their tasks' own lengths; below 0 if they lost."""
    return sum(run.delivered_work - run.paid for run in fanouts) / SECOND


def measure_session_efficiency(fanouts: Iterable[FanoutRun]) -> dict[str, float]:
    """Return delivered work over capacity of the parallel executions of each session."""
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for run in fanouts:
        both = sums[run.session]
        both[0] += run.delivered_work
        both[1] += run.width * run.elapsed
    return {session: delivered / capacity for session, (delivered, capacity) in sums.items() if capacity}


def group_tasks(
    tasks: Iterable[TaskRun], key: Callable[[TaskRun], str | None], name: str
) -> list[dict[str, Any]]:
    """Return a row of lengths and outcomes for each value of a key, the most work first.

    ``share_of_work`` is the share of the length of all tasks, those without a value included.
    """
    groups: dict[str, list[TaskRun]] = defaultdict(list)
    work = 0
    for run in tasks:
        work += run.length or 0
        if (value := key(run)) is not None:
            groups[value].append(run)
    rows = []
    for value, group in groups.items():
        timing, outcomes = measure_timing(group), measure_outcomes(group)
        lengths = sorted(run.length / SECOND for run in group if run.length is not None)
        tokens = [run.tokens for run in group if run.tokens is not None]
        dollars = [run.dollars for run in group if run.dollars is not None]
        row = {
            name: value,
            "tasks": len(group),
            "total_task_seconds": timing["total_task_seconds"],
            "share_of_work": sum(run.length or 0 for run in group) / work if work else None,
            "median_seconds": timing["median_seconds"],
            "mean_seconds": timing["mean_seconds"],
            "p95_seconds": timing["p95_seconds"],
            "spread": measure_spread(lengths),
            "success_share": outcomes["success_share"],
            "failed": outcomes[Outcome.FAILURE.value],
            "tokens": sum(tokens) if tokens else None,
            "cost_usd": sum(dollars) if dollars else None,
        }
        reasons = timing["absent"] | outcomes["absent"] | {"tokens": NO_USAGE, "cost_usd": NO_COST}
        few = f"{len(lengths)} tasks of known length, {FEWEST_FOR_SPREAD} are needed"
        reasons["share_of_work"] = NO_TASK
        reasons["spread"] = few if len(lengths) < FEWEST_FOR_SPREAD else "half of them took no time"
        rows.append({**row, "absent": keep_reasons(row, reasons)})
    return sorted(rows, key=lambda row: (-(row["total_task_seconds"] or 0), row[name]))


def add_reasons_to_phase(
    phase: Mapping[str, Any], further: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return a declared phase of a session with the reason of each part that is null."""
    return {**phase, "absent": keep_reasons(phase, UNREPORTED_OF_PHASE | dict(further or {}))}


def keep_reasons(values: Mapping[str, Any], reasons: Mapping[str, str]) -> dict[str, str]:
    """Return the reasons of those values that are null."""
    return {name: reasons[name] for name, value in values.items() if value is None and name in reasons}


def _count_classes(seconds: Sequence[float]) -> list[dict[str, Any]]:
    """Return how many values lie in each class up to its end (s); the last has no end."""
    counts = [0] * (len(BUCKETS) + 1)
    for value in seconds:
        counts[next((place for place, end in enumerate(BUCKETS) if value <= end), len(BUCKETS))] += 1
    return [
        {"up_to_seconds": end, "tasks": count} for end, count in zip((*BUCKETS, None), counts, strict=True)
    ]
