"""The dashboard of Stretto itself: how complete the figures are, and the cost of monitoring."""

from __future__ import annotations

from grafana.board.board import Board, Row
from grafana.board.limit import ANY, CRITICAL, GOOD, make_steps
from grafana.board.link import BoardId
from grafana.board.panel import State, Unit, draw_limit, make_bars, make_lines, make_stat, make_states
from grafana.board.query import (
    RATE,
    divide_sums,
    join_series,
    label_rows,
    max_by,
    measure_age,
    select_series,
    sum_by,
)
from grafana.board.variable import ONE_INSTANCE

from stretto.names import Label

UP = f"up{{{','.join(ONE_INSTANCE)}}}"
SCRAPE = f"scrape_duration_seconds{{{','.join(ONE_INSTANCE)}}}"

ANSWERS = {1: State("up", GOOD), 0: State("down", CRITICAL)}
COLLECTED = {1: State("computed", GOOD), 0: State("failed", CRITICAL)}


def _rate_per_second(selector: str) -> str:
    """Return the growth per second of a value that restarts with its process."""
    return f"sum (rate({selector}[{RATE}]))"


def _select_process(name: str) -> str:
    """Return the selector of a series that the client library makes about the process."""
    return f"{name}{{{','.join(ONE_INSTANCE)}}}"


_TRUST = Row(
    "Can the figures be trusted?",
    (
        make_stat(
            "Service",
            "Whether Prometheus gets an answer from Stretto.",
            "Is it up?",
            Unit.PLAIN,
            f"min ({UP}) or vector(0)",
            states=ANSWERS,
            high=1,
        ),
        make_stat(
            "Capture completeness",
            "Share of ended tasks and tool calls whose end was seen.",
            "Is anything missing from the figures?",
            Unit.RATIO,
            divide_sums(select_series("window_ends_seen"), select_series("window_ends_expected")),
            steps=make_steps("capture_completeness_ratio", low=True),
            high=1,
        ),
        make_stat(
            "Age of the newest event",
            "How long ago the newest event happened.",
            "Do events still arrive?",
            Unit.SECONDS,
            measure_age(max_by(select_series("last_event_timestamp_seconds"))),
        ),
        make_stat(
            "Age of the figures",
            "Time since the figures were last computed.",
            "Is what I see of now?",
            Unit.SECONDS,
            measure_age(max_by(select_series("snapshot_timestamp_seconds"))),
            steps=make_steps("snapshot_age_seconds"),
        ),
        make_stat(
            "Version",
            "Version of the service that answers.",
            "What runs here?",
            Unit.PLAIN,
            {"{{version}}": f"max by (version) ({select_series('build_info')})"},
            shows_name=True,
        ),
        make_states(
            "Groups of figures",
            "Whether each group of figures could be computed in a scrape.",
            "Which figures are missing because something is broken?",
            f"min by (group) ({select_series('collector_success')})",
            COLLECTED,
            legend="{{group}}",
            high=1,
        ),
        make_states(
            "Service over time",
            "Whether Prometheus got an answer from Stretto.",
            "When was it down?",
            f"min by (job) ({UP})",
            ANSWERS,
            legend="{{job}}",
            high=1,
        ),
        make_lines(
            "Completeness over time",
            "Work whose end was seen, calls with all tokens reported, tasks with all tool calls known.",
            "Since when is something missing, and are tokens, cost and calls whole or at least so many?",
            Unit.RATIO,
            {
                "ends": divide_sums(select_series("window_ends_seen"), select_series("window_ends_expected")),
                "tokens and cost": divide_sums(
                    select_series("window_usage_reported"), select_series("window_usage_expected")
                ),
                "tool calls": divide_sums(
                    select_series("window_tool_call_tasks_reported"), select_series("window_tool_call_tasks")
                ),
            },
            draw_limit("capture_completeness_ratio", "warning"),
            high=1,
        ),
        make_lines(
            "Age of the newest event over time",
            "How long ago the newest event happened; beyond the limit it alerts while sessions are busy.",
            "When did events stop?",
            Unit.SECONDS,
            {"age": measure_age(max_by(select_series("last_event_timestamp_seconds")))},
            draw_limit("event_age_seconds", "warning"),
        ),
        make_bars(
            "Rejected input",
            "Input set aside, by reason.",
            "What could not be read, and why?",
            Unit.COUNT,
            sum_by(select_series("rejected_lines"), Label.REASON),
            legend="{{reason}}",
            width=12,
            steps=ANY,
        ),
    ),
)

