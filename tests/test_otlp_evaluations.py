"""Evaluations by OTLP: results on spans, in spans' attributes and in logs, and the target of each."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from stretto import journal
from stretto.clock import SECOND
from stretto.model.event import Event, Kind
from stretto.sources.otlp.plain_records import SPAN_JUDGEMENT_LIMIT
from stretto.sources.otlp.receive import OtlpTranslator, Signal
from tests.otlp_requests import (
    JSON,
    NOW,
    PROTOBUF,
    T0,
    TRACE,
    as_json,
    as_protobuf,
    attributes,
    events_of,
    log,
    logs,
    only_session,
    receive,
    span,
    traces,
)

TURN, TASK, CHAT = 1, 2, 3
"""Span ids of the outermost agent, of the one it hands work to, and of that one's request."""


def result(name: str = "relevance", value: object = 0.5, *, at: float = 1.5, **rest: Any) -> dict[str, Any]:
    """Return an evaluation's result as an event on a span."""
    values = {"gen_ai.evaluation.name": name, "gen_ai.evaluation.score.value": value}
    values |= {key.replace("__", "."): value for key, value in rest.items()}
    return {
        "name": "gen_ai.evaluation.result",
        "timeUnixNano": str(T0 + round(at * SECOND)),
        "attributes": attributes(values),
    }


