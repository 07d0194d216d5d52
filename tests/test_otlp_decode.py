"""OTLP requests: both encodings, compression, limits, refusals, partial success."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from stretto import journal
from stretto.clock import DAY, SECOND
from stretto.model.event import Kind
from stretto.sources.otlp import claude_code, conventions
from stretto.sources.otlp.receive import (
    EARLIEST,
    Limits,
    OtlpTranslator,
    RefusedError,
    RequestResult,
    Signal,
    make_refusal,
)
from tests.otlp_requests import (
    JSON,
    NOW,
    PROTOBUF,
    T0,
    TRACE,
    as_json,
    as_protobuf,
    entity_events,
    events_of,
    log,
    logs,
    receive,
    span,
    traces,
)

CLAUDE = "com.anthropic.claude_code.tracing"


def a_trace() -> dict[str, Any]:
    """Return an agent that calls a model and a tool, and a span between them that follows no convention."""
    return traces([
        span("chat gpt", 4, 2, at=0.1, gen_ai__operation__name="chat", gen_ai__request__model="gpt",
             gen_ai__usage__input_tokens=12, gen_ai__usage__output_tokens=5, gen_ai__messages="a secret"),
        span("tool", 3, 2, at=1, lasts=2, failed=True, gen_ai__operation__name="execute_tool",
             gen_ai__tool__name="look_up", error__type="TimeoutError", gen_ai__tags=["a", "b"], ratio=0.5),
        span("GET /", 2, 1, lasts=5, http__route="/"),
        span("invoke_agent", 1, lasts=9, gen_ai__operation__name="invoke_agent", gen_ai__agent__name="shop"),
    ])  # fmt: skip


def some_logs() -> dict[str, Any]:
    """Return a log event of Claude Code and a log line of another program."""
    result = log(
        "tool_result", session__id="s", tool_use_id="t", tool_name="Bash", success="true", duration_ms="5"
    )
    return logs([result, log("", text="started")], service="claude-code")


def receive_bytes(
    signal: Signal, body: bytes, content_type: str, encoding: str = "", limits: Limits | None = None
) -> RequestResult:
    """Return the result of a body given to a new receiver."""
    receiver = OtlpTranslator(journal.encode_event, limits)
    return receiver.receive_request(
        signal, body, content_type=content_type, content_encoding=encoding, now=NOW
    )


def refused(
    signal: Signal, body: bytes, content_type: str, encoding: str = "", limits: Limits | None = None
) -> RefusedError:
    """Return the error with which a body is refused."""
    with pytest.raises(RefusedError) as error:
        receive_bytes(signal, body, content_type, encoding, limits)
    return error.value


# The same data in another form.


@pytest.mark.parametrize(("signal", "request_"), [(Signal.TRACES, a_trace()), (Signal.LOGS, some_logs())])
def test_encodings_agree(signal: Signal, request_: dict[str, Any]) -> None:
    """JSON and protobuf of the same data give the same records, byte for byte."""
    by_json = receive_bytes(signal, as_json(request_), JSON)
    by_protobuf = receive_bytes(signal, as_protobuf(signal, request_), PROTOBUF)

    assert by_json.records
    assert by_protobuf.records == by_json.records
    assert (by_protobuf.events, by_protobuf.ignored, by_protobuf.rejected) == (
        by_json.events,
        by_json.ignored,
        by_json.rejected,
    )


@pytest.mark.parametrize("media", [JSON, PROTOBUF])
def test_linked_traces_of_a_message_runtime(media: str) -> None:
    """The other traces that a runtime's span is linked with are written; links of other senders are not."""
    other, third = "1" * 32, "2" * 32
    links = [{"traceId": id, "spanId": "3" * 16} for id in (other, TRACE, other, third)]
    linked = {**span("publish", 1), "links": links}

    for scope, expected in (("autogen SingleThreadedAgentRuntime", [[other, third]]), ("queue", [])):
        request = traces([linked], scope=scope)
        body = as_json(request) if media == JSON else as_protobuf(Signal.TRACES, request)
        events = events_of(receive_bytes(Signal.TRACES, body, media).records)
        assert [event.attributes["joined"] for event in events] == expected


