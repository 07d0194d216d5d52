"""Cache reports: turn the Python API's spans about the hits and misses of caches into events."""

from __future__ import annotations

from stretto.clock import SECOND
from stretto.model.event import Channel, Event, Kind, omit_none
from stretto.names import SpanAttribute
from stretto.sources.otlp import conventions
from stretto.sources.otlp.plain_records import Attributes, Span, get_count, get_number, get_text, to_duration


def make_cache_report(span: Span, session: str) -> Event:
    """Return the event of a report, at the report's time; it counts everything since the report before."""
    attributes = span.attributes
    return Event(
        kind=Kind.CACHE_REPORT,
        session=session,
        time=span.end,
        source=conventions.get_source(span),
        channel=Channel.OTLP,
        id=span.id,
        name=get_text(attributes, SpanAttribute.CACHE_NAME.value),
        attributes=omit_none(
            hits=get_count(attributes, SpanAttribute.CACHE_HITS.value),
            misses=get_count(attributes, SpanAttribute.CACHE_MISSES.value),
            evictions=get_count(attributes, SpanAttribute.CACHE_EVICTIONS.value),
            invalidations=get_count(attributes, SpanAttribute.CACHE_INVALIDATIONS.value),
            entries=get_count(attributes, SpanAttribute.CACHE_ENTRIES.value),
            refused=get_count(attributes, SpanAttribute.CACHE_REFUSED.value),
            evicted_misses=get_count(attributes, SpanAttribute.CACHE_EVICTED_MISSES.value),
            saved=_get_nanoseconds(attributes, SpanAttribute.CACHE_SAVED_SECONDS),
            lookup_time=_get_nanoseconds(attributes, SpanAttribute.CACHE_LOOKUP_SECONDS),
            bytes=get_count(attributes, SpanAttribute.CACHE_BYTES.value),
        ),
    )


def _get_nanoseconds(attributes: Attributes, name: SpanAttribute) -> int | None:
    seconds = get_number(attributes, name.value)
    return None if seconds is None else to_duration(seconds * SECOND)
