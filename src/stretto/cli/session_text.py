"""One session as a page of text: what it gained, where its time went, what it used, how well it went.

The order is that of the questions; what is not known has one line each at the end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from stretto.cli.cost_text import format_model_calls
from stretto.cli.kpi_text import format_kpis
from stretto.cli.text_tables import ABSENT, format_nanoseconds, make_table, render_text
from stretto.clock import SECOND, to_rfc3339
from stretto.figures.contention import detect_contention, measure_session_use
from stretto.figures.efficiency_tree import EfficiencyNode, EfficiencyTree, measure_efficiency
from stretto.figures.fanouts import Fanout, SequentialTime
from stretto.figures.session_analysis import SessionAnalysis, WhatIf
from stretto.format import quantities
from stretto.model.entities import Session
from stretto.model.score_scales import Scales
from stretto.model.task_type import normalise_name
from stretto.names import NONE
from stretto.summaries.session_summary import SessionSummary


def format_session(seen: SessionSummary) -> str:
    """Return one session as text."""
    session, rules = seen.session, seen.scoring.rules
    parts = [
        _format_head(session),
        *(_format_fanout(number, session, *found) for number, found in enumerate(seen.fanouts, 1)),
        _format_efficiency(seen.analysis.efficiency, len(seen.fanouts)),
        [*_format_wall_time(seen.analysis), *_format_critical_path(seen.analysis)],
        [_format_tasks(session)] if session.tasks else [],
        [_format_phases(session)] if session.phases else [],
        format_model_calls(seen.model_calls),
        _format_resources(session, rules.cpu_target),
        format_kpis(seen.kpis),
        [_format_scores(session, rules.scales)] if session.scores else [],
        [f"absent: {figure}: {reason}" for figure, reason in seen.absent.items()],
    ]
    told = ("\n".join(part).strip("\n") for part in parts)
    return "\n\n".join(part for part in told if part)


def format_what_if(tried: WhatIf) -> str:
    """Return what one task at a factor of its time would change."""
    lengths = [("the session", tried.elapsed, tried.would_be)]
    if tried.fanout_elapsed is not None and tried.fanout_would_be is not None:
        lengths.append(("its fan-out", tried.fanout_elapsed, tried.fanout_would_be))
    told = ", ".join(
        f"{what} {format_nanoseconds(would_be)} instead of {format_nanoseconds(was)}"
        for what, was, would_be in lengths
    )
    return f"what if: with task {tried.task} at {tried.factor:g} of its time, {told}"


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
        quantities.format_count_of(len(session.turns), "turn"),
        quantities.format_count_of(len(session.tasks), "task"),
        quantities.format_count_of(len(session.tool_calls), "tool call"),
        *([quantities.format_count_of(len(session.messages), "message")] if session.messages else []),
    ]
    yield "  " + ", ".join(about)
    yield "  " + ", ".join(counts)


def _format_fanout(
    number: int, session: Session, fanout: Fanout, held_against: SequentialTime
) -> Iterator[str]:
    speedup = held_against.length / fanout.elapsed
    against = f"as one after another (baseline: {held_against.provenance.value})"
    shape = f"{len(fanout.tasks)} tasks, {fanout.width} at once"
    yield f"fan-out {number}: {shape}: {speedup:.2f}× as fast {against}"
    saved = held_against.length - fanout.elapsed
    lengths = [
        f"sequential {format_nanoseconds(held_against.length)}",
        f"elapsed {format_nanoseconds(fanout.elapsed)}",
        f"{'saved' if saved >= 0 else 'lost'} {format_nanoseconds(abs(saved))}",
        f"work {format_nanoseconds(fanout.work)}",
    ]
    yield "  " + ", ".join(lengths)
    yield f"  {_format_confidence(fanout, held_against)}"
    yield f"  efficiency {_format_factors(measure_efficiency(fanout))}"
    found = detect_contention(fanout, held_against, session.samples)
    if found.contended is not None:
        word = "stood in each other's way" if found.contended else "did not hinder each other"
        yield f"  its tasks {word}: {found.reason}"


def _format_confidence(fanout: Fanout, held_against: SequentialTime) -> str:
    bounds = held_against.estimate.bounds
    if bounds is None:
        return f"no confidence interval: {held_against.baseline.no_interval}"
    low, high = (edge / fanout.elapsed for edge in bounds)
    return f"{low:.2f}× to {high:.2f}× at 95 % confidence, from {held_against.estimate.count} sequential runs"


def _format_efficiency(tree: EfficiencyTree | None, fanouts: int) -> Iterator[str]:
    """Yield that of all fan-outs, and by phase; of one alone, outside of phases, all is told already."""
    if tree is None or (fanouts == 1 and set(tree.phases) == {NONE}):
        return
    nodes = [("all fan-outs", tree.session)]
    if set(tree.phases) != {NONE}:
        nodes += [(f"  phase {name}", node) for name, node in tree.phases.items()]
    yield from (f"{name}: efficiency {_format_factors(node)}" for name, node in nodes)


def _format_factors(node: EfficiencyNode) -> str:
    factors = " × ".join(
        f"{factor.value.replace('_', ' ')} {share:.0%}" for factor, share in node.factors.items()
    )
    lost = ", ".join(
        f"{format_nanoseconds(length)} by {factor.value.replace('_', ' ')}"
        for factor, length in node.lost.items()
    )
    return f"{node.whole:.0%} = {factors}; lane time lost: {lost}"


def _format_wall_time(found: SessionAnalysis) -> Iterator[str]:
    wall = Counter({part.value.replace("_", " "): length for part, length in found.wall.items()})
    whole = sum(wall.values())
    if whole:
        yield f"wall time {format_nanoseconds(whole)}: {_list_largest(wall, whole, len(wall))}"


def _format_critical_path(found: SessionAnalysis) -> Iterator[str]:
    if not found.path:
        return
    whole = found.path.length
    yield f"critical path {format_nanoseconds(whole)} of {format_nanoseconds(found.path.elapsed)}"
    parts = (
        ("agents", found.path.sum_by_agent()),
        ("tasks", found.path.sum_by_task()),
        ("tools", found.path.sum_by_tool()),
    )
    yield from (f"  {what}: {_list_largest(lengths, whole)}" for what, lengths in parts if lengths)
    for one in found.what_ifs[:1]:
        yield f"  a fifth faster: {one.task} would save {format_nanoseconds(one.elapsed - one.would_be)}"


def _list_largest(lengths: Counter[str], whole: int, most: int = 5) -> str:
    told = lengths.most_common(most)
    return ", ".join(f"{name} {format_nanoseconds(length)} ({length / whole:.0%})" for name, length in told)


def _format_tasks(session: Session) -> str:
    table = make_table("task", "type", "agent", "started", "took", "outcome", "description")
    for task in session.tasks:
        interval = task.interval
        table.add_row(
            task.id,
            task.task_type,
            task.agent or ABSENT,
            ABSENT if task.start is None else f"+{format_nanoseconds(task.start - session.start)}",
            format_nanoseconds(interval.length if interval else None),
            task.outcome.value,
            task.description or ABSENT,
        )
    return render_text(table)


def _format_phases(session: Session) -> str:
    table = make_table("phase", "id", "started", "took", "tasks", "outcome")
    # Where no task says to which phase it belongs, that none does is not known.
    told = any(task.phase for task in session.tasks)
    for phase in session.phases:
        interval = phase.interval
        table.add_row(
            phase.name,
            phase.id,
            ABSENT if phase.start is None else f"+{format_nanoseconds(phase.start - session.start)}",
            format_nanoseconds(interval.length if interval else None),
            str(sum(task.phase == phase.name for task in session.tasks)) if told else ABSENT,
            phase.outcome.value,
        )
    return render_text(table)


def _format_resources(session: Session, cpu_target: tuple[float, float]) -> Iterator[str]:
    use = measure_session_use(session.samples, cpu_target)
    if use is None:
        return
    told = [f"sampled for {format_nanoseconds(use.sampled_seconds * SECOND)}"]
    if use.cpu_mean is not None:
        most = "" if use.cpu_peak is None else f" (most {quantities.format_number(use.cpu_peak)})"
        told.append(f"processors {quantities.format_number(use.cpu_mean)}{most}")
    if use.memory_mean_bytes is not None:
        most = (
            ""
            if use.memory_peak_bytes is None
            else f" (most {quantities.format_bytes(use.memory_peak_bytes)})"
        )
        told.append(f"memory {quantities.format_bytes(use.memory_mean_bytes)}{most}")
    for what, amount in (("read", use.read_bytes), ("written", use.written_bytes)):
        told += [] if amount is None else [f"{quantities.format_bytes(amount)} {what}"]
    if use.machine_cpu_ratio is not None:
        low, high = (f"{edge:.0%}" for edge in use.cpu_target)
        standing = f"{use.cpu_standing} the target, {low} to {high}"
        told.append(f"machine {use.machine_cpu_ratio:.0%} busy ({standing})")
    yield f"resources: {', '.join(told)}"


def _format_scores(session: Session, scales: Scales) -> str:
    table = make_table("score", "value", "of", "by", "given", "counts")
    names = {phase.id: phase.name for phase in session.phases}
    for score in session.scores:
        what = "the session" if score.of == "session" else f"{score.of} {names.get(score.of_id, score.of_id)}"
        fault = scales.explain_refusal(normalise_name(score.name), score.value)
        table.add_row(
            score.name,
            f"{score.value:g}",
            what,
            score.by or ABSENT,
            to_rfc3339(score.time)[:19] + "Z",
            "yes" if fault is None else f"no: {fault}",
        )
    return render_text(table)
