"""Receive OTLP over gRPC, if the extra ``stretto[grpc]`` is installed, behind the same token as HTTP.

Each request is stored durably before it is acknowledged. A refused request gets the status that exporters
know: INVALID_ARGUMENT is dropped by them, RESOURCE_EXHAUSTED and UNAVAILABLE are tried again.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any

from stretto.errors import ServiceError
from stretto.sources.otlp.decode import PROTOBUF
from stretto.sources.otlp.receive import Limits, RefusedError, RequestResult, Signal
from stretto.version import describe_extra_install

PORT = 4317
"""The port of OTLP over gRPC (OTLP specification)."""

WORKERS = 4
CLOSE_SECONDS = 3

SERVICES = {
    "opentelemetry.proto.collector.trace.v1.TraceService": Signal.TRACES,
    "opentelemetry.proto.collector.logs.v1.LogsService": Signal.LOGS,
    "opentelemetry.proto.collector.metrics.v1.MetricsService": Signal.METRICS,
}
"""gRPC service → signal; each has the method ``Export``."""

Receive = Callable[[Signal, bytes, str, str], RequestResult]


def start_grpc_server(address: str, receive: Receive, token: str | None) -> Callable[[], None]:
    """Serve OTLP over gRPC at an address, and return the function that stops it.

    Raises ServiceError if grpcio is not installed or the address cannot be used.
    """
    try:
        grpc: Any = import_module("grpc")
    except ImportError as error:
        raise ServiceError(
            "OTLP over gRPC needs another package",
            cause="grpcio is not installed",
            hint=f"{describe_extra_install('grpc')}, or leave out --otlp-ports and send OTLP over HTTP",
        ) from error
    server = grpc.server(
        ThreadPoolExecutor(WORKERS, thread_name_prefix="otlp-grpc"),
        options=[("grpc.max_receive_message_length", Limits().body_bytes), ("grpc.so_reuseport", 0)],
        maximum_concurrent_rpcs=2 * WORKERS,
    )
    for name, signal in SERVICES.items():
        method = grpc.unary_unary_rpc_method_handler(_make_handler(grpc, signal, receive, token))
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, {"Export": method}),))
    try:
        server.add_insecure_port(address)
    except RuntimeError as error:
        raise ServiceError(
            f"{address} cannot be used for OTLP over gRPC",
            cause=str(error),
            hint="another collector may listen there; leave out --otlp-ports",
        ) from error
    server.start()
    return lambda: server.stop(CLOSE_SECONDS).wait()


def _make_handler(
    grpc: Any, signal: Signal, receive: Receive, token: str | None
) -> Callable[[bytes, Any], bytes]:
    """Return the handler of a signal; without (de)serialisers a message stays bytes."""

    def export(request: bytes, context: Any) -> bytes:
        if token is not None and not _has_token(context, token):
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "the bearer token is missing or wrong")
        try:
            return receive(signal, request, PROTOBUF, "").response
        except RefusedError as error:
            is_too_large = error.status == 413  # noqa: PLR2004  # Content Too Large
            code = grpc.StatusCode.RESOURCE_EXHAUSTED if is_too_large else grpc.StatusCode.INVALID_ARGUMENT
            context.abort(code, error.message)
        except OSError:
            context.abort(grpc.StatusCode.UNAVAILABLE, "the journal cannot be written")
        return b""

    return export


def _has_token(context: Any, token: str) -> bool:
    given = dict(context.invocation_metadata()).get("authorization", "")
    return secrets.compare_digest(str(given).encode(), f"Bearer {token}".encode())
