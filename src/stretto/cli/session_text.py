"""Format a session as a page of text: gain, time, cost, resources and quality.

Each absent figure has a line with its reason at the end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from stretto.cli.cost_text import format_model_calls
from stretto.cli.session_kpi_text import format_kpis
from stretto.cli.text_tables import ABSENT, format_nanoseconds, make_table, render_text
from stretto.clock import SECOND, to_rfc3339
from stretto.figures.efficiency_tree import EfficiencyNode, EfficiencyTree, measure_efficiency
from stretto.figures.expected_and_missed_gains import find_baseline_doubt
from stretto.figures.fanout_conflict_and_test_checks import IntegrationCheck, find_phase_of_task
from stretto.figures.fanouts import Fanout, SequentialTime, explain_no_interval
from stretto.figures.machine_contention import detect_contention, measure_session_machine_use
from stretto.figures.memory_growth import measure_memory_growth_at_constant_load
from stretto.figures.session_analysis import SessionAnalysis, WhatIf
from stretto.figures.synthesis import measure_synthesis_time
from stretto.figures.unreported_tool_calls import ToolCallGaps
from stretto.format import quantities
from stretto.model.entities import Message, Session
from stretto.model.score_scales import Scales
from stretto.model.task_type import to_label_value
from stretto.names import NONE
from stretto.summaries.session_summary import SessionSummary


def format_session(summary: SessionSummary) -> str:
    """Return a session as text."""
    session, rules = summary.session, summary.scoring.rules
    parts = [
        _format_head(session),
        *(
            _format_fanout(number, session, *execution, check)
            for number, (execution, check) in enumerate(zip(summary.fanouts, summary.checks, strict=True), 1)
        ),
        _format_efficiency(summary.analysis.efficiency, len(summary.fanouts)),
        [*_format_wall_time(summary.analysis), *_format_critical_path(summary.analysis)],
        _format_workflow(summary),
        [_format_tasks(session)] if session.tasks else [],
        [_format_phases(session)] if session.phases else [],
        format_model_calls(summary.model_calls, session),
        _format_resources(session, rules.cpu_target),
        format_kpis(summary.kpis),
        [_format_scores(session, rules.scales)] if session.scores else [],
        [f"absent: {figure}: {reason}" for figure, reason in summary.absent.items()],
    ]
    texts = ("\n".join(part).strip("\n") for part in parts)
    return "\n\n".join(part for part in texts if part)


def format_what_if(what_if: WhatIf) -> str:
    """Return the change if a task took a factor of its time."""
    lengths = [("the session", what_if.elapsed, what_if.would_be)]
    if what_if.fanout_elapsed is not None and what_if.fanout_would_be is not None:
        lengths.append(("its parallel execution", what_if.fanout_elapsed, what_if.fanout_would_be))
    changes = ", ".join(
        f"{subject} {format_nanoseconds(would_be)} instead of {format_nanoseconds(was)}"
        for subject, was, would_be in lengths
    )
    return f"what if: with task {what_if.task} at {what_if.factor:g} of its time, {changes}"


def _format_head(session: Session) -> Iterator[str]:
    yield f"session {session.id}" + ("  (a recording, not a session of yours)" if session.recording else "")
    about = [
        session.source,
        f"project {session.project or ABSENT}",
        f"pattern {session.pattern or ABSENT}",
        session.outcome.value,
        format_nanoseconds((session.end or session.last) - session.start),
        f"from {to_rfc3339(session.start)[:19]}Z",
    ]
    counts = [
        quantities.format_count_with_noun(len(session.turns), "turn"),
        quantities.format_count_with_noun(len(session.tasks), "task"),
        _format_tool_calls(session),
        *([quantities.format_count_with_noun(len(session.messages), "message")] if session.messages else []),
    ]
    yield "  " + ", ".join(about)
    yield "  " + ", ".join(counts)


def _format_tool_calls(session: Session) -> str:
    gaps = ToolCallGaps(session)
    count = quantities.format_count_with_noun(gaps.total, "tool call")
    counted = f"at least {count}" if not gaps.is_total_complete else count
    return f"{counted} ({gaps.uncounted} of them by the client's count alone)" if gaps.uncounted else counted


def _format_fanout(
    number: int, session: Session, fanout: Fanout, sequential: SequentialTime, check: IntegrationCheck
) -> Iterator[str]:
    speedup = sequential.length / fanout.elapsed
    against = f"as one after another (baseline: {sequential.provenance.value})"
    delivered = quantities.format_delivered_tasks(len(fanout.delivered), len(fanout.tasks))
    shape = f"{delivered}, {fanout.width} at once"
    yield f"parallel execution {number}: {shape}: {speedup:.2f}× as fast {against}"
    saved = sequential.length - fanout.elapsed
    lengths = [
        f"sequential {format_nanoseconds(sequential.length)}",
        f"elapsed {format_nanoseconds(fanout.elapsed)}",
        f"{'saved' if saved >= 0 else 'lost'} {format_nanoseconds(abs(saved))}",
        f"work {format_nanoseconds(fanout.work)}",
    ]
    yield "  " + ", ".join(lengths)
    if fanout.waited or fanout.has_open_wait:
        yield f"  {_format_waits(fanout)}"
    synthesis = measure_synthesis_time(session, fanout)
    if synthesis:
        yield f"  then {format_nanoseconds(synthesis)} until the turn's end, to put the results together"
    doubt = find_baseline_doubt(fanout, sequential)
    if doubt is not None:
        yield f"  doubtful: {doubt}"
    if sequential.baseline.refusal is not None:
        yield f"  not compared with measured runs: {sequential.baseline.refusal}"
    yield f"  {_format_confidence(fanout, sequential)}"
    yield f"  efficiency {_format_factors(measure_efficiency(fanout))}"
    contention = detect_contention(fanout, sequential, session.samples)
    if contention.contended is not None:
        effect = "slowed each other down" if contention.contended else "did not slow each other down"
        yield f"  its tasks {effect}: {contention.reason}"
    if check.conflicting:
        yield f"  {_format_conflict(session, check)}"


def _format_conflict(session: Session, check: IntegrationCheck) -> str:
    """Return which tasks' results conflict. Example: ``in conflict: fix a (build), fix b (build)``."""
    names = []
    for task in check.fanout.tasks:
        if task.id in check.conflicting:
            phase = find_phase_of_task(task, session.phases)
            names.append((task.description or task.agent or task.id) + (f" ({phase})" if phase else ""))
    return f"in conflict: {', '.join(names)}"


