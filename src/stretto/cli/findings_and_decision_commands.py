"""``stretto findings``, ``why``, ``decide`` and ``annotate``: read what the analyses found, and decide."""

from __future__ import annotations

import argparse
from contextlib import closing
from dataclasses import replace
from typing import Any

from stretto.cli.command_context import CommandContext
from stretto.cli.import_command import update_store
from stretto.cli.session_commands import UNKNOWN_SESSION, explain_no_match, match_sessions
from stretto.cli.time_args import parse_past_time
from stretto.clock import SECOND, read_wall_clock, to_rfc3339
from stretto.errors import UsageError
from stretto.findings.analysis_run import AnalysisRequest
from stretto.findings.analysis_table import ANALYSES, EFFECTS
from stretto.findings.decision_parsing import parse_decision
from stretto.findings.explain_work_or_session import (
    EXPECTING,
    EXPLAINING,
    explain_session,
    list_notable_unsettled_findings,
)
from stretto.findings.finding_sentences import (
    describe_finding,
)
from stretto.findings.findings_snapshot import (
    FindingsState,
    build_finding_document,
    build_findings_document,
    list_latest_answers,
    list_shortened_answers,
    read_findings_state,
)
from stretto.format.quantities import format_age, format_count_with_noun
from stretto.format.rfc3339 import to_exact_rfc3339
from stretto.model.findings import HOLDUP_PREFIX, FindingVerdict
from stretto.operations.analysis_reader import AnswerReader
from stretto.operations.older_session_explainer import OlderSessionExplainer
from stretto.service.analysis_process import run_analysis_process
from stretto.service.configured_snapshot import make_score_settings
from stretto.service.operation_sources_of_a_store import make_store_sources
from stretto.state.lock import find_lock_holder
from stretto.store.database import open_reader
from stretto.store.decision_rows import append_decisions
from stretto.store.declared_baseline_file import load_declared_baselines
from stretto.store.finding_history_and_last_answers import AnalysisResult
from stretto.store.session_queries import read_session

NOTHING_FOUND = 1
FRESH_SECONDS = 600
"""Age up to which the service's answer is shown; an older one is worked out here."""


def show_findings(context: CommandContext, options: argparse.Namespace) -> int:
    """Print open findings, what was decided, and how many checks were quiet; with ``--all`` each answer."""
    state = read_state(context, at=parse_past_instant(options.at))
    lines = [
        f"{stored.id}  {describe_finding(stored.finding, state.zone)}"
        + "".join(
            f"\n            {each.kind.value} {each.text}".rstrip() for each in state.list_decisions(stored)
        )
        for stored in state.open_findings
    ]
    lines += [
        f"worked out now for then: {describe_finding(finding, state.zone)}"
        for finding in state.worked_out_again
    ]
    effects = state.results.get(EFFECTS)
    lines += [
        f"            {describe_finding(finding, state.zone)}"
        for finding in (() if effects is None else effects.findings)
    ]
    if state.missing is not None:
        # First, and instead of "nothing to look at": nobody has looked.
        lines.insert(0, f"nothing is looked for: {state.missing}")
    elif not state.open_findings and not state.worked_out_again:
        lines.append("nothing to look at" if state.has_looked else "nothing was looked for")
    if state.is_before_history and state.first_kept is not None:
        lines.append(f"findings are kept since {to_rfc3339(state.first_kept)}")
    if options.all:
        for result in state.results.values():
            lines += ["", result.kind]
            lines += [
                f"    {describe_finding(finding, state.zone)}" for finding in list_latest_answers(result)
            ]
        lines.append("")
    if state.missing is None:
        lines.append(_describe_silence(state))
    context.print_answer(build_findings_document(state), "\n".join(lines))
    return 0


def explain_holdups(context: CommandContext, options: argparse.Namespace) -> int:
    """Print what holds up the work and what else explains it, or what held up a session."""
    state = read_state(context, *EXPLAINING, EXPECTING, at=parse_past_instant(options.at))
    if options.session is not None:
        return _explain_session(context, state, options.session)
    findings = list_notable_unsettled_findings(state)
    documents = [build_finding_document(finding, state.zone) for finding in findings]
    sentences = [each["sentence"] for each in documents]
    # Silence names the answers that are not about the whole history by itself.
    sentences += list_shortened_answers(state) if sentences else [_describe_no_explanation(state)]
    held = [each for each in documents if each["kind"].startswith(HOLDUP_PREFIX)]
    context.print_answer(
        {"holdups": held, "findings": [each for each in documents if each not in held]},
        "\n".join(sentences),
    )
    return 0


