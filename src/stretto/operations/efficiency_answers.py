"""Answer how well time, agents and machines are used: efficiency, throughput, bottlenecks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from stretto.clock import DAY, HOUR, SECOND
from stretto.findings.analysis_table import EXPLAINED
from stretto.findings.finding_sentences import SLOWER_TASKS, describe_finding, describe_session_holdup
from stretto.format import quantities
from stretto.model.run_rows_for_analyses import SessionRun
from stretto.names import WINDOWS
from stretto.operations.advice_rows import describe_holdup_advice
from stretto.operations.lane_use_benchmark import (
    BENCHMARK_TIME,
    WEEK,
    compare_week_with_earlier_weeks,
    describe_lane_use_benchmark,
)
from stretto.operations.machine_and_memory_rows import (
    describe_machine,
    describe_session_disk_traffic,
    list_memory_leaks,
)
from stretto.operations.measure_finished_runs import (
    group_tasks,
    keep_reasons,
    measure_outcomes,
    measure_parallel_work,
    measure_processors_and_memory,
    measure_saved,
    measure_usage,
)
from stretto.operations.operation import OperationAnswer
from stretto.operations.operation_context import OperationCall, RunSelection
from stretto.operations.operation_errors import lack_data
from stretto.operations.option_kinds import name_span
from stretto.operations.phase_rows import list_declared_phases
from stretto.operations.score_trend import describe_score_trend, judge_score_trend
from stretto.store.sum_queries import find_first_slot_time

FEWEST_FANOUTS = 5
FEWEST_SAMPLED = 5
FEWEST_BOTTLENECK_SESSIONS = 5
SCORE_WINDOW = "7d"
FIGURES_OF_ALL = ("critical_path", "most_decisive_agent", "contention", "wall_time", "declared")
"""Parts of bottlenecks that are figures without a pattern."""


def find_span(call: OperationCall) -> int:
    """Return the time (ns) that the options ask for; a week without any."""
    span: int = call.options.get("time_range") or call.options.get("time_window") or WEEK
    return span


def find_shortest_window_holding_span(span: int) -> str:
    """Return the shortest window of the figures that holds a time span (ns), else the longest."""
    fitting = [name for name, seconds in WINDOWS.items() if seconds * SECOND >= span]
    return fitting[0] if fitting else [*WINDOWS][-1]


def choose_figure_window(call: OperationCall, parts: str) -> str:
    """Return the window of figures for the asked time; notes it for ``parts`` where its length is another."""
    span = find_span(call)
    window = find_shortest_window_holding_span(span)
    if WINDOWS[window] * SECOND != span:
        asked = name_span(span).replace("_", " ")
        call.note(parts, f"figures are kept for {', '.join(WINDOWS)}: these are of {window}, not of {asked}")
    return window


def answer_efficiency(call: OperationCall) -> OperationAnswer:
    """Answer the efficiency score, dimension by dimension, against the usual."""
    dimensions: tuple[str, ...] = call.options["dimensions"]
    runs = call.read_runs(BENCHMARK_TIME)
    if call.workflow.session is not None:
        whole = call.session["kpis"]["efficiency"]
        parts: Mapping[str, Any] = whole["parts"]
        fanouts = len(call.session["fanouts"])
        needed = 1
        what = "parallel executions of this session"
    else:
        whole = call.document["scores"][SCORE_WINDOW]["efficiency"]
        parts = whole["dimensions"]
        labels = {"pattern": call.workflow.pattern} if call.workflow.pattern else {}
        fanouts = round(call.figures.sum_values("stretto_window_fanouts", window=SCORE_WINDOW, **labels) or 0)
        needed, what = FEWEST_FANOUTS, "parallel executions in seven days"
    if fanouts < needed:
        raise lack_data(what, fanouts, needed)
    score = {key: whole[key] for key in ("score", "low", "high", "coverage", "reason")}
    if call.workflow.pattern is not None:
        score = call.figures.describe(
            "stretto_pattern_efficiency_score", pattern=call.workflow.pattern, window=SCORE_WINDOW
        )
    performance: dict[str, Any] = {
        "score": score,
        "fanouts": fanouts,
        "parallel_work": measure_parallel_work(runs.fanouts),
    }
    if call.options["include_breakdown"]:
        performance["dimensions"] = {name: parts[name] for name in dimensions if name in parts}
    if call.workflow.pattern is not None:
        call.note(
            "dimensions",
            "the parts of the score are those of all patterns; the score itself is the pattern's",
        )
    analysis = {"benchmark": compare_week_with_earlier_weeks(call, runs), "trend": judge_score_trend(call)}
    value = score.get("score", score.get("value"))
    shown = "withheld, its range is too wide" if value is None else f"{value:.0f} of 100"
    count = quantities.format_count_with_noun(fanouts, "parallel execution")
    return OperationAnswer(
        [
            f"Efficiency of {call.workflow.name}: {shown}{_format_range(score)}, {count}.",
            *describe_score_trend(analysis["trend"]),
            *describe_lane_use_benchmark(analysis["benchmark"]),
        ],
        performance,
        analysis,
        next_steps=["stretto tune-suggestions", "stretto bottlenecks"],
    )


def _format_range(score: Mapping[str, Any]) -> str:
    low, high = score.get("low"), score.get("high")
    return "" if low is None or high is None else f" [{low:.0f}, {high:.0f}]"


def answer_throughput(call: OperationCall) -> OperationAnswer:
    """Answer tasks an hour, sessions a day, seconds saved a day, and whether that rises.

    Of a session it answers what is saved in all: nobody saw a day of it.
    """
    span = find_span(call)
    is_session = call.workflow.session is not None
    if is_session:
        span = max(1, round(call.session["elapsed_seconds"] * SECOND))
    runs = call.read_runs(2 * span)
    if is_session and not runs.sessions:
        raise lack_data("finished runs of this session", 0, 1)
    with call.sources.connect() as connection:
        first = find_first_slot_time(connection)
    seen = 0.0 if first is None else (call.now - first) / HOUR
    if first is None or seen < 1:
        raise lack_data("hours of history", round(seen, 3), 1)
    middle = 0 if is_session else call.now - span
    recent = [run for run in runs.sessions if run.end >= middle]
    before = [run for run in runs.sessions if run.end < middle]
    ids = {run.session for run in recent}
    tasks = [run for run in runs.tasks if run.session in ids]
    # Nothing is known of the time before the first event: it is no time in which nothing ran.
    known = span if is_session else min(span, call.now - first)
    hours, days = known / HOUR, known / DAY
    saved = measure_saved(run for run in runs.fanouts if run.session in ids)
    performance = {
        "hours": hours,
        "tasks": len(tasks),
        "sessions": len(recent),
        "tasks_per_hour": len(tasks) / hours,
        "sessions_per_day": None if is_session else len(recent) / days,
        "saved_seconds": saved,
        "saved_seconds_per_day": None if is_session else saved / days,
        "absent": dict.fromkeys(("sessions_per_day", "saved_seconds_per_day"), "a session is no day")
        if is_session
        else {},
        "outcomes": measure_outcomes(tasks),
        "by_task_type": group_tasks(tasks, lambda run: run.type, "task_type"),
    }
    sentence = (
        f"{len(tasks) / hours:.1f} tasks an hour, {_format_saved(saved)} by running side by side,"
        " by the tasks' own lengths."
        if is_session
        else f"{len(tasks) / hours:.1f} tasks an hour, {len(recent) / days:.1f} sessions a day,"
        f" {_format_saved(saved / days)} a day by running side by side, by the tasks' own lengths."
    )
    if saved > 0 and call.state.has_slower_tasks:
        sentence += f" {SLOWER_TASKS}"
    is_known = not is_session and first <= call.now - 2 * span
    reason = None if is_known else "not all of the time span before is known"
    trend = None if reason or not before else len(recent) / len(before)
    analysis = {
        "before": {"sessions": len(before)},
        "ratio_to_before": trend,
        "absent": {"ratio_to_before": reason or "no session ended in the time span before"}
        if trend is None
        else {},
    }
    return OperationAnswer(
        [sentence],
        performance,
        analysis,
        next_steps=["stretto trends", "stretto capacity-planning"],
    )


def _format_saved(seconds: float) -> str:
    word = "saved" if seconds >= 0 else "lost"
    return f"{quantities.format_duration(abs(seconds))} {word}"


def answer_resource_efficiency(call: OperationCall) -> OperationAnswer:
    """Answer what a delivered task and a saved second cost in processors, memory, tokens and money."""
    runs = call.read_runs(find_span(call))
    if call.workflow.session is not None:
        use = call.session["resources"]
        samples = 0 if use is None else use["samples"]
    else:
        samples = sum(run.cpu_seconds is not None for run in runs.sessions)
    if samples < FEWEST_SAMPLED:
        what = "samples of this session" if call.workflow.session else "sessions whose processes were sampled"
        raise lack_data(what, samples, FEWEST_SAMPLED)
    resources, usage = (
        measure_processors_and_memory(runs.tasks, runs.sessions),
        measure_usage(runs.tasks, runs.sessions),
    )
    saved = measure_saved(runs.fanouts)
    per_saved: dict[str, Any] = {
        "saved_seconds": saved,
        "cpu_seconds_per_saved_second": _divide(
            resources["cpu_seconds"], _measure_saved_by(runs, lambda run: run.cpu_seconds)
        ),
        "cost_per_saved_hour_usd": _divide(
            usage["cost_usd"], _measure_saved_by(runs, lambda run: run.dollars) / 3_600
        ),
        "tokens_per_saved_second": _divide(usage["tokens"], _measure_saved_by(runs, lambda run: run.tokens)),
    }
    nothing = "nothing was saved" if saved <= 0 else "no session that saved time reported it"
    cpu = resources["cpu_seconds_per_delivered_task"]
    window = choose_figure_window(call, "cache_hit_ratio, machine_cpu_ratio, machine")
    machine = describe_machine(call.figures, window)
    if call.workflow.session is not None:
        machine |= describe_session_disk_traffic(call.session["resources"])
        call.note_unfiltered("cache_hit_ratio")
    else:
        call.note_unfiltered("cache_hit_ratio", "disk_read_bytes", "disk_written_bytes")
    return OperationAnswer(
        [
            f"A delivered task takes {quantities.format_duration(cpu)} of processor time."
            if cpu is not None
            else "No task was delivered by the sampled sessions."
        ],
        {
            "session": call.session["resources"] if call.workflow.session else None,
            "resources": resources,
            "usage": usage,
            "per_saved_second": {
                **per_saved,
                "absent": keep_reasons(per_saved, dict.fromkeys(per_saved, nothing)),
            },
            "cache_hit_ratio": call.figures.describe("stretto_cache_hit_ratio", window=window),
            "machine_cpu_ratio": call.figures.describe("stretto_machine_cpu_ratio", window=window),
            "machine": machine,
            "memory_leaks": list_memory_leaks(runs.sessions, call.sources.session),
            "figures_window": window,
            "absent": {} if call.workflow.session else {"session": "the answer is about no single session"},
        },
        {"by_task_type": group_tasks(runs.tasks, lambda run: run.type, "task_type")},
        next_steps=["stretto capacity-planning", "stretto recommendations"],
    )


def _measure_saved_by(runs: RunSelection, read: Callable[[SessionRun], float | None]) -> float:
    """Return the seconds saved by the sessions of which a quantity is known."""
    known = {run.session for run in runs.sessions if read(run) is not None}
    return measure_saved(run for run in runs.fanouts if run.session in known)


def _divide(value: float | None, by: float) -> float | None:
    return None if value is None or by <= 0 else value / by


def answer_bottlenecks(call: OperationCall) -> OperationAnswer:
    """Answer what holds sessions up, why, and what removing it would give."""
    if call.workflow.session is not None:
        return _explain_session(call)
    runs = call.read_runs(28 * DAY)
    count = sum(bool(run.task_types) for run in runs.sessions)
    if count < FEWEST_BOTTLENECK_SESSIONS:
        raise lack_data("sessions with tasks", count, FEWEST_BOTTLENECK_SESSIONS)
    holdups = call.try_answer("holdups")
    findings = call.select_findings(holdups)
    if call.options["priority_ranking"]:
        findings.sort(key=lambda each: -(each.evidence.effect or 0.0))
    sentences = [describe_finding(finding, call.sources.zone) for finding in findings]
    advice = []
    if call.options["include_solutions"]:
        advice = [
            describe_holdup_advice(
                f"Bring it back to the usual: {sentence}",
                finding.reason or f"explained by {finding.details.get('cause')}",
                finding.evidence.effect,
                _read_number(finding.details.get("share")),
            )
            for finding, sentence in zip(findings, sentences, strict=True)
        ]
    performance: dict[str, Any] = {
        "sessions": count,
        "critical_path": {
            kind: call.figures.list_by(f"stretto_critical_path_{kind}_seconds", kind, window=SCORE_WINDOW)
            for kind in ("agent", "task_type", "tool")
        },
        "most_decisive_agent": call.document["bottlenecks"].get(SCORE_WINDOW),
        "figures_window": SCORE_WINDOW,
    }
    if call.options["cross_workflow"]:
        performance["contention"] = call.figures.list_by(
            "stretto_contention_ratio", "task_type", window=SCORE_WINDOW
        )
    if call.options["analysis_depth"] == "detailed":
        performance["wall_time"] = call.figures.list_by(
            "stretto_session_wall_seconds", "part", window=SCORE_WINDOW
        )
        recent = {run.session for run in runs.sessions if run.end >= call.now - WEEK}
        performance["declared"] = list_declared_phases(call.figures, SCORE_WINDOW)
        performance["phases"] = group_tasks(
            (run for run in runs.tasks if run.session in recent), lambda run: run.phase, "phase"
        )
    call.note_unfiltered(*(name for name in FIGURES_OF_ALL if performance.get(name)))
    quiet = "Nothing unusual holds up the sessions of the last day."
    return OperationAnswer(
        sentences
        or [quiet if holdups is not None else "Causes are not known now; the critical path is below."],
        performance,
        {"bottlenecks": [call.describe(finding) for finding in findings]},
        advice,
        ["stretto why SESSION", "stretto recommendations"],
    )


def _explain_session(call: OperationCall) -> OperationAnswer:
    holdups = call.try_answer("holdups")
    known = None if holdups is None else holdups.extra.get(EXPLAINED, {}).get(call.workflow.session)
    path = call.session["critical_path"]
    sentences = [describe_session_holdup(each) for each in known or ()]
    if not sentences and path is not None and path["agents"]:
        first = path["agents"][0]
        share = quantities.format_percent(first["share"])
        sentences = [f"{first['agent']} is {share} of the critical path; nothing is unusual for its pattern."]
    return OperationAnswer(
        sentences or ["It still runs, or nothing is known of its path."],
        {
            "critical_path": path,
            "wall_time": call.session["wall_time"],
            "efficiency": call.session["efficiency"],
        },
        {
            "bottlenecks": known,
            "absent": {}
            if known is not None
            else {"bottlenecks": "it is not among the latest finished sessions of a named pattern"},
        },
        next_steps=[f"stretto show {call.workflow.session}", "stretto recommendations"],
    )


def _read_number(value: float | str | None) -> float | None:
    return value if isinstance(value, int | float) else None