def test_gzip() -> None:
    """A compressed body gives the same records as the plain body."""
    body = as_protobuf(Signal.TRACES, a_trace())
    plain = receive_bytes(Signal.TRACES, body, PROTOBUF)

    for encoding in ("gzip", " GZIP "):
        assert receive_bytes(Signal.TRACES, gzip.compress(body), PROTOBUF, encoding) == plain
    assert receive_bytes(Signal.TRACES, body, PROTOBUF, "identity") == plain


def test_snake_case() -> None:
    """JSON with protobuf's field names gives the same records as JSON in camelCase."""
    names = [
        "resourceSpans", "scopeSpans", "traceId", "spanId", "parentSpanId", "startTimeUnixNano",
        "endTimeUnixNano", "stringValue", "intValue", "doubleValue", "arrayValue",
    ]  # fmt: skip
    body = as_json(a_trace())
    for name in names:
        snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
        assert f'"{name}"'.encode() in body
        body = body.replace(f'"{name}"'.encode(), f'"{snake}"'.encode())

    assert receive_bytes(Signal.TRACES, body, JSON).records == receive(a_trace()).records


def test_lenient_json() -> None:
    """Numbers may be text, ids may be in capitals, and null means an absent value."""
    strict = a_trace()
    loose = json.loads(as_json(strict))
    for each in loose["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        each["traceId"] = each["traceId"].upper()
        each["startTimeUnixNano"] = int(each["startTimeUnixNano"])
        each["events"] = each["links"] = None
        for pair in each["attributes"]:
            if "intValue" in pair["value"]:
                pair["value"]["intValue"] = int(pair["value"]["intValue"])
        each.setdefault("parentSpanId", "")
    loose["resourceSpans"].append({"resource": None, "scopeSpans": None})

    assert receive(loose).records == receive(strict).records


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON"])
def test_content_type_parameters(content_type: str) -> None:
    """Parameters of a content type are ignored."""
    received = receive_bytes(Signal.TRACES, as_json(a_trace()), content_type)

    assert received.events > 0
    assert received.response_content_type == JSON


def test_resource_attributes_stand_in() -> None:
    """An attribute that a span lacks is taken from its resource."""
    request = traces([span("chat", 1, gen_ai__operation__name="chat")])
    request["resourceSpans"][0]["resource"]["attributes"].append(
        {
            "key": "session.id",
            "value": {"stringValue": "from-the-resource"},
        }
    )
    bodies = [(as_json(request), JSON), (as_protobuf(Signal.TRACES, request), PROTOBUF)]

    for body, content_type in bodies:
        (event,) = events_of(receive_bytes(Signal.TRACES, body, content_type).records)
        assert (event.session, event.source) == ("from-the-resource", "shop")


def test_order_of_protobuf_fields() -> None:
    """A scope or resource after its spans still applies to them: protobuf fields have no order."""
    body = as_protobuf(Signal.TRACES, traces([claude_tool(1)], scope=CLAUDE, service="other"))
    group = parts_of(body)[0][1]
    resource, scoped = parts_of(group)
    scope, item = parts_of(scoped[1])
    turned = field(1, field(2, field(*item) + field(*scope)) + field(*resource))

    assert (
        receive_bytes(Signal.TRACES, turned, PROTOBUF).records
        == receive_bytes(Signal.TRACES, body, PROTOBUF).records
    )


# Answers.


def test_full_success() -> None:
    """If everything was accepted, partial success stays unset, as the protocol demands."""
    assert receive(a_trace()).response == b"{}"
    assert receive_bytes(Signal.TRACES, as_protobuf(Signal.TRACES, a_trace()), PROTOBUF).response == b""


def test_partial_success_in_protobuf() -> None:
    """Rejected spans are reported to the client, counted, with a reason."""
    request = traces([*a_trace()["resourceSpans"][0]["scopeSpans"][0]["spans"], broken_span()])
    received = receive_bytes(Signal.TRACES, as_protobuf(Signal.TRACES, request), PROTOBUF)
    answer = ExportTraceServiceResponse.FromString(received.response)

    assert received.response_content_type == PROTOBUF
    assert (received.rejected, received.events) == (1, receive(a_trace()).events)
    assert answer.partial_success.rejected_spans == 1
    assert (
        answer.partial_success.error_message == received.error_message == "a span without trace id or span id"
    )


def test_partial_success_in_json() -> None:
    """The same in JSON, where protobuf's 64-bit numbers are text."""
    received = receive(traces([broken_span()]))

    assert json.loads(received.response) == {
        "partialSuccess": {"rejectedSpans": "1", "errorMessage": "a span without trace id or span id"}
    }


def test_partial_success_of_logs() -> None:
    """Rejected log records have their own counter."""
    late = log("tool_result", session__id="s", tool_use_id="t", at=2 * DAY / SECOND)
    request = logs([late], service="claude-code")
    by_json = receive(request, Signal.LOGS)
    by_protobuf = receive_bytes(Signal.LOGS, as_protobuf(Signal.LOGS, request), PROTOBUF)

    assert json.loads(by_json.response)["partialSuccess"]["rejectedLogRecords"] == "1"
    assert (
        ExportLogsServiceResponse.FromString(by_protobuf.response).partial_success.rejected_log_records == 1
    )


def test_metrics_are_counted() -> None:
    """Metrics are accepted and counted, but give no events: spans and log events hold the same facts."""
    request = {
        "resourceMetrics": [{"scopeMetrics": [{"scope": {}, "metrics": [{"name": "a"}, {"name": "b"}]}]}]
    }

    for body, content_type in (
        (as_json(request), JSON),
        (as_protobuf(Signal.METRICS, request), PROTOBUF),
    ):
        received = receive_bytes(Signal.METRICS, body, content_type)
        assert (received.records, received.events, received.ignored, received.rejected) == (b"", 0, 2, 0)


def test_empty_request() -> None:
    """An empty request is accepted: exporters send it to test the connection."""
    for body, content_type in ((b"{}", JSON), (b"", PROTOBUF)):
        received = receive_bytes(Signal.TRACES, body, content_type)
        assert (received.records, received.rejected) == (b"", 0)


def test_spans_of_others_are_left() -> None:
    """A trace without any known convention is counted and ignored; the client sees full success."""
    received = receive(traces([span("GET /", 1, http__route="/"), span("SELECT", 2, 1, db__system="sqlite")]))

    assert (received.records, received.ignored, received.rejected, received.response) == (b"", 2, 0, b"{}")


# One bad item, and good ones beside it.


def broken_span() -> dict[str, Any]:
    """Return a span without a trace id."""
    return {**span("chat", 9, gen_ai__operation__name="chat"), "traceId": ""}


def _with_bad_field(name: str, value: Any) -> dict[str, Any]:
    return {**span("chat", 9, gen_ai__operation__name="chat"), name: value}


@pytest.mark.parametrize(
    "bad",
    [
        _with_bad_field("traceId", "xyz"),
        _with_bad_field("traceId", 7),
        _with_bad_field("spanId", "0" * 16),
        _with_bad_field("attributes", {"a": 1}),
        _with_bad_field("startTimeUnixNano", "soon"),
        _with_bad_field("name", ["a"]),
        17,
        None,
        "span",
    ],
)
def test_bad_span_costs_no_neighbour(bad: Any) -> None:
    """A span that cannot be read is rejected alone."""
    good = span("chat", 1, gen_ai__operation__name="chat")
    received = receive(traces([bad, good, bad]))

    assert received.rejected == 2
    assert [
        event.id for event in entity_events(events_of(received.records)) if event.kind is Kind.MODEL_CALL
    ] == [good["spanId"]]


def test_bad_protobuf_span_costs_no_neighbour() -> None:
    """In protobuf too, a span cut short inside the request is rejected alone."""
    body = as_protobuf(Signal.TRACES, traces([span("chat", 1, gen_ai__operation__name="chat")]))
    resource, scoped = parts_of(parts_of(body)[0][1])
    scope, item = parts_of(scoped[1])
    broken = field(2, item[1][:-3])
    spoiled = field(1, field(*resource) + field(2, field(*scope) + broken + field(*item) + broken))
    received = receive_bytes(Signal.TRACES, spoiled, PROTOBUF)

    assert received.rejected == 2
    assert received.error_message == "a span that cannot be decoded"
    assert received.records == receive_bytes(Signal.TRACES, body, PROTOBUF).records


@pytest.mark.parametrize(
    ("start", "end"),
    [(0, T0), (T0, 0), (EARLIEST - 1, T0), (T0, NOW + DAY + 1), (T0 // 1000, T0), (T0, 10**40)],
)
def test_times_that_cannot_be(start: int, end: int) -> None:
    """A span without both times, from the future or in microseconds is rejected."""
    odd = {
        **span("chat", 1, gen_ai__operation__name="chat"),
        "startTimeUnixNano": start,
        "endTimeUnixNano": end,
    }
    received = receive(traces([odd]))

    assert (received.events, received.rejected) == (0, 1)


def test_clock_set_back() -> None:
    """A span that ends before it starts gives its start and end but no length."""
    received = receive(traces([span("x", 1, 2, lasts=-1, gen_ai__operation__name="execute_tool")]))
    events = entity_events(events_of(received.records))

    assert [(event.kind, event.duration) for event in events] == [
        (Kind.TOOL_START, None),
        (Kind.TOOL_END, None),
    ]


# Refusals.


def test_unknown_type_and_compression() -> None:
    """Another encoding or another compression is 415."""
    body = as_json(a_trace())

    for content_type in ("text/plain", "", "application/xml", "application/grpc"):
        assert refused(Signal.TRACES, body, content_type).status == 415
    for encoding in ("br", "deflate", "gzip, gzip", "zstd"):
        assert refused(Signal.TRACES, body, JSON, encoding).status == 415


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"7", b'"a"', b"{", b"{]", b'{"resourceSpans":7}', b'{"resourceSpans":[7]}',
             b'{"resourceSpans":[{"scopeSpans":[{"spans":{}}]}]}', b"\xff\xfe", b"[" * 100_000,
             b'{"resource_spans":' + b"[" * 100_000, b'{"resource_spans":[{"a":' + b"9" * 5_000 + b"}]}"]
)  # fmt: skip
def test_body_that_is_no_json(body: bytes) -> None:
    """A body that is not an export request in JSON is 400."""
    assert refused(Signal.TRACES, body, JSON).status == 400


def test_half_a_character() -> None:
    """Half a character, as JavaScript leaves it in a cut text, costs neither span nor request."""
    body = as_json(traces([span("chat", 1, gen_ai__operation__name="chat", gen_ai__request__model="@")]))
    written = [rb"\ud83d", rb"x\uDE00y", rb"\ud83d\u0041", rb"\ud83d\ude00", rb"\\\\ud83d"]
    names = []
    for text in written:
        received = receive_bytes(Signal.TRACES, body.replace(b"@", text), JSON)
        names += [event.name for event in events_of(received.records) if event.kind is Kind.SPAN]

    assert names == ["\ufffd", "x\ufffdy", "\ufffdA", "\U0001f600", "\\\\ud83d"]


@pytest.mark.parametrize(
    "body",
    [
        b"\x0a",
        b"\x0a\x05abc",
        b"\x0b\x0c",
        b"\x0f\x01",
        b"\xff" * 20,
        b"\x0a\x02\x12\x7f",
        b"\x0a\x04\x0a\x02\x0a\xff",
    ],
)
def test_body_that_is_no_protobuf(body: bytes) -> None:
    """A body that is not an export request in protobuf is 400."""
    assert refused(Signal.TRACES, body, PROTOBUF).status == 400


def test_truncated_protobuf() -> None:
    """A body cut at any byte is refused, or its complete spans are accepted."""
    body = as_protobuf(Signal.TRACES, a_trace())

    statuses = {refused(Signal.TRACES, body[:end], PROTOBUF).status for end in range(1, len(body))}
    assert statuses == {400}


def test_bad_gzip() -> None:
    """Data that is not gzip, is cut short or has more data after it is 400."""
    packed = gzip.compress(as_json(a_trace()))

    for body in (
        b"",
        b"plain",
        packed[:-1],
        packed[:20],
        packed + b"x",
        packed + packed,
        zlib.compress(b"{}"),
    ):
        assert refused(Signal.TRACES, body, JSON, "gzip").status == 400


def test_limits() -> None:
    """A body beyond any limit is 413; at the limit it is accepted."""
    body = as_json(a_trace())
    packed = gzip.compress(body)
    exact = Limits(
        body_bytes=len(body),
        decompressed_bytes=len(body),
        items=4,
        item_bytes=len(body),
        json_commas=body.count(b","),
    )
    protobuf = as_protobuf(Signal.TRACES, a_trace())

    assert receive_bytes(Signal.TRACES, body, JSON, limits=exact).events > 0
    assert receive_bytes(Signal.TRACES, packed, JSON, "gzip", limits=exact).events > 0
    for smaller in (
        {"body_bytes": len(body) - 1},
        {"decompressed_bytes": len(body) - 1},
        {"items": 3},
        {"json_commas": body.count(b",") - 1},
    ):
        assert refused(Signal.TRACES, body, JSON, limits=replace(exact, **smaller)).status == 413
    assert (
        refused(Signal.TRACES, packed, JSON, "gzip", limits=Limits(decompressed_bytes=len(body) - 1)).status
        == 413
    )
    assert refused(Signal.TRACES, protobuf, PROTOBUF, limits=Limits(items=3)).status == 413
    assert refused(Signal.TRACES, b"\x08\x01" * 100, PROTOBUF, limits=Limits(items=3)).status == 413


@pytest.mark.parametrize("content_type", [JSON, PROTOBUF])
def test_large_span_costs_no_neighbour(content_type: str) -> None:
    """A span larger than the limit of a span is rejected alone."""
    request = traces(
        [
            span("chat", 1, gen_ai__operation__name="chat"),
            span("chat", 2, gen_ai__operation__name="chat", text="x" * 4_000),
        ]
    )
    body = as_json(request) if content_type == JSON else as_protobuf(Signal.TRACES, request)
    received = receive_bytes(Signal.TRACES, body, content_type, limits=Limits(item_bytes=2_000))

    assert (received.rejected, received.error_message) == (1, "larger than 2000 bytes")
    assert received.events > 0


def test_refusal_is_a_status() -> None:
    """The response to a refused request is a google.rpc.Status in the client's encoding."""
    error = RefusedError(413, "too much: é" + "!" * 200)
    in_protobuf, media = make_refusal(error, PROTOBUF)
    in_json, _ = make_refusal(error, JSON)

    assert media == PROTOBUF
    assert in_protobuf[:2] == bytes((0x12, 127))
    assert in_protobuf[2:] == json.loads(in_json)["message"].encode() == b"too much: ?" + b"!" * 116
    assert make_refusal(error, "text/plain")[1] == JSON


# Hostile input.


def field(number: int, content: bytes) -> bytes:
    """Return a length-delimited protobuf field."""
    length, head = len(content), bytearray([number << 3 | 2])
    while length > 127:
        head.append(length & 127 | 128)
        length >>= 7
    return bytes(head) + bytes([length]) + content


def parts_of(message: bytes) -> list[tuple[int, bytes]]:
    """Return the length-delimited fields of a protobuf message, in their order; it must hold no others."""
    parts, at = [], 0
    while at < len(message):
        number, length, shift, at = message[at] >> 3, 0, 0, at + 1
        while True:
            length |= (message[at] & 127) << shift
            shift, at = shift + 7, at + 1
            if message[at - 1] < 128:
                break
        parts.append((number, message[at : at + length]))
        at += length
    return parts


def claude_tool(number: int) -> dict[str, Any]:
    """Return a tool span of Claude Code."""
    return span("claude_code.tool", number, 99, session__id="s", tool_name="Bash", tool_use_id=f"t{number}")


BOMBS = {
    "gzip": "bytes(512 * MIB)",
    "spans": "field(1, field(2, b'\\x12\\x00' * (15 * MIB)))",
    "attributes": "field(1, field(2, field(2, b'\\x4a\\x00' * (15 * MIB))))",
    "small attributes": "field(1, field(2, field(2, b'\\x4a\\x00' * (MIB - 9)) * 15))",
    "small events": "field(1, field(2, field(2, b'\\x5a\\x00' * (MIB - 9)) * 15))",
    "groups": "b'\\x0a\\x00' * (15 * MIB)",
    "scopes": "field(1, b'\\x12\\x00' * (15 * MIB))",
    "unknown fields": "b'\\x08\\x01' * (15 * MIB)",
    "resource": "field(1, field(1, b'\\x0a\\x00' * (15 * MIB)))",
    "json spans": "b'{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[0' + b',0' * (15 * MIB) + b']}]}]}'",
    "less json": "b'{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[0' + b',0' * 1_400_000 + b']}]}]}'",
    "json groups": "b'{\"resourceSpans\":[{}' + b',{}' * 1_400_000 + b']}'",
    "json attributes": "json_of(b'{}' + b',{}' * 600_000)",
    "json nesting": "b'{\"resourceSpans\":' + b'[' * (30 * MIB)",
    "snake case json": "b'{\"resource_spans\":[{}' + b',{}' * 1_400_000 + b']}'",
    "half characters in json": "b'{\"a\":\"' + b'\\\\ud800' * (5 * MIB) + b'\",\"resourceSpans\":[{}]}'",
}
"""Bodies that are small once compressed, as Python writes them."""

HOSTILE = """
import gzip, resource, sys
from stretto import journal
from stretto.sources.otlp.receive import OtlpTranslator, RefusedError, Signal
from tests.test_otlp_decode import field, json_of
MIB = 1024 * 1024
body = gzip.compress(eval(sys.argv[2]), 1)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 400 * MIB, used + 400 * MIB))
content_type = "application/json" if "json" in sys.argv[1] else "application/x-protobuf"
try:
    received = OtlpTranslator(journal.encode_event).receive_request(
        Signal.TRACES, body, content_type=content_type, content_encoding="gzip", now=1)
except RefusedError as error:
    print("refused", error.status, error.message)
else:
    print("taken", received.events, received.rejected)
"""


def json_of(attributes: bytes) -> bytes:
    """Return a request in JSON with one span of these attributes."""
    return b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"attributes":[' + attributes + b"]}]}]}]}"


SLOW = pytest.mark.slow


@pytest.mark.skipif(
    sys.platform != "linux", reason="the memory of a process is bounded by the means of Linux"
)
@pytest.mark.parametrize(("kind", "answer"), [
    ("gzip", "refused 413 the body decompresses to more than 33554432 bytes"),
    ("spans", "refused 413 the request has more than 100000 parts"),
    ("attributes", "taken 0 1"),
    pytest.param("small attributes", "taken 0 15", marks=SLOW),
    pytest.param("small events", "taken 0 15", marks=SLOW),
    pytest.param("groups", "refused 413 the request has more than 100000 parts", marks=SLOW),
    pytest.param("scopes", "refused 413 the request has more than 100000 parts", marks=SLOW),
    pytest.param("unknown fields", "refused 413 the request has more than 100000 parts", marks=SLOW),
    pytest.param("resource", "refused 400 the body is not an OTLP export request", marks=SLOW),
    ("json spans", "refused 413 the request has more than 1500000 values"),
    pytest.param("less json", "refused 413 the request has more than 100000 parts", marks=SLOW),
    pytest.param("json groups", "taken 0 0", marks=SLOW),
    pytest.param("json attributes", "taken 0 1", marks=SLOW),
    ("json nesting", "refused 400"),
    pytest.param("snake case json", "taken 0 0", marks=SLOW),
    pytest.param("half characters in json", "refused 400", marks=SLOW),
])  # fmt: skip
def test_memory_is_bounded(kind: str, answer: str) -> None:
    """No body, however dense or compressed, takes more than 400 MiB beside itself."""
    done = subprocess.run(
        [sys.executable, "-c", HOSTILE, kind, BOMBS[kind]], capture_output=True, text=True, check=True
    )

    assert done.stdout.startswith(answer)


Mutate = Callable[[bytes], bytes]


@st.composite
def mutations(draw: st.DrawFn) -> Mutate:
    """Draw a change to a body: bytes replaced, cut out, put in or repeated."""
    at = draw(st.floats(0, 1, exclude_max=True))
    width = draw(st.integers(0, 40))
    put = draw(st.binary(max_size=8))
    times = draw(st.integers(1, 3))

    def mutate(body: bytes) -> bytes:
        start = int(at * len(body))
        return (
            body[:start]
            + (body[start : start + width] if times > 1 else b"") * times
            + put
            + body[start + width :]
        )

    return mutate


SAMPLES = [
    (Signal.TRACES, as_json(a_trace()), JSON),
    (Signal.TRACES, as_protobuf(Signal.TRACES, a_trace()), PROTOBUF),
    (Signal.TRACES, as_json(traces([claude_tool(1)], scope=CLAUDE)), JSON),
    (Signal.TRACES, as_protobuf(Signal.TRACES, traces([claude_tool(1)], scope=CLAUDE)), PROTOBUF),
    (Signal.LOGS, as_json(some_logs()), JSON),
    (Signal.LOGS, as_protobuf(Signal.LOGS, some_logs()), PROTOBUF),
]


def refusal_of(signal: Signal, body: bytes, content_type: str, encoding: str = "") -> int | None:
    """Return the status that refuses a body, or None if it is taken; the journal must take all of that."""
    try:
        received = receive_bytes(signal, body, content_type, encoding)
    except RefusedError as error:
        return error.status
    assert len(events_of(received.records)) == received.events
    return None


@given(st.sampled_from(SAMPLES), st.lists(mutations(), min_size=1, max_size=4), st.booleans())
def test_mutated_bodies(sample: tuple[Signal, bytes, str], changes: list[Mutate], packed: bool) -> None:
    """A body with any damage is refused with a status or accepted; nothing else is raised."""
    signal, body, content_type = sample
    body = gzip.compress(body) if packed else body
    for change in changes:
        body = change(body)

    assert refusal_of(signal, body, content_type, "gzip" if packed else "") in {None, 400, 413}


def any_json() -> st.SearchStrategy[Any]:
    """Return JSON of any shape under the names that OTLP uses."""
    names = st.sampled_from([
        "resourceSpans", "scopeSpans", "spans", "resource", "scope", "attributes", "key", "value", "name",
        "stringValue", "intValue", "boolValue", "doubleValue", "traceId", "spanId", "startTimeUnixNano",
        "status", "code", "resource_spans", "scope_spans", "logRecords", "resourceLogs", "scopeLogs",
    ])  # fmt: skip
    leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40) | st.just(TRACE)
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
        max_leaves=30,
    )


