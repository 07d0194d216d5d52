"""Findings over HTTP: the document for programs, and decisions by POST from programs and the page's forms."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from stretto.findings.decision_parsing import parse_decision
from stretto.findings.findings_snapshot import build_findings_document
from stretto.web import responses
from stretto.web.backend import Backend

PATH = "/api/findings"
DECISIONS = "/api/decisions"
PAGE = "/findings"
FORM = "application/x-www-form-urlencoded"

_HINT = (
    'send {"kind": "accepted", "finding": "<id>", "text": "why"}, or {"kind": "annotation", "text": "..."}'
)


class FindingsRoutes:
    """The routes of findings and decisions."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def list_routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route(PATH, self.get_findings),
            Route(DECISIONS, self.receive_decision, methods=["POST"]),
        ]

    def get_findings(self, _: Request) -> Response:
        """Answer the findings: open and settled ones, quiet checks, the age of each answer."""
        return responses.build_json(build_findings_document(self._backend.findings()))

    async def receive_decision(self, request: Request) -> Response:
        """Append a decision; a form is led to the page of its finding, or of all."""
        body = await request.body()
        is_form = request.headers.get("content-type", "").partition(";")[0].strip() == FORM
        try:
            item: Any = dict(parse_qsl(body.decode())) if is_form else msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return responses.build_error(DECISIONS, 400, "the body is not JSON", _HINT)
        decision = parse_decision(item, self._backend.findings(), self._backend.clock())
        if isinstance(decision, str):
            return responses.build_error(DECISIONS, 400, decision, _HINT)
        try:
            await run_in_threadpool(self._backend.append_decision, decision)
        except OSError as error:
            return responses.build_error(
                DECISIONS, 503, f"the decision cannot be stored: {error.strerror}", "send it again"
            )
        if is_form:
            return RedirectResponse(PAGE if decision.subject is None else f"{PAGE}/{decision.subject}", 303)
        return responses.build_json(
            {"id": decision.id, "kind": decision.kind.value, "finding": decision.subject}
        )
