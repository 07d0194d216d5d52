"""Translate spans of agent frameworks into events that depend on nothing but the span itself.

A span becomes a single event with its id, the id of the span above it, the role that it declares
(``conventions``) and its values. What it is in the session depends on the spans above and beside it, which
other requests may bring: ``model.join_channel_reports`` finds that out from all spans of the session.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from stretto.clock import SECOND
from stretto.model.event import Channel, Event, Kind, Outcome, Value, omit_none
from stretto.model.span_tree import SpanRole
from stretto.names import SpanAttribute
from stretto.sources.otlp import conventions, roles
from stretto.sources.otlp.plain_records import Span, get_count, get_labels, get_number, get_text, to_duration


def is_relevant_span(span: Span, dropped: frozenset[SpanRole] = frozenset()) -> bool:
    """Return whether a span gives events of its own: an entity, a span of the Python API, or a judgement.

    ``dropped`` are roles that are not collected. The top of a trace is: it may be all that its session has.
    """
    if conventions.has_judgement(span) or span.joined_traces:
        return True
    role = roles.find_role(span)
    is_collected = role not in dropped or not span.parent
    return is_collected and (role is not SpanRole.LINK or conventions.is_from_api(span))


def find_named_session(spans: list[Span]) -> str | None:
    """Return the session that spans of a trace name: by the best-ranked attribute, in the earliest span."""
    ranked_sessions = (
        (conventions.find_ranked_session(span.attributes, is_root=not span.parent), span) for span in spans
    )
    # Each candidate is (rank, session, span): the lowest rank wins, then the earliest span.
    candidates = [(*ranked_session, span) for ranked_session, span in ranked_sessions if ranked_session]
    if not candidates:
        return None
    return min(candidates, key=lambda candidate: (candidate[0], candidate[2].start, candidate[1]))[1]


def make_span_event(span: Span, session: str) -> Event:
    """Return the event of a span."""
    role = roles.find_role(span)
    outcome: Outcome | None = conventions.get_outcome(span)
    duration = span.duration
    if role is SpanRole.TOOL:
        seconds = get_number(span.attributes, SpanAttribute.TOOL_EXECUTION_SECONDS.value)
        duration = duration if seconds is None else to_duration(seconds * SECOND)
        outcome = conventions.get_tool_outcome(span)
    return Event(
        kind=Kind.SPAN,
        session=session,
        time=span.start,
        source=conventions.get_source(span),
        channel=Channel.OTLP,
        id=span.id,
        parent=span.parent or None,
        duration=duration,
        name=conventions.get_entity_name(span, role),
        type=_get_type(span, role),
        outcome=outcome,
        attributes=omit_none(
            role=role.value,
            trace=span.trace,
            # Without it the end is the start plus the duration.
            end=None if duration is not None and span.start + duration == span.end else span.end,
            entity=conventions.get_entity_id(span, role),
            owner=conventions.get_owner(span, role),
            joined=list(span.joined_traces) or None,
            agent_id=conventions.get_calling_agent_id(span, role),
            labels=None if span.parent else get_labels(span.attributes),
            project=None if span.parent else get_text(span.attributes, *conventions.PROJECTS),
            **_get_specific_values(span, role),
        ),
    )


def make_session_events(span: Span, session: str) -> list[Event]:
    """Return start and end of the session that a span declares; none for other spans."""
    if roles.find_role(span) is not SpanRole.SESSION:
        return []
    new_event = _bind_event(span, session)
    name = conventions.get_workflow_name(span)
    attributes = omit_none(
        # Stretto sends a session without a pattern under the name of its source.
        pattern=None if name == conventions.get_source(span) else name,
        project=get_text(span.attributes, *conventions.PROJECTS),
    )
    start = new_event(kind=Kind.SESSION_START, time=span.start, attributes=attributes)
    if span.attributes.get(SpanAttribute.END_KNOWN.value) is False:
        return [start]
    return [start, new_event(kind=Kind.SESSION_END, time=span.end, outcome=conventions.get_outcome(span))]


def _bind_event(span: Span, session: str) -> Callable[..., Event]:
    return partial(Event, session=session, source=conventions.get_source(span), channel=Channel.OTLP)


def _get_type(span: Span, role: SpanRole) -> str | None:
    name = {SpanRole.TURN: SpanAttribute.TURN_ORIGIN, SpanRole.TASK: SpanAttribute.TASK_TYPE}.get(role)
    if role is SpanRole.AGENT:
        name = SpanAttribute.TASK_TYPE
    return None if name is None else get_text(span.attributes, name.value)


def _get_specific_values(span: Span, role: SpanRole) -> dict[str, Value | None]:
    """Return the values that only spans of a role have."""
    attributes = span.attributes
    if role is SpanRole.MODEL:
        return {
            **conventions.get_usage(attributes),
            "response": conventions.get_response_id(span),
            "error": conventions.get_error_class(attributes),
        }
    if role is SpanRole.TOOL:
        return {
            "call": conventions.get_call_id(span),
            "error": conventions.get_error_class(attributes),
            "wrote": conventions.get_written_files(attributes),
            "test_framework": get_text(attributes, SpanAttribute.TEST_FRAMEWORK.value),
            "tests_passed": get_count(attributes, SpanAttribute.TESTS_PASSED.value),
            "tests_failed": get_count(attributes, SpanAttribute.TESTS_FAILED.value),
            "tests_skipped": get_count(attributes, SpanAttribute.TESTS_SKIPPED.value),
            "tests_deselected": get_count(attributes, SpanAttribute.TESTS_DESELECTED.value),
            "test_parts": get_count(attributes, SpanAttribute.TEST_PARTS.value),
            "test_parts_cached": get_count(attributes, SpanAttribute.TEST_PARTS_CACHED.value),
        }
    if role in _DELEGATED:
        is_from_api = conventions.is_from_api(span)
        conflict = attributes.get(SpanAttribute.TASK_CONFLICT.value)
        return {
            "delegated_by": conventions.get_invoking_call(span),
            "description": get_text(attributes, SpanAttribute.TASK_DESCRIPTION.value),
            "phase": get_text(attributes, SpanAttribute.PHASE.value) if is_from_api else None,
            "error": conventions.get_error_class(attributes),
            "wrote": conventions.get_written_files(attributes),
            "conflict": conflict if isinstance(conflict, bool) else None,
        }
    return {}


_DELEGATED = frozenset({SpanRole.TASK, SpanRole.UNIT, SpanRole.AGENT, SpanRole.CHAIN})
