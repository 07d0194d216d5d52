"""Answer how a workflow fares against others, against its like and against its past."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from stretto.analysis.two_session_comparison import list_similar, measure_seconds_per_task, measure_similarity
from stretto.clock import DAY, SECOND
from stretto.findings.analysis_table import STANDINGS
from stretto.findings.finding_sentences import describe_standing
from stretto.model.run_rows_for_analyses import SessionRun
from stretto.operations.find_named_workflow import ChosenWorkflow, choose_workflow
from stretto.operations.measure_finished_runs import NO_COST, NO_USAGE, keep_reasons, measure_timing
from stretto.operations.medians_of_two_sides import (
    NO_RANK,
    compare_with_usual,
    describe_group_beside,
    describe_medians,
    describe_session_among,
)
from stretto.operations.operation import OperationAnswer
from stretto.operations.operation_context import OperationCall, RunSelection, to_time
from stretto.operations.operation_errors import ErrorCode, OperationError, lack_data
from stretto.store.finding_history_and_last_answers import AnalysisResult

EVOLUTION_MONTHS = (6, 3, 1, 0)
MONTH = 30 * DAY
RECENT = 7 * DAY
"""Time (ns) that counts as now in the comparison of a pattern with its past."""
YEAR = 365 * DAY
"""Time (ns) for which runs are kept."""

_VERDICT = frozenset({"elapsed", "verdict", "reason"})
"""Parts of a comparison of patterns that judge its active time."""


def answer_comparative(call: OperationCall) -> OperationAnswer:
    """Answer how a workflow fares against others, against its like and against its past."""
    runs = call.read_runs(YEAR)
    if call.workflow.session is not None:
        return _compare_session(call, runs)
    if call.workflow.pattern is None:
        sessions = [run for run in runs.sessions if run.task_types]
        if not sessions:
            raise lack_data("finished sessions with tasks", 0, 1)
        # Without a workflow the newest finished session is meant.
        newest = OperationCall(
            call.sources, call.answers, call.options,
            ChosenWorkflow(session=sessions[-1].session), call.at, call.shortfalls, call.used,
        )  # fmt: skip
        call.workflow = newest.workflow
        return _compare_session(newest, newest.read_runs(YEAR))
    return _compare_pattern(call, runs)


def _compare_session(call: OperationCall, runs: RunSelection) -> OperationAnswer:
    if not runs.sessions:
        raise lack_data("finished runs of this session", 0, 1)
    current = runs.sessions[0]
    everyone = OperationCall(call.sources, call.answers, {}, at=call.at).read_runs(YEAR).sessions
    by_id = {run.session: run for run in everyone}
    of_pattern = [
        run for run in everyone if run.pattern == current.pattern and run.session != current.session
    ]
    similar = list_similar(current, of_pattern)
    holdups = call.try_answer("holdups")
    standing = None if holdups is None else holdups.extra.get(STANDINGS, {}).get(current.session)
    metrics = call.options["metrics"]
    comparisons: list[dict[str, Any]] = []
    sentences = []
    for name in call.options["compare_against"]:
        if name == "baseline":
            rank = None if standing is None else standing["percentile"]
            comparisons.append(
                {
                    "against": name,
                    "of": f"{len(of_pattern)} sessions of the same pattern",
                    **compare_with_usual([current], of_pattern, metrics),
                    "rank": rank,
                    "absent": {} if rank is not None else {"rank": NO_RANK},
                }
            )
            if of_pattern:
                usual = f"{len(of_pattern)} others of {current.pattern}"
                sentences.append(describe_medians(f"Session {current.session}", usual, comparisons[-1]))
            continue
        other = _choose_other(call, name)
        if other.session is None:
            like = [run for run in everyone if run.pattern == other.pattern]
            row = describe_session_among(current, like, other.id, metrics)
            comparisons.append(row)
            sentences.append(describe_medians(f"Session {current.session}", row["of"], row))
        else:
            row = _compare_pair(current, _take_finished(by_id, other.session), metrics)
            comparisons.append(row)
            sentences.append(describe_medians(f"Session {current.session}", f"session {other.session}", row))
    if standing is not None and {"all", "time"} & {*metrics}:
        sentences.append(f"Session {current.session}: {describe_standing(standing)}.")
    return OperationAnswer(
        sentences
        or [f"Session {current.session} beside {len(comparisons)} other; {len(similar)} are like it."],
        {"session": _describe_run(current), "comparisons": comparisons},
        {
            "standing": standing,
            "similar": [{"session": run.session, "similarity": share} for run, share in similar[:10]],
            "evolution": describe_seconds_per_task_in_past_months(call, of_pattern),
            "best_period": _find_best_period(call, current.pattern),
            "absent": {} if standing else {"standing": "it is not among the latest sessions that are ranked"},
        },
        next_steps=[f"stretto why {current.session}", f"stretto show {current.session}"],
    )


def _choose_other(call: OperationCall, name: str) -> ChosenWorkflow:
    """Return the session or pattern of a name. Raises OperationError (UNKNOWN_WORKFLOW)."""
    with call.sources.connect() as connection:
        return choose_workflow(connection, name, call.at)


def _take_finished(by_id: Mapping[str, SessionRun], session: str) -> SessionRun:
    """Return the finished run of a session. Raises OperationError (UNKNOWN_WORKFLOW)."""
    if session not in by_id:
        raise OperationError(
            ErrorCode.UNKNOWN_WORKFLOW, f"there is no finished session {session!r}", {"workflow": session}
        )
    return by_id[session]


def _compare_pair(current: SessionRun, other: SessionRun, metrics: Sequence[str]) -> dict[str, Any]:
    return {
        "against": other.session,
        "similarity": measure_similarity(current.task_types, other.task_types),
        **compare_with_usual([current], [other], metrics),
        "note": "n = 1 on each side: no significance is possible",
    }


def _compare_pattern(call: OperationCall, runs: RunSelection) -> OperationAnswer:
    pattern = call.workflow.pattern
    assert pattern is not None  # the caller has chosen
    answer = call.read_answer("comparisons")
    own = answer.extra.get("patterns", {}).get(pattern)
    comparisons = []
    metrics, since = call.options["metrics"], call.now - RECENT
    for name in call.options["compare_against"]:
        if name == "baseline":
            recent = None if own is None else own["recent"]
            late = [run for run in runs.sessions if run.end >= since]
            early = [run for run in runs.sessions if run.end < since]
            comparisons.append(
                {
                    "against": "baseline",
                    "of": "the weeks before the last seven days",
                    **(recent or {}),
                    **compare_with_usual(late, early, metrics),
                }
            )
            continue
        other = _choose_other(call, name)
        others = OperationCall(call.sources, call.answers, {}, other, call.at).read_runs(YEAR).sessions
        if other.session is None:
            medians = compare_with_usual(runs.sessions, others, metrics)
            comparisons.append({"against": name, **medians, **_find_pair(answer, pattern, name)})
        else:
            single = _take_finished({run.session: run for run in others}, other.session)
            comparisons.append(describe_group_beside(runs.sessions, single, pattern, metrics))
    hidden = set() if "all" in metrics else {"success"}
    if not {"all", "time"} & {*metrics}:
        hidden |= _VERDICT
    if not call.options["statistical_significance"]:
        hidden |= _VERDICT | {"success"}
    for each in comparisons:
        if "other" in each and hidden & _VERDICT:
            each.pop("note", None)  # it says whose the effect is
    comparisons = [{key: each[key] for key in each if key not in hidden} for each in comparisons]
    return OperationAnswer(
        [_describe_comparison(pattern, each, not _VERDICT & hidden) for each in comparisons],
        {"sessions": len(runs.sessions), "timing": measure_timing(runs.tasks), "comparisons": comparisons},
        {
            "evolution": describe_seconds_per_task_in_past_months(call, runs.sessions),
            "best_period": _find_best_period(call, pattern),
        },
        next_steps=[f"stretto trends {pattern}", f"stretto bottlenecks {pattern}"],
    )


def _describe_comparison(pattern: str, comparison: Mapping[str, Any], has_verdict: bool) -> str:
    """Return the verdict of a comparison in a sentence, in the direction in which it was made.

    Without the evidence of a verdict the sentence has the medians.
    """
    if "rank" in comparison:
        return describe_medians(pattern, f"session {comparison['against']}", comparison)
    if not has_verdict:
        if comparison["against"] == "baseline":
            return describe_medians(f"{pattern} in the last seven days", "before", comparison)
        return describe_medians(pattern, comparison["against"], comparison)
    verdict = str(comparison.get("verdict", "too_little_data")).replace("_", " ")
    if comparison["against"] == "baseline":
        return f"{pattern} in the last seven days against before: {verdict}."
    return f"{comparison['pattern']} against {comparison['other']}: {verdict}."


def _find_pair(answer: AnalysisResult, pattern: str, other: str) -> dict[str, Any]:
    """Return the comparison of two patterns; its effect is the first / the other."""
    for pair in answer.extra.get("pairs", ()):
        if (pair["pattern"], pair["other"]) == (pattern, other):
            return dict(pair)
        if (pair["other"], pair["pattern"]) == (pattern, other):
            return {**pair, "note": f"the effect is that of {other} against {pattern}"}
    raise OperationError(
        ErrorCode.UNKNOWN_WORKFLOW,
        f"{other!r} is no pattern that is compared with {pattern!r}",
        {"workflow": other, "compared": "the eight patterns with the most sessions"},
    )


def _find_best_period(call: OperationCall, pattern: str | None) -> dict[str, Any] | None:
    answer = call.try_answer("comparisons")
    own = {} if answer is None else answer.extra.get("patterns", {}).get(pattern, {})
    best: dict[str, Any] | None = own.get("best_period")
    return None if best is None else {**best, "start": to_time(best["start"])}


def describe_seconds_per_task_in_past_months(
    call: OperationCall, sessions: Sequence[SessionRun]
) -> dict[str, Any]:
    """Return the median active seconds per task six, three and one months ago, and now."""
    points: list[dict[str, Any]] = []
    for months in EVOLUTION_MONTHS:
        end = call.now - months * MONTH
        paces = [
            pace
            for run in sessions
            if end - MONTH <= run.end < end + 1 and (pace := measure_seconds_per_task(run)) is not None
        ]
        points.append(
            {
                "months_ago": months,
                "sessions": len(paces),
                "active_seconds_per_task": statistics.median(paces) if paces else None,
                "absent": {} if paces else {"active_seconds_per_task": "no session with tasks ended then"},
            }
        )
    known = [point for point in points if point["active_seconds_per_task"] is not None]
    rate = None
    if len(known) > 1:
        months = known[0]["months_ago"] - known[-1]["months_ago"]
        rate = (known[-1]["active_seconds_per_task"] / known[0]["active_seconds_per_task"]) ** (
            1 / months
        ) - 1
    return {
        "points": points,
        "rate_per_month": rate,
        "projection": None,
        "absent": {
            "projection": "stretto predictions forecasts with a range, which a line through medians lacks",
            **({} if rate is not None else {"rate_per_month": "sessions of two of these months are needed"}),
        },
    }


def _describe_run(run: SessionRun) -> dict[str, Any]:
    row = {
        "session": run.session,
        "pattern": run.pattern,
        "outcome": run.outcome.value,
        "wall_seconds": (run.end - run.start) / SECOND,
        "elapsed_seconds": None if run.elapsed is None else run.elapsed / SECOND,
        "tasks": sum(run.task_types.values()),
        "width": run.width,
        "tokens": run.tokens,
        "cost_usd": run.dollars,
    }
    reasons = {
        "pattern": "no pattern was declared or recognised",
        "elapsed_seconds": "nothing ran in parallel",
        "tokens": NO_USAGE,
        "cost_usd": NO_COST,
    }
    return {**row, "absent": keep_reasons(row, reasons)}
