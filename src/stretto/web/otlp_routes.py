"""The OTLP/HTTP routes: what exporters send, durable before it is acknowledged."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from stretto.sources.otlp.receive import Limits, RefusedError, Signal, make_refusal
from stretto.web.backend import Backend

PATHS = {f"/v1/{signal.value}": signal for signal in Signal}
"""Where OTLP/HTTP exporters send each signal by default (OTLP specification, section OTLP/HTTP request)."""

LIMIT = Limits().received
"""Bytes of a request as it comes, compressed or not."""

RETRY_SECONDS = 5


class OtlpRoutes:
    """Takes traces, logs and metrics."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def list_routes(self) -> list[Route]:
        """Return the routes."""
        return [Route(path, self.receive_telemetry, methods=["POST"]) for path in PATHS]

    async def receive_telemetry(self, request: Request) -> Response:
        """Append what the request gave and acknowledge it; 503, to be sent again, where it was not kept."""
        body = await request.body()
        content_type = request.headers.get("content-type", "")
        encoding = request.headers.get("content-encoding", "")
        signal = PATHS[request.url.path]
        try:
            got = await run_in_threadpool(self._backend.receive_otlp, signal, body, content_type, encoding)
        except RefusedError as error:
            text, media = make_refusal(error, content_type)
            return Response(text, error.status, media_type=media)
        except OSError:
            return Response(status_code=503, headers={"Retry-After": str(RETRY_SECONDS)})
        return Response(got.response, media_type=got.response_content_type)
