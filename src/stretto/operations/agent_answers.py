"""Answer how agents fare: alone, by pattern, and by pattern and type of task."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from stretto.format import quantities
from stretto.model.run_rows_for_analyses import TaskRun
from stretto.names import NONE
from stretto.operations.efficiency_answers import find_shortest_window_holding_span, find_span
from stretto.operations.measure_finished_runs import FEWEST_FOR_SPREAD, group_tasks
from stretto.operations.operation import OperationAnswer
from stretto.operations.operation_context import OperationCall
from stretto.operations.operation_errors import lack_data
from stretto.operations.work_by_pattern import tabulate_work

FEWEST_AGENT_TASKS = 5

SHARED_PROCESSES = (
    "known of each session, whose agents share its processes;"
    " an agent that is a client of its own is a session"
)
"""Why no agent has processor time and memory."""


def answer_agent_performance(call: OperationCall) -> OperationAnswer:
    """Answer how agents fare: lengths, success, tokens, and who is faster at the same work."""
    runs = call.read_runs(find_span(call))
    wanted = call.options["agent_ids"]
    tasks = [run for run in runs.tasks if run.agent is not None and (not wanted or run.agent in wanted)]
    if len(tasks) < FEWEST_AGENT_TASKS:
        raise lack_data(
            "tasks of these agents" if wanted else "tasks with a named agent", len(tasks), FEWEST_AGENT_TASKS
        )
    metrics = call.options["metrics"]
    columns = {
        "response_time": ("median_seconds", "mean_seconds", "p95_seconds", "spread"),
        "success_rate": ("success_share", "failed"),
        "efficiency": ("tokens", "cost_usd"),
    }
    kept = {"agent", "task_type", "tasks", "total_task_seconds"}.union(
        *(columns[metric] for metric in metrics)
    )

    def group_by_agent(group: Iterable[TaskRun]) -> list[dict[str, Any]]:
        rows = group_tasks(group, lambda run: run.agent, "agent")
        return [_keep_columns(row, kept) for row in rows]

    rows = group_by_agent(tasks)
    patterns = sorted({run.pattern or NONE for run in tasks})
    by_pattern = [
        {"pattern": pattern, **row}
        for pattern in patterns
        for row in group_by_agent(run for run in tasks if (run.pattern or NONE) == pattern)
    ]
    by_work, left_out = tabulate_work(tasks)
    analysis: dict[str, Any] = {}
    sentences = [f"{quantities.format_count_with_noun(len(rows), 'agent')}, {len(tasks)} tasks."]
    if "efficiency" in metrics:
        answer = call.try_answer("agents")
        overall = [] if answer is None else answer.extra.get("overall", [])
        call.note_unfiltered("ranking", "by_task_type", "pairs")
        analysis["ranking"] = [each for each in overall if not wanted or each["agent"] in wanted]
        analysis["by_task_type"] = {} if answer is None else answer.extra.get("by_type", {})
        analysis["pairs"] = [] if answer is None else answer.extra.get("pairs", [])
        if not analysis["ranking"]:
            analysis["absent"] = {
                "ranking": "fewer than two agents did the same types of tasks in five sessions each"
            }
        # It is worked out over the sessions of all patterns: it says nothing of the asked one.
        about_all = analysis["ranking"] if call.workflow.id is None else ()
        sentences += [
            f"{each['agent']} takes {each['ratio']:.2f} times as long as the others at the same work"
            f" [{each['low']:.2f}, {each['high']:.2f}]."
            for each in about_all
            if min(each["p"], each["p_longer"]) <= 0.05  # noqa: PLR2004  # the level of the ranking
        ]
    window = find_shortest_window_holding_span(find_span(call))
    call.note_unfiltered("judged")
    judged = {
        row["agent"]: {
            "quality": call.figures.describe(
                "stretto_agent_quality_score", agent=row["agent"], window=window
            ),
            "answer_p50_seconds": call.figures.describe(
                "stretto_agent_response_quantile_seconds", agent=row["agent"], stat="p50", window=window
            ),
            "files_written": call.figures.describe(
                "stretto_window_agent_files_written", agent=row["agent"], window=window
            ),
            "files_created": call.figures.describe(
                "stretto_window_agent_files_created", agent=row["agent"], window=window
            ),
            "scores": call.figures.list_by(
                "stretto_score_agent_mean", "score", agent=row["agent"], window=window
            ),
        }
        for row in rows
    }
    return OperationAnswer(
        sentences,
        {
            "agents": rows,
            "by_pattern": by_pattern,
            "by_work": [_keep_columns(row, {*kept, "pattern"}) for row in by_work],
            "by_work_left_out": left_out,
            "judged": judged,
            "judged_window": window,
            "resources": None,
            "absent": {
                "spread": f"for fewer than {FEWEST_FOR_SPREAD} tasks of known length",
                "resources": SHARED_PROCESSES,
            },
        },
        analysis,
        next_steps=["stretto bottlenecks", "stretto recommendations"],
    )


def _keep_columns(row: Mapping[str, Any], kept: Collection[str]) -> dict[str, Any]:
    """Return a row with some of its columns, and the reasons of those alone."""
    absent = {name: reason for name, reason in row["absent"].items() if name in kept}
    return {**{name: value for name, value in row.items() if name in kept}, "absent": absent}
