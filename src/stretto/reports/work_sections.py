"""The sections of a report about the work: what ran, what was delivered and wasted, and what it cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from stretto.format.quantities import format_count_with_noun, format_dollars, format_duration
from stretto.model.task_delivery_classes import Delivery
from stretto.names import NONE
from stretto.reports.report_cells import (
    MOST_ROWS,
    LabelledFigures,
    make_amount_cell,
    make_cell,
    make_comparison_table,
    make_count_cell,
    make_ratio_cell,
)
from stretto.reports.report_document import (
    ReportBar,
    ReportCell,
    ReportChart,
    ReportSection,
    ReportTable,
)
from stretto.reports.report_parts import ReportPart
from stretto.reports.report_period import ReportPeriod

FEWEST_TASKS = 5
"""Fewest tasks of a type that is named as the best or the weakest."""

_REASONS = {
    "retried": "tried again later",
    "failed": "failed",
    "cancelled_by_person": "cancelled by a person",
    "cancelled_by_program": "cancelled by the program",
    "lost": "lost: no end was seen",
}


@dataclass(frozen=True, slots=True)
class ChartValues:
    """The values of the columns of the charts, in their order."""

    labels: Sequence[str]
    saved: Sequence[float | None]
    """Seconds saved; None where nothing ran in parallel."""
    delivered: Sequence[int]
    wasted: Sequence[int]
    dollars: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class ReportFigures:
    """The figures of the period, of the period before, and the values of the charts."""

    period: ReportPeriod
    now: LabelledFigures
    before: LabelledFigures
    charts: ChartValues

    def compare(
        self, title: str, read: Callable[[LabelledFigures], ReportCell]
    ) -> tuple[str, ReportCell, ReportCell]:
        """Return the row of a comparison: the same cell of both periods."""
        return title, read(self.now), read(self.before)


def build_work_section(given: ReportFigures) -> ReportSection:
    """Return what ran and how much time was saved, by task type, pattern and agent."""
    rows = [
        given.compare("Sessions that ended", lambda f: make_count_cell(f.sum_up("window_sessions"))),
        given.compare("Tasks that are over", lambda f: make_count_cell(count_ended_tasks(f))),
        given.compare("Parallel executions", lambda f: make_cell(f.find_headline("verdict_fanouts"))),
        given.compare("Time saved", lambda f: make_cell(f.find_headline("verdict_saved_seconds"))),
        given.compare("Speed-up", lambda f: make_cell(f.find_headline("verdict_speedup"))),
        given.compare("Improvement", lambda f: make_cell(f.find_headline("verdict_improvement_ratio"))),
        given.compare("Efficiency score, of 100", lambda f: make_cell(f.find("efficiency_score"))),
        given.compare("Adoption of parallel work", lambda f: make_cell(f.find("adoption_ratio"))),
        given.compare("Missed: side by side would have saved, at most", _read_opportunity),
        given.compare("Saved by whole workflows", _read_workflows),
    ]
    tables = [
        make_comparison_table("work", "Work", given.period.word, rows),
        _build_type_table(given.now),
        _build_pattern_table(given.now),
        _build_agent_table(given.now),
    ]
    charts = (
        _build_chart("saved", "Time saved", "s", _pair(given, given.charts.saved), format_duration),
        _build_chart("tasks", "Tasks delivered", "1", _pair(given, given.charts.delivered), _format_tasks),
    )
    return ReportSection(
        ReportPart.WORK.value,
        "What ran, and what running side by side brought",
        sentences=_name_best_and_weakest(given.now),
        tables=tuple(table for table in tables if table.rows),
        charts=charts,
    )


def build_delivery_section(given: ReportFigures) -> ReportSection:
    """Return what was delivered and what was wasted, by the reason."""

    def count_class(delivery: Delivery) -> Callable[[LabelledFigures], ReportCell]:
        return lambda f: _count_deliveries(f, delivery)

    rows = [
        given.compare("Delivered", count_class(Delivery.DELIVERED)),
        given.compare("Taken as delivered: no outcome was reported", count_class(Delivery.TAKEN)),
        given.compare("Wasted", count_class(Delivery.WASTED)),
        given.compare("Share wasted, cancelled ones left out", lambda f: make_cell(f.find("waste_ratio"))),
        given.compare("Time wasted", lambda f: make_amount_cell(f.sum_up("wasted_seconds"), "s")),
        given.compare("Cost wasted", lambda f: make_amount_cell(f.sum_up("wasted_cost_usd"), "USD")),
        given.compare("Retries", lambda f: make_count_cell(f.sum_up("window_retries"))),
        given.compare("Conflicts between results", lambda f: make_count_cell(f.sum_up("window_conflicts"))),
        given.compare(
            "Tests that passed", lambda f: make_count_cell(f.sum_up("window_tests", result="passed"))
        ),
        given.compare(
            "Tests that failed", lambda f: make_count_cell(f.sum_up("window_tests", result="failed"))
        ),
        given.compare("Saved by choosing tests, of the time of full runs", _read_selection_gain),
    ]
    reasons = [
        (
            ReportCell(_REASONS.get(reason, reason)),
            make_count_cell(given.now.sum_up("wasted_tasks", reason=reason)),
            make_amount_cell(given.now.sum_up("wasted_seconds", reason=reason), "s"),
            make_amount_cell(
                given.now.sum_up("wasted_cost_usd", reason=reason), "USD", "no source reported their cost"
            ),
        )
        for reason in given.now.list_values("wasted_tasks", "reason")
    ]
    scores = [
        (
            ReportCell(labels["score"]),
            ReportCell(labels["task_type"]),
            make_cell(figure),
            make_cell(given.now.find("window_scores", **labels)),
        )
        for labels, figure in given.now.list_all("score_mean")
    ]
    tables = [
        make_comparison_table("delivery", "Delivered and wasted", given.period.word, rows),
        ReportTable("waste", "Wasted, by reason", ("reason", "tasks", "time", "cost"), tuple(reasons)),
        ReportTable("scores", "Judgements", ("score", "task type", "mean", "given"), tuple(scores)),
        _build_judgement_trend_table(given.now),
    ]
    chart = _build_chart("wasted", "Tasks wasted", "1", _pair(given, given.charts.wasted), _format_tasks)
    return ReportSection(
        ReportPart.DELIVERY.value,
        "What was delivered, and what was wasted",
        tables=tuple(table for table in tables if table.rows),
        charts=(chart,),
    )


def _build_judgement_trend_table(now: LabelledFigures) -> ReportTable:
    """Return the trend of each judgement, such as satisfaction, each in its own scale."""
    rows = [
        (
            ReportCell(labels["score"]),
            make_cell(figure),
            make_cell(now.find("score_rate_per_day", **labels)),
            make_cell(now.find("score_volatility", **labels)),
        )
        for labels, figure in now.list_all("score_current")
    ]
    columns = ("score", "newest day with one", "change a day", "spread of the days")
    return ReportTable("score_trends", "Trend of judgements", columns, tuple(rows))


def build_cost_section(given: ReportFigures, budgets: Sequence[str] = ()) -> ReportSection:
    """Return what the work cost, and what the money bought; ``budgets`` are sentences on the budgets."""
    rows = [
        given.compare("Cost of all model calls", _read_cost),
        given.compare("Tokens of all model calls", _read_tokens),
        given.compare("Cost of parallel executions", lambda f: make_cell(f.find("parallel_cost_usd"))),
        given.compare("Cost of a second saved", lambda f: make_cell(f.find("saved_second_cost_usd"))),
        given.compare("Tokens of a second saved", lambda f: make_cell(f.find("saved_second_tokens"))),
        given.compare("Cost of a delivered task", _read_task_cost),
    ]
    models = [
        (
            ReportCell(model),
            make_cell(given.now.find("window_cost_usd", model=model)),
            make_count_cell(given.now.sum_up("window_tokens", model=model)),
            make_cell(given.now.find("cache_read_ratio", model=model)),
        )
        for model in given.now.list_values("window_model_calls", "model")[:MOST_ROWS]
    ]
    tables = [
        make_comparison_table("cost", "Cost", given.period.word, rows),
        ReportTable("models", "By model", ("model", "cost", "tokens", "read from cache"), tuple(models)),
    ]
    chart = _build_chart("dollars", "Cost", "USD", _pair(given, given.charts.dollars), format_dollars)
    return ReportSection(
        ReportPart.COST.value,
        "What it cost, and what that bought",
        sentences=tuple(budgets),
        tables=tuple(table for table in tables if table.rows),
        charts=(chart,),
    )


def _count_deliveries(figures: LabelledFigures, delivery: Delivery) -> ReportCell:
    """Return the tasks of a class: 0 if tasks are over and none is of it."""
    count = figures.sum_up("window_deliveries", delivery=delivery.value)
    return make_count_cell(0 if count is None and count_ended_tasks(figures) else count, "no task is over")


def count_ended_tasks(figures: LabelledFigures) -> float | None:
    """Return how many tasks are over, whatever their class; None if there are none."""
    return figures.sum_up("window_deliveries")


def _build_type_table(now: LabelledFigures) -> ReportTable:
    """Return the task types, those with the most tasks first."""
    rows = []
    for name in _rank_names(now, "window_deliveries", "task_type"):
        baselines = [labels["baseline"] for labels, _ in now.list_all("improvement_ratio")
                     if labels["task_type"] == name]  # fmt: skip
        improvement = (
            now.find("improvement_ratio", task_type=name, baseline=baselines[0]) if baselines else None
        )
        rows.append(
            (
                ReportCell(name),
                make_count_cell(now.sum_up("window_deliveries", task_type=name)),
                make_cell(now.find("success_ratio", task_type=name)),
                make_cell(improvement),
                make_cell(now.find("quality_score", task_type=name)),
                make_cell(now.find("quality_rate_per_day", task_type=name)),
                make_cell(now.find("task_duration_quantile_seconds", task_type=name, stat="p50")),
            )
        )
    columns = (
        "task type",
        "tasks",
        "succeeded",
        "improvement",
        "quality, of 10",
        "quality a day",
        "median time",
    )
    return ReportTable("types", "By task type", columns, tuple(rows))


def _build_pattern_table(now: LabelledFigures) -> ReportTable:
    """Return the patterns, those with the most parallel executions first."""
    rows = [
        (
            ReportCell(name),
            make_cell(now.find("window_fanouts", pattern=name)),
            make_cell(now.find("pattern_speedup", pattern=name)),
            make_cell(now.find("pattern_saved_seconds", pattern=name)),
            make_cell(now.find("parallel_efficiency_ratio", pattern=name)),
            make_cell(now.find("delivery_ratio", pattern=name)),
            make_cell(now.find("pattern_adoption_ratio", pattern=name)),
            make_cell(now.find("pattern_parallel_cost_usd", pattern=name)),
            make_cell(now.find("pattern_quality_score", pattern=name)),
            make_cell(now.find("session_duration_quantile_seconds", pattern=name, stat="p50")),
        )
        for name in _rank_names(now, "window_fanouts", "pattern")
    ]
    columns = (
        "pattern",
        "parallel executions",
        "speed-up",
        "time saved",
        "efficiency",
        "work delivered",
        "adoption",
        "parallel cost",
        "quality, of 10",
        "median session",
    )
    return ReportTable("patterns", "By pattern", columns, tuple(rows))


def _build_agent_table(now: LabelledFigures) -> ReportTable:
    """Return the agents, those with the most tasks first."""
    rows = [
        (
            ReportCell(name),
            make_count_cell(now.sum_up("window_agent_deliveries", agent=name)),
            make_cell(now.find("agent_error_ratio", agent=name)),
            make_cell(now.find("agent_parallel_ratio", agent=name)),
            make_cell(now.find("agent_score", agent=name)),
            make_cell(now.find("agent_duration_quantile_seconds", agent=name, stat="p50")),
        )
        for name in _rank_names(now, "window_agent_deliveries", "agent")
    ]
    columns = ("agent", "tasks", "failed", "side by side", "score, of 100", "median time")
    return ReportTable("agents", "By agent", columns, tuple(rows))


def _rank_names(now: LabelledFigures, counts: str, label: str) -> list[str]:
    """Return the names with the largest counts; things without a name are left out."""
    names = [name for name in now.list_values(counts, label) if name != NONE]
    return sorted(names, key=lambda name: (-(now.sum_up(counts, **{label: name}) or 0), name))[:MOST_ROWS]


def _name_best_and_weakest(now: LabelledFigures) -> tuple[str, ...]:
    """Return which task types succeed most and least often, among those with enough tasks."""
    shares = {
        labels["task_type"]: figure.value
        for labels, figure in now.list_all("success_ratio")
        if figure.value is not None and figure.count >= FEWEST_TASKS
    }
    if len(shares) < 2 or len(set(shares.values())) == 1:  # noqa: PLR2004  # the best of one is no news
        return ()
    best, weakest = (choose(shares, key=lambda name: (shares[name], name)) for choose in (max, min))
    return (f"{best} succeeded most often of the task types, {weakest} least often.",)


def _read_opportunity(figures: LabelledFigures) -> ReportCell:
    reason = "no tasks of one parent ran one after another"
    return make_amount_cell(figures.sum_up("opportunity_seconds"), "s", reason)


def _read_workflows(figures: LabelledFigures) -> ReportCell:
    reason = "no workflow has configured hours"
    return make_amount_cell(figures.sum_up("workflow_saved_seconds"), "s", reason)


def _read_selection_gain(figures: LabelledFigures) -> ReportCell:
    """Return the gain over all frameworks, or the reason of the first without any."""
    full = figures.sum_up("window_test_selection_full_seconds")
    reasons = [figure.reason for _, figure in figures.list_all("test_selection_saved_ratio") if figure.reason]
    reason = next(iter(reasons), "no run chose some of its tests")
    return make_ratio_cell(figures.sum_up("window_test_selection_saved_seconds"), full, reason)


def _read_cost(figures: LabelledFigures) -> ReportCell:
    return _mark_lower_bound(
        figures, make_amount_cell(figures.sum_up("window_cost_usd"), "USD", "no model call has a known price")
    )


def _read_tokens(figures: LabelledFigures) -> ReportCell:
    reason = "no model call reported its tokens"
    return _mark_lower_bound(figures, make_count_cell(figures.sum_up("window_tokens"), reason))


def _read_task_cost(figures: LabelledFigures) -> ReportCell:
    cost = figures.sum_up("window_cost_usd")
    delivered = sum(
        figures.sum_up("window_deliveries", delivery=delivery.value) or 0
        for delivery in (Delivery.DELIVERED, Delivery.TAKEN)
    )
    if cost is None or not delivered:
        return make_amount_cell(None, "USD", "the cost is not known, or nothing was delivered")
    return _mark_lower_bound(figures, make_amount_cell(cost / delivered, "USD"))


def _mark_lower_bound(figures: LabelledFigures, cell: ReportCell) -> ReportCell:
    """Return the cell with "at least" if not every call reported its use, or has a price."""
    coverage = figures.find("usage_coverage_ratio")
    is_complete = coverage is None or coverage.value is None or coverage.value >= 1
    if cell.value is None or (is_complete and not figures.sum_up("window_unpriced_model_calls")):
        return cell
    return ReportCell(f"at least {cell.text}", cell.value, cell.unit)


def _format_tasks(count: float) -> str:
    return format_count_with_noun(round(count), "task")


def _pair(given: ReportFigures, values: Iterable[float | None]) -> list[tuple[str, float | None]]:
    return [*zip(given.charts.labels, values, strict=True)]


def _build_chart(
    key: str,
    title: str,
    unit: str,
    values: Iterable[tuple[str, float | None]],
    format_value: Callable[[float], str],
) -> ReportChart:
    bars = tuple(
        ReportBar(label, value, "nothing" if value is None else format_value(value))
        for label, value in values
    )
    return ReportChart(key, title, unit, bars)


def build_capture_section(given: ReportFigures, rejects: int) -> ReportSection:
    """Return how much of what ran was seen, and how much of its use was reported."""
    rows = [
        given.compare("Ends that were seen", lambda f: make_cell(f.find("capture_completeness_ratio"))),
        given.compare("Use that was reported", lambda f: make_cell(f.find("usage_coverage_ratio"))),
        given.compare("Tasks whose outcome was reported", _read_reported),
        given.compare("Calls without a known price", _read_unpriced),
        given.compare("Cost of watching", lambda f: make_cell(f.find("overhead_ratio"))),
    ]
    sentences: list[str] = []
    if rejects:
        lines = format_count_with_noun(rejects, "line")
        sentences.append(f"{lines} of input could not be read so far: stretto doctor names them.")
    if not given.now.sum_up("window_sampled_seconds"):
        sentences.append("The agents' processes were not sampled: use of processor and memory is not known.")
    return ReportSection(
        ReportPart.CAPTURE.value,
        "How well it was seen",
        sentences=tuple(sentences),
        tables=(make_comparison_table("capture", "Capture", given.period.word, rows),),
    )


def _read_unpriced(figures: LabelledFigures) -> ReportCell:
    count = figures.sum_up("window_unpriced_model_calls")
    is_known = figures.sum_up("window_model_calls") is not None
    return make_count_cell(0 if count is None and is_known else count, "no model call was seen")


def _read_reported(figures: LabelledFigures) -> ReportCell:
    wasted = figures.sum_up("window_deliveries", delivery=Delivery.WASTED.value) or 0
    delivered = figures.sum_up("window_deliveries", delivery=Delivery.DELIVERED.value) or 0
    return make_ratio_cell(wasted + delivered, count_ended_tasks(figures), "no task is over")
