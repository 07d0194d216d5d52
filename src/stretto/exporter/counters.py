"""Live counters and histograms: what ends while the service watches, through OpenTelemetry.

Each name is made by one meter with one fixed set of attribute keys: OpenTelemetry's exporter mangles labels
where two scopes share a name, and folds attribute sets past its cardinality limit into one without saying
which.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import Counter, Histogram
from opentelemetry.sdk.metrics import Counter as SdkCounter
from opentelemetry.sdk.metrics import Histogram as SdkHistogram
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from prometheus_client import CollectorRegistry

from stretto.clock import SECOND
from stretto.figures.fanouts import Fanout, SequentialTime
from stretto.model.entities import Phase, Session, Task, ToolCall, Turn
from stretto.model.event import Outcome
from stretto.model.facts import DELEGATING_TOOLS
from stretto.model.model_call_cost import DOLLAR, NewUsage
from stretto.names import DURATION_BUCKETS, LIVE, NONE, OTHER, MetricKind

VALUES = 50
"""Most values of one label from outside that get a series of their own in the life of the process."""

CARDINALITY = 20_000
"""Attribute sets per instrument; above what the closed labels give, so that nothing is folded unseen."""


class LiveMetrics:
    """Counts what ended after ``since`` (ns): history never lands in live counters."""

    def __init__(self, registry: CollectorRegistry, *, since: int, version: str) -> None:
        reader = PrometheusMetricReader(
            registry=registry,
            scope_info_enabled=False,
            disable_target_info=True,
            cardinality_limits={SdkCounter: CARDINALITY, SdkHistogram: CARDINALITY},
        )
        # A fixed instance id: a random one would start new series with each restart.
        resource = Resource({"service.name": "stretto", "service.instance.id": "stretto"})
        self._provider = MeterProvider(metric_readers=[reader], resource=resource, shutdown_on_exit=False)
        meter = self._provider.get_meter("stretto", version)
        self._since = since
        self._counters: dict[str, Counter] = {}
        self._histograms: dict[str, Histogram] = {}
        self._seen: dict[str, set[str]] = {}
        for metric in LIVE:
            name = metric.name
            if metric.kind is MetricKind.COUNTER:
                self._counters[name] = meter.create_counter(
                    metric.name.removesuffix("_total"), "1", metric.help
                )
            else:
                self._histograms[name] = meter.create_histogram(
                    metric.name.removesuffix("_seconds"),
                    "s",
                    metric.help,
                    explicit_bucket_boundaries_advisory=DURATION_BUCKETS,
                )

    def close(self) -> None:
        """Stop counting; the registry forgets these metrics."""
        self._provider.shutdown()

    def count_sessions(self, ended: Iterable[Session]) -> None:
        """Count sessions that are over."""
        for session in ended:
            if session.last >= self._since and not session.recording:
                self._add_count(
                    "stretto_sessions_total", 1, {"source": session.source, "outcome": session.outcome.value}
                )
                if session.end is not None:
                    self._record_duration(
                        "stretto_session_duration_seconds",
                        session.end - session.start,
                        {"source": session.source},
                    )

    def record_turns(self, ended: Iterable[tuple[Session, Turn]]) -> None:
        """Record turns that have ended."""
        for session, turn in ended:
            if turn.end is not None and turn.end >= self._since and not session.recording:
                self._record_duration(
                    "stretto_turn_duration_seconds", turn.end - turn.start, {"source": session.source}
                )

    def count_tasks(self, ended: Iterable[Task]) -> None:
        """Count tasks that have ended."""
        for task in ended:
            if task.end is None or task.end < self._since:
                continue
            labels = {"task_type": task.task_type, "agent": task.agent or NONE, "outcome": task.outcome.value}
            self._add_count("stretto_tasks_total", 1, labels)
            if task.interval is not None:
                self._record_duration(
                    "stretto_task_duration_seconds", task.interval.length, {"task_type": task.task_type}
                )

    def count_tool_calls(self, ended: Iterable[ToolCall]) -> None:
        """Count tool calls that have ended; a delegating call's time is its task's and not recorded twice."""
        for call in ended:
            if call.end is None or call.end < self._since or call.outcome is Outcome.UNKNOWN:
                continue
            tool = call.tool or NONE
            self._add_count("stretto_tool_calls_total", 1, {"tool": tool, "outcome": call.outcome.value})
            if call.duration is not None and tool not in DELEGATING_TOOLS:
                self._record_duration("stretto_tool_duration_seconds", call.duration, {"tool": tool})

    def record_phases(self, ended: Iterable[Phase]) -> None:
        """Record phases that have ended."""
        for phase in ended:
            if phase.interval is not None and phase.interval.end >= self._since:
                self._record_duration("stretto_phase_duration_seconds", phase.interval.length, {"phase": phase.name})

    def count_usage(self, found: Iterable[NewUsage]) -> None:
        """Count what model calls used, beyond what was counted of them before."""
        for used in found:
            if used.at < self._since:
                continue
            for kind, count in used.tokens.items():
                self._add_count("stretto_tokens_total", count, {"model": used.model, "kind": kind})
            if used.cost:
                self._add_count("stretto_cost_usd_total", used.cost / DOLLAR, {"model": used.model})
            if used.duration is not None:
                self._record_duration("stretto_model_duration_seconds", used.duration, {"model": used.model})

    def count_fanouts(
        self,
        ended: Iterable[tuple[Session, Fanout]],
        held_against: Callable[[Session, Fanout], SequentialTime],
    ) -> None:
        """Count parallel executions, and add their ingredients by task type."""
        for session, fanout in ended:
            if fanout.end < self._since or session.recording:
                continue
            self._add_count("stretto_fanouts_total", 1, {"pattern": session.pattern or NONE})
            sequential = held_against(session, fanout)
            for task, share in zip(fanout.tasks, fanout.shares, strict=True):
                length = task.interval.length if task.interval else 0
                labels = {"task_type": task.task_type}
                self._add_count("stretto_work_seconds_total", length / SECOND, labels)
                self._add_count("stretto_elapsed_seconds_total", share / SECOND, labels)
                with_baseline = {**labels, "baseline": sequential.provenance.value}
                self._add_count("stretto_sequential_seconds_total", sequential.get_task_length(task) / SECOND, with_baseline)

    def _add_count(self, name: str, value: float, labels: Mapping[str, str]) -> None:
        self._counters[name].add(value, self._limit_label_values(labels))

    def _record_duration(self, name: str, length: int, labels: Mapping[str, str]) -> None:
        self._histograms[name].record(length / SECOND, self._limit_label_values(labels))

    def _limit_label_values(self, labels: Mapping[str, str]) -> dict[str, str]:
        closed = {}
        for label, value in labels.items():
            seen = self._seen.setdefault(label, set())
            if value not in seen and len(seen) >= VALUES:
                closed[label] = OTHER
            else:
                seen.add(value)
                closed[label] = value
        return closed