def _format_waits(fanout: Fanout) -> str:
    """Return how long its tasks waited for a person, and whether more of it is in its times."""
    known = (
        f"waited {format_nanoseconds(fanout.waited)} for you, left out of its times" if fanout.waited else ""
    )
    unknown = "waited for you until an unknown time, which may be part of its times"
    return "; ".join(filter(None, (known, unknown if fanout.has_open_wait else "")))


def _format_confidence(fanout: Fanout, sequential: SequentialTime) -> str:
    bounds = sequential.estimate.interval
    if bounds is None:
        return f"no confidence interval: {explain_no_interval(sequential)}"
    low, high = (edge / fanout.elapsed for edge in bounds)
    return f"{low:.2f}× to {high:.2f}× at 95 % confidence, from {sequential.estimate.count} sequential runs"


def _format_efficiency(tree: EfficiencyTree | None, fanouts: int) -> Iterator[str]:
    """Yield the efficiency of all parallel executions together and by phase.

    Nothing for a single execution outside phases: its own lines show the same figures.
    """
    if tree is None or (fanouts == 1 and set(tree.phases) == {NONE}):
        return
    nodes = [("all parallel executions", tree.session)]
    if set(tree.phases) != {NONE}:
        nodes += [(f"  phase {name}", node) for name, node in tree.phases.items()]
    yield from (f"{name}: efficiency {_format_factors(node)}" for name, node in nodes)


def _format_factors(node: EfficiencyNode) -> str:
    factors = " × ".join(
        f"{factor.value.replace('_', ' ')} {share:.0%}" for factor, share in node.factors.items()
    )
    factors += f" ({node.delivered} of {node.tasks} tasks)"
    lost = ", ".join(
        f"{format_nanoseconds(length)} by {factor.value.replace('_', ' ')}"
        for factor, length in node.lost.items()
    )
    return f"{node.efficiency:.0%} = {factors}; lane time lost: {lost}"


def _format_wall_time(analysis: SessionAnalysis) -> Iterator[str]:
    wall = Counter({part.value.replace("_", " "): length for part, length in analysis.wall.items()})
    total = sum(wall.values())
    if total:
        yield f"wall time {format_nanoseconds(total)}: {_list_largest(wall, total, len(wall))}"


def _format_workflow(summary: SessionSummary) -> Iterator[str]:
    """Yield the comparison of the whole session with its pattern's configured hours."""
    workflow = summary.workflow
    if workflow is None:
        return
    configured, credited, elapsed, saved = (
        format_nanoseconds(abs(workflow[f"{name}_seconds"]) * SECOND)
        for name in ("configured", "credited", "elapsed", "saved")
    )
    times = "" if workflow["speedup"] is None else f": {workflow['speedup']:.2f}× as fast as by hand"
    yield f"whole workflow {summary.session.pattern}{times}"
    delivered = quantities.format_delivered_tasks(workflow["delivered"], workflow["tasks"])
    yield (
        f"  configured {configured}, {delivered}: credited {credited},"
        f" took {elapsed} without idle time and waits for you,"
        f" {'saved' if workflow['saved_seconds'] >= 0 else 'lost'} {saved}"
    )
    if workflow["retried"]:
        retried = quantities.format_count_with_noun(workflow["retried"], "retried task")
        yield f"  {retried} left out of the count"
    if workflow["doubt"] is not None:
        yield f"  doubtful: {workflow['doubt']}"


