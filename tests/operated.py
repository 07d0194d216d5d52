"""A month in a store with the answers of its analyses, and the 21 operations over it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stretto.clock import DAY, SECOND
from stretto.config.configuration import Config
from stretto.config.loading import load_config
from stretto.figures.sequential_baseline_choice import NOTHING_DECLARED
from stretto.findings.analysis_run import AnalysisReplies, AnalysisRequest, answer_request
from stretto.findings.analysis_table import ANALYSES
from stretto.findings.findings_snapshot import FindingsState
from stretto.model.event import Event
from stretto.model.findings import Finding, FindingEvidence, FindingVerdict
from stretto.notifications.notification_log import Notification
from stretto.operations.operation_runner import OperationRunner
from stretto.operations.operation_sources import OperationSources
from stretto.service.analysis_process import AnalysisRound
from stretto.service.operation_sources_of_a_store import StoreSources
from stretto.store.database import open_transaction, open_writer
from stretto.store.finding_history_and_last_answers import AnalysisResult, write_analysis_result
from tests.fakes import store
from tests.month import end_of_day, month_of_sessions
from tests.scenes import BEGIN
from tests.varied_month import SLOW_DAY, SLOW_FACTOR, draw_varied_month

DAYS = 29
PATTERN = "release"
NOW = end_of_day(DAYS - 1)
SINCE = (NOW - BEGIN) // SECOND - 60_000
"""Seconds after BEGIN of some hours before NOW, where a test draws sessions of its own."""

EXAMPLES: Mapping[str, dict[str, Any]] = {
    "monitor": {
        "metrics": ["execution", "resources", "agents"], "frequency": "5s", "alerts": True, "dashboard": True,
    },
    "live-metrics": {"include_trends": True, "time_window": "1h", "detail_level": "full"},
    "dashboard": {"layout": "compact", "refresh_rate": "10s", "include_predictions": True},
    "alerts": {"time_range": "24h"},
    "trends": {
        "timeframe": "30_days", "metrics": ["efficiency", "execution_time", "resource_usage"],
        "detect_patterns": True, "include_correlations": True,
    },
    "patterns": {
        "pattern_types": ["success", "failure", "emerging"], "confidence_threshold": 0.7,
        "actionable_only": True,
    },
    "comparative": {
        "compare_against": ["d3n1", "baseline"], "metrics": ["all"], "statistical_significance": True,
    },
    "regression": {
        "baseline_date": "2026-01-05", "current_date": "2026-01-29", "significance_threshold": 5.0,
        "auto_investigate": True,
    },
    "efficiency": {
        "dimensions": ["time", "resource", "quality", "workflow"],
        "benchmark_against": "historical_average", "include_breakdown": True,
    },
    "throughput": {"time_range": "7_days"},
    "resource-efficiency": {"time_window": "7_days"},
    "agent-performance": {
        "agent_ids": ["worker"], "metrics": ["response_time", "success_rate", "efficiency"],
        "time_range": "24h",
    },
    "bottlenecks": {
        "analysis_depth": "detailed", "include_solutions": True, "priority_ranking": True,
        "cross_workflow": True,
    },
    "recommendations": {
        "scope": "workflow_and_system", "priority_filter": "high_medium",
        "implementation_effort": "low_medium", "expected_roi": ">10%",
    },
    "tune-suggestions": {
        "target_metric": "overall_efficiency", "current_score": 84.7, "target_score": 90.0,
        "constraints": ["no_breaking_changes"],
    },
    "capacity-planning": {
        "time_horizon": "3_months", "growth_projection": 25, "optimization_goals": ["efficiency", "cost"],
        "include_scenarios": True,
    },
    "predictions": {
        "forecast_horizon": "7_days", "confidence_interval": 0.95,
        "include_scenarios": ["best_case", "worst_case", "likely"],
        "factors": ["workload", "resources", "external"],
    },
    "execution-analysis": {"time_range": "7_days"},
    "phase-performance": {"time_window": "24h"},
    "task-optimization": {"time_range": "7_days"},
    "parallel-efficiency": {"time_range": "7_days"},
}  # fmt: skip
"""Each operation with the options that its users are promised, with their example values."""

COVER = 0.8
FORECAST = {
    "horizon_days": 30,
    "series": [
        {
            "kind": "task_length",
            "subject": {"pattern": PATTERN, "type": "tests"},
            "days": DAYS,
            "reason": "",
            "forecast": {
                "model": "ETS(A,N,A)",
                "days": DAYS,
                **{name: [90.0] * 30 for name in ("best_case", "likely", "worst_case")},
                "ranges": {"0.80": [[80.0] * 30, [100.0] * 30], "0.95": [[70.0] * 30, [110.0] * 30]},
            },
            "back_test": {
                "horizon": 7,
                "forecasts": 14,
                "covers": [COVER, 0.95],
                "error": 0.1,
                "naive_error": 0.2,
            },
        }
    ],
}
"""The answer of the forecast: fitting it takes seconds, and its own tests do."""

RESTRUCTURING = Finding(
    "recommendation_phase_structure", {"pattern": PATTERN}, FindingVerdict.NO_EVIDENCE,
    FindingEvidence(n=20, effect=60.0, low=30.0, high=90.0, unit="seconds"),
    reason="the plan could be made beside the tests", advice="Plan while tests run.",
    details={"share": 0.3, "confidence": 0.95, "category": "workflow_structure", "priority": "medium",
             "effort": "high", "horizon": "strategic", "changes_code": "yes", "needs_trial": "no",
             "accepted": 0.0, "rejected": 0.0, "helped": 0.0, "without_effect": 0.0},
)  # fmt: skip
"""Advice of much effort that changes code: a month in which the analyses find one would take longer."""

OLD_ALERT = Notification(
    received=NOW - 3 * DAY, status="firing", alertname="StrettoTaskStuck", severity="warning",
    summary="a task is stuck", description="no event for an hour", labels={},
    starts_at="2026-01-26T20:00:00Z", ends_at=None, fingerprint="f1",
    runbook_url="/runbooks/StrettoTaskStuck",
)  # fmt: skip


@dataclass(frozen=True)
class OperatedStore:
    """A store in a state folder, with what operations read."""

    config: Config
    sources: OperationSources

    def make_runner(self, **changed: Any) -> OperationRunner:
        """Return a runner, with other sources if given."""
        return OperationRunner(replace(self.sources, **changed))


def ask_here(request: AnalysisRequest) -> AnalysisReplies | str:
    """Answer as the process of the analyses does, without its start."""
    return AnalysisReplies(tuple(answer_request(request)), 0.0)


def run_here(request: AnalysisRequest, *_: object, **__: object) -> AnalysisRound:
    """Run the analyses as their process does, but here: that one is nice, and starves beside other tests."""
    return AnalysisRound(request.instant, request.names, AnalysisReplies(tuple(answer_request(request)), 0.0))


def fill_month(folder: Path) -> None:
    """Fill a folder with a store of a month in which tests became slower, and the answers of its analyses."""
    _fill_analysed_store(folder, month_of_sessions(DAYS, slower={SLOW_DAY: SLOW_FACTOR}), ())


def fill_varied_month(folder: Path) -> None:
    """Fill a folder with a store of a month that has everything operations read but an alert."""
    _fill_analysed_store(folder, draw_varied_month(DAYS), (RESTRUCTURING,))


def open_varied_month(folder: Path) -> OperatedStore:
    """Return the sources over a filled folder, and an alert of three days ago."""
    operated = make_operated(folder)
    return replace(operated, sources=replace(operated.sources, notifications=lambda: (OLD_ALERT,)))


def _fill_analysed_store(folder: Path, events: Iterable[Event], advice: tuple[Finding, ...]) -> None:
    """Fill a folder with a store and the answers of its analyses, to which some advice is added."""
    state = folder / "state"
    with store(state) as opened:
        opened.take(events)
    names = tuple(analysis.name for analysis in ANALYSES if analysis.name != "outlooks")
    replies = answer_request(AnalysisRequest(str(state / "stretto.db"), NOW, names))
    with closing(open_writer(state / "stretto.db")) as connection, open_transaction(connection):
        for reply in replies:
            assert reply.error is None, reply.error
            findings = (*reply.findings, *(advice if reply.name == "advice" else ()))
            result = AnalysisResult(reply.name, NOW, reply.seconds, findings, reply.extra)
            write_analysis_result(connection, result)
        write_analysis_result(connection, AnalysisResult("outlooks", NOW, 1.0, (), FORECAST))


def make_nothing(folder: Path) -> OperatedStore:
    """Return a store without a session."""
    with store(folder / "state"):
        return make_operated(folder)


def make_operated(folder: Path, *, read_clock: Callable[[], int] = lambda: NOW) -> OperatedStore:
    """Return the sources that a service has over a state folder: figures and findings in memory."""
    config = load_config({}, folder, state=str(folder / "state"))
    opened = StoreSources(config, read_clock, lambda: NOTHING_DECLARED)
    snapshot, findings = opened.take_snapshot(NOW), opened.read_findings()
    sources = OperationSources(
        clock=read_clock,
        zone=config.timezone,
        database=str(config.database),
        connect=opened.open_store,
        snapshot=lambda at: snapshot if at is None else opened.take_snapshot(at),
        session_summary=opened.summarise,
        session=opened.read_session,
        findings=lambda: findings,
        past_findings=opened.read_findings,
        ask=ask_here,
        expected_tasks=list,
    )
    return OperatedStore(config, sources)


def without_answers(state: FindingsState, **changed: Any) -> FindingsState:
    """Return findings as they are before any analysis has answered."""
    return replace(state, results={}, **changed)


def strip_moment(envelope: Mapping[str, Any]) -> dict[str, Any]:
    """Return an envelope without what differs from one call to the next."""
    return {name: value for name, value in envelope.items() if name not in {"timestamp", "metrics"}}
