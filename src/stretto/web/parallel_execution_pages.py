"""Answer the list of parallel executions, and the page of each of them."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from stretto.clock import SECOND
from stretto.findings.finding_sentences import describe_fanout_progress
from stretto.names import NONE
from stretto.store.fanout_list import MOST_PAGES, FanoutQuery, FanoutSort
from stretto.summaries.running_tasks import ExpectedFanout
from stretto.summaries.session_json import build_page_document
from stretto.web import session_timeline, session_view
from stretto.web.page_endpoints import PageEndpoints
from stretto.web.window_parameters import (
    PAGE_PARAMETERS,
    WINDOW_PARAMETERS,
    QueryError,
    check_names,
    parse_number_from_one,
    parse_window,
    parse_window_of_list,
)

PARAMETERS = ("pattern", "project", "sort", "page", *WINDOW_PARAMETERS)

SORT_TITLES = {
    FanoutSort.END: "latest first",
    FanoutSort.SPEEDUP: "largest speed-up first",
    FanoutSort.ELAPSED: "longest first",
    FanoutSort.WIDTH: "widest first",
}


def parse_fanout_query(parameters: Mapping[str, str], now: int) -> FanoutQuery:
    """Return the query of a request's parameters. Raises QueryError for one that is unknown or invalid."""
    given = {name: text for name, text in parameters.items() if text and name not in PAGE_PARAMETERS}
    check_names(given, PARAMETERS)
    window = parse_window_of_list(given, now)
    sort = given.get("sort", FanoutSort.END.value)
    if sort not in {each.value for each in FanoutSort}:
        raise QueryError(f"sort must be one of {', '.join(FanoutSort)}")
    return FanoutQuery(
        pattern=given.get("pattern"),
        project=given.get("project"),
        since=None if window is None else window.start,
        until=None if window is None else window.end,
        sort=FanoutSort(sort),
        page=parse_number_from_one("page", given.get("page", "1"), MOST_PAGES),
    )


class ExecutionPages(PageEndpoints):
    """The endpoints of parallel executions."""

    def list_routes(self) -> list[Route]:
        """Return the routes. Agents choose the ids of sessions, so an id may hold a slash."""
        return [
            Route("/executions", self.show_list),
            Route("/executions/{session:path}/{number:int}", self.show_execution),
        ]

    def show_list(self, request: Request) -> Response:
        """Answer a page of the finished parallel executions."""
        now = self._backend.clock()
        try:
            query = parse_fanout_query(request.query_params, now)
            window = parse_window(request.query_params, now)
        except QueryError as error:
            return self._refuse(request, 400, str(error), "The page /executions lists all.")
        return self._page(
            "executions.html",
            request,
            now,
            live=query.page == 1,
            page=self._backend.fanouts(query),
            running=self._list_running(query),
            query=query,
            window="all" if window is None else window.name,
            sort_titles=SORT_TITLES,
            most_pages=MOST_PAGES,
        )

    def _list_running(self, query: FanoutQuery) -> list[tuple[ExpectedFanout, str]]:
        """Return the running parallel executions on the first page, each with its progress as a text."""
        if query.page > 1:
            return []
        return [
            (expected, describe_fanout_progress(expected))
            for expected in self._backend.expected_fanouts()
            if query.pattern in {None, expected.running.pattern or NONE}
            and query.project in {None, expected.running.project}
        ]

    def show_execution(self, request: Request) -> Response:
        """Answer the page of one parallel execution: its figures, its part of the timeline, its tasks."""
        number = request.path_params["number"]
        summary = self._backend.session_summary(request.path_params["session"])
        if summary is None or not 1 <= number <= len(summary.fanouts):
            return self._refuse(
                request,
                404,
                "There is no such parallel execution.",
                "The page /executions lists them.",
            )
        session, fanout = summary.session, summary.fanouts[number - 1][0]
        document = build_page_document(summary, number, {task.id for task in fanout.tasks})
        start, end = ((at - session.start) / SECOND for at in (fanout.start, fanout.end))
        drawing = session_timeline.draw_session(
            session, session_timeline.choose_view(session, start, end), summary.analysis.wall_parts
        )
        return self._page(
            "execution.html",
            request,
            self._backend.clock(),
            live=False,
            session=session,
            place=number,
            count=len(summary.fanouts),
            drawing=drawing,
            zooms={},
            p=session_view.make_fanout_row(summary, document, drawing, number),
            path_lines=session_view.draw_path(summary.analysis.path, drawing),
            critical_path=document.get("critical_path"),
            tasks=session_view.make_task_rows(session, document, fanout.tasks),
        )