def _explain_session(context: CommandContext, state: FindingsState, name: str) -> int:
    """Print how a session stands among its like, what held it up, late tasks, and its pattern's findings."""
    with closing(open_reader(context.config.database)) as connection:
        ids = match_sessions(connection, name)
        classify = context.config.task_types.classify
        session = read_session(connection, ids[0], classify) if len(ids) == 1 else None
    if session is None:
        context.print_note(explain_no_match(name, ids))
        return UNKNOWN_SESSION
    answers = AnswerReader(make_store_sources(context.config, read_wall_clock))
    state = OlderSessionExplainer(answers).add_explanation(state, session)
    explanation = explain_session(state, session)
    if explanation.reason is not None:
        context.print_note(f"what held it up is not known: {explanation.reason}")
    sentences = explanation.list_sentences()
    if explanation.holdups is None and not sentences:
        return NOTHING_FOUND
    context.print_answer(explanation.to_document(), "\n".join(sentences))
    return 0


def decide(context: CommandContext, options: argparse.Namespace) -> int:
    """Record a decision about a finding."""
    return record_decision(
        context,
        {"kind": options.kind, "finding": options.finding, "text": options.note, "time": read_time(options)},
    )


def annotate(context: CommandContext, options: argparse.Namespace) -> int:
    """Record an annotation."""
    return record_decision(
        context,
        {
            "kind": "annotation",
            "text": options.text,
            "time": read_time(options),
            "new_normal": options.new_normal,
        },
    )


def read_time(options: argparse.Namespace) -> str | None:
    """Return the instant of ``--at`` as a decision has it; None without it. Raises UsageError."""
    at = parse_past_instant(options.at)
    return None if at is None else to_exact_rfc3339(at)


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


def parse_past_instant(text: str | None) -> int | None:
    """Return the instant (ns) of ``--at``; None without it. Raises UsageError for none, or one to come."""
    if text is None:
        return None
    return parse_past_time(
        text, read_wall_clock(), "--at", "findings and decisions are of now or of the past"
    )


def read_state(
    context: CommandContext, *names: str, run: bool = True, at: int | None = None
) -> FindingsState:
    """Return the findings, now or as known at an instant (ns).

    Answers that no service has kept fresh, and all of the past, are worked out in a process here.
    """
    config = context.config
    if is_service_down(context):
        update_store(context)
    now = read_wall_clock()
    with closing(open_reader(config.database)) as connection:
        state = read_findings_state(
            connection, now, config.timezone, at=at, switched_off=config.features.off_analyses
        )
    wanted = names or tuple(analysis.name for analysis in ANALYSES if analysis.has_findings)
    wanted = tuple(name for name in wanted if name not in state.switched_off)
    stale = tuple(name for name in wanted if _is_stale(state.results.get(name), state.at))
    if not run or not stale or state.missing is not None:
        return state
    settings = make_score_settings(config, load_declared_baselines(config.state))
    done = run_analysis_process(
        AnalysisRequest(str(config.database), state.at, stale, config.timezone, scoring=settings)
    )
    results = dict(state.results)
    if done.replies is None:
        context.print_note(f"the analyses failed: {done.error or 'they gave no answer'}")
    for reply in () if done.replies is None else done.replies.replies:
        if reply.error is None:
            results[reply.name] = reply.to_result(state.at)
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


def _describe_no_explanation(state: FindingsState) -> str:
    if state.missing is not None:
        return f"nothing is looked for: {state.missing}"
    if not state.has_looked:
        return f"nothing was looked for; {_describe_silence(state)}"
    return f"nothing unusual holds up the sessions of the last day; {_describe_silence(state)}"


def _describe_silence(state: FindingsState) -> str:
    off = f"; switched off: {', '.join(sorted(state.switched_off))}" if state.switched_off else ""
    if state.checks_reason is not None:
        return f"{state.checks_reason}{off}"
    few = state.checks[FindingVerdict.TOO_LITTLE_DATA.value]
    quiet = format_count_with_noun(state.quiet_checks, "check was quiet", "checks were quiet")
    little = format_count_with_noun(few, "check has too little data", "checks have too little data")
    oldest = min((result.at for result in state.results.values() if result.at is not None), default=None)
    age = "" if oldest is None else f"; the oldest answer is of {format_age(state.at, oldest)}"
    shortened = "".join(f"; {each}" for each in list_shortened_answers(state))
    return f"{quiet}, {little}{age}{shortened}{off}"
