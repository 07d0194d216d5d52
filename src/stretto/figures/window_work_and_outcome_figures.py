"""Compute a window's figures of work and outcomes from its sums: ratios with their ingredients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from stretto.clock import SECOND
from stretto.figures.confidence_intervals import compute_improvement_bounds
from stretto.figures.figure import Figure, Labels, make_ratio, with_bounds
from stretto.figures.outcome_and_quantile_figures import compute_outcome_figures, compute_quantile_figures
from stretto.figures.parallel_work_against_baselines import NOTHING_DELIVERED, ParallelWork
from stretto.figures.sequential_baseline_choice import Provenance
from stretto.figures.sums_by_dimension import Sums, sum_by, sum_by_dimensions, sum_in_table, sum_up
from stretto.figures.usage_reporting_coverage import compute_incomplete_tool_call_coverage
from stretto.model.event import Outcome
from stretto.names import measures
from stretto.names.measures import Dimension


def compute_window_figures(
    window: str, sums: Sums, parallel: Mapping[tuple[str, Provenance], ParallelWork]
) -> Iterator[Figure]:
    """Yield the figures about how work ran and ended."""
    at: Labels = (("window", window),)
    yield from _compute_improvement(at, parallel)
    yield from _compute_tasks(at, sums)
    yield from _compute_tool_calls(at, sums)
    yield from _compute_sessions(at, sums)
    yield from _compute_phases(at, sums)
    yield from _compute_messages(at, sums)
    yield from _compute_durations(at, sums)
    seen, expected = sum_up(sums, measures.ENDS_SEEN), sum_up(sums, measures.ENDS_EXPECTED)
    yield Figure("stretto_window_ends_seen", at, seen, seen)
    yield Figure("stretto_window_ends_expected", at, expected, expected)
    yield make_ratio("stretto_capture_completeness_ratio", at, seen, expected, expected)


def _compute_improvement(
    at: Labels, parallel: Mapping[tuple[str, Provenance], ParallelWork]
) -> Iterator[Figure]:
    # Example: sequential 100 s (bounds 80-120 s) and elapsed 60 s: 40 s saved (bounds 20-60 s).
    for (task_type, provenance), p in sorted(parallel.items()):
        labels = (("task_type", task_type), ("baseline", provenance.value), *at)
        saved, bounds = p.sequential - p.elapsed, p.bounds
        speedup = make_ratio("stretto_speedup_ratio", labels, p.sequential, p.elapsed, p.tasks)
        improvement = make_ratio("stretto_improvement_ratio", labels, saved, p.sequential, p.tasks)
        if not p.delivered:
            improvement = replace(improvement, reason=NOTHING_DELIVERED)
        lengths = [
            Figure(name, labels, length / SECOND, p.tasks)
            for name, length in (
                ("stretto_time_saved_seconds", saved),
                ("stretto_parallel_sequential_seconds", p.sequential),
                ("stretto_parallel_elapsed_seconds", p.elapsed),
                ("stretto_parallel_work_seconds", p.work),
                ("stretto_parallel_delivered_work_seconds", p.delivered_work),
            )
        ]
        if bounds is not None:
            lengths[0] = with_bounds(lengths[0], *((edge - p.elapsed) / SECOND for edge in bounds))
            lengths[1] = with_bounds(lengths[1], *(edge / SECOND for edge in bounds))
            if p.elapsed > 0:
                speedup = with_bounds(speedup, *(edge / p.elapsed for edge in bounds))
            improvement = with_bounds(improvement, *compute_improvement_bounds(bounds, p.elapsed))
        yield speedup
        yield improvement
        yield from lengths
        yield Figure("stretto_parallel_tasks", labels, p.tasks, p.tasks)
        yield Figure("stretto_parallel_delivered_tasks", labels, p.delivered, p.tasks)


def _compute_tasks(at: Labels, sums: Sums) -> Iterator[Figure]:
    # Example: a success, a failure and a cancelled task: success ratio 1 / 2, completion ratio 2 / 3.
    by_type = sum_in_table(sums, measures.TASKS, Dimension.TASK_TYPE, Dimension.OUTCOME)
    by_agent = sum_in_table(sums, measures.TASKS, Dimension.AGENT, Dimension.OUTCOME)
    yield from compute_outcome_figures(
        at,
        "task_type",
        by_type,
        counts="stretto_window_tasks",
        share="stretto_success_ratio",
        of=Outcome.SUCCESS,
    )
    yield from _compute_completion(at, "task_type", by_type, "stretto_completion_ratio")
    yield from _compute_completion(at, "agent", by_agent, "stretto_agent_completion_ratio")
    yield from compute_outcome_figures(
        at,
        "agent",
        by_agent,
        counts="stretto_window_agent_tasks",
        share="stretto_agent_error_ratio",
        of=Outcome.FAILURE,
    )
    failed = sum_by_dimensions(sums, measures.FAILED_TASKS, Dimension.PHASE, Dimension.AGENT, Dimension.KIND)
    for (phase, agent, kind), count in sorted(failed.items()):
        labels: Labels = (("phase", phase), ("agent", agent), ("kind", kind), *at)
        yield Figure("stretto_window_failed_tasks", labels, count, count)
    parallel = sum_by(sums, measures.PARALLEL_OUTCOMES, Dimension.OUTCOME)
    if parallel:
        yield from compute_outcome_figures(
            at,
            None,
            {"": parallel},
            counts="stretto_window_parallel_tasks",
            share="stretto_parallel_failure_ratio",
            of=Outcome.FAILURE,
        )


def _compute_completion(
    at: Labels, label: str, table: Mapping[str, Mapping[str, int]], name: str
) -> Iterator[Figure]:
    for key, by_outcome in sorted(table.items()):
        over = sum(by_outcome.values())
        ended = sum(by_outcome.get(outcome.value, 0) for outcome in (Outcome.SUCCESS, Outcome.FAILURE))
        yield make_ratio(name, ((label, key), *at), ended, over, over)


def _compute_tool_calls(at: Labels, sums: Sums) -> Iterator[Figure]:
    by_tool = sum_in_table(sums, measures.CALLS, Dimension.TOOL, Dimension.OUTCOME)
    yield from compute_outcome_figures(
        at,
        "tool",
        by_tool,
        counts="stretto_window_tool_calls",
        share="stretto_tool_success_ratio",
        of=Outcome.SUCCESS,
        coverage=compute_incomplete_tool_call_coverage(sums),
    )


def _compute_durations(at: Labels, sums: Sums) -> Iterator[Figure]:
    for measure, label, name in (
        (measures.CALL_TIME, Dimension.TOOL, "stretto_tool_duration_quantile_seconds"),
        (measures.TASK_TIME, Dimension.TASK_TYPE, "stretto_task_duration_quantile_seconds"),
        (measures.AGENT_TIME, Dimension.AGENT, "stretto_agent_duration_quantile_seconds"),
        (measures.SESSION_TIME, Dimension.PATTERN, "stretto_session_duration_quantile_seconds"),
        (measures.TURN_TIME, None, "stretto_turn_duration_quantile_seconds"),
        (measures.PHASE_TIME, Dimension.PHASE, "stretto_phase_duration_quantile_seconds"),
        (measures.OVERHEAD, None, "stretto_overhead_quantile_seconds"),
        (measures.HOOKS_TIME, None, "stretto_hook_duration_quantile_seconds"),
        (measures.HOOK_EVENT_TIME, Dimension.EVENT, "stretto_hook_event_duration_quantile_seconds"),
        (measures.HOOK_COMMAND_TIME, Dimension.COMMAND, "stretto_hook_command_duration_quantile_seconds"),
        (measures.MESSAGE_TIME, None, "stretto_message_response_quantile_seconds"),
        (measures.RECOVERY_TIME, Dimension.TASK_TYPE, "stretto_recovery_quantile_seconds"),
        (measures.MESSAGE_TIME, Dimension.AGENT, "stretto_agent_response_quantile_seconds"),
    ):
        yield from compute_quantile_figures(at, sums, measure, name, label)
    answers = sum_up(sums, measures.ANSWERS)
    if answers:
        mean = sum_up(sums, measures.ANSWER_TIME) / SECOND / answers
        yield Figure("stretto_message_response_mean_seconds", at, mean, answers)


def _compute_sessions(at: Labels, sums: Sums) -> Iterator[Figure]:
    ended = sum_by_dimensions(sums, measures.SESSIONS, Dimension.SOURCE, Dimension.PATTERN, Dimension.OUTCOME)
    for (source, pattern, outcome), count in sorted(ended.items()):
        labels = (("source", source), ("pattern", pattern), ("outcome", outcome), *at)
        yield Figure("stretto_window_sessions", labels, count, count)


def _compute_phases(at: Labels, sums: Sums) -> Iterator[Figure]:
    by_phase = sum_in_table(sums, measures.PHASES, Dimension.PHASE, Dimension.OUTCOME)
    yield from compute_outcome_figures(
        at,
        "phase",
        by_phase,
        counts="stretto_window_phases",
        share="stretto_phase_success_ratio",
        of=Outcome.SUCCESS,
    )


def _compute_messages(at: Labels, sums: Sums) -> Iterator[Figure]:
    by_receiver = sum_in_table(sums, measures.MESSAGES, Dimension.AGENT, Dimension.OUTCOME)
    yield from compute_outcome_figures(at, "agent", by_receiver, counts="stretto_window_messages")
    for agent, count in sorted(sum_by(sums, measures.MESSAGES_SENT, Dimension.AGENT).items()):
        yield Figure("stretto_window_messages_sent", (("agent", agent), *at), count, count)
    for kind, count in sorted(sum_by(sums, measures.MESSAGE_KINDS, Dimension.KIND).items()):
        yield Figure("stretto_window_messages_by_kind", (("kind", kind), *at), count, count)
    refused = sum_up(sums, measures.REFUSED_DELEGATIONS)
    if refused:
        repaired = sum_up(sums, measures.REPAIRED_DELEGATIONS)
        yield Figure("stretto_window_refused_agent_calls", at, refused, refused)
        yield Figure("stretto_window_repaired_agent_calls", at, repaired, refused)
