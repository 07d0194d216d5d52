"""Helpers of tests: write OTLP requests in both encodings, and read the events that a receiver makes."""

from __future__ import annotations

import base64
import json
import math
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message
from msgspec.structs import replace
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from stretto import journal
from stretto.clock import SECOND
from stretto.model.conclude_session import conclude_session
from stretto.model.entities import Session
from stretto.model.event import Event, Kind
from stretto.model.events_from_spans import make_events_of_spans
from stretto.model.facts import SessionFacts
from stretto.model.fold import fold_events
from stretto.sources.otlp.receive import OtlpTranslator, RequestResult, Signal
from stretto.store.traces_joined_to_sessions import (
    find_session_home,
    find_session_joins,
    merge_sessions_and_find_moved_id,
)

JSON = "application/json"
PROTOBUF = "application/x-protobuf"

T0 = 1_795_000_000 * SECOND
"""When the spans of a test begin, unless it says otherwise."""
NOW = T0 + 3_600 * SECOND
TRACE = "0af7651916cd43dd8448eb211c80319c"

MESSAGES: Mapping[Signal, type[Message]] = {
    Signal.TRACES: ExportTraceServiceRequest,
    Signal.LOGS: ExportLogsServiceRequest,
    Signal.METRICS: ExportMetricsServiceRequest,
}

_IDS = frozenset({"traceId", "spanId", "parentSpanId"})


def attributes(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return attributes as OTLP/JSON writes them."""
    return [{"key": key, "value": _any_value(value)} for key, value in values.items()]


def _any_value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        named = {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, value)
        return {"doubleValue": "NaN" if math.isnan(value) else named}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_any_value(item) for item in value]}}
    return {"stringValue": value}


def span(
    name: str,
    number: int,
    parent: int = 0,
    *,
    at: float = 0,
    lasts: float = 1,
    trace: str = TRACE,
    failed: bool = False,
    **values: Any,
) -> dict[str, Any]:
    """Return a span; ``at`` and ``lasts`` are seconds, and ``__`` in an attribute's name stands for a dot."""
    start = T0 + round(at * SECOND)
    return {
        "traceId": trace,
        "spanId": f"{number:016x}",
        **({"parentSpanId": f"{parent:016x}"} if parent else {}),
        "name": name,
        "kind": 1,
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(start + round(lasts * SECOND)),
        "attributes": attributes({key.replace("__", "."): value for key, value in values.items()}),
        "status": {"code": 2, "message": "it failed"} if failed else {},
    }


def log(name: str, *, at: float = 0, above: int = 0, **values: Any) -> dict[str, Any]:
    """Return a log event of Claude Code's shape, written ``at`` seconds in the context of a span."""
    values_with_name = {
        "event.name": name,
        **{key.replace("__", "."): value for key, value in values.items()},
    }
    return {
        "timeUnixNano": str(T0 + round(at * SECOND)),
        "body": {"stringValue": f"claude_code.{name}"},
        "attributes": attributes(values_with_name),
        **({"traceId": TRACE, "spanId": f"{above:016x}"} if above else {}),
    }


def traces(spans: Iterable[dict[str, Any]], *, scope: str = "test", service: str = "shop") -> dict[str, Any]:
    """Return an export request of spans from one scope."""
    return {"resourceSpans": [_group(service, {"scopeSpans": [_scoped(scope, {"spans": [*spans]})]})]}


def logs(records: Iterable[dict[str, Any]], *, scope: str = "test", service: str = "shop") -> dict[str, Any]:
    """Return an export request of log records from one scope."""
    return {"resourceLogs": [_group(service, {"scopeLogs": [_scoped(scope, {"logRecords": [*records]})]})]}


def _group(service: str, scopes: dict[str, Any]) -> dict[str, Any]:
    return {"resource": {"attributes": attributes({"service.name": service})}, **scopes}


def _scoped(scope: str, items: dict[str, Any]) -> dict[str, Any]:
    return {"scope": {"name": scope, "version": "1"}, **items}


def as_json(request: Mapping[str, Any]) -> bytes:
    """Return a request's body in JSON."""
    return json.dumps(request).encode()


def as_protobuf(signal: Signal, request: Mapping[str, Any]) -> bytes:
    """Return a request's body in protobuf, by way of protobuf's own JSON, where ids are base64."""
    message = MESSAGES[signal]()
    json_format.ParseDict(_with_base64_ids(request), message, ignore_unknown_fields=True)
    return bytes(message.SerializeToString())


def _with_base64_ids(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_base64_ids(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: base64.b64encode(bytes.fromhex(item)).decode() if key in _IDS else _with_base64_ids(item)
        for key, item in value.items()
    }


def events_of(records: bytes) -> list[Event]:
    """Return the events in journal records; one that the journal would set aside fails the test."""
    parsed = [journal.parse_line(line) for line in records.split(b"\n") if line]
    assert [event for event in parsed if not isinstance(event, Event)] == []
    return [event for event in parsed if isinstance(event, Event)]


def entity_events(events: Iterable[Event]) -> list[Event]:
    """Return the events, with the spans of each session replaced by what they amount to."""
    others: list[Event] = []
    spans: dict[str, list[Event]] = {}
    for event in events:
        (others if event.kind is not Kind.SPAN else spans.setdefault(event.session, [])).append(event)
    for session, members in spans.items():
        facts = SessionFacts(session)
        fold_events(facts, members)
        others += make_events_of_spans(facts.spans, session).events
    return others


def receive(
    request: Mapping[str, Any], signal: Signal = Signal.TRACES, receiver: OtlpTranslator | None = None
) -> RequestResult:
    """Return the result of a request in JSON."""
    receiver = receiver or OtlpTranslator(journal.encode_event)
    return receiver.receive_request(signal, as_json(request), content_type=JSON, now=NOW)


def span_events(*spans: dict[str, Any], scope: str = "test", service: str = "shop") -> list[Event]:
    """Return the events of spans that come in one request."""
    return events_of(receive(traces(spans, scope=scope, service=service)).records)


def sessions(events: Iterable[Event], *, lost: bool = True) -> dict[str, Session]:
    """Return the sessions of events, by id; a task's type is its description."""
    by_session: dict[str, list[Event]] = {}
    for event in events:
        by_session.setdefault(event.session, []).append(event)
    sessions_by_id = {}
    for session_id, members in by_session.items():
        facts = SessionFacts(session_id)
        fold_events(facts, members)
        sessions_by_id[session_id] = conclude_session(
            facts, lost=lost, classify=lambda described, *_: described or "other"
        )
    return sessions_by_id


def move_home(events: Iterable[Event]) -> list[Event]:
    """Return the events with the sessions that the store finds for them, whatever ids they came under."""
    events = list(events)
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE session_homes (trace TEXT PRIMARY KEY, session TEXT NOT NULL)")
        for join in find_session_joins(events):
            merge_sessions_and_find_moved_id(connection, join)
        homes = {id: find_session_home(connection, id) for id in {event.session for event in events}}
    return [replace(event, session=homes[event.session]) for event in events]


def only_session(events: Iterable[Event], *, lost: bool = True) -> Session:
    """Return the only session of events."""
    (session,) = sessions(events, lost=lost).values()
    return session