@given(st.sampled_from([Signal.TRACES, Signal.LOGS, Signal.METRICS]), any_json())
def test_json_of_any_shape(signal: Signal, value: Any) -> None:
    """JSON of any shape under OTLP's names is refused or accepted."""
    assert refusal_of(signal, json.dumps(value).encode(), JSON) in {None, 400}


VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.lists(st.text(max_size=3), max_size=2)
)
"""What an attribute may hold; None stands for one that is left out."""


@given(st.data())
def test_attributes_of_any_value(data: st.DataObject) -> None:
    """With any attribute values, each event of a span is accepted by the journal."""
    names = st.sampled_from(sorted(claude_code.ATTRIBUTES | conventions.ATTRIBUTES))
    drawn = data.draw(st.dictionaries(names, VALUES, max_size=12))
    values: dict[str, Any] = {
        name.replace(".", "__"): value for name, value in drawn.items() if value is not None
    }
    name = data.draw(
        st.sampled_from(
            ["", "x", "claude_code.tool", "claude_code.llm_request", "claude_code.tool.execution"]
        )
    )
    scope = data.draw(st.sampled_from(["", "test", CLAUDE, "pydantic-ai"]))
    request = traces(
        [span(name, 1, data.draw(st.sampled_from([0, 1, 2])), **values)], scope=scope, service=""
    )
    received = receive(request)

    assert len(events_of(received.records)) == received.events
    assert received.rejected == 0
