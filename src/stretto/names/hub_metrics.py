"""Metrics of a team's hub: what it received since its start. A machine's service does not export them."""

from __future__ import annotations

from stretto.names.labels import Label
from stretto.names.metric import Metric, define_hub_counter

HUB_METRICS: tuple[Metric, ...] = (
    define_hub_counter(
        "stretto_hub_received_documents_total",
        "1",
        (),
        "Documents of sessions that machines sent to the hub.",
    ),
    define_hub_counter(
        "stretto_hub_stored_documents_total",
        "1",
        (),
        "Documents that the hub stored, or had in a later revision.",
    ),
    define_hub_counter(
        "stretto_hub_refused_documents_total",
        "1",
        (Label.REASON,),
        "Documents that the hub refused, by reason.",
    ),
    define_hub_counter(
        "stretto_hub_skewed_documents_total",
        "1",
        (),
        "Documents from more than five minutes ahead of the hub's clock.",
    ),
    define_hub_counter(
        "stretto_hub_received_bytes_total", "By", (), "Bytes of requests with documents, as they came."
    ),
    define_hub_counter(
        "stretto_hub_lag_seconds_total",
        "s",
        (),
        "Time from the last event of stored sessions to their arrival, summed.",
    ),
)
