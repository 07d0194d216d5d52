"""Receive OTLP/HTTP requests: each is stored durably before it is acknowledged."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from stretto.sources.otlp.receive import Limits, RefusedError, Signal, make_refusal
from stretto.web.backend import Backend

PATHS = {f"/v1/{signal.value}": signal for signal in Signal}
"""Default path of each signal (OTLP specification, section OTLP/HTTP request)."""

LIMIT = Limits().body_bytes
"""Most bytes of a request as received, compressed or not."""

RETRY_SECONDS = 5


class OtlpRoutes:
    """The routes that receive traces, logs and metrics."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def list_routes(self) -> list[Route]:
        """Return the routes."""
        return [Route(path, self.receive_telemetry, methods=["POST"]) for path in PATHS]

    async def receive_telemetry(self, request: Request) -> Response:
        """Append the request's records and acknowledge them; 503 asks the exporter to retry."""
        body = await request.body()
        content_type = request.headers.get("content-type", "")
        encoding = request.headers.get("content-encoding", "")
        signal = PATHS[request.url.path]
        try:
            received = await run_in_threadpool(
                self._backend.receive_otlp, signal, body, content_type, encoding
            )
        except RefusedError as error:
            text, media = make_refusal(error, content_type)
            return Response(text, error.status, media_type=media)
        except OSError:
            return Response(status_code=503, headers={"Retry-After": str(RETRY_SECONDS)})
        return Response(received.response, media_type=received.response_content_type)
