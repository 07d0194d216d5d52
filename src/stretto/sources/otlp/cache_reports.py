"""Cache reports: the spans in which the Python API tells what caches have counted → events."""

from __future__ import annotations

from stretto.model.event import Channel, Event, Kind, omit_none
from stretto.names import Attribute
from stretto.sources.otlp import conventions
from stretto.sources.otlp.plain_records import Span, get_count, get_text


def make_cache_report(span: Span, session: str) -> Event:
    """Return the event of a report; its time is that of the report, which covers all since the one before."""
    said = span.attributes
    return Event(
        kind=Kind.CACHE_REPORT,
        session=session,
        time=span.end,
        source=conventions.get_source(span),
        channel=Channel.OTLP,
        id=span.id,
        name=get_text(said, Attribute.CACHE_NAME.value),
        attributes=omit_none(
            hits=get_count(said, Attribute.CACHE_HITS.value),
            misses=get_count(said, Attribute.CACHE_MISSES.value),
            evictions=get_count(said, Attribute.CACHE_EVICTIONS.value),
            invalidations=get_count(said, Attribute.CACHE_INVALIDATIONS.value),
            entries=get_count(said, Attribute.CACHE_ENTRIES.value),
        ),
    )
