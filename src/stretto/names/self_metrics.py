"""What Stretto says of itself."""

from __future__ import annotations

from stretto.names.labels import OTHER, Label
from stretto.names.metric import Metric, own

OWN: tuple[Metric, ...] = (
    own("build_info", "1", (Label.VERSION,), "Always 1; the version is the label."),
    own("collector_success", "1", (Label.GROUP,), "1 where a group of figures could be worked out, else 0."),
    own(
        "collector_duration_seconds", "s", (Label.GROUP,), "How long a group of figures took in this scrape."
    ),
    own("snapshot_timestamp_seconds", "unixtime", (), "When the figures were last worked out."),
    own("snapshot_duration_seconds", "s", (), "How long working out the figures took."),
    own("ingest_pending_bytes", "By", (), "Journal bytes not yet in the store."),
    own("ingest_events", "1", (), "Events in the store's journal position."),
    own("rejected_lines", "1", (Label.REASON,), "Input set aside, by reason."),
    own("spans_sent", "1", (), "Spans handed to the OTLP endpoint since start."),
    own(
        "spans_dropped",
        "1",
        (),
        "Spans dropped since start because the queue was full or the endpoint failed.",
    ),
    own("series", "1", (), "Series of derived figures in this scrape."),
    own("series_budget", "1", (), "Most series of derived figures that are exported."),
    own("series_folded", "1", (Label.LABEL,), f"Label values folded into '{OTHER}' in this scrape."),
    own(
        "ingest_lag_seconds",
        "s",
        (),
        "How long the oldest journal bytes that are not in the store have waited.",
    ),
    own("sampler_cpu_seconds", "s", (), "Processor time spent sampling the agents' processes since start."),
    own("store_bytes", "By", (), "Size of the store's files."),
    own("journal_bytes", "By", (), "Size of the journal's files."),
)