def _format_critical_path(analysis: SessionAnalysis) -> Iterator[str]:
    if not analysis.path:
        return
    total = analysis.path.length
    yield f"critical path {format_nanoseconds(total)} of {format_nanoseconds(analysis.path.elapsed)}"
    parts = (
        ("agents", analysis.path.by_agent),
        ("tasks", analysis.path.by_task),
        ("tools", analysis.path.by_tool),
    )
    yield from (f"  {kind}: {_list_largest(lengths, total)}" for kind, lengths in parts if lengths)
    for what_if in analysis.simulate_what_ifs(1):
        saved = format_nanoseconds(what_if.elapsed - what_if.would_be)
        yield f"  a fifth faster: {what_if.task} would save {saved}"


def _list_largest(lengths: Counter[str], total: int, most: int = 5) -> str:
    largest = lengths.most_common(most)
    return ", ".join(
        f"{name} {format_nanoseconds(length)} ({length / total:.0%})" for name, length in largest
    )


def _format_tasks(session: Session) -> str:
    table = make_table("task", "type", "agent", "started", "took", "outcome", "description")
    reports = session.latest_reports
    for task in session.tasks:
        table.add_row(
            task.id,
            task.task_type,
            task.agent or ABSENT,
            ABSENT if task.start is None else f"+{format_nanoseconds(task.start - session.start)}",
            format_nanoseconds(task.length),
            task.outcome.value + _format_report(reports.get(task.id)),
            task.description or ABSENT,
        )
    return render_text(table)


def _format_report(report: Message | None) -> str:
    """Return what a task or phase reported last, as a part of a sentence; empty without a report."""
    if report is None:
        return ""
    return f", blocked: {report.description}" if report.share is None else f", {report.share:.0%} done"


def _format_phases(session: Session) -> str:
    table = make_table("phase", "id", "started", "took", "tasks", "outcome")
    # Without a phase on any task the count of a phase is unknown, not 0.
    has_phases = any(task.phase for task in session.tasks)
    reports = session.latest_phase_reports
    for phase in session.phases:
        interval = phase.interval
        table.add_row(
            phase.name,
            phase.id,
            ABSENT if phase.start is None else f"+{format_nanoseconds(phase.start - session.start)}",
            format_nanoseconds(interval.length if interval else None),
            str(sum(task.phase == phase.name for task in session.tasks)) if has_phases else ABSENT,
            phase.outcome.value + _format_report(reports.get(phase.id)),
        )
    return render_text(table)


def _format_resources(session: Session, cpu_target: tuple[float, float]) -> Iterator[str]:
    use = measure_session_machine_use(session.samples, cpu_target)
    if use is None:
        return
    parts = [f"sampled for {format_nanoseconds(use.sampled_seconds * SECOND)}"]
    if use.cpu_mean is not None:
        most = "" if use.cpu_peak is None else f" (most {quantities.format_number(use.cpu_peak)})"
        parts.append(f"processors {quantities.format_number(use.cpu_mean)}{most}")
    if use.memory_mean_bytes is not None:
        most = (
            ""
            if use.memory_peak_bytes is None
            else f" (most {quantities.format_bytes(use.memory_peak_bytes)})"
        )
        parts.append(f"memory {quantities.format_bytes(use.memory_mean_bytes)}{most}")
    growth = measure_memory_growth_at_constant_load(session.samples, session.tasks)
    if growth.is_leak_suspected and growth.ratio_per_hour is not None:
        parts.append(f"which grows by {growth.ratio_per_hour:.0%} an hour while as many tasks run: a leak?")
    for direction, amount in (("read", use.read_bytes), ("written", use.written_bytes)):
        parts += [] if amount is None else [f"{quantities.format_bytes(amount)} {direction}"]
    if use.machine_cpu_ratio is not None:
        low, high = (f"{edge:.0%}" for edge in use.cpu_target)
        standing = f"{use.cpu_standing} the target, {low} to {high}"
        parts.append(f"machine {use.machine_cpu_ratio:.0%} busy ({standing})")
    yield f"resources: {', '.join(parts)}"


def _format_scores(session: Session, scales: Scales) -> str:
    table = make_table("score", "value", "of", "by", "given", "counts")
    names = {phase.id: phase.name for phase in session.phases}
    for score in session.scores:
        subject = (
            "the session" if score.of == "session" else f"{score.of} {names.get(score.of_id, score.of_id)}"
        )
        placed = scales.place_score(to_label_value(score.name), score.value, score.out_of)
        table.add_row(
            score.name,
            f"{placed.value:g}" + ("" if placed.scale is None else f" on {placed.scale}"),
            subject,
            score.by or ABSENT,
            to_rfc3339(score.time)[:19] + "Z",
            "yes" if placed.problem is None else f"no: {placed.problem}",
        )
    return render_text(table)
