"""gRPC: its preface on the HTTP port gets a hint, and OTLP over gRPC is received with its extra."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from stretto import journal
from stretto.errors import ServiceError
from stretto.sources.otlp.receive import OtlpTranslator, RequestResult, Signal
from stretto.web import grpc_server
from stretto.web.explain_grpc_on_http_port import HINT, PREFACE, make_frame, watch_protocol
from stretto.web.grpc_server import start_grpc_server
from tests.otlp_requests import NOW, as_protobuf, span, traces
from tests.ports import find_free_port
from tests.waiting import PATIENCE


@contextmanager
def served(seen: list[str]) -> Iterator[int]:
    """Serve a page with the watching protocol; yield the port."""
    app = Starlette(routes=[Route("/", lambda _: PlainTextResponse("fine"))])
    config = uvicorn.Config(
        app, http=watch_protocol(lambda: seen.append("grpc")), log_level="critical", lifespan="off"
    )
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


def exchange(port: int, data: bytes, until: bytes | None = None) -> bytes:
    """Return everything that a server answers to some bytes, or its answer up to some bytes."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        connection.sendall(data)
        answer = b""
        while (until is None or until not in answer) and (part := connection.recv(4096)):
            answer += part
    return answer


def test_the_preface_is_answered_with_a_hint() -> None:
    """Settings and pings are acknowledged, a call ends with UNIMPLEMENTED and the hint; one is counted."""
    seen: list[str] = []
    call_frame = make_frame(1, b"\x86", flags=4, stream=bytes((0, 0, 0, 1)))
    frames = make_frame(4, b"") + make_frame(6, b"12345678") + call_frame
    with served(seen) as port:
        answer = exchange(port, PREFACE + frames, HINT)

    assert answer.startswith(
        make_frame(4, b"") + make_frame(4, b"", flags=1) + make_frame(6, b"12345678", flags=1)
    )
    assert b"grpc-status\x0212" in answer
    assert seen == ["grpc"]


def test_an_exporter_by_grpc_gets_the_hint_once() -> None:
    """A real client sees the words as its call's status, and does not connect again and again."""
    grpc = pytest.importorskip("grpc", reason="grpcio is an extra")
    seen: list[str] = []
    with served(seen) as port, pytest.raises(grpc.RpcError) as refused:
        call(port, TRACES, BODY)

    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert refused.value.details() == HINT.decode()
    assert len(seen) == 1


def test_http_is_served_as_before() -> None:
    """A plain request is not touched and not counted."""
    seen: list[str] = []
    with served(seen) as port:
        answer = exchange(port, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"fine")
    assert seen == []


class Inbox:
    """A receiver that keeps its records."""

    def __init__(self) -> None:
        self.receiver = OtlpTranslator(journal.encode_event)
        self.records = b""

    def receive(self, signal: Signal, body: bytes, content_type: str, encoding: str) -> RequestResult:
        """Keep the records of a request."""
        result = self.receiver.receive_request(
            signal, body, content_type=content_type, content_encoding=encoding, now=NOW
        )
        self.records += result.records
        return result


def call(port: int, service: str, body: bytes, *metadata: tuple[str, str]) -> bytes:
    """Send a request as an exporter does, and return the response."""
    grpc = pytest.importorskip("grpc", reason="grpcio is an extra")
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        export = channel.unary_unary(f"/{service}/Export")
        answer: bytes = export(body, timeout=PATIENCE, metadata=metadata)
    return answer


TRACES = "opentelemetry.proto.collector.trace.v1.TraceService"
METRICS = "opentelemetry.proto.collector.metrics.v1.MetricsService"
AGENT: dict[str, Any] = {"gen_ai.operation.name": "invoke_agent"}
BODY = as_protobuf(Signal.TRACES, traces([span("invoke_agent a", 1, **AGENT)]))


def test_spans_are_received_over_grpc() -> None:
    """A request is stored and acknowledged; metrics are acknowledged too."""
    pytest.importorskip("grpc", reason="grpcio is an extra")
    port, inbox = find_free_port(), Inbox()
    stop = start_grpc_server(f"127.0.0.1:{port}", inbox.receive, None)
    try:
        assert call(port, TRACES, BODY) == b""
        assert call(port, METRICS, b"") == b""
    finally:
        stop()

    assert b'"role":"agent"' in inbox.records


def test_the_token_is_asked_for() -> None:
    """Without the bearer token nothing is stored; with it everything is."""
    grpc = pytest.importorskip("grpc", reason="grpcio is an extra")
    port, inbox = find_free_port(), Inbox()
    stop = start_grpc_server(f"127.0.0.1:{port}", inbox.receive, "secret")
    try:
        with pytest.raises(grpc.RpcError) as refused:
            call(port, TRACES, BODY, ("authorization", "Bearer wrong"))
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert inbox.records == b""
        call(port, TRACES, BODY, ("authorization", "Bearer secret"))
    finally:
        stop()

    assert inbox.records != b""


def test_a_broken_request_is_refused() -> None:
    """What cannot be decoded is an invalid argument, which exporters drop and do not repeat."""
    grpc = pytest.importorskip("grpc", reason="grpcio is an extra")
    port = find_free_port()
    stop = start_grpc_server(f"127.0.0.1:{port}", Inbox().receive, None)
    try:
        with pytest.raises(grpc.RpcError) as refused:
            call(port, TRACES, b"\xff\xff\xff")
    finally:
        stop()

    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_without_the_extra_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what is missing and how to do without."""

    def missing(_: str) -> Any:
        raise ImportError

    monkeypatch.setattr(grpc_server, "import_module", missing)
    with pytest.raises(ServiceError, match="grpcio is not installed"):
        start_grpc_server("127.0.0.1:1", Inbox().receive, None)
