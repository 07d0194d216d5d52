"""Samples from spans: turn the Python API's records of what a session's processes used into samples."""

from __future__ import annotations

from stretto.clock import SECOND
from stretto.model.event import Channel, Event, Kind, omit_none
from stretto.names import SpanAttribute, fact_fields
from stretto.sources.otlp import conventions
from stretto.sources.otlp.plain_records import Span, get_count, get_number, to_duration


def make_recorded_sample(span: Span, session: str) -> list[Event]:
    """Return the sample of a stretch that ends with the span; nothing if its length cannot be right."""
    attributes = span.attributes
    seconds = get_number(attributes, SpanAttribute.RESOURCES_SECONDS.value)
    cpu = get_number(attributes, SpanAttribute.RESOURCES_CPU_SECONDS.value)
    duration = None if seconds is None else to_duration(seconds * SECOND)
    if not duration or duration >= span.end:
        return []
    amounts = {
        fact_fields.CPU: None if cpu is None else to_duration(cpu * SECOND),
        fact_fields.MEMORY: get_count(attributes, SpanAttribute.RESOURCES_MEMORY_BYTES.value),
        fact_fields.MEMORY_PEAK: get_count(attributes, SpanAttribute.RESOURCES_MEMORY_PEAK_BYTES.value),
        fact_fields.READ: get_count(attributes, SpanAttribute.RESOURCES_READ_BYTES.value),
        fact_fields.WRITTEN: get_count(attributes, SpanAttribute.RESOURCES_WRITTEN_BYTES.value),
    }
    return [
        Event(
            kind=Kind.SAMPLE,
            session=session,
            time=span.end - duration,
            source=conventions.get_source(span),
            channel=Channel.OTLP,
            duration=duration,
            attributes=omit_none(**amounts),
        )
    ]
