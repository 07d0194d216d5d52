"""Metrics about Stretto itself."""

from __future__ import annotations

from stretto.names.labels import OTHER, Label
from stretto.names.metric import Metric, define_self_gauge

SELF_METRICS: tuple[Metric, ...] = (
    define_self_gauge("stretto_build_info", "1", (Label.VERSION,), "Always 1; the version is the label."),
    define_self_gauge(
        "stretto_identity_info",
        "1",
        (Label.TEAM, Label.INSTANCE_ID, Label.VERSION, Label.RULES),
        "Always 1; the labels are the machine's team and name, the version and the hash of its rules.",
    ),
    define_self_gauge(
        "stretto_feature_enabled",
        "1",
        (Label.FEATURE,),
        "1 if an optional part is on, 0 if it is switched off: then its figures are missing.",
    ),
    define_self_gauge(
        "stretto_collector_success",
        "1",
        (Label.GROUP,),
        "1 if a group of figures could be computed, else 0.",
    ),
    define_self_gauge(
        "stretto_collector_duration_seconds",
        "s",
        (Label.GROUP,),
        "How long a group of figures took in this scrape.",
    ),
    define_self_gauge(
        "stretto_snapshot_timestamp_seconds", "unixtime", (), "When the figures were last computed."
    ),
    define_self_gauge(
        "stretto_snapshot_duration_seconds", "s", (), "How long the computation of the figures took."
    ),
    define_self_gauge("stretto_ingest_pending_bytes", "By", (), "Journal bytes not yet in the store."),
    define_self_gauge("stretto_ingest_events", "1", (), "Events in the store's journal position."),
    define_self_gauge("stretto_rejected_lines", "1", (Label.REASON,), "Input set aside, by reason."),
    define_self_gauge(
        "stretto_unread_items",
        "1",
        (Label.SOURCE, Label.SCOPE),
        "Spans and log records received since start that told nothing, by sender and instrumentation.",
    ),
    define_self_gauge(
        "stretto_grpc_attempts",
        "1",
        (),
        "Connections since start that spoke gRPC to the HTTP port and were told so.",
    ),
    define_self_gauge(
        "stretto_spans_sent", "1", (), "Spans that the OTLP endpoint acknowledged since start."
    ),
    define_self_gauge(
        "stretto_spans_dropped",
        "1",
        (),
        "Spans given up since start: the endpoint kept refusing their session, or it was pruned first.",
    ),
    define_self_gauge("stretto_ship_pending", "1", (), "Sessions that wait to be shipped to the hub."),
    define_self_gauge(
        "stretto_ship_lag_seconds",
        "s",
        (),
        "For how long sessions have waited without any that the hub took; 0 if none wait.",
    ),
    define_self_gauge(
        "stretto_ship_rejected", "1", (), "Stored sessions whose last document the hub refused."
    ),
    define_self_gauge("stretto_series", "1", (), "Series of derived figures in this scrape."),
    define_self_gauge("stretto_series_budget", "1", (), "Most series of derived figures that are exported."),
    define_self_gauge(
        "stretto_series_folded", "1", (Label.LABEL,), f"Label values folded into '{OTHER}' in this scrape."
    ),
    define_self_gauge(
        "stretto_names_folded",
        "1",
        (Label.LABEL,),
        f"Names beyond the budget of a window that are added up as '{OTHER}' before figures are made.",
    ),
    define_self_gauge(
        "stretto_ingest_lag_seconds",
        "s",
        (),
        "How long the oldest journal bytes that are not in the store have waited.",
    ),
    define_self_gauge(
        "stretto_sampler_cpu_seconds",
        "s",
        (),
        "Processor time spent sampling the agents' processes since start.",
    ),
    define_self_gauge("stretto_store_bytes", "By", (), "Size of the store's files."),
    define_self_gauge("stretto_journal_bytes", "By", (), "Size of the journal's files."),
)
