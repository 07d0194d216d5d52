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
from stretto.summaries.snapshot_of_any_window import find_window_before
from stretto.web import period_comparison, session_timeline, session_view
from stretto.web.page_endpoints import PageEndpoints
from stretto.web.window_parameters import PAGE_PARAMETERS, QueryError, check_names, parse_window

PERIOD = "7d"
"""The period that is compared with the one before, unless another is asked for."""


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
        """Answer a window beside the time of the same length before it."""
        now, parameters = self._backend.clock(), request.query_params
        try:
            window = parse_window(parameters, now) or parse_window({"window": PERIOD}, now)
        except QueryError as error:
            return self._refuse(request, 400, str(error))
        latest = self._backend.snapshot()
        before = None if window is None else find_window_before(window, now)
        if window is None or before is None:
            return self._refuse(
                request,
                400,
                "The time before has no length.",
                "Choose a window with a beginning that is over.",
            )
        if latest is None:
            return self._refuse(request, 503, "There are no figures yet.")
        snapshots = [(each, self._backend.windowed_snapshot(latest, each)) for each in (window, before)]
        return self._page(
            "periods.html",
            request,
            now,
            live=True,
            window=window.name,
            before=before.name,
            coarser=snapshots[0][1].coarser,
            comparison=period_comparison.compare_periods(
                *((snapshot, each.name) for each, snapshot in snapshots)
            ),
        )
