"""Cache reports: the spans in which the Python API tells what caches have counted → events."""

from __future__ import annotations

from stretto.model.event import Channel, Event, Kind, present
from stretto.names import Attribute
from stretto.sources.otlp import conventions
from stretto.sources.otlp.plain_records import Span, count, named


def cache_report(span: Span, session: str) -> Event:
    """Return the event of a report; its time is that of the report, which covers all since the one before."""
    said = span.attributes
    return Event(
        kind=Kind.CACHE_REPORT,
        session=session,
        time=span.end,
        source=conventions.source(span),
        channel=Channel.OTLP,
        id=span.id,
        name=named(said, Attribute.CACHE_NAME.value),
        attributes=present(
            hits=count(said, Attribute.CACHE_HITS.value),
            misses=count(said, Attribute.CACHE_MISSES.value),
            evictions=count(said, Attribute.CACHE_EVICTIONS.value),
            invalidations=count(said, Attribute.CACHE_INVALIDATIONS.value),
            entries=count(said, Attribute.CACHE_ENTRIES.value),
        ),
    )
