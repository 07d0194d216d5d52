"""THE table: every metric and label on the wire, with unit, meaning and the place it is made.

The exporter builds from it; rules, dashboards, docs and tests are checked against it. A name that is not here
does not leave the process.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

PREFIX = "stretto_"
JOB = "stretto"
"""The scrape job, as prometheus.yml names it."""

WINDOWS: dict[str, int] = {"1h": 3_600, "24h": 86_400, "7d": 604_800}
"""Windows of the derived gauges: label value → seconds."""

OTHER = "other"
"""The label value that takes what has no type, or what the series budget folds away."""

NONE = "none"
"""The label value for an absent agent, pattern or phase."""


class Label(StrEnum):
    """The closed set of labels. Session ids, paths, prompts and descriptions never become labels."""

    TASK_TYPE = "task_type"
    AGENT = "agent"
    TOOL = "tool"
    PATTERN = "pattern"
    OUTCOME = "outcome"
    BASELINE = "baseline"
    WINDOW = "window"
    QUANTILE = "quantile"
    SOURCE = "source"
    REASON = "reason"
    GROUP = "group"
    VERSION = "version"
    LABEL = "label"


class Attribute(StrEnum):
    """Attributes of the spans that go out: the GenAI conventions' where they have one, else our own."""

    ERROR_TYPE = "error.type"
    AGENT_NAME = "gen_ai.agent.name"
    CONVERSATION_ID = "gen_ai.conversation.id"
    EVALUATION_NAME = "gen_ai.evaluation.name"
    EVALUATION_VALUE = "gen_ai.evaluation.score.value"
    OPERATION_NAME = "gen_ai.operation.name"
    PROVIDER_NAME = "gen_ai.provider.name"
    REQUEST_MODEL = "gen_ai.request.model"
    TOOL_CALL_ID = "gen_ai.tool.call.id"
    TOOL_NAME = "gen_ai.tool.name"
    USAGE_CACHE_READ = "gen_ai.usage.cache_read.input_tokens"
    USAGE_CACHE_WRITE = "gen_ai.usage.cache_write.input_tokens"
    USAGE_COST = "gen_ai.usage.cost"
    USAGE_INPUT = "gen_ai.usage.input_tokens"
    USAGE_OUTPUT = "gen_ai.usage.output_tokens"
    WORKFLOW_NAME = "gen_ai.workflow.name"
    END_KNOWN = "stretto.end_known"
    MESSAGE_FROM = "stretto.message.from"
    MESSAGE_RESPONSE_SECONDS = "stretto.message.response_seconds"
    MESSAGE_TO = "stretto.message.to"
    MODEL_CALL_ID = "stretto.model_call.id"
    OUTCOME = "stretto.outcome"
    PARENT_ID = "stretto.parent.id"
    PATTERN = "stretto.pattern"
    PHASE = "stretto.phase"
    PHASE_ID = "stretto.phase.id"
    PROJECT = "stretto.project"
    RECORDING = "stretto.recording"
    SCORE_BY = "stretto.score.by"
    SCORE_OF = "stretto.score.of"
    SCORE_OF_ID = "stretto.score.of_id"
    SESSION_ID = "stretto.session.id"
    SESSION_NAME = "stretto.session.name"
    SOURCE = "stretto.source"
    TASK_DESCRIPTION = "stretto.task.description"
    TASK_ID = "stretto.task.id"
    TASK_TYPE = "stretto.task.type"
    TOOL_EXECUTION_SECONDS = "stretto.tool.execution_seconds"
    TOOL_OVERHEAD_SECONDS = "stretto.tool.overhead_seconds"
    TURN_ID = "stretto.turn.id"
    TURN_ORIGIN = "stretto.turn.origin"
    UNTIMED = "stretto.untimed"


class Made(StrEnum):
    """How a metric comes about."""

    LIVE = "live"
    """OpenTelemetry instrument, counted as things happen; restarts at zero with the process."""
    DERIVED = "derived"
    """Built fresh at each scrape from the snapshot."""
    OWN = "own"
    """About Stretto itself, built at each scrape."""


class MetricKind(StrEnum):
    """The Prometheus type."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric name on the wire with all that is promised about it."""

    name: str
    kind: MetricKind
    made: Made
    unit: str
    """``s``, ``1`` (ratio or count), ``By`` or ``unixtime``."""
    labels: tuple[Label, ...]
    help: str
    ingredients: tuple[str, ...] = ()
    """For a ratio: numerator and denominator, exported beside it so that PromQL can work it out again."""


_T, _A, _W = Label.TASK_TYPE, Label.AGENT, Label.WINDOW
_P, _O, _B, _TOOL, _Q = Label.PATTERN, Label.OUTCOME, Label.BASELINE, Label.TOOL, Label.QUANTILE