def agents(**events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a turn, its task and that task's request, with events on those named."""
    chat: dict[str, Any] = {"gen_ai.operation.name": "chat"}
    agent: dict[str, Any] = {"gen_ai.operation.name": "invoke_agent"}
    spans = {
        "chat": span("chat large", CHAT, TASK, at=1, **chat),
        "task": span("invoke_agent writer", TASK, TURN, lasts=3, **agent),
        "turn": span("invoke_agent lead", TURN, lasts=4, **agent),
    }
    for name, added in events.items():
        spans[name]["events"] = added
    return [*spans.values()]


def request_events(request: dict[str, Any], signal: Signal = Signal.TRACES) -> list[Event]:
    """Return the events of a request."""
    return events_of(receive(request, signal).records)


def scores(events: list[Event]) -> list[tuple[str, str, str, float, str | None]]:
    """Return a session's scores: kind and id of the target, name, value and judge."""
    return [(s.of, s.of_id, s.name, s.value, s.by) for s in only_session(events).scores]


@pytest.mark.parametrize(
    ("place", "judged"),
    [
        ("turn", ("session", TRACE)),
        ("task", ("task", f"{TASK:016x}")),
        ("chat", ("task", f"{TASK:016x}")),
    ],
)
def test_a_result_is_about_its_span(place: str, judged: tuple[str, str]) -> None:
    """On the outermost agent the target is the session, on a task the task, on a request its task."""
    events = request_events(traces(agents(**{place: [result()]})))

    assert scores(events) == [(*judged, "relevance", 0.5, None)]
    (event,) = [event for event in events if event.kind is Kind.SCORE]
    assert event.time == T0 + round(1.5 * SECOND)


def test_a_result_in_a_spans_own_attributes() -> None:
    """A span that is itself an evaluation judges the task above it, at its end."""
    values: dict[str, Any] = {"gen_ai.evaluation.name": "clarity", "gen_ai.evaluation.score.value": 3}
    events = request_events(traces([span("evaluate", 9, TASK, at=2, **values), *agents()]))

    assert scores(events) == [("task", f"{TASK:016x}", "clarity", 3.0, None)]
    assert [event.time for event in events if event.kind is Kind.SCORE] == [T0 + 3 * SECOND]


@pytest.mark.parametrize(
    ("above", "judged"),
    [(TURN, ("session", TRACE)), (TASK, ("task", f"{TASK:016x}")), (CHAT, ("task", f"{TASK:016x}"))],
)
@pytest.mark.parametrize("first", [Signal.LOGS, Signal.TRACES])
def test_a_result_in_a_log(above: int, judged: tuple[str, str], first: Signal) -> None:
    """A log event in the context of a span is about that span, even if another request brings the span."""
    values: dict[str, Any] = {"gen_ai.evaluation.name": "tone", "gen_ai.evaluation.score.value": -1.5}
    record = log("gen_ai.evaluation.result", at=5, above=above, **values)
    receiver = OtlpTranslator(journal.encode_event)
    requests = [(Signal.TRACES, traces(agents())), (Signal.LOGS, logs([record], service="judge"))]
    events = [
        event
        for signal, request in sorted(requests, key=lambda each: each[0] is not first)
        for event in events_of(receive(request, signal, receiver).records)
    ]

    assert scores(events) == [(*judged, "tone", -1.5, None)]
    assert only_session(events).source == "shop"


def test_a_result_in_a_log_that_names_its_session() -> None:
    """Without a trace, the session's id is enough; without both there is no score."""
    values: dict[str, Any] = {"gen_ai.evaluation.name": "tone", "gen_ai.evaluation.score.value": 1}
    named = log("gen_ai.evaluation.result", **values, session__id="s1")
    events = request_events(logs([named, log("gen_ai.evaluation.result", **values)]), Signal.LOGS)

    assert [(event.session, event.id, event.attributes["of"]) for event in events] == [
        ("s1", "s1", "session")
    ]


@pytest.mark.parametrize(
    "value", ["good", True, math.nan, math.inf, None], ids=["text", "truth", "nan", "infinite", "none"]
)
def test_what_is_no_number_is_no_score(value: object) -> None:
    """A label without a number, or a number without a name, is ignored; other results are kept."""
    results = [] if value is None else [result(value=value)]
    nameless = result()
    del nameless["attributes"][0]
    events = request_events(traces(agents(task=[*results, nameless, result("kept", 1)])))

    assert [score[2] for score in scores(events)] == ["kept"]


def test_explanations_are_not_kept() -> None:
    """A judge's explanation is content, and is never kept."""
    explained = result(gen_ai__evaluation__explanation="the secret plan is good")
    received = receive(traces(agents(task=[explained])))

    assert b"secret" not in received.records


def test_a_time_outside_its_span_is_moved_to_its_edge() -> None:
    """The time of a result is moved into its span: another clock does not extend the session."""
    events = request_events(traces(agents(task=[result("a", at=-(10**9)), result("b", at=10**9)])))

    times = {event.name: event.time for event in events if event.kind is Kind.SCORE}
    assert times == {"a": T0, "b": T0 + 3 * SECOND}


@pytest.mark.parametrize("content_type", [JSON, PROTOBUF])
def test_both_encodings_read_events(content_type: str) -> None:
    """Results are read from both encodings, up to a limit per span; other events are ignored."""
    many = [result(f"n{number}", number) for number in range(SPAN_JUDGEMENT_LIMIT + 50)]
    other = {"name": "gen_ai.request.attempt", "timeUnixNano": str(T0), "attributes": []}
    request = traces(agents(task=[other, *many]))
    body = as_json(request) if content_type == JSON else as_protobuf(Signal.TRACES, request)
    received = OtlpTranslator(journal.encode_event).receive_request(
        Signal.TRACES, body, content_type=content_type, now=NOW
    )

    assert received.rejected == 0
    found = scores(events_of(received.records))
    assert len(found) == SPAN_JUDGEMENT_LIMIT
    assert {score[2] for score in found} == {f"n{number}" for number in range(SPAN_JUDGEMENT_LIMIT)}


@pytest.mark.parametrize(
    "bad",
    [
        7,
        {"name": "gen_ai.evaluation.result", "attributes": 7},
        {"name": "gen_ai.evaluation.result", "timeUnixNano": "noon"},
        {"name": ["gen_ai.evaluation.result"]},
    ],
)
def test_a_bad_event_costs_neither_span_nor_neighbour(bad: object) -> None:
    """If an event cannot be decoded, its span and the other events are kept."""
    request = traces(agents(task=[bad, result("kept", 1)]))  # type: ignore[list-item]  # that is the test
    received = receive(request)

    assert received.rejected == 0
    assert [score[2] for score in scores(events_of(received.records))] == ["kept"]


@pytest.mark.parametrize("events", [7, "gen_ai.evaluation.result", {"a": "gen_ai.evaluation.result"}, None])
def test_events_that_are_no_list(events: object) -> None:
    """If the events of a span are not a list, the span is read."""
    spans = agents()
    spans[1]["events"] = events
    received = receive(traces(spans))

    assert received.rejected == 0
    assert len(only_session(events_of(received.records)).tasks) == 1


def test_names_in_snake_case() -> None:
    """Results with protobuf's own field names are read too."""
    body = json.dumps(traces(agents(task=[result()])))
    for camel, snake in (
        ("resourceSpans", "resource_spans"),
        ("scopeSpans", "scope_spans"),
        ("timeUnixNano", "time_unix_nano"),
        ("stringValue", "string_value"),
        ("doubleValue", "double_value"),
        ("traceId", "trace_id"),
        ("spanId", "span_id"),
        ("parentSpanId", "parent_span_id"),
    ):
        body = body.replace(f'"{camel}"', f'"{snake}"')
    received = OtlpTranslator(journal.encode_event).receive_request(
        Signal.TRACES, body.encode(), content_type=JSON, now=NOW
    )

    assert scores(events_of(received.records)) == [("task", f"{TASK:016x}", "relevance", 0.5, None)]


def test_a_judge_may_send_nothing_but_results() -> None:
    """An evaluation's span that comes alone, in the trace of its target, is read."""
    values: dict[str, Any] = {"gen_ai.evaluation.name": "clarity", "gen_ai.evaluation.score.value": 3}
    receiver = OtlpTranslator(journal.encode_event)
    first = receive(traces(agents()), receiver=receiver)
    later = receive(traces([span("evaluate", 9, TASK, at=60, **values)]), receiver=receiver)

    assert scores([*events_of(first.records), *events_of(later.records)]) == [
        ("task", f"{TASK:016x}", "clarity", 3.0, None)
    ]
