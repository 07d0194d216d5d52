"""Stretto itself: how far the figures can be trusted, and what watching costs."""

from __future__ import annotations

from grafana.board.board import Board, Row
from grafana.board.limit import ANY, CRITICAL, GOOD, steps
from grafana.board.link import BoardId
from grafana.board.panel import State, Unit, bars, limit, lines, stat, states
from grafana.board.query import RATE, age, largest, ratio, series, total

from stretto.names import JOB, Label

UP = f'up{{job="{JOB}"}}'
SCRAPE = f'scrape_duration_seconds{{job="{JOB}"}}'

ANSWERS = {1: State("up", GOOD), 0: State("down", CRITICAL)}
WORKED = {1: State("worked out", GOOD), 0: State("failed", CRITICAL)}


def _per_second(selector: str) -> str:
    """Return how fast something grows that starts anew with its process."""
    return f"sum (rate({selector}[{RATE}]))"


_TRUST = Row(
    "Can the figures be trusted?",
    (
        stat(
            "Service",
            "Whether Prometheus gets an answer from Stretto.",
            "Is it up?",
            Unit.PLAIN,
            f"min ({UP}) or vector(0)",
            states=ANSWERS,
            high=1,
        ),
        stat(
            "Capture completeness",
            "Tasks and tool calls whose end was seen over all that are over.",
            "Is anything missing from the figures?",
            Unit.RATIO,
            ratio(series("window_ends_seen"), series("window_ends_expected")),
            steps=steps("capture_completeness_ratio", low=True),
            high=1,
        ),
        stat(
            "Age of the newest event",
            "How long ago the newest event happened.",
            "Do events still arrive?",
            Unit.SECONDS,
            age(largest(series("last_event_timestamp_seconds"))),
        ),
        stat(
            "Age of the figures",
            "How long ago the figures were last worked out.",
            "Is what I see of now?",
            Unit.SECONDS,
            age(largest(series("snapshot_timestamp_seconds"))),
            steps=steps("snapshot_age_seconds"),
        ),
        stat(
            "Ingest lag",
            "How long the oldest journal bytes that are not in the store have waited.",
            "Does the service keep up?",
            Unit.SECONDS,
            largest(series("ingest_lag_seconds")),
            steps=steps("ingest_lag_seconds"),
        ),
        stat(
            "Version",
            "Version of the service that answers.",
            "What runs here?",
            Unit.PLAIN,
            {"{{version}}": f"max by (version) ({series('build_info')})"},
            shows_name=True,
        ),
        states(
            "Groups of figures",
            "Whether each group of figures could be worked out in a scrape.",
            "Which figures are missing because something is broken?",
            f"min by (group) ({series('collector_success')})",
            WORKED,
            legend="{{group}}",
            high=1,
        ),
        states(
            "Service over time",
            "Whether Prometheus got an answer from Stretto.",
            "When was it down?",
            f"min by (job) ({UP})",
            ANSWERS,
            legend="{{job}}",
            high=1,
        ),
        lines(
            "Completeness over time",
            "Tasks and tool calls whose end was seen over all that are over.",
            "Since when is something missing?",
            Unit.RATIO,
            {"complete": ratio(series("window_ends_seen"), series("window_ends_expected"))},
            limit("capture_completeness_ratio", "warning"),
            high=1,
        ),
        lines(
            "Age of the newest event over time",
            "How long ago the newest event happened; beyond the limit it alerts while sessions are busy.",
            "When did events stop?",
            Unit.SECONDS,
            {"age": age(largest(series("last_event_timestamp_seconds")))},
            limit("event_age_seconds", "warning"),
        ),
        bars(
            "Rejected input",
            "Input set aside, by reason.",
            "What could not be read, and why?",
            Unit.COUNT,
            total(series("rejected_lines"), Label.REASON),
            legend="{{reason}}",
            width=12,
            steps=ANY,
        ),
    ),
)

_KEEPS_UP = Row(
    "Does it keep up?",
    (
        lines(
            "Ingest",
            "Events taken into the store per second.",
            "How much comes in?",
            Unit.PER_SECOND,
            {"events": _per_second(series("ingest_events"))},
            width=8,
        ),
        lines(
            "Waiting to be taken in",
            "Journal bytes not yet in the store.",
            "Does a backlog build up?",
            Unit.BYTES,
            {"pending": largest(series("ingest_pending_bytes"))},
            width=8,
        ),
        lines(
            "Lag",
            "How long the oldest journal bytes that are not in the store have waited.",
            "How late are the figures?",
            Unit.SECONDS,
            {"lag": largest(series("ingest_lag_seconds"))},
            limit("ingest_lag_seconds", "warning"),
            width=8,
        ),
        lines(
            "Scrape time",
            "How long Prometheus waited for an answer, and what of it each group of figures took.",
            "Is asking for the figures cheap?",
            Unit.SECONDS,
            {
                "scrape": f"max ({SCRAPE})",
                "{{group}}": largest(series("collector_duration_seconds"), Label.GROUP),
            },
            width=8,
        ),
        lines(
            "Time to work out the figures",
            "How long one snapshot of all figures took.",
            "Does working out grow with the store?",
            Unit.SECONDS,
            {"snapshot": largest(series("snapshot_duration_seconds"))},
            width=8,
        ),
        lines(
            "Spans",
            "Spans handed to the OTLP endpoint, and spans dropped, since start.",
            "Do traces arrive where they should?",
            Unit.COUNT,
            {"sent": largest(series("spans_sent")), "dropped": largest(series("spans_dropped"))},
            width=8,
        ),
    ),
)

_COST = Row(
    "What does watching cost?",
    (
        stat(
            "Series of the budget",
            "Series of derived figures over the most that are exported.",
            "Is the budget of series nearly used up?",
            Unit.RATIO,
            ratio(series("series"), series("series_budget")),
            steps=steps("series_ratio"),
            high=1,
        ),
        bars(
            "Folded values",
            "Label values folded into 'other' in the last scrape.",
            "Which label has more values than the budget holds?",
            Unit.COUNT,
            total(series("series_folded"), Label.LABEL),
            legend="{{label}}",
            height=5,
            steps=ANY,
            absent="nothing folded",
        ),
        stat(
            "Sampler",
            "Processors that sampling the agents' processes takes.",
            "Does watching cost more than it is worth?",
            Unit.RATIO,
            _per_second(series("sampler_cpu_seconds")),
            high=1,
        ),
        lines(
            "Files",
            "Size of the journal and of the store.",
            "When will the disk be full?",
            Unit.BYTES,
            {"journal": largest(series("journal_bytes")), "store": largest(series("store_bytes"))},
            width=8,
            height=5,
        ),
        lines(
            "Lost notifications",
            "Notifications that Prometheus dropped or Alertmanager could not deliver, per second.",
            "Would an alert reach anybody?",
            Unit.PER_SECOND,
            {
                "dropped by Prometheus": _per_second("prometheus_notifications_dropped_total"),
                "failed at Alertmanager": _per_second("alertmanager_notifications_failed_total"),
            },
            width=12,
            height=6,
        ),
        lines(
            "Series over time",
            "Series of derived figures, and the most that are exported.",
            "Does the number of series grow?",
            Unit.COUNT,
            {"series": largest(series("series")), "budget": largest(series("series_budget"))},
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
