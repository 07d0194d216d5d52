"""Answer the HTML pages of findings, sessions, a single session, and runbooks."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from stretto.clock import SECOND
from stretto.figures.messages_between_agents import list_conversations
from stretto.findings.explain_work_or_session import ONLY_LATEST, explain_session
from stretto.findings.look_up_findings_about_sessions import order_by_holdup_seconds
from stretto.model.entities import Session
from stretto.model.event import Outcome
from stretto.operations.older_session_explainer import BUSY
from stretto.store.garbage_collector_pause import pause_collector
from stretto.store.session_queries import SessionRow
from stretto.store.session_search import CursorError, SessionQuery
from stretto.summaries.session_json import build_page_document
from stretto.summaries.time_window import ALL, make_named_window
from stretto.web import (
    findings_view,
    markdown,
    responses,
    session_list_columns,
    session_timeline,
    session_view,
)
from stretto.web.collaboration_network import draw_network
from stretto.web.findings_routes import read_findings_about_older_session, read_findings_as_of
from stretto.web.page_endpoints import PageEndpoints
from stretto.web.page_terms import ABSENT
from stretto.web.runbook_lookup import get_runbook_markdown
from stretto.web.session_list_parameters import parse_session_query
from stretto.web.window_parameters import PAGE_PARAMETERS, WINDOW_PARAMETERS, QueryError, parse_window

SESSIONS_SHOWN = 50
"""Sessions on a page of the list."""

_SECONDS = re.compile(r"\d{1,9}(\.\d{1,9})?")
_NUMBER = re.compile(r"\d{1,6}")


LIKE_SHOWN = 5
"""Earlier sessions that a session's page offers to be compared with."""


