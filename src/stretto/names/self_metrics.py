"""What Stretto says of itself."""

from __future__ import annotations

from stretto.names.labels import OTHER, Label
from stretto.names.metric import Metric, own

OWN: tuple[Metric, ...] = (
    own("stretto_build_info", "1", (Label.VERSION,), "Always 1; the version is the label."),
    own(
        "stretto_collector_success",
        "1",
        (Label.GROUP,),
        "1 where a group of figures could be worked out, else 0.",
    ),
    own(
        "stretto_collector_duration_seconds",
        "s",
        (Label.GROUP,),
        "How long a group of figures took in this scrape.",
    ),
    own("stretto_snapshot_timestamp_seconds", "unixtime", (), "When the figures were last worked out."),
    own("stretto_snapshot_duration_seconds", "s", (), "How long working out the figures took."),
    own("stretto_ingest_pending_bytes", "By", (), "Journal bytes not yet in the store."),
    own("stretto_ingest_events", "1", (), "Events in the store's journal position."),
    own("stretto_rejected_lines", "1", (Label.REASON,), "Input set aside, by reason."),
    own("stretto_spans_sent", "1", (), "Spans handed to the OTLP endpoint since start."),
    own(
        "stretto_spans_dropped",
        "1",
        (),
        "Spans dropped since start because the queue was full or the endpoint failed.",
    ),
    own("stretto_series", "1", (), "Series of derived figures in this scrape."),
    own("stretto_series_budget", "1", (), "Most series of derived figures that are exported."),
    own("stretto_series_folded", "1", (Label.LABEL,), f"Label values folded into '{OTHER}' in this scrape."),
    own(
        "stretto_ingest_lag_seconds",
        "s",
        (),
        "How long the oldest journal bytes that are not in the store have waited.",
    ),
    own(
        "stretto_sampler_cpu_seconds",
        "s",
        (),
        "Processor time spent sampling the agents' processes since start.",
    ),
    own("stretto_store_bytes", "By", (), "Size of the store's files."),
    own("stretto_journal_bytes", "By", (), "Size of the journal's files."),
)