def _gauge(name: str, unit: str, labels: tuple[Label, ...], text: str, *ingredients: str) -> Metric:
    return Metric(PREFIX + name, MetricKind.GAUGE, Made.DERIVED, unit, labels, text, ingredients)


def _own(name: str, unit: str, labels: tuple[Label, ...], text: str) -> Metric:
    return Metric(PREFIX + name, MetricKind.GAUGE, Made.OWN, unit, labels, text)


def _counter(name: str, unit: str, labels: tuple[Label, ...], text: str) -> Metric:
    return Metric(PREFIX + name, MetricKind.COUNTER, Made.LIVE, unit, labels, text)


def _histogram(name: str, labels: tuple[Label, ...], text: str) -> Metric:
    return Metric(PREFIX + name, MetricKind.HISTOGRAM, Made.LIVE, "s", labels, text)


LIVE: tuple[Metric, ...] = (
    _counter("sessions_total", "1", (Label.SOURCE, _O), "Sessions that ended."),
    _counter("tasks_total", "1", (_T, _A, _O), "Tasks that ended."),
    _counter("tool_calls_total", "1", (_TOOL, _O), "Tool calls that ended."),
    _counter("fanouts_total", "1", (_P,), "Parallel executions that ended."),
    _counter("work_seconds_total", "s", (_T,), "Busy time of tasks inside parallel executions, summed."),
    _counter(
        "elapsed_seconds_total",
        "s",
        (_T,),
        "Wall time of parallel executions, shared among the tasks running.",
    ),
    _counter(
        "sequential_seconds_total",
        "s",
        (_T, _B),
        "What the tasks of parallel executions take one after another.",
    ),
    _histogram("session_duration_seconds", (Label.SOURCE,), "Wall time of a session."),
    _histogram("turn_duration_seconds", (Label.SOURCE,), "Wall time from a prompt to the end of the answer."),
    _histogram("task_duration_seconds", (_T,), "Wall time of a task."),
    _histogram(
        "tool_duration_seconds", (_TOOL,), "Execution time of a tool call, without waiting for permission."
    ),
)

