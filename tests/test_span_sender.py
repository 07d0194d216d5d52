from __future__ import annotations

import gc
import logging
import os
import threading
from collections.abc import Iterator, Sequence
from http import HTTPStatus

import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from stretto.clock import SECOND
from stretto.model.entities import Session, ToolCall
from stretto.model.event import Outcome
from stretto.otlp_export.session_spans import build_spans
from stretto.otlp_export.span_sender import NullSender, Sender, build_sender
from tests.otlp_receiver import OtlpReceiver
from tests.ports import reserve_dead_address
from tests.waiting import PATIENCE

START = 1_760_000_000 * SECOND
QUICK = "0.2"
"""OTEL_EXPORTER_OTLP_TIMEOUT in seconds: shorter than the exporter's first wait, so that it tries once."""
NEVER = "3600"
"""A time limit that no test sees the end of."""


def trace_of(spans: int, name: str = "s1") -> tuple[ReadableSpan, ...]:
    """Return a session with as many spans, its root among them."""
    calls = tuple(
        ToolCall(f"c{number}", "Read", None, START, START + SECOND, None, None, Outcome.SUCCESS)
        for number in range(spans - 1)
    )
    session = Session(
        id=name,
        source="claude-code",
        project=None,
        pattern=None,
        traceparent=None,
        recording=False,
        start=START,
        end=START + SECOND,
        last=START + SECOND,
        outcome=Outcome.SUCCESS,
        turns=(),
        tasks=(),
        tool_calls=calls,
        model_calls=(),
    )
    return build_spans(session, version="1.2.3", resource={"host.name": "studio"})


def sender_to(url: str, **environ: str) -> Sender:
    """Return a sender to this base endpoint, with further variables."""
    sender = build_sender({"OTEL_EXPORTER_OTLP_ENDPOINT": url, **environ})
    assert isinstance(sender, Sender)
    return sender


