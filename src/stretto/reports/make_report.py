"""Make the report of a period: read the store once, compute all figures, and freeze the document."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from stretto.clock import DAY, HOUR, SECOND, to_rfc3339
from stretto.figures.figure import Figure
from stretto.figures.parallel_work_by_week import add_sums
from stretto.figures.scores.score_rules import Scoring
from stretto.figures.scores.window_scores import (
    TREND_MEASURES,
    compute_judgement_trend_figures,
    compute_quality_trend_figures,
)
from stretto.figures.sequential_baseline_choice import (
    NOTHING_DECLARED,
    DeclaredBaselines,
    FindBaseline,
    Hours,
    Provenance,
)
from stretto.figures.sums_by_dimension import Sums, sum_by, sum_up
from stretto.figures.window_gain_verdict import (
    BY_WORK,
    HEADLINE_MEASURES,
    HeadlineRule,
    build_verdict,
    choose_headline_provenance,
)
from stretto.findings.findings_snapshot import FindingsState, read_findings_state
from stretto.model.call_cost_and_usage_types import DOLLAR
from stretto.model.task_delivery_classes import Delivery
from stretto.names import measures
from stretto.names.measures import Dimension
from stretto.reports.finding_sections import (
    PeriodFindings,
    build_advice_section,
    build_change_section,
    build_finding_section,
    build_forecast_section,
    list_untold_analyses,
)
from stretto.reports.kpi_targets_met_or_missed import (
    KPI_MEASURES,
    KpiInput,
    PeriodKpis,
    build_kpi_table,
    read_period_kpis,
)
from stretto.reports.report_cells import LabelledFigures, index_figures
from stretto.reports.report_document import Report, ReportSection
from stretto.reports.report_parts import ALL_PARTS, ReportPart
from stretto.reports.report_period import (
    PeriodKind,
    ReportPeriod,
    get_period_before,
    list_chart_bounds,
)
from stretto.reports.state_in_three_sentences import describe_state
from stretto.reports.work_sections import (
    ChartValues,
    ReportFigures,
    build_capture_section,
    build_cost_section,
    build_delivery_section,
    build_work_section,
    count_ended_tasks,
)
from stretto.store import journal_queries, sum_queries
from stretto.store.fanout_and_baseline_queries import make_baseline_finder
from stretto.store.run_queries import count_runs, read_judged_sessions
from stretto.store.window_sums import fold_slots, read_period_sums, read_some_period_sums
from stretto.summaries.budget_in_words import describe_budget
from stretto.summaries.spending_outlook import read_spending
from stretto.summaries.window_figures import FigureRules, compute_sum_figures

CHART_MEASURES = (*HEADLINE_MEASURES, measures.DELIVERIES, measures.COST, measures.PRICED_CALLS)

EARLIER = {
    PeriodKind.DAY: 30, PeriodKind.WEEK: 12, PeriodKind.MONTH: 6, PeriodKind.SPAN: 1, PeriodKind.RECENT: 1,
}  # fmt: skip
"""Periods before, of the same kind, in which it is looked since when a target is met or missed."""


@dataclass(frozen=True, slots=True)
class ReportRules:
    """The configuration that figures depend on, and the version that a report names."""

    hours: Hours = field(default_factory=dict)
    """Sequential hours by task type."""
    workflows: Hours = field(default_factory=dict)
    declared: DeclaredBaselines = NOTHING_DECLARED
    scoring: Scoring = field(default_factory=Scoring)
    rule: HeadlineRule = BY_WORK
    version: str = ""
    parts: tuple[ReportPart, ...] = ALL_PARTS
    budgets: Mapping[str, int] = field(default_factory=dict)
    """Budgets of a local day and month in US dollars, 0 without one."""
    switched_off: frozenset[str] = frozenset()
    """The analyses that are switched off: nothing of theirs is in a report."""


def make_report(
    connection: sqlite3.Connection, period: ReportPeriod, made: int, rules: ReportRules
) -> Report:
    """Return the report of a period, made at an instant (ns), from a single transaction.

    Findings, decisions and baselines are those that were known at the end of the period.
    """
    connection.execute("BEGIN")
    try:
        return _ReportMaker(connection, period, made, rules).make()
    finally:
        connection.execute("ROLLBACK")


class _ReportMaker:
    """Reads the store for one report."""

    def __init__(
        self, connection: sqlite3.Connection, period: ReportPeriod, made: int, rules: ReportRules
    ) -> None:
        self._connection = connection
        self._period = period
        self._made = made
        self._rules = rules
        self._find_baseline: FindBaseline = make_baseline_finder(
            connection, rules.hours, rules.declared, now=period.instant
        )

    def make(self) -> Report:
        """Return the report."""
        period = self._period
        before = get_period_before(period)
        sums = read_period_sums(self._connection, period.start, period.end).sums
        provenance = choose_headline_provenance(sums, self._rules.rule)
        figures = ReportFigures(
            period,
            self._compute_figures(period, sums, None),
            self._compute_figures(
                before, read_period_sums(self._connection, before.start, before.end).sums, provenance
            ),
            self._read_charts(provenance),
        )
        findings = PeriodFindings(self._read_findings(), period, self._made)
        kpis = self._read_kpis(period)
        builders: Mapping[ReportPart, Callable[[], ReportSection]] = {
            ReportPart.TARGETS: lambda: self._build_target_section(kpis),
            ReportPart.WORK: lambda: build_work_section(figures),
            ReportPart.DELIVERY: lambda: build_delivery_section(figures),
            ReportPart.COST: lambda: build_cost_section(figures, self._describe_budgets()),
            ReportPart.CHANGES: lambda: build_change_section(findings),
            ReportPart.FINDINGS: lambda: build_finding_section(findings),
            ReportPart.RECOMMENDATIONS: lambda: build_advice_section(findings),
            ReportPart.FORECAST: lambda: build_forecast_section(findings),
            ReportPart.CAPTURE: lambda: build_capture_section(
                figures, sum(journal_queries.count_rejects(self._connection).values())
            ),
        }
        parts = self._rules.parts
        sections = [build() for part, build in builders.items() if part in parts]
        if ReportPart.UNTOLD in parts:
            sections.append(self._build_untold_section(sections, findings))
        ended, begun = count_runs(self._connection, period.start, period.end)
        is_quiet = not count_ended_tasks(figures.now) and not figures.now.sum_up("window_sessions")
        return Report(
            id=period.id,
            kind=period.kind.value,
            title=f"Report on {period.title}",
            start=to_rfc3339(period.start),
            end=to_rfc3339(period.end),
            zone=period.zone,
            about=period.about,
            made=to_rfc3339(self._made),
            version=self._rules.version,
            state=describe_state(figures, findings, kpis, is_over=period.end <= self._made + 1),
            sections=tuple(sections),
            is_quiet=is_quiet,
            window=period.window,
            sessions_ended=ended,
            tasks_begun=begun,
        )

    def _compute_figures(
        self, period: ReportPeriod, sums: Sums, provenance: Provenance | None
    ) -> LabelledFigures:
        """Return all figures of a period, by the headline's baseline of the period that is reported."""
        name, rules = period.window or period.kind.value, self._rules
        figure_rules = FigureRules(self._find_baseline, rules.scoring, rules.rule, rules.workflows)
        computed = compute_sum_figures(name, sums, figure_rules, provenance)
        days = range(period.start // DAY, period.instant // DAY + 1)
        by_day = fold_slots(
            sum_queries.read_sums_by_slot(self._connection, DAY // SECOND, days, TREND_MEASURES)
        )
        trends: Iterable[Figure] = (
            *compute_quality_trend_figures(name, by_day, rules.scoring.rules),
            *compute_judgement_trend_figures(name, by_day),
        )
        return index_figures([*computed.figures, *trends])

    def _read_charts(self, provenance: Provenance) -> ChartValues:
        """Return the values of each column, with the sums of its hours added up."""
        period = self._period
        slots = range(period.start // HOUR, period.instant // HOUR + 1)
        by_hour = sum_queries.read_sums_by_slot(self._connection, HOUR // SECOND, slots, CHART_MEASURES)
        bounds = list_chart_bounds(period)
        columns = [
            add_sums(by_hour[slot] for slot in range(start // HOUR, end // HOUR) if slot in by_hour)
            for _, start, end in bounds
        ]
        classes = [sum_by(sums, measures.DELIVERIES, Dimension.DELIVERY) for sums in columns]
        return ChartValues(
            labels=[label for label, _, _ in bounds],
            saved=[self._measure_saved(sums, provenance) for sums in columns],
            delivered=[
                by_class.get(Delivery.DELIVERED.value, 0) + by_class.get(Delivery.TAKEN.value, 0)
                for by_class in classes
            ],
            wasted=[by_class.get(Delivery.WASTED.value, 0) for by_class in classes],
            dollars=[
                sum_up(sums, measures.COST) / DOLLAR if sum_up(sums, measures.PRICED_CALLS) else None
                for sums in columns
            ],
        )

    def _measure_saved(self, sums: Sums, provenance: Provenance) -> float | None:
        lead = build_verdict("", sums, self._find_baseline, self._rules.rule, provenance).lead
        return None if lead is None else lead.time_saved

    def _read_findings(self) -> FindingsState:
        at = self._period.instant
        # Of a period that has just ended, the last answers are those of its end: see ``is_current``.
        return read_findings_state(
            self._connection,
            self._made,
            self._period.zone,
            at=at,
            switched_off=self._rules.switched_off,
            with_last_answers=True,
        )

    def _describe_budgets(self) -> list[str]:
        """Return a sentence on each budget as of the end of the period; that of a day on a day's report."""
        period, budgets = self._period, self._rules.budgets
        return [
            describe_budget(each)
            for each in read_spending(self._connection, period.instant, period.zone, budgets)
            if each.period != "day" or period.kind is PeriodKind.DAY
        ]

    def _read_kpis(self, period: ReportPeriod) -> PeriodKpis:
        sums = read_some_period_sums(self._connection, period.start, period.end, KPI_MEASURES)
        rules = self._rules
        scale = rules.scoring.rules.scales.find_scale("quality")
        judged = read_judged_sessions(self._connection, period.start, period.end, scale)
        return read_period_kpis(
            period,
            KpiInput(sums, self._find_baseline, rules.scoring.rules, rules.rule, period.days, judged),
        )

    def _build_target_section(self, kpis: PeriodKpis) -> ReportSection:
        earlier = [self._read_kpis(each) for each in self._list_earlier()]
        return ReportSection(ReportPart.TARGETS.value, "Targets", tables=(build_kpi_table(kpis, earlier),))

    def _list_earlier(self) -> list[ReportPeriod]:
        """Return the periods before, the latest first, as far back as sums reach."""
        first = sum_queries.find_first_slot_time(self._connection)
        periods: list[ReportPeriod] = []
        period = self._period
        for _ in range(EARLIER[self._period.kind]):
            period = get_period_before(period)
            if first is None or period.end <= first:
                break
            periods.append(period)
        return periods

    @staticmethod
    def _build_untold_section(sections: Sequence[ReportSection], findings: PeriodFindings) -> ReportSection:
        """Return what could not be told, each with its reason; equal reasons stand together."""
        by_reason: dict[str, list[str]] = {}
        for section in sections:
            for table in section.tables:
                for title, *cells in table.rows:
                    # The period before and the change say nothing new.
                    for column, cell in zip(table.columns[1:], cells, strict=True):
                        if cell.reason is None or column.startswith(("the ", "change")):
                            continue
                        about = title.text.partition(":")[0]
                        name = about if column.startswith("this ") else f"{column} ({about})"
                        # The parts of a score, in brackets, are on the page of the figures.
                        names = by_reason.setdefault(cell.reason.partition(" (")[0], [])
                        if name not in names:
                            names.append(name)
        items = [f"{', '.join(names)}: {reason}" for reason, names in by_reason.items()]
        items += list_untold_analyses(findings)
        return ReportSection(
            ReportPart.UNTOLD.value,
            "What could not be told",
            sentences=() if items else ("Everything that this report asks for is known.",),
            items=tuple(items),
        )