DERIVED: tuple[Metric, ...] = (
    _gauge(
        "speedup_ratio",
        "1",
        (_T, _B, _W),
        "Sequential time over elapsed time of parallel tasks.",
        "stretto_parallel_sequential_seconds",
        "stretto_parallel_elapsed_seconds",
    ),
    _gauge(
        "improvement_ratio",
        "1",
        (_T, _B, _W),
        "Time saved over sequential time of parallel tasks; below 0 where parallel was slower.",
        "stretto_time_saved_seconds",
        "stretto_parallel_sequential_seconds",
    ),
    _gauge("time_saved_seconds", "s", (_T, _B, _W), "Sequential time less elapsed time of parallel tasks."),
    _gauge("parallel_sequential_seconds", "s", (_T, _B, _W), "What parallel tasks take one after another."),
    _gauge(
        "parallel_elapsed_seconds",
        "s",
        (_T, _B, _W),
        "Wall time of parallel tasks, shared among those running.",
    ),
    _gauge("parallel_work_seconds", "s", (_T, _B, _W), "Busy time of parallel tasks, summed."),
    _gauge(
        "parallel_tasks", "1", (_T, _B, _W), "Tasks inside parallel executions that the figures are made of."
    ),
    _gauge("improvement_target_ratio", "1", (_T,), "Improvement asked of a task type by configuration."),
    _gauge("window_fanouts", "1", (_P, _W), "Parallel executions that ended in the window."),
    _gauge(
        "parallel_efficiency_ratio",
        "1",
        (_P, _W),
        "Work over width times elapsed: load balance times concurrency.",
        "stretto_pattern_work_seconds",
        "stretto_pattern_capacity_seconds",
    ),
    _gauge(
        "load_balance_ratio",
        "1",
        (_P, _W),
        "Mean lane busy time over the longest lane's.",
        "stretto_pattern_work_seconds",
        "stretto_pattern_longest_lane_seconds",
    ),
    _gauge(
        "concurrency_ratio",
        "1",
        (_P, _W),
        "Longest lane's busy time over elapsed: what late starts and hand-overs leave.",
        "stretto_pattern_longest_lane_seconds",
        "stretto_pattern_capacity_seconds",
    ),
    _gauge("pattern_work_seconds", "s", (_P, _W), "Busy time of the tasks of parallel executions."),
    _gauge(
        "pattern_capacity_seconds", "s", (_P, _W), "Width times elapsed, summed over parallel executions."
    ),
    _gauge(
        "pattern_longest_lane_seconds", "s", (_P, _W), "Width times the longest lane's busy time, summed."
    ),
    _gauge("window_tasks", "1", (_T, _O, _W), "Tasks that ended in the window, by outcome."),
    _gauge(
        "success_ratio",
        "1",
        (_T, _W),
        "Tasks that succeeded over tasks whose outcome is known.",
        "stretto_window_tasks",
        "stretto_window_tasks",
    ),
    _gauge("window_agent_tasks", "1", (_A, _O, _W), "Tasks that ended in the window, by agent and outcome."),
    _gauge(
        "agent_error_ratio",
        "1",
        (_A, _W),
        "Tasks of an agent that failed over those whose outcome is known.",
        "stretto_window_agent_tasks",
        "stretto_window_agent_tasks",
    ),
    _gauge("window_parallel_tasks", "1", (_O, _W), "Tasks inside parallel executions, by outcome."),
    _gauge(
        "parallel_failure_ratio",
        "1",
        (_W,),
        "Tasks inside parallel executions that failed over those whose outcome is known.",
        "stretto_window_parallel_tasks",
        "stretto_window_parallel_tasks",
    ),
    _gauge("window_tool_calls", "1", (_TOOL, _O, _W), "Tool calls that ended in the window, by outcome."),
    _gauge(
        "tool_success_ratio",
        "1",
        (_TOOL, _W),
        "Tool calls that succeeded over those whose outcome is known.",
        "stretto_window_tool_calls",
        "stretto_window_tool_calls",
    ),
    _gauge(
        "tool_duration_quantile_seconds", "s", (_TOOL, _Q, _W), "Execution time of tool calls, within 2 %."
    ),
    _gauge("task_duration_quantile_seconds", "s", (_T, _Q, _W), "Wall time of tasks, within 2 %."),
    _gauge(
        "agent_duration_quantile_seconds", "s", (_A, _Q, _W), "Wall time of an agent's tasks, within 2 %."
    ),
    _gauge(
        "overhead_quantile_seconds",
        "s",
        (_Q, _W),
        "Time around a tool call that is neither execution nor a person's: hooks, mostly. Within 2 %.",
    ),
    _gauge(
        "capture_completeness_ratio",
        "1",
        (_W,),
        "Tasks and tool calls whose end was seen over all that are over.",
        "stretto_window_ends_seen",
        "stretto_window_ends_expected",
    ),
    _gauge("window_ends_seen", "1", (_W,), "Tasks and tool calls whose end was seen."),
    _gauge("window_ends_expected", "1", (_W,), "Tasks and tool calls that are over, their end seen or not."),
    _gauge("sessions_open", "1", (), "Sessions that have not ended."),
    _gauge("sessions_busy", "1", (), "Open sessions inside a turn or with a running task."),
    _gauge("tasks_running", "1", (), "Tasks running now."),
    _gauge("last_event_timestamp_seconds", "unixtime", (), "When the newest event happened."),
)

OWN: tuple[Metric, ...] = (
    _own("build_info", "1", (Label.VERSION,), "Always 1; the version is the label."),
    _own("collector_success", "1", (Label.GROUP,), "1 where a group of figures could be worked out, else 0."),
    _own(
        "collector_duration_seconds", "s", (Label.GROUP,), "How long a group of figures took in this scrape."
    ),
    _own("snapshot_timestamp_seconds", "unixtime", (), "When the figures were last worked out."),
    _own("snapshot_duration_seconds", "s", (), "How long working out the figures took."),
    _own("ingest_pending_bytes", "By", (), "Journal bytes not yet in the store."),
    _own("ingest_events", "1", (), "Events in the store's journal position."),
    _own("rejected_lines", "1", (Label.REASON,), "Input set aside, by reason."),
    _own("spans_sent", "1", (), "Spans handed to the OTLP endpoint since start."),
    _own(
        "spans_dropped",
        "1",
        (),
        "Spans dropped since start because the queue was full or the endpoint failed.",
    ),
    _own("series", "1", (), "Series of derived figures in this scrape."),
    _own("series_budget", "1", (), "Most series of derived figures that are exported."),
    _own("series_folded", "1", (Label.LABEL,), f"Label values folded into '{OTHER}' in this scrape."),
)

METRICS: dict[str, Metric] = {metric.name: metric for metric in (*LIVE, *DERIVED, *OWN)}

DURATION_BUCKETS: tuple[float, ...] = (
    0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 300, 600, 1800, 3600, 7200,
)  # fmt: skip
"""Seconds. 20 and 40 are the alert thresholds of tool time; 7200 is two hours, a long session."""

QUANTILES: tuple[float, ...] = (0.5, 0.95, 0.99)
