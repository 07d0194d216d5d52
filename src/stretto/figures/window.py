"""The figures of one window, from its sums: each ratio with its ingredients, never a mean of ratios."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from stretto.clock import SECOND
from stretto.figures.figure import Figure, Labels, ratio
from stretto.figures.parallel import Hours, Measured, Provenance, baseline
from stretto.figures.tally import Sums, by_first, outcomes, quantiles
from stretto.model.event import Outcome
from stretto.names import PREFIX

FindMeasured = Callable[[str, str], Measured | None]
"""(pattern, signature) → measured baseline."""


@dataclass(slots=True)
class Parallel:
    """Parallel tasks of one type and baseline, summed. Lengths in nanoseconds."""

    tasks: int = 0
    work: int = 0
    elapsed: int = 0
    sequential: float = 0.0

    def add(self, other: Parallel) -> None:
        """Add another's sums."""
        self.tasks += other.tasks
        self.work += other.work
        self.elapsed += other.elapsed
        self.sequential += other.sequential


@dataclass(frozen=True, slots=True)
class Verdict:
    """All parallel work of a window in one line. Seconds."""

    window: str
    fanouts: int
    tasks: int
    work: float
    elapsed: float
    sequential: float
    baselines: Mapping[str, int] = field(default_factory=dict)
    """Tasks by the provenance of their baseline."""

    @property
    def speedup(self) -> float | None:
        """Sequential over elapsed."""
        return self.sequential / self.elapsed if self.elapsed else None

    @property
    def time_saved(self) -> float:
        """Seconds; negative where parallel was slower."""
        return self.sequential - self.elapsed

    @property
    def improvement(self) -> float | None:
        """Time saved over sequential."""
        return self.time_saved / self.sequential if self.sequential else None


def parallel_by_type(
    sums: Sums, find_measured: FindMeasured, hours: Hours
) -> dict[tuple[str, Provenance], Parallel]:
    """Return the parallel tasks by type and baseline."""
    found: dict[tuple[str, Provenance], Parallel] = {}
    work, elapsed = sums.get("parallel_work", {}), sums.get("parallel_elapsed", {})
    for dims, tasks in sums.get("parallel_tasks", {}).items():
        pattern, signature, task_type = (str(dim) for dim in dims)
        provenance, lengths = baseline(signature.split(","), find_measured(pattern, signature), hours)
        own = work.get(dims, 0)
        sequential = float(own) if lengths is None else lengths[task_type] * tasks
        sums_of_type = found.setdefault((task_type, provenance), Parallel())
        sums_of_type.add(Parallel(tasks, own, elapsed.get(dims, 0), sequential))
    return found


def verdict(window: str, sums: Sums, parallel: Mapping[tuple[str, Provenance], Parallel]) -> Verdict:
    """Return the window's parallel work in one line."""
    total = Parallel()
    baselines: dict[str, int] = {}
    for (_, provenance), part in parallel.items():
        total.add(part)
        baselines[provenance.value] = baselines.get(provenance.value, 0) + part.tasks
    return Verdict(
        window=window,
        fanouts=sum(sums.get("fanouts", {}).values()),
        tasks=total.tasks,
        work=total.work / SECOND,
        elapsed=total.elapsed / SECOND,
        sequential=total.sequential / SECOND,
        baselines=baselines,
    )


def window_figures(
    window: str, sums: Sums, parallel: Mapping[tuple[str, Provenance], Parallel]
) -> Iterator[Figure]:
    """Yield the figures about how work ran and ended."""
    at: Labels = (("window", window),)
    yield from _improvement(at, parallel)
    yield from _efficiency(at, sums)
    yield from _tasks(at, sums)
    yield from _tool_calls(at, sums)
    yield from _sessions(at, sums)
    yield from _phases(at, sums)
    yield from _messages(at, sums)
    yield from _durations(at, sums)
    seen, expected = _only(sums, "ends_seen"), _only(sums, "ends_expected")
    yield Figure(PREFIX + "window_ends_seen", at, seen, seen)
    yield Figure(PREFIX + "window_ends_expected", at, expected, expected)
    yield ratio(PREFIX + "capture_completeness_ratio", at, seen, expected, expected)


def _improvement(at: Labels, parallel: Mapping[tuple[str, Provenance], Parallel]) -> Iterator[Figure]:
    for (task_type, provenance), p in sorted(parallel.items()):
        labels = (("task_type", task_type), ("baseline", provenance.value), *at)
        saved = p.sequential - p.elapsed
        yield ratio(PREFIX + "speedup_ratio", labels, p.sequential, p.elapsed, p.tasks)
        yield ratio(PREFIX + "improvement_ratio", labels, saved, p.sequential, p.tasks)
        for name, length in (
            ("time_saved_seconds", saved),
            ("parallel_sequential_seconds", p.sequential),
            ("parallel_elapsed_seconds", p.elapsed),
            ("parallel_work_seconds", p.work),
        ):
            yield Figure(PREFIX + name, labels, length / SECOND, p.tasks)
        yield Figure(PREFIX + "parallel_tasks", labels, p.tasks, p.tasks)