@pytest.fixture(autouse=True)
def only_the_given_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the machine's own settings out: the exporter falls back to them, and requests to a proxy."""
    for variable in os.environ:
        if variable.startswith("OTEL_"):
            monkeypatch.delenv(variable)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """Every test ends with the threads it began with, and with the exporter's log as it was."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(PATIENCE)
    gc.collect(1)
    assert set(threading.enumerate()) <= before
    assert logging.getLogger("opentelemetry.exporter.otlp.proto.http.trace_exporter").filters == []


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    """Return a receiver that answers 200."""
    with OtlpReceiver() as receiver:
        yield receiver


@pytest.fixture
def dead_url() -> Iterator[str]:
    """Provide an endpoint where nobody listens."""
    with reserve_dead_address() as address:
        yield f"http://{address}"


def test_all_spans_arrive_with_resource_and_scope(receiver: OtlpReceiver) -> None:
    """What is submitted is at the endpoint when close returns, byte for byte the same ids and times."""
    spans = trace_of(3)
    sender = sender_to(receiver.url)

    taken = sender.submit(spans)
    sender.close(PATIENCE)

    (request,) = receiver.requests
    (resource_spans,) = request.message.resource_spans
    (scope_spans,) = resource_spans.scope_spans
    assert taken
    assert [span.span_id for span in receiver.spans] == [
        span.context.span_id.to_bytes(8, "big") for span in spans if span.context
    ]
    assert [(span.start_time_unix_nano, span.end_time_unix_nano) for span in receiver.spans] == [
        (START, START + SECOND)
    ] * 3
    assert {pair.key: pair.value for pair in resource_spans.resource.attributes} == {
        "service.name": AnyValue(string_value="stretto"),
        "host.name": AnyValue(string_value="studio"),
    }
    assert (scope_spans.scope.name, scope_spans.scope.version) == ("stretto", "1.2.3")
    assert (sender.sent, sender.returned, sender.pending) == (3, 0, 0)
    assert (sender.failing, sender.last_error, sender.problem) == (False, None, None)


def test_spans_leave_without_being_asked_for(receiver: OtlpReceiver) -> None:
    """Sending begins with submit, not with close."""
    sender = sender_to(receiver.url)

    sender.submit(trace_of(2))
    receiver.wait_for_requests(1)
    sender.close(PATIENCE)

    assert len(receiver.spans) == 2


def test_requests_hold_512_spans_at_most(receiver: OtlpReceiver) -> None:
    """A long session is sent in several requests, in order and without loss."""
    spans = trace_of(1_300)
    sender = sender_to(receiver.url)

    sender.submit(spans)
    sender.close(PATIENCE)

    sizes = [
        sum(len(scope.spans) for resource in request.message.resource_spans for scope in resource.scope_spans)
        for request in receiver.requests
    ]
    assert sizes == [512, 512, 276]
    assert [span.span_id for span in receiver.spans] == [
        span.context.span_id.to_bytes(8, "big") for span in spans if span.context
    ]
    assert sender.sent == 1_300


def test_a_refusal_that_passes_is_retried(receiver: OtlpReceiver) -> None:
    """One 503 costs nothing: the exporter tries again, and the spans count once."""
    receiver.refuse_next(HTTPStatus.SERVICE_UNAVAILABLE, retry_after="0")
    sender = sender_to(receiver.url)

    sender.submit(trace_of(2))
    sender.close(PATIENCE)

    assert len(receiver.requests) == 2
    assert (sender.sent, sender.returned, sender.failing) == (2, 0, False)


def test_a_dead_endpoint_is_counted_and_explained(dead_url: str) -> None:
    """Spans that nobody takes are dropped after the retries, with a reason that names the trouble."""
    sender = sender_to(dead_url, OTEL_EXPORTER_OTLP_TIMEOUT=QUICK)

    taken = sender.submit(trace_of(5))
    sender.close(PATIENCE)

    assert taken
    assert (sender.sent, sender.returned, sender.pending) == (0, 5, 0)
    assert sender.failing
    assert sender.last_error


def test_a_refusing_endpoint_is_counted_with_its_answer(receiver: OtlpReceiver) -> None:
    """A status that no retry mends drops the batch at once and is the reason."""
    receiver.refuse(HTTPStatus.UNAUTHORIZED)
    sender = sender_to(receiver.url)

    sender.submit(trace_of(5))
    sender.close(PATIENCE)

    assert (sender.sent, sender.returned, sender.failing) == (0, 5, True)
    assert "401" in (sender.last_error or "")


def test_sending_goes_on_after_a_failure(receiver: OtlpReceiver) -> None:
    """A batch that is lost takes only itself; the reason stays readable afterwards."""
    receiver.refuse_next(HTTPStatus.BAD_REQUEST)
    sender = sender_to(receiver.url)

    sender.submit(trace_of(2, "first"))
    receiver.wait_for_requests(1)
    sender.submit(trace_of(3, "second"))
    sender.close(PATIENCE)

    assert (sender.sent, sender.returned, sender.failing) == (3, 2, False)
    assert "400" in (sender.last_error or "")


def test_an_outage_is_one_line_in_the_log(
    receiver: OtlpReceiver, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """For any number of failed batches, the log has a line at the first and a line at the recovery."""
    caplog.set_level(logging.DEBUG, logger="opentelemetry")
    caplog.set_level(logging.DEBUG, logger="stretto")
    receiver.refuse(HTTPStatus.BAD_REQUEST)
    sender = sender_to(receiver.url)

    for number in range(1, 4):
        sender.submit(trace_of(2, f"s{number}"))
        receiver.wait_for_requests(number)
    receiver.accept()
    sender.submit(trace_of(2, "last"))
    sender.close(PATIENCE)

    lines = [(record.name, record.getMessage()) for record in caplog.records]
    assert [name for name, _ in lines] == ["stretto.otlp_export.span_sender"] * 2
    assert lines[0][1].startswith("OTLP: spans cannot be sent and wait: ")
    assert "400" in lines[0][1]
    assert lines[1][1] == "OTLP: spans are being sent again"
    assert capfd.readouterr().err == ""


def test_another_exporters_log_is_left_alone(
    receiver: OtlpReceiver, caplog: pytest.LogCaptureFixture
) -> None:
    """Only log messages of the sender's thread are suppressed."""
    sender = sender_to(receiver.url)
    sender.submit(trace_of(1))
    receiver.wait_for_requests(1)

    logging.getLogger("opentelemetry.exporter.otlp.proto.http.trace_exporter").error("a host's own trouble")
    sender.close(PATIENCE)

    assert [record.getMessage() for record in caplog.records] == ["a host's own trouble"]


def test_a_hanging_endpoint_blocks_neither_submit_nor_close(receiver: OtlpReceiver) -> None:
    """Both return while the request still hangs, and what was not answered by then is dropped for good."""
    receiver.hang()
    sender = sender_to(receiver.url, OTEL_EXPORTER_OTLP_TIMEOUT=NEVER)

    sender.submit(trace_of(2, "first"))
    receiver.wait_until_held()
    taken = sender.submit(trace_of(3, "second"))
    pending, held_at_submit = sender.pending, receiver.held
    sender.close(0.05)
    held_at_close = receiver.held

    assert taken
    assert (pending, held_at_submit, held_at_close) == (5, 1, 1)
    assert (sender.sent, sender.returned, sender.pending) == (0, 5, 0)
    assert "closed" in (sender.last_error or "")

    # The answer comes after all: it was given up, so it counts no more.
    receiver.release()
    sender._thread.join(PATIENCE)

    assert (sender.sent, sender.returned) == (0, 5)


