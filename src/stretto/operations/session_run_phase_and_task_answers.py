"""Answer how sessions run from the inside: execution, phases, tasks, parallel work."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from stretto.clock import SECOND
from stretto.format import quantities
from stretto.names import WINDOWS
from stretto.operations.advice_rows import describe_advice
from stretto.operations.efficiency_answers import (
    FEWEST_FANOUTS,
    choose_figure_window,
    find_span,
)
from stretto.operations.history_answers import describe_startup_and_slowing
from stretto.operations.lane_use_benchmark import BENCHMARK_TIME, compare_week_with_earlier_weeks
from stretto.operations.measure_finished_runs import (
    describe_task,
    group_tasks,
    measure_outcomes,
    measure_parallel_work,
    measure_timing,
    measure_usage,
    sort_by_length,
)
from stretto.operations.operation import OperationAnswer
from stretto.operations.operation_context import OperationCall
from stretto.operations.operation_errors import lack_data
from stretto.operations.option_kinds import name_span
from stretto.operations.phase_rows import (
    add_quality_to_phases,
    add_reasons_to_scores,
    count_conflicts_by_phase,
    count_failures_by_phase_and_agent,
    list_declared_phases,
    list_failure_kinds,
)
from stretto.operations.work_by_pattern import tabulate_patterns

SMALL_SECONDS = 1.0
"""Calls below this length are candidates for batching."""

MOST_ROWS = 10

MOST_PHASES_IN_WORDS = 3


def answer_session_run_analysis(call: OperationCall) -> OperationAnswer:
    """Answer how sessions ran: wall time by part, critical path, start-up, fastest and slowest task."""
    runs = call.read_runs(find_span(call))
    if call.workflow.session is not None:
        session = call.session
        performance: dict[str, Any] = {
            "session": {
                key: session[key] for key in ("id", "pattern", "outcome", "elapsed_seconds", "start", "end")
            },
            "wall_time": session["wall_time"],
            "critical_path": session["critical_path"],
            "timing": measure_timing(runs.tasks),
            "efficiency": session["efficiency"],
        }
        what_ifs = [] if session["critical_path"] is None else session["critical_path"]["faster"]
        sentence = (
            f"Session {session['id']} took {quantities.format_duration(session['elapsed_seconds'])}:"
            f" {_describe_parts(session['wall_time'])}."
        )
        analysis: dict[str, Any] = {"what_if": what_ifs, "absent": session["absent"]}
    else:
        if not runs.sessions:
            raise lack_data("finished sessions", 0, 1)
        wall: dict[str, float] = defaultdict(float)
        for run in runs.sessions:
            for part, length in run.wall_parts.items():
                wall[part] += length / SECOND
        lengths = [(run.end - run.start) / SECOND for run in runs.sessions]
        window = choose_figure_window(call, "critical_path_by_agent")
        call.note_unfiltered("critical_path_by_agent")
        performance = {
            "sessions": len(runs.sessions),
            "median_session_seconds": statistics.median(lengths),
            "wall_time": dict(wall),
            "critical_path_by_agent": call.figures.list_by(
                "stretto_critical_path_agent_seconds", "agent", window=window
            ),
            "figures_window": window,
            "timing": measure_timing(runs.tasks),
            "outcomes": measure_outcomes(runs.tasks),
            "usage": measure_usage(runs.tasks, runs.sessions),
        }
        count = quantities.format_count_with_noun(len(runs.sessions), "session")
        middle = quantities.format_duration(statistics.median(lengths))
        sentence = f"{count}, {middle} in the middle: {_describe_parts(wall)}."
        analysis = {}
    lives = call.try_answer("lives")
    analysis["life_cycle"] = {} if lives is None else describe_startup_and_slowing(lives, call.pattern)
    return OperationAnswer(
        [sentence], performance, analysis, next_steps=["stretto phase-performance", "stretto bottlenecks"]
    )


def _describe_parts(wall: Mapping[str, float]) -> str:
    """Return the largest parts of wall time in words."""
    total = sum(wall.values())
    largest = sorted(wall.items(), key=lambda item: -item[1])[:3]
    shares = [
        f"{quantities.format_percent(value / total)} {part.replace('_', ' ')}"
        for part, value in largest
        if total and value
    ]
    return ", ".join(shares) or "no part of its wall time is known"


def answer_phase_performance(call: OperationCall) -> OperationAnswer:
    """Answer phases with length, efficiency and success, and which of them fails or drags."""
    runs = call.read_runs(find_span(call))
    if not runs.sessions and call.workflow.session is None:
        raise lack_data("finished sessions", 0, 1)
    performance: dict[str, Any] = {}
    if call.workflow.session is not None:
        session = call.session
        declared = add_quality_to_phases(session["phases"], session["kpis"].get("phases", ()))
        performance |= {
            "declared": declared,
            "efficiency": None if session["efficiency"] is None else session["efficiency"]["phases"],
            "quality": add_reasons_to_scores(session["kpis"]["phases"]),
            "conflicts": count_conflicts_by_phase(session["fanouts"]),
        }
        sentences = [
            f"{row['name']}: {quantities.format_duration(row['seconds'])}, {row['outcome']}."
            for row in declared
            if row["seconds"] is not None
        ]
    else:
        window = choose_figure_window(call, "declared, conflicts, failure_kinds")
        length = name_span(WINDOWS[window] * SECOND).replace("_", " ")
        declared = list_declared_phases(call.figures, window)
        conflicts = call.figures.list_figures("stretto_window_phase_conflicts", window=window)
        performance |= {
            "figures_window": window,
            "declared": declared,
            "conflicts": [
                {"phase": dict(figure.labels)["phase"], "conflicts": figure.value} for figure in conflicts
            ],
            "failure_kinds": list_failure_kinds(call.figures, window),
        }
        of_all = [name for name in ("declared", "conflicts", "failure_kinds") if performance[name]]
        call.note_unfiltered(*of_all)
        # Phases are counted by their name alone, so that a pattern has only those of its tasks.
        sentences = [
            f"{row['phase']}: {row['ended']} in {length},"
            f" {quantities.format_duration(row['median_seconds'])} in the middle."
            for row in (declared if call.workflow.pattern is None else ())
            if row["median_seconds"] is not None
        ]
    phases = group_tasks(runs.tasks, lambda run: run.phase, "phase")
    performance |= {"phases": phases, "failures": count_failures_by_phase_and_agent(runs.tasks)}
    # Tasks may name a phase that nobody declared: it has their length alone.
    sentences = sentences or [
        f"{row['phase']}: {row['tasks']} tasks of {quantities.format_duration(row['median_seconds'])},"
        f" {quantities.format_percent(row['share_of_work'])} of the work."
        for row in phases
        if row["median_seconds"] is not None
    ]
    quiet = "No phase is declared: an orchestrator names phases by stretto.phase()."
    if performance["declared"]:
        quiet = "No length of a phase is known, and no task names its phase."
    changes = [
        each for each in call.select_findings(call.try_answer("changes")) if each.kind == "phase_length"
    ]
    return OperationAnswer(
        sentences[:MOST_PHASES_IN_WORDS] or [quiet],
        performance,
        {"changes": [call.describe(each) for each in changes]},
        next_steps=["stretto bottlenecks", "stretto task-optimization"],
    )


def answer_task_optimization(call: OperationCall) -> OperationAnswer:
    """Answer which tasks and calls cost most, which are too small, and what a faster task would give."""
    runs = call.read_runs(find_span(call))
    if not runs.tasks and call.workflow.session is None:
        raise lack_data("finished tasks", 0, 1)
    shortest_first = sort_by_length(runs.tasks)
    slowest = shortest_first[::-1]
    delivered = [run for run in shortest_first if run.is_delivered]
    performance: dict[str, Any] = {
        "by_task_type": group_tasks(runs.tasks, lambda run: run.type, "task_type"),
        "slowest": [describe_task(run) for run in slowest[:MOST_ROWS]],
        "fastest": [describe_task(run) for run in delivered[:MOST_ROWS]],
        "timing": measure_timing(runs.tasks),
    }
    analysis: dict[str, Any] = {}
    sentence = "No task with a known length has ended."
    if slowest:
        longest = quantities.format_duration((slowest[0].length or 0) / SECOND)
        sentence = f"The slowest of {len(slowest)} tasks took {longest}."
    if call.workflow.session is not None:
        session = call.session
        small = [
            each
            for each in session["tool_calls"]
            if each["seconds"] is not None and each["seconds"] < SMALL_SECONDS
        ]
        overhead = [
            each["overhead_seconds"] for each in session["tool_calls"] if each["overhead_seconds"] is not None
        ]
        analysis["batching"] = {
            "calls": len(session["tool_calls"]),
            "calls_below_a_second": len(small),
            "seconds_in_them": sum(each["seconds"] for each in small),
            "overhead_seconds": sum(overhead) if overhead else None,
            "absent": {}
            if overhead
            else {"overhead_seconds": "no source reported the time around its calls"},
        }
        analysis["what_if"] = [] if session["critical_path"] is None else session["critical_path"]["faster"]
    advice = [
        describe_advice(finding)
        for finding in call.select_findings(call.try_answer("advice"))
        if finding.details.get("category") == "task"
    ]
    return OperationAnswer(
        [sentence],
        performance,
        analysis,
        advice,
        ["stretto show SESSION --what-if TASK=0.8", "stretto recommendations"],
    )


def answer_parallel_efficiency(call: OperationCall) -> OperationAnswer:
    """Answer how well parallel executions use their lanes: balance times concurrency times delivery."""
    runs = call.read_runs(find_span(call))
    if call.workflow.session is not None:
        session = call.session
        if not session["fanouts"]:
            raise lack_data("parallel executions of this session", 0, 1)
        keys = (
            *("tasks", "width", "elapsed_seconds", "sequential_seconds", "baseline", "speedup", "efficiency"),
            *("load_balance", "concurrency", "delivery", "lost_seconds"),
        )
        tree = session["efficiency"]
        performance: dict[str, Any] = {
            "efficiency": tree,
            "fanouts": [{key: fanout[key] for key in keys} for fanout in session["fanouts"]],
        }
        sentence = (
            f"Session {session['id']} used {quantities.format_percent(tree['efficiency'])} of its lanes."
        )
    else:
        labels = {"pattern": call.workflow.pattern} if call.workflow.pattern else {}
        call.note_unfiltered("verdict")
        window = choose_figure_window(
            call, "verdict, by_pattern, lost_seconds, speedup, saved_seconds, quality"
        )
        length = name_span(WINDOWS[window] * SECOND).replace("_", " ")
        count = round(call.figures.sum_values("stretto_window_fanouts", window=window, **labels) or 0)
        if count < FEWEST_FANOUTS:
            raise lack_data(f"parallel executions in {length}", count, FEWEST_FANOUTS)
        by_pattern = {
            name: call.figures.list_by(f"stretto_{name}_ratio", "pattern", window=window, **labels)
            for name in ("parallel_efficiency", "load_balance", "concurrency", "delivery")
        }
        performance = {
            "fanouts": count,
            "verdict": call.document["verdicts"][window],
            "by_pattern": by_pattern,
            "lost_seconds": {
                factor: call.figures.sum_values(
                    "stretto_efficiency_lost_seconds", factor=factor, window=window, **labels
                )
                for factor in ("load_balance", "concurrency", "delivery")
            },
            "parallel_work": measure_parallel_work(runs.fanouts),
            "patterns": tabulate_patterns(runs, call.figures, window),
            "figures_window": window,
        }
        worst = max(performance["lost_seconds"].items(), key=lambda item: item[1] or 0.0)
        sentence = (
            f"{quantities.format_count_with_noun(count, 'parallel execution')} in {length}; most is lost by"
            f" {worst[0].replace('_', ' ')}: {quantities.format_duration(worst[1] or 0.0)}."
        )
    gains = call.try_answer("gains")
    curves = {} if gains is None else gains.extra.get("sentences", {})
    return OperationAnswer(
        [sentence],
        performance,
        {
            "benchmark": compare_week_with_earlier_weeks(call, call.read_runs(BENCHMARK_TIME)),
            "gain_by_width": {name: text for name, text in curves.items() if call.pattern in {None, name}},
        },
        next_steps=["stretto capacity-planning", "stretto bottlenecks"],
    )
