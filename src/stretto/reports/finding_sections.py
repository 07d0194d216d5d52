"""The sections of a report about findings: changes, hold-ups, advice, and what applied advice brought."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stretto.clock import DAY, SECOND
from stretto.findings.analysis_table import EFFECTS
from stretto.findings.finding_sentences import describe_finding
from stretto.findings.findings_snapshot import FindingsState, get_extra_value, list_shortened_answers
from stretto.findings.issued_forecasts import OUTLOOKS
from stretto.format.quantities import format_count_with_noun, format_duration, format_percent
from stretto.model.decisions import DecisionKind
from stretto.model.findings import RECOMMENDATION_PREFIX, FindingVerdict
from stretto.reports.report_document import MISSING, ReportCell, ReportSection, ReportTable
from stretto.reports.report_parts import ReportPart
from stretto.reports.report_period import ReportPeriod
from stretto.store.finding_history_and_last_answers import StoredFinding

MOST_ITEMS = 20
"""Sentences of a list; the rest is counted."""

FORECAST_RANGE = "0.80"
"""The range of a forecast that a report shows: it should hold four of five days."""

DAYS_AHEAD = 7

FRESH_DAYS = 2
"""Days after a period up to which the last answers of the analyses are those of the period."""


@dataclass(frozen=True, slots=True)
class PeriodFindings:
    """The findings as they were known at the end of a period."""

    state: FindingsState
    period: ReportPeriod
    made: int
    """When the report is made (ns)."""

    @property
    def is_current(self) -> bool:
        """Whether the last answers of the analyses are those of the period."""
        return self.made - self.period.end <= FRESH_DAYS * DAY

    @property
    def regressions(self) -> list[StoredFinding]:
        """What got worse and is not settled."""
        return self.state.regressions

    @property
    def improvements(self) -> list[StoredFinding]:
        """What got better and is open."""
        return [
            stored
            for stored in self.state.open_findings
            if stored.finding.verdict is FindingVerdict.IMPROVEMENT
            and not stored.finding.kind.startswith(RECOMMENDATION_PREFIX)
        ]

    @property
    def recommendations(self) -> list[StoredFinding]:
        """The advice that is open, the largest effect first."""
        advice = [
            stored
            for stored in self.state.open_findings
            if stored.finding.kind.startswith(RECOMMENDATION_PREFIX)
        ]
        return sorted(advice, key=lambda stored: -(stored.finding.evidence.effect or 0))

    @property
    def others(self) -> list[StoredFinding]:
        """Open findings of all other kinds: hold-ups, unusual runs, conditions."""
        listed = {stored.id for stored in (*self.regressions, *self.improvements, *self.recommendations)}
        return [stored for stored in self.state.open_findings if stored.id not in listed]

    def describe(self, stored: StoredFinding) -> str:
        """Return a finding as a sentence."""
        return describe_finding(stored.finding, self.state.zone)


def build_change_section(given: PeriodFindings) -> ReportSection:
    """Return what got worse or better beyond chance, and what is over."""
    over = [
        stored
        for stored in given.state.findings
        if stored.ended is not None and stored.ended >= given.period.start and stored.analysis == "changes"
    ]
    items = [
        *(f"Worse: {given.describe(stored)}" for stored in given.regressions),
        *(f"Better: {given.describe(stored)}" for stored in given.improvements),
        *(f"Over: {given.describe(stored)}" for stored in over),
    ]
    return ReportSection(
        ReportPart.CHANGES.value,
        "What changed",
        sentences=_count_quiet_checks(given) if items else (_describe_silence(given),),
        items=_limit_items(items),
    )


def build_finding_section(given: PeriodFindings) -> ReportSection:
    """Return what else was found: what holds sessions up, what was unusual."""
    items = [given.describe(stored) for stored in given.others]
    return ReportSection(
        ReportPart.FINDINGS.value,
        "What holds it up",
        sentences=() if items else (_describe_no_holdup(given),),
        items=_limit_items(items),
    )


def build_advice_section(given: PeriodFindings) -> ReportSection:
    """Return what to do, what was decided in the period, and what applied advice brought."""
    state, period = given.state, given.period
    decided = [
        f"{_DECIDED[decision.kind]}: {given.describe(stored)}"
        for stored in state.findings
        for decision in state.list_decisions(stored)
        if decision.kind in _DECIDED and period.start <= decision.time < period.end
    ]
    sentences: list[str] = []
    effects: list[str] = []
    result = state.results.get(EFFECTS)
    if result is not None and given.is_current:
        effects = [f"Brought: {describe_finding(finding, state.zone)}" for finding in result.findings]
        sentences += _describe_calibration(state)
    elif result is not None:
        sentences.append("What applied advice had brought by then is not kept: see the current report.")
    items = [*(f"Do: {given.describe(stored)}" for stored in given.recommendations), *decided, *effects]
    if not items:
        sentences.append("There is nothing to recommend with enough evidence.")
    return ReportSection(
        ReportPart.RECOMMENDATIONS.value,
        "What to do, and what it brought",
        sentences=tuple(sentences),
        items=_limit_items(items),
    )


def build_forecast_section(given: PeriodFindings) -> ReportSection:
    """Return what the next days are likely to hold, and how often such ranges held before.

    A report of a time long ago has no forecast: only the last one is kept.
    """
    known: list[dict[str, Any]] = get_extra_value(given.state, OUTLOOKS, "series") or []
    rows = [_make_forecast_row(series) for series in known if series["forecast"] is not None]
    if not given.is_current:
        sentence = "What was forecast then is not kept: see the current report."
    elif given.state.missing is not None:
        sentence = f"Nothing is forecast: {given.state.missing}."
    elif OUTLOOKS in given.state.switched_off:
        sentence = f"Nothing is forecast: the analysis {OUTLOOKS} is switched off."
    elif not rows:
        sentence = f"Nothing is forecast: {_explain_no_forecast(given.state, known)}."
    else:
        table = ReportTable(
            "forecast",
            "Mean length of a day's runs",
            ("", "tomorrow", "4 of 5 days within", "in a week", "4 of 5 days within", "held before"),
            tuple(rows),
            note="Held before: the share of past days that such ranges held; 80 % is meant.",
        )
        return ReportSection(ReportPart.FORECAST.value, "What comes", tables=(table,))
    return ReportSection(ReportPart.FORECAST.value, "What comes", sentences=(sentence,))


def _explain_no_forecast(state: FindingsState, known: Iterable[Mapping[str, Any]]) -> str:
    """Return why no series has a forecast, as a clause."""
    result = state.results.get(OUTLOOKS)
    if result is None:
        return "its analysis has not answered yet"
    if result.at is None:
        return f"its analysis failed: {result.error}"
    reasons = sorted({series["reason"] for series in known})
    return reasons[0] if reasons else "no kind of task has enough days"


def _make_forecast_row(series: Mapping[str, Any]) -> tuple[ReportCell, ...]:
    forecast, tested = series["forecast"], series["back_test"]
    low, high = forecast["ranges"][FORECAST_RANGE]
    cells = [ReportCell(f"{series['kind'].replace('_', ' ')}: {', '.join(series['subject'].values())}")]
    for day in (0, DAYS_AHEAD - 1):
        cells += [
            ReportCell(format_duration(forecast["likely"][day]), forecast["likely"][day], "s"),
            ReportCell(f"{format_duration(low[day])} to {format_duration(high[day])}"),
        ]
    held = None if tested is None else tested["covers"][0]
    cells.append(
        ReportCell(MISSING, reason="too few days to try earlier forecasts")
        if held is None
        else ReportCell(format_percent(held), held, "1")
    )
    return tuple(cells)


def list_untold_analyses(given: PeriodFindings) -> list[str]:
    """Return what the analyses could not answer, and why."""
    state = given.state
    if state.missing is not None:
        return [f"What changed, why, and what to do: {state.missing}."]
    off = [f"Switched off: {', '.join(sorted(state.switched_off))}."] if state.switched_off else []
    if not state.results:
        return [*off, "What changed, why, and what to do: no analysis has answered yet."]
    lines = off
    for name, result in sorted(state.results.items()):
        if result.error and result.at is not None:
            age = format_duration((given.made - result.at) / SECOND)
            lines.append(f"{name}: {result.error}; shown is the answer of {age} before.")
        elif result.error:
            lines.append(f"{name}: {result.error}.")
    lines += [f"{shortened}." for shortened in list_shortened_answers(state)]
    few = state.checks[FindingVerdict.TOO_LITTLE_DATA.value]
    if few and given.is_current:
        lines.append(f"{format_count_with_noun(few, 'check')} of the analyses had too little data.")
    return lines


_DECIDED = {
    DecisionKind.ACCEPTED: "Accepted",
    DecisionKind.REJECTED: "Rejected",
    DecisionKind.APPLIED: "Applied",
}


def _count_quiet_checks(given: PeriodFindings) -> tuple[str, ...]:
    """Return how many checks found nothing beside what changed, if that is known of the period."""
    if given.state.missing is not None or not given.state.has_looked or not given.is_current:
        return ()
    checks = format_count_with_noun(given.state.quiet_checks, "check")
    return (f"{checks} of all kinds found nothing beyond chance.",)


def _describe_silence(given: PeriodFindings) -> str:
    """Return that nothing changed, or that nothing looked: silence differs from not looking."""
    if given.state.missing is not None or not given.state.has_looked:
        return "Nothing looked for changes."
    if not given.is_current:
        return "No change is known of that time; how many checks looked for one then is not kept."
    if not given.state.quiet_checks:
        return "No change was found; there is too little data to see one."
    checks = format_count_with_noun(given.state.quiet_checks, "check")
    return f"No change was found; {checks} of all kinds found nothing beyond chance."


def _describe_no_holdup(given: PeriodFindings) -> str:
    if given.state.missing is not None or not given.state.has_looked:
        return "Nothing looked for what holds the work up."
    return "Nothing unusual holds the work up."


def _describe_calibration(state: FindingsState) -> Sequence[str]:
    calibration = get_extra_value(state, EFFECTS, "calibration")
    if not calibration or not calibration["judged"]:
        return ()
    share = format_percent(calibration["within"] / calibration["judged"])
    judged = format_count_with_noun(calibration["judged"], "applied recommendation")
    return (f"Of {judged}, {share} brought what was promised.",)


def _limit_items(items: Iterable[str]) -> tuple[str, ...]:
    listed = [*items]
    if len(listed) <= MOST_ITEMS:
        return tuple(listed)
    return (*listed[:MOST_ITEMS], f"{len(listed) - MOST_ITEMS} more: stretto findings")