def test_close_ends_the_exporters_wait_between_retries(receiver: OtlpReceiver) -> None:
    """An exporter that must retry in an hour does not keep its thread for that hour."""
    receiver.refuse_next(HTTPStatus.SERVICE_UNAVAILABLE, retry_after="3000")
    sender = sender_to(receiver.url, OTEL_EXPORTER_OTLP_TIMEOUT=NEVER)

    sender.submit(trace_of(2))
    receiver.wait_for_requests(1)
    sender.close(0.05)
    sender._thread.join(PATIENCE)

    assert not sender._thread.is_alive()
    assert (sender.sent, sender.returned) == (0, 2)
    assert "closed" in (sender.last_error or "")


def test_a_slow_endpoint_gets_everything_before_close_returns(receiver: OtlpReceiver) -> None:
    """Within its time limit close drains the queue."""
    receiver.slow(0.05)
    sender = sender_to(receiver.url)

    for number in range(3):
        sender.submit(trace_of(2, f"s{number}"))
    sender.close(PATIENCE)

    assert (sender.sent, sender.returned, len(receiver.spans)) == (6, 0, 6)


class Gate(SpanExporter):
    """Takes a batch and answers when told to."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.go = threading.Semaphore(0)
        self.batches: list[list[str]] = []

    def export(self, spans: object) -> SpanExportResult:
        assert isinstance(spans, Sequence)
        self.batches.append([span.attributes["gen_ai.conversation.id"] for span in spans])
        self.entered.release()
        self.go.acquire()
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Nothing is held."""


def test_a_full_queue_refuses_the_newest_session_whole() -> None:
    """The limit counts waiting spans; a session that does not fit is refused whole and counted."""
    gate = Gate()
    sender = Sender(gate, limit=5)
    sender.submit(trace_of(1, "under way"))
    assert gate.entered.acquire(timeout=PATIENCE)

    fits = sender.submit(trace_of(3, "oldest"))
    too_much = sender.submit(trace_of(3, "newest"))
    still_fits = sender.submit(trace_of(2, "small"))
    dropped, last_error = sender.returned, sender.last_error
    gate.go.release(3)
    sender.close(PATIENCE)

    assert (fits, too_much, still_fits) == (True, False, True)
    assert (dropped, last_error) == (3, "the queue is full")
    assert gate.batches == [["under way"], ["oldest"] * 3, ["small"] * 2]
    assert (sender.sent, sender.returned) == (6, 3)


def test_a_session_larger_than_the_whole_queue_is_refused() -> None:
    """The limit holds for one session too."""
    sender = Sender(Gate(), limit=5)

    taken = sender.submit(trace_of(6))
    sender.close(PATIENCE)

    assert (taken, sender.returned) == (False, 6)


def test_a_closed_sender_takes_nothing_and_closes_again_quietly(receiver: OtlpReceiver) -> None:
    """Spans that come too late are counted as dropped."""
    sender = sender_to(receiver.url)
    sender.close(PATIENCE)

    taken = sender.submit(trace_of(2))
    sender.close(PATIENCE)

    assert (taken, sender.returned, sender.last_error) == (False, 2, "the sender is closed")
    assert receiver.requests == []


def test_no_spans_are_no_request(receiver: OtlpReceiver) -> None:
    """A trace that its caller did not sample is empty, and that is no loss."""
    sender = sender_to(receiver.url)

    taken = sender.submit(())
    sender.close(PATIENCE)

    assert (taken, sender.returned, receiver.requests) == (True, 0, [])


class Broken(SpanExporter):
    """Fails in a way that exporters do not."""

    def export(self, spans: object) -> SpanExportResult:  # noqa: ARG002 - the shape of an exporter
        raise RuntimeError("no such luck")

    def shutdown(self) -> None:
        """Nothing is held."""


def test_an_exporter_that_raises_does_not_end_sending() -> None:
    """The thread outlives a fault in the exporter, and each batch is counted."""
    sender = Sender(Broken())

    sender.submit(trace_of(513))
    sender.close(PATIENCE)

    assert (sender.sent, sender.returned) == (0, 513)
    assert sender.last_error == "RuntimeError: no such luck"


@pytest.mark.parametrize("compression", ["gzip", "deflate", "none", "GZIP"])
def test_compression_is_honoured(receiver: OtlpReceiver, compression: str) -> None:
    """The compression of the variable is used, and the receiver can read it."""
    sender = sender_to(receiver.url, OTEL_EXPORTER_OTLP_COMPRESSION=compression)

    sender.submit(trace_of(2))
    sender.close(PATIENCE)

    (request,) = receiver.requests
    said = None if compression == "none" else compression.lower()
    assert request.headers.get("content-encoding") == said
    assert len(receiver.spans) == 2


