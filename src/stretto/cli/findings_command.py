"""``stretto findings``, ``why``, ``decide`` and ``annotate``: read what the analyses found, and decide."""

from __future__ import annotations

import argparse
from contextlib import closing
from dataclasses import replace
from typing import Any

from stretto.cli.command_context import CommandContext
from stretto.cli.import_command import update_store
from stretto.cli.session_commands import UNKNOWN_SESSION, explain_no_match, match_sessions
from stretto.clock import SECOND, read_wall_clock
from stretto.errors import UsageError
from stretto.findings.analysis_run import AnalysisRequest
from stretto.findings.analysis_table import ANALYSES
from stretto.findings.decision_parsing import parse_decision
from stretto.findings.finding_sentences import describe_finding, describe_session_holdup
from stretto.findings.stored_findings import (
    FindingsState,
    build_finding_document,
    build_findings_document,
    list_answers,
    read_findings_state,
)
from stretto.format.quantities import format_age, format_count_with_noun
from stretto.model.findings import FindingVerdict
from stretto.service.analysis_schedule import run_analysis_process
from stretto.state.lock import find_lock_holder
from stretto.store.database import open_reader
from stretto.store.decision_rows import append_decisions
from stretto.store.finding_history import AnalysisResult

NOTHING_FOUND = 1
FRESH_SECONDS = 600
"""Age up to which the service's answer is shown; an older one is worked out here."""


def show_findings(context: CommandContext, options: argparse.Namespace) -> int:
    """Print open findings, what was decided, and how many checks were quiet; with ``--all`` each answer."""
    state = read_state(context)
    lines = [
        f"{stored.id}  {describe_finding(stored.finding, state.zone)}"
        + "".join(
            f"\n            {each.kind.value} {each.text}".rstrip() for each in state.list_decisions(stored)
        )
        for stored in state.open_findings
    ]
    effects = state.results.get("effects")
    lines += [
        f"            {describe_finding(finding, state.zone)}"
        for finding in (() if effects is None else effects.findings)
    ]
    if not state.open_findings:
        lines.append("nothing to look at")
    if options.all:
        for result in state.results.values():
            lines += ["", result.kind]
            lines += [f"    {describe_finding(finding, state.zone)}" for finding in list_answers(result)]
        lines.append("")
    lines.append(_describe_silence(state))
    context.print_answer(build_findings_document(state), "\n".join(lines))
    return 0


def explain_holdups(context: CommandContext, options: argparse.Namespace) -> int:
    """Print what held up a session, or what holds up each pattern."""
    state = read_state(context, "holdups")
    result = state.results.get("holdups")
    if options.session is None:
        findings = [] if result is None else [f for f in result.findings if f.kind != "holdup"]
        text = "\n".join(describe_finding(finding, state.zone) for finding in findings)
        context.print_answer(
            {"holdups": [build_finding_document(finding, state.zone) for finding in findings]},
            text or f"nothing unusual holds up the sessions of the last day; {_describe_silence(state)}",
        )
        return 0
    with closing(open_reader(context.config.database)) as connection:
        ids = match_sessions(connection, options.session)
    if len(ids) != 1:
        context.print_note(explain_no_match(options.session, ids))
        return UNKNOWN_SESSION
    known: dict[str, list[dict[str, Any]]] = {} if result is None else result.extra.get("sessions", {})
    holdups = known.get(ids[0])
    if holdups is None:
        context.print_note(
            "it is not among the latest finished sessions that delegated under a named pattern"
        )
        return NOTHING_FOUND
    lines = [describe_session_holdup(holdup) for holdup in holdups]
    context.print_answer(
        {"session": ids[0], "holdups": holdups}, "\n".join(lines) or "nothing that is unusual for its pattern"
    )
    return 0


def decide(context: CommandContext, options: argparse.Namespace) -> int:
    """Record a decision about a finding."""
    return record_decision(context, {"kind": options.kind, "finding": options.finding, "text": options.note})


def annotate(context: CommandContext, options: argparse.Namespace) -> int:
    """Record an annotation."""
    return record_decision(
        context,
        {"kind": "annotation", "text": options.text, "time": options.at, "new_normal": options.new_normal},
    )


def record_decision(context: CommandContext, item: dict[str, Any]) -> int:
    """Append a decision to the journal; a running service ingests it, else it is ingested here."""
    state = read_state(context, run=False)
    decision = parse_decision(item, state, read_wall_clock())
    if isinstance(decision, str):
        raise UsageError(decision, hint="'stretto findings' lists the findings with their ids")
    append_decisions(context.config.journal, [decision])
    if is_service_down(context):
        update_store(context)
    about = f" {decision.subject}" if decision.subject else ""
    context.print_answer(
        {"id": decision.id, "kind": decision.kind.value, "finding": decision.subject},
        f"{decision.kind.value}{about}" + (f": {decision.text}" if decision.text else ""),
    )
    return 0


def read_state(context: CommandContext, *names: str, run: bool = True) -> FindingsState:
    """Return the findings; answers that no service has kept fresh are worked out in a process here."""
    config = context.config
    if is_service_down(context):
        update_store(context)
    now = read_wall_clock()
    with closing(open_reader(config.database)) as connection:
        state = read_findings_state(
            connection, now, config.timezone, switched_off=config.features.off_analyses
        )
    wanted = names or tuple(analysis.name for analysis in ANALYSES if analysis.has_findings)
    wanted = tuple(name for name in wanted if name not in state.switched_off)
    stale = tuple(name for name in wanted if _is_stale(state.results.get(name), now))
    if not run or not stale or state.missing is not None:
        if state.missing is not None:
            context.print_note(state.missing)
        return state
    done = run_analysis_process(AnalysisRequest(str(config.database), now, stale, config.timezone))
    results = dict(state.results)
    for reply in () if done.replies is None else done.replies.replies:
        if reply.error is None:
            results[reply.name] = AnalysisResult(reply.name, now, reply.seconds, reply.findings, reply.extra)
        else:
            context.print_note(f"{reply.name}: {reply.error}")
    return replace(state, results=results)


def is_service_down(context: CommandContext) -> bool:
    """Return whether no service keeps the store up to date."""
    holder = find_lock_holder(context.config.state)
    return holder is None or holder.address is None


def _is_stale(result: AnalysisResult | None, now: int) -> bool:
    every = 3_600 if result is None else next((a.every for a in ANALYSES if a.name == result.kind), 3_600)
    return result is None or result.at is None or now - result.at > (every + FRESH_SECONDS) * SECOND


def _describe_silence(state: FindingsState) -> str:
    few = state.checks[FindingVerdict.TOO_LITTLE_DATA.value]
    quiet = format_count_with_noun(state.quiet_checks, "check was quiet", "checks were quiet")
    little = format_count_with_noun(few, "check has too little data", "checks have too little data")
    oldest = min((result.at for result in state.results.values() if result.at is not None), default=None)
    age = "" if oldest is None else f"; the oldest answer is of {format_age(state.at, oldest)}"
    off = f"; switched off: {', '.join(sorted(state.switched_off))}" if state.switched_off else ""
    return f"{quiet}, {little}{age}{off}"
