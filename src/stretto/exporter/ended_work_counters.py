"""Live counters and histograms, made through OpenTelemetry from entities that end while the service runs.

Each metric has one meter and a fixed set of attribute keys. OpenTelemetry's exporter mangles labels if two
scopes share a name. It also folds attribute sets beyond its cardinality limit without naming them.
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
from stretto.model.call_cost_and_usage_types import DOLLAR, NewUsage
from stretto.model.entities import Phase, Session, Task, ToolCall, Turn
from stretto.model.event import Outcome
from stretto.model.tools_with_length import takes_time_of_its_own
from stretto.names import DURATION_BUCKETS, LIVE, NONE, OTHER, MetricKind

VALUES = 50
"""Most values of a label whose values come from outside; later values are counted as ``other``."""

CARDINALITY = 20_000
"""Attribute sets per instrument: more than the limited labels allow, so OpenTelemetry folds nothing."""


class LiveMetrics:
    """Counters of entities that ended after ``since`` (ns): history never lands in live counters."""

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
        self._label_values: dict[str, set[str]] = {}
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
        """Stop counting and remove these metrics from the registry."""
        self._provider.shutdown()

    def count_checks(self, verdicts: Mapping[str, int]) -> None:
        """Count the checks of an analysis by verdict."""
        for verdict, count in verdicts.items():
            self._add_count("stretto_analysis_checks_total", count, {"verdict": verdict})

    def count_sessions(self, ended: Iterable[Session]) -> None:
        """Count sessions that have ended and record how long they took."""
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
        """Record how long ended turns took."""
        for session, turn in ended:
            if turn.end is not None and turn.end >= self._since and not session.recording:
                self._record_duration(
                    "stretto_turn_duration_seconds", turn.end - turn.start, {"source": session.source}
                )

    def count_tasks(self, ended: Iterable[Task]) -> None:
        """Count tasks that have ended and record how long they took."""
        for task in ended:
            if task.end is None or task.end < self._since:
                continue
            labels = {"task_type": task.task_type, "agent": task.agent or NONE, "outcome": task.outcome.value}
            self._add_count("stretto_tasks_total", 1, labels)
            if task.length is not None:
                self._record_duration(
                    "stretto_task_duration_seconds", task.length, {"task_type": task.task_type}
                )

    def count_tool_calls(self, ended: Iterable[ToolCall]) -> None:
        """Count ended tool calls and record the time of those that have a length of their own."""
        for call in ended:
            if call.end is None or call.end < self._since or call.outcome is Outcome.UNKNOWN:
                continue
            tool = call.tool or NONE
            self._add_count("stretto_tool_calls_total", 1, {"tool": tool, "outcome": call.outcome.value})
            if call.duration is not None and takes_time_of_its_own(call):
                self._record_duration("stretto_tool_duration_seconds", call.duration, {"tool": tool})

    def record_phases(self, ended: Iterable[Phase]) -> None:
        """Record how long ended phases took."""
        for phase in ended:
            if phase.interval is not None and phase.interval.end >= self._since:
                self._record_duration(
                    "stretto_phase_duration_seconds", phase.interval.length, {"phase": phase.name}
                )

    def count_usage(self, usages: Iterable[NewUsage]) -> None:
        """Count tokens, cost and time of model calls that were not counted before."""
        for usage in usages:
            if usage.at < self._since:
                continue
            for kind, count in usage.tokens.items():
                self._add_count("stretto_tokens_total", count, {"model": usage.model, "kind": kind})
            if usage.cost:
                self._add_count("stretto_cost_usd_total", usage.cost / DOLLAR, {"model": usage.model})
            if usage.duration is not None:
                self._record_duration(
                    "stretto_model_duration_seconds", usage.duration, {"model": usage.model}
                )

    def count_fanouts(
        self,
        ended: Iterable[tuple[Session, Fanout]],
        find_sequential: Callable[[Session, Fanout], SequentialTime],
    ) -> None:
        """Count parallel executions, and add up their work, elapsed and sequential time by task type.

        Elapsed time is shared among the tasks, so that the shares sum to it: of a parallel execution of 60 s
        in which A runs alone for 20 s and with B for 40 s, A gets 20 + 20 = 40 s and B 20 s.
        """
        for session, fanout in ended:
            if fanout.end < self._since or session.recording:
                continue
            self._add_count("stretto_fanouts_total", 1, {"pattern": session.pattern or NONE})
            sequential = find_sequential(session, fanout)
            for task, share in zip(fanout.tasks, fanout.shares, strict=True):
                length = task.length or 0
                labels = {"task_type": task.task_type}
                self._add_count("stretto_work_seconds_total", length / SECOND, labels)
                self._add_count("stretto_elapsed_seconds_total", share / SECOND, labels)
                with_baseline = {**labels, "baseline": sequential.provenance.value}
                self._add_count(
                    "stretto_sequential_seconds_total",
                    sequential.get_task_length(task) / SECOND,
                    with_baseline,
                )

    def _add_count(self, name: str, value: float, labels: Mapping[str, str]) -> None:
        self._counters[name].add(value, self._limit_label_values(labels))

    def _record_duration(self, name: str, length: int, labels: Mapping[str, str]) -> None:
        self._histograms[name].record(length / SECOND, self._limit_label_values(labels))

    def _limit_label_values(self, labels: Mapping[str, str]) -> dict[str, str]:
        closed = {}
        for label, value in labels.items():
            known_values = self._label_values.setdefault(label, set())
            if value not in known_values and len(known_values) >= VALUES:
                closed[label] = OTHER
            else:
                known_values.add(value)
                closed[label] = value
        return closed
