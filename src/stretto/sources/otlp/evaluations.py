"""Evaluations: turn evaluation results by the GenAI conventions into scores.

A result is an event ``gen_ai.evaluation.result`` on the judged span, or a log event in that span's context.
It may also be in the attributes of a separate span (conventions: docs/gen-ai/gen-ai-events.md of
github.com/open-telemetry/semantic-conventions-genai, status Development). A label without a number is not a
score, and explanations are never read. Stretto's own results name their target (``stretto.score.of``).
The target of others is the session or task of the span, else the nearest task above the span.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

from stretto.model.event import Channel, Event, Kind, omit_none
from stretto.model.span_tree import SpanRole
from stretto.names import EVALUATION, SpanAttribute
from stretto.sources.otlp import conventions, roles
from stretto.sources.otlp.plain_records import Attributes, LogRecord, Scalar, Span, get_id, get_text

SESSION, TASK = "session", "task"

_VALUE = SpanAttribute.EVALUATION_VALUE.value


def is_result(log: LogRecord) -> bool:
    """Return whether a log event is an evaluation result."""
    return log.name == EVALUATION


def read_span_scores(span: Span, session: str) -> Iterator[Event]:
    """Yield the scores on a span; the time of each is moved into the span if it lies outside."""
    of, of_id = _find_target(span, session)
    read_scores = partial(
        _read_scores, source=conventions.get_source(span), session=session, of=of, of_id=of_id
    )
    yield from read_scores(span.attributes, time=span.end)
    for judgement in span.judgements:
        yield from read_scores(judgement.attributes, time=min(max(judgement.time, span.start), span.end))


def read_log_scores(log: LogRecord, session: str) -> Iterator[Event]:
    """Yield the score in a log event; its span counts as a task, which concluding replaces by the span's."""
    of, of_id = (TASK, log.span) if log.span else (SESSION, session)
    source = conventions.get_source(log)
    yield from _read_scores(log.attributes, time=log.time, source=source, session=session, of=of, of_id=of_id)


def _read_scores(
    attributes: Attributes, *, time: int, source: str, session: str, of: str, of_id: str
) -> Iterator[Event]:
    name, value = get_text(attributes, SpanAttribute.EVALUATION_NAME.value), attributes.get(_VALUE)
    if name is None or isinstance(value, bool | str | None) or not math.isfinite(value):
        return
    target_id = get_id(attributes, SpanAttribute.SCORE_OF_ID.value)
    yield Event(
        kind=Kind.SCORE,
        session=session,
        time=time,
        source=source,
        channel=Channel.OTLP,
        id=target_id or of_id,
        name=name,
        attributes=omit_none(
            value=value,
            by=get_text(attributes, SpanAttribute.SCORE_BY.value),
            of=get_text(attributes, SpanAttribute.SCORE_OF.value) if target_id else of,
            out_of=_read_number(attributes.get(SpanAttribute.SCORE_OUT_OF.value)),
        ),
    )


def _read_number(value: Scalar | None) -> float | None:
    if isinstance(value, bool | str | None) or not math.isfinite(value):
        return None
    return float(value)


def _find_target(span: Span, session: str) -> tuple[str, str]:
    """Return kind and id of a span's target; the span counts as a task until concluding finds its task."""
    role = roles.find_role(span)
    if role in {SpanRole.SESSION, SpanRole.TURN}:
        return SESSION, session
    if role is SpanRole.TASK:
        return TASK, conventions.get_entity_id(span, role) or span.id
    owner = conventions.get_owner(span, role)
    if owner is None and conventions.holds_stretto_ids(span):
        owner = get_id(span.attributes, SpanAttribute.TASK_ID.value) or ""
    if owner is not None:
        return (TASK, owner) if owner else (SESSION, session)
    return TASK, span.id
