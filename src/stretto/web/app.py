"""Build the web application: all routes of the service behind a guard.

Functions that read or render run in threads, so that a slow scrape never delays a hook.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from hashlib import sha256
from http import HTTPStatus
from importlib import resources

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from stretto.clock import SECOND
from stretto.errors import StrettoError
from stretto.web import otlp_routes, responses
from stretto.web.agents_over_time_page import ActivityPage
from stretto.web.alert_pages import AlertPages
from stretto.web.backend import Backend
from stretto.web.dimension_pages import DimensionPages
from stretto.web.finding_page import FindingPage
from stretto.web.findings_routes import FindingsRoutes
from stretto.web.findings_sessions_and_runbooks_pages import PageRoutes
from stretto.web.forget_route import ForgetRoute
from stretto.web.gate_baseline_routes import GateRoutes
from stretto.web.guard import Guard, Refusal
from stretto.web.hook_endpoint import HOOK, HookMiddleware
from stretto.web.json_routes import NOTIFICATIONS, JsonRoutes
from stretto.web.live_updates import UpdateRoute
from stretto.web.mcp_route import PATH as MCP
from stretto.web.mcp_route import McpRoute
from stretto.web.openapi import OpenApiRoute
from stretto.web.operation_routes import OperationRoutes
from stretto.web.orchestrator_feed_routes import OrchestratorFeedRoutes
from stretto.web.otlp_routes import OtlpRoutes
from stretto.web.overview_page import OverviewPage
from stretto.web.page_endpoints import PageEndpoints
from stretto.web.parallel_execution_pages import ExecutionPages
from stretto.web.rebuild_route import RebuildRoute
from stretto.web.renderer import Renderer
from stretto.web.report_routes import ReportRoutes
from stretto.web.score_route import ScoreRoute
from stretto.web.session_and_period_comparison_pages import ComparisonPages

__all__ = ["Backend", "create_app"]

HOOK_LIMIT = 64 * 1024 * 1024
"""Most bytes of a hook's payload, as in the hook client."""
LIMIT = 1024 * 1024
"""Most bytes of any other body."""

COMPRESSED_FROM = 1_000
"""Least bytes of an answer that is compressed for a client that accepts gzip."""
COMPRESSION_LEVEL = 4
"""For the page of a session, the highest level saves a twentieth more and takes three times as long."""

SIMULATED = Refusal(409, "this service shows a simulated month and receives nothing", "run 'stretto up'")
"""The answer to what is sent to a service whose sessions are all simulated."""

_PAGES: tuple[type[PageEndpoints], ...] = (
    OverviewPage, DimensionPages, ExecutionPages, AlertPages, ComparisonPages, ActivityPage, FindingPage,
    PageRoutes,
)  # fmt: skip

_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def create_app(backend: Backend) -> ASGIApp:
    """Return the ASGI application that answers from the backend."""
    static = _read_static_files()
    # The hash in the address lets browsers cache a file forever: changed content has another address.
    addresses = {
        name: f"/static/{name}?{sha256(content).hexdigest()[:12]}" for name, (content, _) in static.items()
    }
    renderer = Renderer(backend, addresses, static["stretto.css"][0].decode())
    pages = [
        *(route for page in _PAGES for route in page(backend, renderer).list_routes()),
        *ReportRoutes(backend).list_page_routes(),
    ]
    api = list_api_routes(backend)
    app = Starlette(
        routes=[
            *_MachineRoutes(backend, static).list_routes(),
            *api,
            *OpenApiRoute(api, backend.version).list_routes(),
            *OtlpRoutes(backend).list_routes(),
            *(pages if backend.shows_pages else [Route("/{path:path}", _answer_switched_off)]),
        ],
        exception_handlers={
            HTTPException: partial(_answer_http_error, renderer if backend.shows_pages else None),
            StrettoError: _answer_state_error,
            ClientDisconnect: _answer_disconnect,
            Exception: _answer_fault,
        },
    )
    # A redirect would be built from the Host header, which the request can forge.
    app.router.redirect_slashes = False
    # Streams of server-sent events are left as they are: Starlette compresses none.
    compressing = GZipMiddleware(app, minimum_size=COMPRESSED_FROM, compresslevel=COMPRESSION_LEVEL)
    return Guard(
        HookMiddleware(compressing, backend.append_hook),
        hosts=backend.hosts,
        token=backend.token,
        limits={
            HOOK: HOOK_LIMIT,
            NOTIFICATIONS: LIMIT,
            **dict.fromkeys(otlp_routes.PATHS, otlp_routes.LIMIT),
        },
        compressed=otlp_routes.PATHS,
        limit=LIMIT,
        input_refusal=backend.input_refusal or (SIMULATED if backend.is_simulated else None),
        # Its protocol asks by POST; no tool of it writes.
        reading={MCP},
    )