_KEEPS_UP = Row(
    "Does it keep up?",
    (
        make_lines(
            "Ingest",
            "Events ingested into the store per second.",
            "How much comes in?",
            Unit.PER_SECOND,
            {"events": _rate_per_second(select_series("ingest_events"))},
            width=8,
        ),
        make_lines(
            "Waiting to be ingested",
            "Journal bytes not yet in the store.",
            "Does a backlog build up?",
            Unit.BYTES,
            {"pending": max_by(select_series("ingest_pending_bytes"))},
            width=8,
        ),
        make_lines(
            "Lag",
            "How long the oldest journal bytes that are not in the store have waited.",
            "How late are the figures?",
            Unit.SECONDS,
            {"lag": max_by(select_series("ingest_lag_seconds"))},
            draw_limit("ingest_lag_seconds", "warning"),
            width=8,
        ),
        make_lines(
            "Scrape time",
            "How long Prometheus waited, each group's part of it, and how long a snapshot took.",
            "Is asking for the figures cheap?",
            Unit.SECONDS,
            {
                "snapshot": max_by(select_series("snapshot_duration_seconds")),
                "scrape": f"max ({SCRAPE})",
                "{{group}}": max_by(select_series("collector_duration_seconds"), Label.GROUP),
            },
            width=8,
        ),
        make_lines(
            "Spans",
            "Spans handed to the OTLP endpoint, and spans dropped, since start.",
            "Do traces arrive where they should?",
            Unit.COUNT,
            {"sent": max_by(select_series("spans_sent")), "dropped": max_by(select_series("spans_dropped"))},
            width=8,
        ),
    ),
)

_COST = Row(
    "What does watching cost?",
    (
        make_stat(
            "Series of the budget",
            "Series of derived figures over the most that are exported.",
            "Is the budget of series nearly used up?",
            Unit.RATIO,
            divide_sums(select_series("series"), select_series("series_budget")),
            steps=make_steps("series_ratio"),
            high=1,
        ),
        make_bars(
            "Folded into 'other'",
            "Label values folded in the last scrape, and names folded in a window before figures are made.",
            "Which label has more values than the budget holds, or names that differ without end?",
            Unit.COUNT,
            join_series(
                label_rows(sum_by(select_series(name), Label.LABEL), "of", kind)
                for name, kind in (("series_folded", "values"), ("names_folded", "names"))
            ),
            legend="{{of}} of {{label}}",
            width=12,
            height=5,
            steps=ANY,
            absent="nothing folded",
        ),
        make_stat(
            "Processors of the service",
            "Processors that the service takes (Linux), and sampling the agents' processes of it.",
            "Does watching cost more than it is worth?",
            Unit.RATIO,
            {
                "service": _rate_per_second(_select_process("process_cpu_seconds_total")),
                "sampler": _rate_per_second(select_series("sampler_cpu_seconds")),
            },
            high=1,
        ),
        make_lines(
            "Files and memory",
            "Size of the journal and of the store, and the resident memory of the service (Linux).",
            "When will the disk be full, and does the service grow?",
            Unit.BYTES,
            {
                "memory": max_by(_select_process("process_resident_memory_bytes")),
                "journal": max_by(select_series("journal_bytes")),
                "store": max_by(select_series("store_bytes")),
            },
            width=8,
            height=5,
        ),
        make_lines(
            "Lost notifications",
            "Notifications that Prometheus dropped or Alertmanager could not deliver, per second.",
            "Would an alert reach anybody?",
            Unit.PER_SECOND,
            {
                "dropped by Prometheus": _rate_per_second("prometheus_notifications_dropped_total"),
                "failed at Alertmanager": _rate_per_second("alertmanager_notifications_failed_total"),
            },
            width=12,
            height=6,
        ),
    ),
)

ITSELF = Board(
    id=BoardId.ITSELF,
    title="Stretto / Stretto itself",
    asks="Can the figures be trusted, and what does watching cost?",
    rows=(_TRUST, _KEEPS_UP, _COST),
)