def _efficiency(at: Labels, sums: Sums) -> Iterator[Figure]:
    for dims, count in sorted(sums.get("fanouts", {}).items()):
        labels = (("pattern", str(dims[0])), *at)
        work, capacity, longest = (
            sums.get(name, {}).get(dims, 0) for name in ("pattern_work", "capacity", "longest_lane")
        )
        yield Figure(PREFIX + "window_fanouts", labels, count, count)
        yield Figure(PREFIX + "pattern_work_seconds", labels, work / SECOND, count)
        yield Figure(PREFIX + "pattern_capacity_seconds", labels, capacity / SECOND, count)
        yield Figure(PREFIX + "pattern_longest_lane_seconds", labels, longest / SECOND, count)
        yield ratio(PREFIX + "parallel_efficiency_ratio", labels, work, capacity, count)
        yield ratio(PREFIX + "load_balance_ratio", labels, work, longest, count)
        yield ratio(PREFIX + "concurrency_ratio", labels, longest, capacity, count)


def _tasks(at: Labels, sums: Sums) -> Iterator[Figure]:
    by_type: dict[str, dict[str, int]] = {}
    by_agent: dict[str, dict[str, int]] = {}
    for (task_type, agent, outcome), count in sums.get("tasks", {}).items():
        for table, key in ((by_type, task_type), (by_agent, agent)):
            row = table.setdefault(str(key), {})
            row[str(outcome)] = row.get(str(outcome), 0) + count
    yield from outcomes(
        at, "task_type", by_type, counts="window_tasks", share="success_ratio", of=Outcome.SUCCESS
    )
    yield from _completion(at, "task_type", by_type, "completion_ratio")
    yield from _completion(at, "agent", by_agent, "agent_completion_ratio")
    yield from outcomes(
        at, "agent", by_agent, counts="window_agent_tasks", share="agent_error_ratio", of=Outcome.FAILURE
    )
    parallel = {str(dims[0]): count for dims, count in sums.get("parallel_outcomes", {}).items()}
    if parallel:
        yield from outcomes(
            at,
            None,
            {"": parallel},
            counts="window_parallel_tasks",
            share="parallel_failure_ratio",
            of=Outcome.FAILURE,
        )


def _completion(
    at: Labels, label: str, table: Mapping[str, Mapping[str, int]], name: str
) -> Iterator[Figure]:
    for key, by_outcome in sorted(table.items()):
        over = sum(by_outcome.values())
        ended = sum(by_outcome.get(outcome.value, 0) for outcome in (Outcome.SUCCESS, Outcome.FAILURE))
        yield ratio(PREFIX + name, ((label, key), *at), ended, over, over)


def _tool_calls(at: Labels, sums: Sums) -> Iterator[Figure]:
    by_tool = by_first(sums.get("calls", {}))
    yield from outcomes(
        at, "tool", by_tool, counts="window_tool_calls", share="tool_success_ratio", of=Outcome.SUCCESS
    )


def _durations(at: Labels, sums: Sums) -> Iterator[Figure]:
    for measure, label, name in (
        ("call_time", "tool", "tool_duration_quantile_seconds"),
        ("task_time", "task_type", "task_duration_quantile_seconds"),
        ("agent_time", "agent", "agent_duration_quantile_seconds"),
        ("session_time", "pattern", "session_duration_quantile_seconds"),
        ("turn_time", None, "turn_duration_quantile_seconds"),
        ("phase_time", "phase", "phase_duration_quantile_seconds"),
        ("overhead", None, "overhead_quantile_seconds"),
        ("hooks_time", None, "hook_duration_quantile_seconds"),
    ):
        yield from quantiles(at, sums.get(measure, {}), name, label)
    answers: dict[tuple[str | int, ...], int] = {}
    for (_, length), count in sums.get("message_time", {}).items():
        answers[length,] = answers.get((length,), 0) + count
    yield from quantiles(at, answers, "message_response_quantile_seconds")


def _sessions(at: Labels, sums: Sums) -> Iterator[Figure]:
    for dims, count in sorted(sums.get("sessions", {}).items()):
        source, pattern, outcome = (str(dim) for dim in dims)
        labels = (("source", source), ("pattern", pattern), ("outcome", outcome), *at)
        yield Figure(PREFIX + "window_sessions", labels, count, count)


def _phases(at: Labels, sums: Sums) -> Iterator[Figure]:
    by_phase = by_first(sums.get("phases", {}))
    yield from outcomes(
        at, "phase", by_phase, counts="window_phases", share="phase_success_ratio", of=Outcome.SUCCESS
    )


def _messages(at: Labels, sums: Sums) -> Iterator[Figure]:
    yield from outcomes(at, "agent", by_first(sums.get("messages", {})), counts="window_messages")


def _only(sums: Sums, measure: str) -> int:
    return sums.get(measure, {}).get((), 0)
