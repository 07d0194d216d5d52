"""A real OTLP/HTTP receiver on loopback: it keeps the trace requests it gets and misbehaves when told to."""

from __future__ import annotations

import gzip
import socket
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Event

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.loopback_receiver import LoopbackReceiver
from tests.waiting import PATIENCE


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came in."""

    path: str
    headers: Mapping[str, str]
    message: ExportTraceServiceRequest


class OtlpReceiver(LoopbackReceiver):
    """Answer 200 to every trace request until told otherwise; OTEL_EXPORTER_OTLP_ENDPOINT takes its URL."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        """All that came in, refused and unanswered requests too."""
        self.held = 0
        """Requests that hang now."""
        self._changed = Condition()
        self._refusals: list[tuple[HTTPStatus, str | None]] = []
        self._always: HTTPStatus | None = None
        self._hanging = False
        self._delay = 0.0
        self._release = Event()
        self._connections: set[socket.socket] = set()
        server = _Server(("127.0.0.1", 0), _Handler)
        server.receiver = self
        super().__init__(server)

    @property
    def spans(self) -> list[Span]:
        """The spans of all requests, in order of arrival."""
        return [
            span
            for received in self.requests
            for resource in received.message.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def refuse(self, status: HTTPStatus = HTTPStatus.SERVICE_UNAVAILABLE) -> None:
        """Answer every request with this status."""
        self._always = status

    def refuse_next(
        self, status: HTTPStatus = HTTPStatus.SERVICE_UNAVAILABLE, *, retry_after: str | None = None
    ) -> None:
        """Answer the next request only with this status."""
        self._refusals.append((status, retry_after))

    def accept(self) -> None:
        """Answer 200 again."""
        self._always = None

    def hang(self) -> None:
        """Read requests and answer nothing until ``release``."""
        self._hanging = True

    def release(self) -> None:
        """Answer what hangs, and do not hang again."""
        self._hanging = False
        self._release.set()

    def slow(self, seconds: float) -> None:
        """Answer each request only after this time."""
        self._delay = seconds

    def wait_for_requests(self, count: int) -> None:
        """Return once this many requests have come in."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.requests) >= count, PATIENCE), (
                "no such request came"
            )

    def wait_until_held(self) -> None:
        """Return once a request hangs."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.held > 0, PATIENCE), "no request came to hang"

    def take(self, received: Received) -> tuple[HTTPStatus, str | None]:
        """Keep a request and return how to answer it: status and Retry-After."""
        with self._changed:
            self.requests.append(received)
            answer = self._refusals.pop(0) if self._refusals else (self._always or HTTPStatus.OK, None)
            self.held += self._hanging
            held = self._hanging
            self._changed.notify_all()
        if held:
            self._release.wait()
            with self._changed:
                self.held -= 1
                self._changed.notify_all()
        elif self._delay:
            self._release.wait(self._delay)
        return answer

    def close(self) -> None:
        """Answer what hangs, and stop."""
        self._release.set()
        super().close()

    def end_connections(self) -> None:
        """End the wait for the next request of each connection that a client keeps open."""
        with self._changed:
            for connection in self._connections:
                with suppress(OSError):  # the client may have left first
                    connection.shutdown(socket.SHUT_RDWR)

    def connected(self, connection: socket.socket) -> None:
        """Remember an open connection."""
        with self._changed:
            self._connections.add(connection)

    def disconnected(self, connection: socket.socket) -> None:
        """Forget a connection that is about to close."""
        with self._changed:
            self._connections.discard(connection)


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    receiver: OtlpReceiver

    def server_close(self) -> None:
        self.receiver.end_connections()
        super().server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.receiver.connected(self.connection)

    def finish(self) -> None:
        self.server.receiver.disconnected(self.connection)
        super().finish()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.path.endswith("/v1/traces"):
            self._answer(HTTPStatus.NOT_FOUND, None)
            return
        message = ExportTraceServiceRequest.FromString(
            _decompressed(body, self.headers.get("Content-Encoding"))
        )
        headers = {name.lower(): value for name, value in self.headers.items()}
        self._answer(*self.server.receiver.take(Received(self.path, headers, message)))

    def _answer(self, status: HTTPStatus, retry_after: str | None) -> None:
        body = ExportTraceServiceResponse().SerializeToString() if status is HTTPStatus.OK else b""
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(body)))
            if retry_after is not None:
                self.send_header("Retry-After", retry_after)
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            # The client gave up waiting; its connection is no use any more.
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the requests are kept."""


def _decompressed(body: bytes, encoding: str | None) -> bytes:
    if encoding == "gzip":
        return gzip.decompress(body)
    return zlib.decompress(body) if encoding == "deflate" else body
