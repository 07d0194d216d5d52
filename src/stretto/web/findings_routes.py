"""Findings over HTTP: the document for programs, and decisions by POST from programs and the page's forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from stretto.findings.decision_parsing import parse_decision
from stretto.findings.explain_work_or_session import explain_session
from stretto.findings.findings_snapshot import FindingsState, build_findings_document
from stretto.model.entities import Session
from stretto.web import responses
from stretto.web.backend import Backend
from stretto.web.window_parameters import QueryError, check_names, parse_instant

PATH = "/api/findings"
WHY = "/api/why/{id:path}"
DECISIONS = "/api/decisions"
PARAMETERS = ("at",)
PAGE = "/findings"
FORM = "application/x-www-form-urlencoded"

_HINT = (
    'send {"kind": "accepted", "finding": "<id>", "text": "why"}, or {"kind": "annotation", "text": "..."},'
    ' with "time" if it holds since an earlier one'
)


def read_findings_as_of(backend: Backend, given: Mapping[str, str]) -> FindingsState:
    """Return the findings of now, or as known at the instant of the parameter ``at``. Raises QueryError.

    A date is its beginning in UTC.
    """
    at = parse_instant(given, "at", 0) if given.get("at") else None
    if at is None:
        return backend.findings()
    if at > backend.clock():
        raise QueryError("at must not lie in the future")
    return backend.past_findings(at)


def read_findings_about_older_session(backend: Backend, session: Session) -> FindingsState:
    """Return the findings, with the hold-ups of a session that is older than those explained anyway."""
    state = backend.findings()
    if backend.operations is None:
        return state
    return backend.operations.older_sessions.add_explanation(state, session)


class FindingsRoutes:
    """The routes of findings and decisions."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def list_routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route(PATH, self.get_findings),
            # Agents choose the ids, so an id may hold a slash.
            Route(WHY, self.explain_session),
            Route(DECISIONS, self.receive_decision, methods=["POST"]),
        ]

    def get_findings(self, request: Request) -> Response:
        """Answer the findings, now or ``at`` an instant: open and settled ones, quiet checks, answers."""
        try:
            check_names(request.query_params, PARAMETERS)
            state = read_findings_as_of(self._backend, request.query_params)
        except QueryError as error:
            return responses.build_error(PATH, 400, str(error))
        return responses.build_json(build_findings_document(state))

    def explain_session(self, request: Request) -> Response:
        """Answer the hold-ups of a session and its standing among its like; worked out if it is older."""
        summary = self._backend.session_summary(request.path_params["id"])
        if summary is None:
            hint = "GET /api/sessions lists the sessions with their ids"
            return responses.build_error(request.url.path, 404, "no such session", hint)
        try:
            check_names(request.query_params, ())
        except QueryError as error:
            return responses.build_error(request.url.path, 400, str(error))
        state = read_findings_about_older_session(self._backend, summary.session)
        return responses.build_json(explain_session(state, summary.session).to_document())

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
