"""Answer the comparison of two sessions on one axis of time, and that of two periods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from stretto.clock import SECOND
from stretto.figures.matched_tasks_of_two_sessions import match_tasks
from stretto.model.interval import Interval
from stretto.summaries.session_json import build_session_document
from stretto.summaries.session_summary import SessionSummary
from stretto.web import session_timeline, session_view
from stretto.web.page_endpoints import PageEndpoints
from stretto.web.requested_periods import PERIOD_PARAMETERS, compare_requested_periods, parse_periods
from stretto.web.window_form import make_bound_fields
from stretto.web.window_parameters import (
    BEFORE_PARAMETERS,
    PAGE_PARAMETERS,
    WINDOW_PARAMETERS,
    QueryError,
    check_names,
)

SIDES = ("first", "second")
"""The parameters that name two sessions."""


_SESSIONS = "The page /sessions lists the sessions."


class ComparisonPages(PageEndpoints):
    """The endpoints of comparisons. Their addresses can be sent to somebody."""

    def list_routes(self) -> list[Route]:
        """Return the routes."""
        return [Route("/compare", self.compare_sessions), Route("/periods", self.compare_periods)]

    def compare_sessions(self, request: Request) -> Response:
        """Answer two sessions, ``first`` and ``second``, side by side."""
        parameters = request.query_params
        try:
            check_names(parameters, (*SIDES, *PAGE_PARAMETERS))
        except QueryError as error:
            return self._refuse(request, 400, str(error))
        summaries = []
        for name in SIDES:
            if not parameters.get(name):
                return self._refuse(request, 400, f"{name} must be the id of a session", _SESSIONS)
            summary = self._backend.session_summary(parameters[name])
            if summary is None:
                return self._refuse(request, 404, f"There is no session {parameters[name]}.", _SESSIONS)
            summaries.append(summary)
        first, second = summaries
        longest = max(session_timeline.find_extent(summary.session).length for summary in summaries)
        return self._page(
            "compare.html",
            request,
            self._backend.clock(),
            live=False,
            sides=[
                self._draw_side(name, summary, longest)
                for name, summary in zip(("first", "second"), summaries, strict=True)
            ],
            matches=match_tasks(first.session.tasks, second.session.tasks),
        )

    def _draw_side(self, name: str, summary: SessionSummary, longest: int) -> Mapping[str, Any]:
        session, document = summary.session, build_session_document(summary)
        start = session.start
        drawing = session_timeline.draw_session(session, Interval(start, start + longest))
        return {
            "name": name,
            "session": session,
            "document": document,
            "elapsed": session_timeline.find_extent(session).length / SECOND,
            "drawing": drawing,
            "parallels": session_view.list_fanout_rows(summary, document, drawing),
        }

    def compare_periods(self, request: Request) -> Response:
        """Answer a window beside the time of the same length before it, or beside a period that is chosen."""
        now, parameters = self._backend.clock(), request.query_params
        try:
            check_names(parameters, (*PERIOD_PARAMETERS, *PAGE_PARAMETERS))
            choice = parse_periods(parameters, now)
        except QueryError as error:
            return self._refuse(
                request, 400, str(error), "The page /periods compares the last 7 days with those before."
            )
        compared = compare_requested_periods(self._backend, choice)
        if compared is None:
            return self._refuse(request, 503, "There are no figures yet.")
        return self._page(
            "periods.html",
            request,
            now,
            live=True,
            choice=choice,
            compared=compared,
            before_bounds=make_bound_fields(parameters, BEFORE_PARAMETERS),
            kept_window={name: parameters[name] for name in WINDOW_PARAMETERS if parameters.get(name)},
        )