class PageRoutes(PageEndpoints):
    """The endpoints that answer HTML."""

    def list_routes(self) -> list[Route]:
        """Return the routes. Names and ids are chosen outside Stretto and may hold a slash."""
        return [
            Route("/findings", self.show_findings),
            Route("/reports", self.show_reports),
            Route("/sessions", self.show_sessions),
            Route("/sessions/{id:path}", self.show_session),
            Route("/runbook", self.show_runbooks),
            Route("/runbook/{alert}", self.show_runbook),
        ]

    def show_findings(self, request: Request) -> Response:
        """Answer what changed, why, what to do, what was done about it and what that brought."""
        backend, now = self._backend, self._backend.clock()
        try:
            state = read_findings_as_of(backend, request.query_params)
        except QueryError as error:
            return self._refuse(request, 400, str(error), "The page /findings shows those of now.")
        return self._page(
            "findings.html",
            request,
            now,
            live=not state.is_past,
            state=state,
            open=[findings_view.describe_stored(state, stored) for stored in findings_view.rank_open(state)],
            settled=[
                findings_view.describe_stored(state, stored) for stored in findings_view.list_settled(state)
            ],
            effects=findings_view.list_effects(state),
            annotations=findings_view.list_annotations(state),
            expected=() if state.is_past else findings_view.describe_expected(backend.expected_tasks()),
            answers=findings_view.describe_answers(state, now),
            absent=findings_view.list_absent(state),
        )

    def show_reports(self, request: Request) -> Response:
        """Answer the list of the kept reports."""
        backend = self._backend
        return self._page(
            "reports.html",
            request,
            backend.clock(),
            live=False,
            reports=backend.reports(),
            on=backend.writes_reports,
        )

    def show_sessions(self, request: Request) -> Response:
        """Answer a page of the sessions that match the parameters, the most recently active first.

        A form sends its empty fields along: the answer leads to the short address.
        """
        if shorter := responses.redirect_to_shorter_address(request):
            return shorter
        now = self._backend.clock()
        try:
            query = parse_session_query(request.query_params, now, SESSIONS_SHOWN, ignored=PAGE_PARAMETERS)
            window = parse_window(request.query_params, now) or make_named_window(ALL, now)
            state = self._backend.findings()
            page = self._backend.sessions(order_by_holdup_seconds(query, state))
        except (QueryError, CursorError) as error:
            return self._refuse(request, 400, str(error), "The page /sessions lists all.")
        return self._page(
            "sessions.html",
            request,
            now,
            live=query.after is None,
            page=page,
            finding_of=session_list_columns.collect_findings(state, page.rows),
            query=query,
            window=window.name,
            given=request.query_params,
            filters=session_list_columns.list_filters(request.query_params),
            list_columns=session_list_columns.COLUMNS,
            hidden_filters=WINDOW_PARAMETERS,
            more_filters=session_list_columns.list_text_filters(request.query_params),
            outcomes=list(Outcome),
        )

    def show_session(self, request: Request) -> Response:
        """Answer the page of a session."""
        # A session of thousands of calls is read and drawn as many objects that are dropped at once.
        with pause_collector():
            return self._build_session_page(request)

    def _build_session_page(self, request: Request) -> Response:
        summary = self._backend.session_summary(request.path_params["id"])
        if summary is None:
            return self._refuse(request, 404, "There is no such session.", "The page / lists the latest.")
        entity = summary.session
        parameters = request.query_params
        pages = max(1, -(-len(entity.tasks) // session_view.TASKS_SHOWN))
        page = min(
            pages, max(1, int(number) if _NUMBER.fullmatch(number := parameters.get("page", "1")) else 1)
        )
        shown = session_view.list_tasks_of_page(entity, page)
        document = build_page_document(summary, session_view.FANOUTS_SHOWN, {task.id for task in shown})
        part = session_timeline.choose_view(
            entity, _parse_seconds(parameters.get("from")), _parse_seconds(parameters.get("to"))
        )
        drawing = session_timeline.draw_session(entity, part, summary.analysis.wall_parts)
        tools = session_view.list_tool_rows(entity)
        conversations = list_conversations(entity.messages)
        state = (
            read_findings_about_older_session(self._backend, entity)
            if parameters.get("explain") == "yes"
            else self._backend.findings()
        )
        explanation = explain_session(state, entity)
        return self._page(
            "session.html",
            request,
            self._backend.clock(),
            live=True,
            changing=entity.outcome is Outcome.RUNNING,
            session=entity,
            document=document,
            elapsed=((entity.end or entity.last) - entity.start) / SECOND,
            drawing=drawing,
            zooms=session_view.compute_zooms(drawing),
            path_lines=session_view.draw_path(summary.analysis.path, drawing),
            parallels=session_view.list_fanout_rows(summary, document, drawing),
            hidden_fanouts=max(0, len(summary.fanouts) - session_view.FANOUTS_SHOWN),
            wall=session_view.split_wall_time(document),
            efficiency=session_view.list_capacity_shares,
            tasks=session_view.make_task_rows(entity, document, shown),
            is_long=len(entity.tasks) > session_view.TASKS_UNFOLDED,
            is_page_chosen="page" in parameters,
            task_page=page,
            task_pages=pages,
            tests=[call for call in entity.tool_calls if call.tests is not None],
            tools=tools[: session_view.TOOLS_SHOWN],
            hidden_tools=max(0, len(tools) - session_view.TOOLS_SHOWN),
            task_names={task.id: session_view.name_task(task) for task in entity.tasks},
            describe_parts=session_view.describe_score_parts,
            most=session_view.ROWS_SHOWN,
            absent_figures=summary.absent,
            absent_words=ABSENT,
            like=self._list_like(entity),
            conversations=conversations[: session_view.ROWS_SHOWN],
            network=draw_network(conversations),
            naming=findings_view.list_naming(state, entity.id),
            explanation=explanation,
            can_explain=explanation.reason in {BUSY, ONLY_LATEST},
        )

    def _list_like(self, session: Session) -> list[SessionRow]:
        """Return earlier sessions of the same pattern and project, the latest first."""
        if session.pattern is None:
            return []
        query = SessionQuery(
            pattern=session.pattern, project=session.project, until=session.start, limit=LIKE_SHOWN
        )
        return [row for row in self._backend.sessions(query).rows if row.id != session.id]

    def show_runbooks(self, request: Request) -> Response:
        """Answer the list of alerts that have a runbook page, each with its meaning."""
        pages = [(alert, self._backend.runbook(alert) or "") for alert in self._backend.alerts()]
        return self._page(
            "runbooks.html",
            request,
            self._backend.clock(),
            live=False,
            pages=[(alert, markdown.find_first_sentence(text)) for alert, text in pages],
        )

    def show_runbook(self, request: Request) -> Response:
        """Answer the runbook page of an alert."""
        alert = request.path_params["alert"]
        text = get_runbook_markdown(self._backend, alert)
        if text is None:
            return self._refuse(
                request, 404, "There is no such alert.", "The page / lists the alerts that fire."
            )
        return self._page(
            "runbook.html",
            request,
            self._backend.clock(),
            live=False,
            alert=alert,
            body=markdown.render_html(text),
        )


def _parse_seconds(text: str | None) -> float | None:
    return float(text) if text and _SECONDS.fullmatch(text) else None