def test_headers_are_sent_and_the_traces_variable_goes_first(receiver: OtlpReceiver) -> None:
    """A key for the collector reaches it; the general variable does not mix in."""
    sender = sender_to(
        receiver.url,
        OTEL_EXPORTER_OTLP_HEADERS="x-team=general",
        OTEL_EXPORTER_OTLP_TRACES_HEADERS="x-key=a%20b,x-more=1",
    )

    sender.submit(trace_of(1))
    sender.close(PATIENCE)

    headers = receiver.requests[0].headers
    assert (headers["x-key"], headers["x-more"], headers.get("x-team")) == ("a b", "1", None)
    assert headers["content-type"] == "application/x-protobuf"


def test_the_traces_endpoint_is_taken_as_it_is(receiver: OtlpReceiver) -> None:
    """It takes precedence over the general variable, and no path is added to it."""
    sender = build_sender(
        {
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{receiver.url}/v1/traces",
        }
    )

    sender.submit(trace_of(1))
    sender.close(PATIENCE)

    assert [request.path for request in receiver.requests] == ["/v1/traces"]


def test_a_base_endpoint_may_end_in_a_slash(receiver: OtlpReceiver) -> None:
    """The path of the signal is added once, below the path that is there."""
    sender = sender_to(f"{receiver.url}/intake/")

    sender.submit(trace_of(1))
    sender.close(PATIENCE)

    assert [request.path for request in receiver.requests] == ["/intake/v1/traces"]


ON = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": " "},
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
        ON | {"OTEL_SDK_DISABLED": "true"},
        ON | {"OTEL_SDK_DISABLED": "TRUE"},
        ON | {"OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_off_by_choice_is_no_problem(environ: dict[str, str]) -> None:
    """Nothing configured, or switched off: nothing is sent, counted or complained about."""
    sender = build_sender(environ)

    taken = sender.submit(trace_of(2))
    sender.close(PATIENCE)

    assert isinstance(sender, NullSender)
    assert (taken, sender.sent, sender.returned, sender.pending) == (False, 0, 0, 0)
    assert (sender.failing, sender.last_error, sender.problem) == (False, None, None)


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        (
            ON | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            ["OTEL_EXPORTER_OTLP_PROTOCOL is grpc", "set it to http/protobuf", "4318"],
        ),
        (
            ON | {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL is http/json"],
        ),
        (ON | {"OTEL_TRACES_EXPORTER": "console"}, ["OTEL_TRACES_EXPORTER", "otlp"]),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317"},
            ["OTEL_EXPORTER_OTLP_ENDPOINT", "http://host:4318"],
        ),
        (
            {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://[::1"},
            ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"],
        ),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://host:port"}, ["OTEL_EXPORTER_OTLP_ENDPOINT"]),
    ],
)
def test_what_cannot_be_used_is_off_and_says_what_to_do(environ: dict[str, str], words: list[str]) -> None:
    """A wish that cannot be met is no silence: doctor names the variable and the way out."""
    sender = build_sender(environ)

    assert isinstance(sender, NullSender)
    assert sender.problem is not None
    assert [word for word in words if word not in sender.problem] == []


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OTEL_SDK_DISABLED": "false"},
        {"OTEL_TRACES_EXPORTER": "console, otlp"},
        {"OTEL_TRACES_EXPORTER": "otlp_proto_http"},
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"},
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"},
        {"OTEL_EXPORTER_OTLP_TIMEOUT": "2.5"},
    ],
)
def test_on_with_whatever_leaves_it_on(environ: dict[str, str]) -> None:
    """An endpoint is enough, and settings that agree with it change nothing."""
    sender = build_sender(ON | environ)
    sender.close(PATIENCE)

    assert isinstance(sender, Sender)
    assert sender.problem is None


@pytest.mark.parametrize("value", ["soon", "0", "-1", "nan", "inf"])
def test_an_unreadable_time_limit_is_ignored_and_named(receiver: OtlpReceiver, value: str) -> None:
    """Sending goes on with the default, and doctor can say why."""
    sender = sender_to(receiver.url, OTEL_EXPORTER_OTLP_TIMEOUT=value, OTEL_EXPORTER_OTLP_COMPRESSION="lzw")

    sender.submit(trace_of(1))
    sender.close(PATIENCE)

    assert sender.sent == 1
    assert sender.problem == (
        "OTEL_EXPORTER_OTLP_TIMEOUT is not a number of seconds above 0: 10.0 s is used; "
        "OTEL_EXPORTER_OTLP_COMPRESSION is none of gzip, deflate and none: none is used"
    )
