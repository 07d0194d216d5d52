"""Describe how things stand, in three sentences for a reader who knows nothing of the tool."""

from __future__ import annotations

from stretto.figures.sequential_baseline_choice import Provenance
from stretto.format.quantities import format_count_with_noun, format_duration, format_speedup
from stretto.model.task_delivery_classes import Delivery
from stretto.reports.finding_sections import PeriodFindings
from stretto.reports.kpi_targets_met_or_missed import PeriodKpis, count_targets
from stretto.reports.report_period import PeriodKind
from stretto.reports.work_sections import ReportFigures, count_ended_tasks

_EVEN = 0.005
"""A speed-up this close to 1 is called even."""

_AGAINST = {
    Provenance.WORK.value: "by the tasks' own lengths, which flatters where they slowed each other",
    Provenance.MEASURED.value: "measured against sequential runs",
    Provenance.RECORDED.value: "measured against recorded runs",
    Provenance.CONFIGURED.value: "by the configured hours",
    Provenance.SET.value: "by the lengths set for each task type",
}
"""Baseline → how the gain was compared."""


def describe_state(
    figures: ReportFigures, findings: PeriodFindings, kpis: PeriodKpis, *, is_over: bool
) -> tuple[str, ...]:
    """Return three sentences: what ran, what running side by side brought, and what to look at."""
    return (
        _describe_work(figures, is_over=is_over),
        _describe_gain(figures, findings),
        _describe_attention(findings, kpis),
    )


def _describe_work(figures: ReportFigures, *, is_over: bool) -> str:
    now, period = figures.now, figures.period
    when = f"{'On' if period.kind is PeriodKind.DAY else 'In'} {period.title}"
    when += "," if is_over else ", which is not over yet,"
    tasks, sessions = count_ended_tasks(now), round(now.sum_up("window_sessions") or 0)
    if not tasks and not sessions:
        return f"{when} no agent did any work that Stretto saw."
    ended = format_count_with_noun(sessions, "session")
    if not tasks:
        return f"{when} {ended} of agents ended, and none of them gave a task to another agent."
    wasted = round(now.sum_up("window_deliveries", delivery=Delivery.WASTED.value) or 0)
    given = format_count_with_noun(round(tasks), "task")
    taken = round(now.sum_up("window_deliveries", delivery=Delivery.TAKEN.value) or 0)
    lost = f"{wasted} of them brought nothing" if wasted else "all of them were delivered"
    if taken and not wasted:
        lost = f"none of them failed, but {taken} of them did not report how they ended"
    return f"{when} agents finished {given} for other agents, and {lost}; {ended} ended."


def _describe_gain(figures: ReportFigures, findings: PeriodFindings) -> str:
    """Return the gain. Time saved is not praised while something got slower."""
    saved, speedup, elapsed = (
        figures.now.find_headline(name)
        for name in ("verdict_saved_seconds", "verdict_speedup", "verdict_elapsed_seconds")
    )
    if saved is None or saved.value is None or speedup is None or speedup.value is None or elapsed is None:
        return "Nothing ran side by side, so no time was saved by that."
    took, amount = format_duration(elapsed.value or 0), format_duration(abs(saved.value))
    against = _AGAINST.get(dict(saved.labels)["baseline"], "")
    if abs(speedup.value - 1) < _EVEN:
        return f"Running tasks side by side took {took} and saved nothing ({against})."
    word = "saved" if saved.value > 0 else "lost"
    times = format_speedup(speedup.value)
    text = f"Running tasks side by side took {took} and {word} {amount}, {times} as fast ({against})"
    slower = len(findings.regressions)
    if slower and saved.value > 0:
        series = format_count_with_noun(slower, "kind of work", "kinds of work")
        return f"{text}; but {series} got worse, so part of that is no gain."
    return f"{text}."


def _describe_attention(findings: PeriodFindings, kpis: PeriodKpis) -> str:
    """Return what to look at first: what got worse, else missed targets, else advice."""
    if findings.regressions:
        more = len(findings.regressions) - 1
        rest = f" And {more} more." if more else ""
        return f"Look at this first: {findings.describe(findings.regressions[0])}{rest}"
    met, known, missed = count_targets(kpis)
    looked = "" if findings.state.missing is None else "; whether anything got worse was not looked at"
    if missed:
        names = ", ".join(missed[:3]) + (" and others" if len(missed) > 3 else "")  # noqa: PLR2004  # a sentence
        return f"{met} of {known} known targets are met; missed are {names}{looked}."
    if findings.recommendations:
        return f"To do next: {findings.describe(findings.recommendations[0])}"
    if not known:
        return f"No target could be judged{looked}."
    return f"All {known} known targets are met, and nothing asks for attention{looked}."
