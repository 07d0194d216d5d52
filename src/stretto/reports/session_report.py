"""Make the report of a session from its summary: the same document as that of a period."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from stretto.clock import to_rfc3339
from stretto.findings.explain_work_or_session import explain_shorter_history, explain_unknown_holdups
from stretto.findings.finding_sentences import describe_session_holdup, describe_standing
from stretto.findings.findings_snapshot import FindingsState, get_holdups_by_session, get_standings_by_session
from stretto.format.quantities import (
    format_count,
    format_count_with_noun,
    format_dollars,
    format_duration,
    format_instant,
    format_percent,
    format_score_range,
    format_speedup,
)
from stretto.model.entities import Session
from stretto.reports.report_document import MISSING, Report, ReportCell, ReportSection, ReportTable
from stretto.reports.report_folder import SESSION_KIND, make_session_report_id
from stretto.summaries.session_json import build_session_document, make_session_title
from stretto.summaries.session_summary import SessionSummary

MOST_TASKS = 30
"""Tasks in the table, the longest first."""

_RATIOS = ("completion", "success", "retry", "recovery", "integration_success", "adoption")


def make_session_report(
    summary: SessionSummary, findings: FindingsState, made: int, zone: str, version: str
) -> Report:
    """Return the report of a session, made at an instant (ns)."""
    document = build_session_document(summary)
    session = summary.session
    start, end = session.start, session.end or session.last
    title = make_session_title(session)
    sections = [
        _build_work_section(document),
        _build_task_section(document),
        _build_cost_section(document),
        _build_score_section(document),
        _build_holdup_section(findings, session),
        _build_untold_section(document),
    ]
    return Report(
        id=make_session_report_id(session.id),
        kind=SESSION_KIND,
        title=f"Report on session {title}",
        start=to_rfc3339(start),
        end=to_rfc3339(end),
        zone=zone,
        about=f"From {format_instant(start)} to {format_instant(end)}.",
        made=to_rfc3339(made),
        version=version,
        state=_describe_state(document, findings),
        sections=tuple(section for section in sections if section is not None),
        is_quiet=not document["tasks"],
    )


def _describe_state(document: Mapping[str, Any], findings: FindingsState) -> tuple[str, ...]:
    """Return three sentences: what it did, what running side by side brought, and what to look at."""
    classes = _count_classes(document)
    tasks = sum(classes.values())
    over = "is still running" if document["outcome"] == "running" else f"ended with {document['outcome']}"
    length = (
        ""
        if document["elapsed_seconds"] is None
        else (f" after {format_duration(document['elapsed_seconds'])}")
    )
    wasted = f"; {classes['wasted']} of them brought nothing" if classes["wasted"] else ""
    work = f"The session {over}{length} and gave {format_count_with_noun(tasks, 'task')} to agents{wasted}."
    fanouts = [each for each in document["fanouts"] if each["time_saved_seconds"] is not None]
    if fanouts:
        saved = sum(each["time_saved_seconds"] for each in fanouts)
        word = "saved" if saved >= 0 else "lost"
        count = format_count_with_noun(len(fanouts), "parallel execution")
        gain = f"Running tasks side by side {word} {format_duration(abs(saved))} in {count}."
    elif document["fanouts"]:
        gain = "Tasks ran side by side; whether that saved time is not known."
    else:
        gain = "Nothing ran side by side, so no time was saved by that."
    holdups = _list_holdups(findings, document["id"])
    look = f"Look at this first: {holdups[0]}." if holdups else "Nothing unusual is known to have held it up."
    return work, gain, look


def _count_classes(document: Mapping[str, Any]) -> Counter[str]:
    return Counter(task["delivery"] or "running" for task in document["tasks"])


def _build_work_section(document: Mapping[str, Any]) -> ReportSection:
    classes = _count_classes(document)
    rows = [
        ("Length", _make_seconds(document["elapsed_seconds"], "it is not known when it ended")),
        ("Turns", _make_count(len(document["turns"]))),
        ("Tasks delivered", _make_count(classes["delivered"])),
        ("Tasks taken as delivered", _make_count(classes["taken"])),
        ("Tasks wasted", _make_count(classes["wasted"])),
        ("Tasks running", _make_count(classes["running"])),
    ]
    wall = [
        (ReportCell(part.replace("_", " ")), _make_seconds(seconds, ""))
        for part, seconds in document["wall_time"].items()
    ]
    executions = [
        (
            ReportCell(f"{number}"),
            _make_count(len(each["tasks"])),
            _make_seconds(each["elapsed_seconds"], ""),
            _make_times(each["speedup"]),
            _make_seconds(each["time_saved_seconds"], each["reason"] or ""),
            ReportCell(each["baseline"]),
        )
        for number, each in enumerate(document["fanouts"], start=1)
    ]
    tables = [
        ReportTable("work", "Work", ("", "value"), tuple((ReportCell(name), cell) for name, cell in rows)),
        ReportTable("wall", "Where the time went", ("part", "time"), tuple(wall)),
        ReportTable(
            "executions",
            "Parallel executions",
            ("number", "tasks", "took", "speed-up", "saved", "compared by"),
            tuple(executions),
        ),
    ]
    return ReportSection(
        "work", "What ran, and what running side by side brought",
        tables=tuple(table for table in tables if table.rows),
    )  # fmt: skip


def _build_task_section(document: Mapping[str, Any]) -> ReportSection | None:
    tasks = sorted(document["tasks"], key=lambda task: -(task["seconds"] or 0))
    if not tasks:
        return None
    rows = tuple(
        (
            ReportCell(task["description"] or task["id"]),
            ReportCell(task["task_type"]),
            ReportCell(task["agent"] or MISSING),
            _make_seconds(task["seconds"], "its length is not known"),
            ReportCell(
                task["waste_reason"] or task["delivery"] or "running",
                tone="bad" if task["delivery"] == "wasted" else "",
            ),
        )
        for task in tasks[:MOST_TASKS]
    )
    table = ReportTable("tasks", "Tasks", ("task", "type", "agent", "took", "class"), rows)
    note = len(tasks) - MOST_TASKS
    sentences = (f"The longest {MOST_TASKS}; {note} more: stretto show {document['id']}",) if note > 0 else ()
    return ReportSection("tasks", "Tasks", sentences=sentences, tables=(table,))


def _build_cost_section(document: Mapping[str, Any]) -> ReportSection | None:
    spending = document["spending"]
    if spending is None:
        return None
    rows = tuple(
        (
            ReportCell(name),
            _make_count(each["model_calls"]),
            _make_tokens(each["tokens"] or {}),
            ReportCell(MISSING, reason="no known price")
            if each["cost_usd"] is None
            else ReportCell(format_dollars(each["cost_usd"]), each["cost_usd"], "USD"),
        )
        for name, each in [("all", spending), *((model["model"], model) for model in spending["by_model"])]
    )
    table = ReportTable("cost", "Model calls", ("model", "calls", "tokens", "cost"), rows)
    return ReportSection("cost", "What it cost", tables=(table,))


def _build_score_section(document: Mapping[str, Any]) -> ReportSection | None:
    kpis = document["kpis"]
    if not kpis:
        return None
    rows = [
        (
            ReportCell(name.replace("_", " ").capitalize()),
            ReportCell(MISSING, reason=kpis[name]["reason"] or "not known")
            if kpis[name]["ratio"] is None
            else ReportCell(format_percent(kpis[name]["ratio"]), kpis[name]["ratio"], "1"),
        )
        for name in _RATIOS
    ]
    scores = [
        ("Efficiency, of 100", kpis["efficiency"]),
        ("Quality, of 10", kpis["overall_quality"]),
        ("Collaboration, of 100", kpis["collaboration"]),
    ]
    scores += [(f"Quality of {name}, of 10", score) for name, score in kpis["quality"].items()]
    scores += [
        (f"Quality of the phase {phase['name']}, of 10", phase["overall_quality"]) for phase in kpis["phases"]
    ]
    rows += [
        (
            ReportCell(name),
            ReportCell(
                format_score_range(score) or MISSING, score["score"], "1",
                reason=None if score["score"] is not None else (score["reason"] or "not known"),
            ),
        )
        for name, score in scores
    ]  # fmt: skip
    return ReportSection(
        "scores", "How it did", tables=(ReportTable("scores", "How it did", ("", "value"), tuple(rows)),)
    )


def _build_holdup_section(findings: FindingsState, session: Session) -> ReportSection:
    standing = get_standings_by_session(findings).get(session.id)
    items = _list_holdups(findings, session.id)
    sentences = [] if standing is None else [f"It was {describe_standing(standing)}."]
    if not items:
        unknown = explain_unknown_holdups(findings, session)
        sentences.append(f"Not known: {unknown}." if unknown else "Nothing unusual for its pattern.")
    if shortened := explain_shorter_history(findings, session.id):
        sentences.append(f"Not of the whole history: {shortened}.")
    return ReportSection("findings", "What held it up", sentences=tuple(sentences), items=tuple(items))


def _list_holdups(findings: FindingsState, session: str) -> Sequence[str]:
    known = get_holdups_by_session(findings).get(session)
    return [describe_session_holdup(holdup) for holdup in known or ()]


def _build_untold_section(document: Mapping[str, Any]) -> ReportSection:
    by_reason: dict[str, list[str]] = {}
    for name, reason in document["absent"].items():
        by_reason.setdefault(str(reason).partition(" (")[0], []).append(name.replace("_", " "))
    items = tuple(f"{', '.join(names)}: {reason}" for reason, names in by_reason.items())
    return ReportSection(
        "untold",
        "What could not be told",
        sentences=() if items else ("Everything that this report asks for is known.",),
        items=items,
    )


def _make_seconds(seconds: float | None, reason: str) -> ReportCell:
    if seconds is None:
        return ReportCell(MISSING, reason=reason or "not known")
    return ReportCell(format_duration(seconds), seconds, "s")


def _make_count(count: int) -> ReportCell:
    return ReportCell(format_count(count), count, "1")


def _make_tokens(tokens: Mapping[str, int | None]) -> ReportCell:
    known = [count for count in tokens.values() if count is not None]
    return _make_count(sum(known)) if known else ReportCell(MISSING, reason="no source reported them")


def _make_times(value: float | None) -> ReportCell:
    return (
        ReportCell(MISSING, reason="not known")
        if value is None
        else (ReportCell(format_speedup(value), value, "1"))
    )
