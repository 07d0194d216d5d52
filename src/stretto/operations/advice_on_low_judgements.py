"""Advise what to do where the quality of work, or how results are put together, is judged low.

The limits are those of the alerts about the same scores. The advice follows from what was measured beside the
judgements: the lowest part of quality, or whether the results of parallel executions fit together.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stretto.format.quantities import format_count_with_noun, format_number
from stretto.names import NONE
from stretto.operations.operation_context import OperationCall
from stretto.servers.alert_limits import find_limits

WINDOW = "7d"
FEWEST_JUDGEMENTS = 3
"""Fewest judgements that advice rests on, as in the alerts."""

QUALITY_LIMITS = {"critical": 8.0}
SYNTHESIS_LIMITS = {"warning": 80.0}
"""Means of the scores ``quality`` and ``synthesis`` below which there is advice, each on its scale."""

_BY_PART = {
    "completeness": "look at its failed and unfinished tasks first",
    "consistency": "give its agents files of their own, for two of them wrote the same",
    "depth": "say in the order what a thorough result holds",
    "actionability": "say in the order who acts on the result, and how",
    "parity": "run fewer of its tasks side by side, for they do worse than alone",
}
"""Part of quality → what raises it."""


def advise_on_judgements(call: OperationCall) -> list[dict[str, Any]]:
    """Return the advice about low judgements of the last seven days, as rows beside the recommendations.

    Judgements are known by task type. A workflow has those of its types, and those of no type.
    """
    rows = [*_advise_on_quality(call), *_advise_on_synthesis(call)]
    if call.workflow.id is None or not rows:
        return rows
    types = {run.type for run in call.read_pattern_runs(call.now).tasks} | {NONE}
    return [row for row in rows if row["about"] in types]


def _advise_on_quality(call: OperationCall) -> Iterator[dict[str, Any]]:
    limits = find_limits(call.sources.alert_limits, "quality_score", QUALITY_LIMITS)
    for task_type, mean, count in _list_low_means(call, "quality", limits["critical"]):
        parts = {
            dict(figure.labels)["part"]: figure.value
            for figure in call.figures.list_figures(
                "stretto_quality_part_score", task_type=task_type, window=WINDOW
            )
            if figure.value is not None
        }
        known = {part: value for part, value in parts.items() if part in _BY_PART}
        evidence = _describe_judgements(mean, count, limits["critical"])
        if known:
            lowest = min(known, key=lambda part: known[part])
            advice = _BY_PART[lowest]
            evidence += (
                f"; of its measured parts {lowest} is the lowest, {format_number(known[lowest])} of 10"
            )
        else:
            advice = "look at the session that was judged lowest"
            evidence += "; no other part of its quality is known"
        about = "the work" if task_type == NONE else f"the work of type {task_type}"
        text = f"Improve {about}: {advice}."
        yield _make_row("low_quality", task_type, text, evidence, "high")


def _advise_on_synthesis(call: OperationCall) -> Iterator[dict[str, Any]]:
    limits = find_limits(call.sources.alert_limits, "synthesis", SYNTHESIS_LIMITS)
    for task_type, mean, count in _list_low_means(call, "synthesis", limits["warning"]):
        evidence = _describe_judgements(mean, count, limits["warning"])
        checked = call.figures.sum_values("stretto_window_fanouts_checked", window=WINDOW)
        fitting = call.figures.sum_values("stretto_window_fanouts_integrated", window=WINDOW)
        advice = "name the form of each task's result before it starts"
        if not checked:
            evidence += "; for no parallel execution is it known whether the results fit together"
        else:
            misfits = round(checked - (fitting or 0))
            executions = format_count_with_noun(round(checked), "checked parallel execution")
            evidence += f"; the results of {misfits} of {executions} did not fit together"
            if misfits:
                advice = "ask each task for a part of its own, for results contradicted each other"
        text = f"Make results easier to put together: {advice}."
        yield _make_row("low_synthesis", task_type, text, evidence, "medium")


def _list_low_means(call: OperationCall, score: str, limit: float) -> Iterator[tuple[str, float, int]]:
    """Yield (task type, mean, judgements) of each mean below the limit that rests on enough of them."""
    for figure in call.figures.list_figures("stretto_score_mean", score=score, window=WINDOW):
        if figure.value is not None and figure.value < limit and figure.count >= FEWEST_JUDGEMENTS:
            yield dict(figure.labels)["task_type"], figure.value, figure.count


def _describe_judgements(mean: float, count: int, limit: float) -> str:
    return (
        f"{format_count_with_noun(count, 'judgement')} of the last 7 days have a mean of"
        f" {format_number(mean)}, below {format_number(limit)}"
    )


def _make_row(kind: str, task_type: str, text: str, rationale: str, priority: str) -> dict[str, Any]:
    return {
        "kind": kind,
        "about": task_type,
        "text": text,
        "rationale": rationale,
        "category": "task",
        "priority": priority,
        "effort": None,
        "horizon": None,
        "expected": {
            "seconds": None,
            "share": None,
            "absent": {"seconds": "better results are promised in no number"},
        },
        "absent": {"effort": "what has to change is known to those who judged", "horizon": "likewise"},
    }
