"""Evaluation: results by the GenAI conventions → scores.

A result is the event ``gen_ai.evaluation.result`` on the span of what is judged, or in a log in that span's
context, or it stands in the attributes of a span of its own (conventions: docs/gen-ai/gen-ai-events.md of
github.com/open-telemetry/semantic-conventions-genai, status Development). A label without a number is no
score, and explanations are never read. Stretto's own say what they are about (``stretto.score.of``); else it
is the session or task that the span is, or the nearest task around it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

from stretto.model.event import Channel, Event, Kind, omit_none
from stretto.names import EVALUATION, Attribute
from stretto.sources.otlp import conventions
from stretto.sources.otlp.conventions import Role
from stretto.sources.otlp.genai import SpanPlace, find_task, get_entity_id
from stretto.sources.otlp.plain_records import Attributes, LogRecord, Span, get_id, get_text

SESSION, TASK = "session", "task"

_VALUE = Attribute.EVALUATION_VALUE.value


def is_result(log: LogRecord) -> bool:
    """Tell whether a log event is a result."""
    return log.name == EVALUATION


def read_span_scores(span: Span, place: SpanPlace, session: str) -> Iterator[Event]:
    """Yield the scores that a span bears, at the time each was given, within the span."""
    of, of_id = _find_target(span, place, session)
    about = partial(_read_scores, source=conventions.get_source(span), session=session, of=of, of_id=of_id)
    yield from about(span.attributes, time=span.end)
    for said in span.judgements:
        yield from about(said.attributes, time=min(max(said.time, span.start), span.end))


def read_log_scores(log: LogRecord, session: str) -> Iterator[Event]:
    """Yield the score that a log event tells; what its span is may be told by another request."""
    of, of_id = (TASK, log.span) if log.span else (SESSION, session)
    source = conventions.get_source(log)
    yield from _read_scores(log.attributes, time=log.time, source=source, session=session, of=of, of_id=of_id)


def _read_scores(
    said: Attributes, *, time: int, source: str, session: str, of: str, of_id: str
) -> Iterator[Event]:
    name, value = get_text(said, Attribute.EVALUATION_NAME.value), said.get(_VALUE)
    if name is None or isinstance(value, bool | str | None) or not math.isfinite(value):
        return
    own = get_id(said, Attribute.SCORE_OF_ID.value)
    yield Event(
        kind=Kind.SCORE,
        session=session,
        time=time,
        source=source,
        channel=Channel.OTLP,
        id=own or of_id,
        name=name,
        attributes=omit_none(
            value=value,
            by=get_text(said, Attribute.SCORE_BY.value),
            of=get_text(said, Attribute.SCORE_OF.value) if own else of,
        ),
    )


def _find_target(span: Span, place: SpanPlace, session: str) -> tuple[str, str]:
    if place.role is Role.TASK:
        return TASK, get_entity_id(span, Role.TASK)
    task = None if place.role in (Role.SESSION, Role.TURN) else find_task(span, place)
    return (SESSION, session) if task is None else (TASK, task)