def list_api_routes(backend: Backend) -> list[Route]:
    """Return the routes of the API, which is described from this list. It asks nothing of the backend."""
    return [
        *JsonRoutes(backend).list_routes(),
        *ScoreRoute(backend).list_routes(),
        *FindingsRoutes(backend).list_routes(),
        *OperationRoutes(backend).list_routes(),
        *McpRoute(backend).list_routes(),
        *GateRoutes(backend).list_routes(),
        *RebuildRoute(backend).list_routes(),
        *ForgetRoute(backend).list_routes(),
        *UpdateRoute(backend.updates).list_routes(),
        *OrchestratorFeedRoutes(backend).list_routes(),
        *ReportRoutes(backend).list_routes(),
    ]


async def _answer_switched_off(_: Request) -> Response:
    """Answer for the pages while they are switched off."""
    return PlainTextResponse("the pages are switched off: stretto features set dashboards=on\n", 404)


class _MachineRoutes:
    """The routes for programs, and the static files."""

    def __init__(self, backend: Backend, static: Mapping[str, tuple[bytes, str]]) -> None:
        self._backend = backend
        self._files = static

    def list_routes(self) -> list[Route]:
        return [
            Route("/metrics", self.show_metrics),
            Route("/healthz", self.answer_health),
            Route("/readyz", self.answer_readiness),
            Route("/static/{name:path}", self.serve_file),
        ]

    def show_metrics(self, request: Request) -> Response:
        name = request.query_params.get("profile")
        expose = self._backend.expose if name is None else self._backend.profiles.get(name)
        if expose is None:
            known = ", ".join(self._backend.profiles) or "none"
            return PlainTextResponse(f"there is no profile {name!r} of the metrics; known: {known}\n", 400)
        exposition = expose(", ".join(request.headers.getlist("accept")))
        return Response(exposition.body, headers={"Content-Type": exposition.content_type, "Vary": "Accept"})

    async def answer_health(self, _: Request) -> Response:
        return PlainTextResponse("alive\n")

    def answer_readiness(self, _: Request) -> Response:
        reason = self._backend.unready()
        if reason is not None:
            return PlainTextResponse(f"not ready: {reason}\n", 503)
        snapshot = self._backend.snapshot()
        if snapshot is None:
            return PlainTextResponse("not ready: there are no figures yet\n", 503)
        age = (self._backend.clock() - snapshot.at) / SECOND
        if age > self._backend.fresh_seconds:
            limit = self._backend.fresh_seconds
            return PlainTextResponse(
                f"not ready: the figures are {age:.0f} s old, at most {limit:.0f} s is fresh\n", 503
            )
        return PlainTextResponse("ready\n")

    async def serve_file(self, request: Request) -> Response:
        file = self._files.get(request.path_params["name"])
        if file is None:
            raise HTTPException(404)
        content, media_type = file
        return Response(
            content, media_type=media_type, headers={"Cache-Control": "max-age=31536000, immutable"}
        )


def _read_static_files() -> dict[str, tuple[bytes, str]]:
    """Read the package's static files once, so that no requested path ever reaches the disk."""
    folder = resources.files(__package__) / "static"
    return {
        entry.name: (entry.read_bytes(), media_type)
        for entry in folder.iterdir()
        for suffix, media_type in _TYPES.items()
        if entry.name.endswith(suffix)
    }


def _answer_http_error(renderer: Renderer | None, request: Request, error: Exception) -> Response:
    """Answer for an address or a method that is none: for people by a page of the renderer."""
    if not isinstance(error, HTTPException):
        raise error
    messages = {404: "there is nothing at this address", 405: "this address does not take that method"}
    is_plain = error.detail == HTTPStatus(error.status_code).phrase
    problem = messages.get(error.status_code, error.detail) if is_plain else error.detail
    if renderer is not None and not request.url.path.startswith((responses.API, "/static/")):
        answer = renderer.render_error(request, error.status_code, problem)
        answer.headers.update(error.headers or {})
        return answer
    return responses.build_error(request.url.path, error.status_code, problem, headers=error.headers)


async def _answer_state_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, StrettoError):
        raise error
    return responses.build_error(request.url.path, 503, error.to_line(), error.hint)


async def _answer_disconnect(_: Request, __: Exception) -> Response:
    """Answer a client that disconnected before its body was complete; nobody reads the answer."""
    return Response(status_code=400)


async def _answer_fault(request: Request, _: Exception) -> Response:
    return responses.build_error(
        request.url.path, 500, "Stretto failed to answer", "the service's standard error has the reason"
    )
