"""Answer the HTML pages: overview, views, sessions, a single session, and runbooks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from stretto.clock import HOUR, SECOND
from stretto.errors import StoreError
from stretto.figures.bottleneck_agent import Bottleneck
from stretto.model.event import Outcome
from stretto.names import PREFIX, WINDOWS
from stretto.notifications import latest_notifications as alerts
from stretto.store.session_finder import CursorError
from stretto.summaries.session_summary import build_session_document
from stretto.web import (
    dimension_views,
    findings_view,
    headline,
    markdown,
    responses,
    session_list,
    session_timeline,
    session_view,
    trend_chart,
)
from stretto.web.backend import Backend
from stretto.web.metric_definitions import ABSENT
from stretto.web.renderer import Renderer
from stretto.web.session_query import ALL, PERIODS, QueryError, parse_session_query

SESSIONS_SHOWN = 50
"""Sessions on a page of the list."""

_ALERT = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_SECONDS = re.compile(r"\d{1,9}(\.\d{1,9})?")
_NUMBER = re.compile(r"\d{1,6}")

LABELS = {"types": "task_type", "agents": "agent", "patterns": "pattern"}
"""View → the label whose values it lists."""


class PageRoutes:
    """The endpoints that answer HTML. ``addresses`` maps static file names to their addresses."""

    def __init__(self, backend: Backend, addresses: Mapping[str, str]) -> None:
        self._backend = backend
        self._page = Renderer(backend, addresses).render_page

    def list_routes(self) -> list[Route]:
        """Return the routes. Names and ids are chosen outside Stretto and may hold a slash."""
        return [
            Route("/", self.show_overview),
            Route("/findings", self.show_findings),
            Route("/sessions", self.show_sessions),
            Route("/sessions/{id:path}", self.show_session),
            *(Route(f"/{view}", self.show_view) for view in LABELS),
            *(Route(f"/{view}/{{name:path}}", self.show_detail) for view in LABELS),
            Route("/runbook", self.show_runbooks),
            Route("/runbook/{alert}", self.show_runbook),
        ]

    def show_overview(self, request: Request) -> Response:
        """Answer the overview: the verdict, running sessions, firing alerts, trends and health."""
        backend, now = self._backend, self._backend.clock()
        snapshot = backend.snapshot()
        log = backend.notifications
        current_alerts = alerts.select_alerts(log.list_newest(), log.watchdog_heard, now)
        common: dict[str, Any] = {
            "problems": backend.problems(),
            "alerts": current_alerts,
            "pages": {
                n.alertname
                for n in (*current_alerts.firing, *current_alerts.resolved)
                if self._has_page(n.alertname)
            },
            "set_aside": log.set_aside,
            "news": findings_view.list_news(backend.findings(), backend.expected_tasks()),
        }
        if (refusal := _refuse_unknown_window(request)) is not None:
            return refusal
        if snapshot is None:
            return self._page("overview.html", request, now, live=True, snapshot=None, window=None, **common)
        window = headline.choose_window(snapshot, request.query_params.get("window"))
        figures = dimension_views.FigureIndex(snapshot)
        trends = _read_trends(backend)
        return self._page(
            "overview.html",
            request,
            now,
            live=True,
            snapshot=snapshot,
            window=window,
            windows=list(WINDOWS),
            list_columns=session_list.COLUMNS,
            line=headline.build_headline(snapshot, window),
            verdicts=snapshot.verdicts,
            open=snapshot.open_sessions,
            bottleneck=snapshot.bottlenecks.get(window),
            decisive_since=_find_decisive_since(snapshot.bottlenecks.get(window), now),
            days=trend_chart.build_chart(trends["days"]),
            weeks=trend_chart.build_chart(trends["weeks"]),
            old_definition_until=trends.get("old_definition_until"),
            changed=trend_chart.list_changes(snapshot.change.figures),
            completeness=dimension_views.replace_reason(
                figures.find_figure("stretto_capture_completeness_ratio", "", window=window),
                "no task or tool call is over",
            ),
            self_figures={
                figure.name.removeprefix(PREFIX): figure
                for figure in backend.self_figures()
                if not figure.labels
            },
            rejects=dimension_views.rank_reject_reasons(snapshot),
            stale=(now - snapshot.at) / SECOND > backend.fresh_seconds,
            **common,
        )

    def show_findings(self, request: Request) -> Response:
        """Answer what changed, why, what to do, what was done about it and what that brought."""
        backend, now = self._backend, self._backend.clock()
        state = backend.findings()
        return self._page(
            "findings.html",
            request,
            now,
            live=True,
            state=state,
            open=[findings_view.describe_stored(state, stored) for stored in state.open_findings],
            settled=[
                findings_view.describe_stored(state, stored) for stored in findings_view.list_settled(state)
            ],
            effects=findings_view.list_effects(state),
            annotations=findings_view.list_annotations(state),
            expected=findings_view.describe_expected(backend.expected_tasks()),
            answers=findings_view.describe_answers(state, now),
        )

    def show_view(self, request: Request) -> Response:
        """Answer the figures of each task type, agent or pattern in a window."""
        if (refusal := _refuse_unknown_window(request)) is not None:
            return refusal
        now, snapshot, view = self._backend.clock(), self._backend.snapshot(), request.url.path.strip("/")
        if snapshot is None:
            return self._page("view.html", request, now, live=True, view=view, window=None, rows=[])
        window = headline.choose_window(snapshot, request.query_params.get("window"))
        figures = dimension_views.FigureIndex(snapshot)
        rows = {
            "types": dimension_views.list_type_rows,
            "agents": dimension_views.list_agent_rows,
            "patterns": dimension_views.list_pattern_rows,
        }[view]
        return self._page(
            "view.html",
            request,
            now,
            live=True,
            view=view,
            window=window,
            windows=list(WINDOWS),
            rows=rows(figures, window),
        )

    def show_detail(self, request: Request) -> Response:
        """Answer every figure of one task type, agent or pattern, in every window."""
        view = request.url.path.split("/")[1]
        name, snapshot = request.path_params["name"], self._backend.snapshot()
        rows = [] if snapshot is None else dimension_views.list_detail_rows(snapshot, LABELS[view], name)
        if not rows:
            return responses.build_error(
                request.url.path, 404, "There is no figure of that name.", f"The page /{view} lists them."
            )
        return self._page(
            "detail.html",
            request,
            self._backend.clock(),
            live=True,
            view=view,
            name=name,
            rows=rows,
            windows=list(WINDOWS),
        )

    def show_sessions(self, request: Request) -> Response:
        """Answer a page of the sessions that match the parameters, the most recently active first."""
        now = self._backend.clock()
        try:
            query = parse_session_query(request.query_params, now, SESSIONS_SHOWN, ignored=("refresh",))
            page = self._backend.sessions(query)
        except (QueryError, CursorError) as error:
            return responses.build_error(request.url.path, 400, str(error), "The page /sessions lists all.")
        return self._page(
            "sessions.html",
            request,
            now,
            live=query.after is None,
            page=page,
            query=query,
            given=request.query_params,
            filters=session_list.list_filters(request.query_params),
            list_columns=session_list.COLUMNS,
            periods=[*PERIODS, ALL],
            outcomes=list(Outcome),
        )

    def show_session(self, request: Request) -> Response:
        """Answer the page of a session."""
        summary = self._backend.session_summary(request.path_params["id"])
        if summary is None:
            return responses.build_error(
                request.url.path, 404, "There is no such session.", "The page / lists the latest."
            )
        entity, document = summary.session, build_session_document(summary)
        parameters = request.query_params
        part = session_timeline.choose_view(
            entity, _parse_seconds(parameters.get("from")), _parse_seconds(parameters.get("to"))
        )
        drawing = session_timeline.draw_session(entity, part)
        tools = session_view.list_tool_rows(entity)
        pages = max(1, -(-len(entity.tasks) // session_view.TASKS_SHOWN))
        page = min(
            pages, max(1, int(number) if _NUMBER.fullmatch(number := parameters.get("page", "1")) else 1)
        )
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
            path_lines=session_view.draw_path(document, drawing),
            parallels=session_view.list_fanout_rows(summary, document, drawing),
            hidden_fanouts=max(0, len(summary.fanouts) - session_view.FANOUTS_SHOWN),
            wall=session_view.split_wall_time(document),
            efficiency=session_view.split_capacity,
            tasks=session_view.list_task_rows(entity, document, (page - 1) * session_view.TASKS_SHOWN),
            task_page=page,
            task_pages=pages,
            tools=tools[: session_view.TOOLS_SHOWN],
            hidden_tools=max(0, len(tools) - session_view.TOOLS_SHOWN),
            task_names={task.id: session_view.name_task(task) for task in entity.tasks},
            describe_parts=session_view.describe_score_parts,
            most=session_view.ROWS_SHOWN,
            absent_figures=summary.absent,
            absent_words=ABSENT,
            holdups=findings_view.list_session_holdups(self._backend.findings(), entity.id),
        )

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
        text = self._backend.runbook(alert) if _ALERT.fullmatch(alert) else None
        if text is None:
            return responses.build_error(
                request.url.path, 404, "There is no such alert.", "The page / lists the alerts that fire."
            )
        return self._page(
            "runbook.html",
            request,
            self._backend.clock(),
            live=False,
            alert=alert,
            body=markdown.render_html(text),
        )

    def _has_page(self, alert: str | None) -> bool:
        return (
            alert is not None and bool(_ALERT.fullmatch(alert)) and self._backend.runbook(alert) is not None
        )


def _refuse_unknown_window(request: Request) -> Response | None:
    """Return an error if the request names an unknown window, else None."""
    window = request.query_params.get("window")
    if window is None or window in WINDOWS:
        return None
    return responses.build_error(
        request.url.path, 400, "There is no such window.", f"There are {', '.join(WINDOWS)}."
    )


def _parse_seconds(text: str | None) -> float | None:
    return float(text) if text and _SECONDS.fullmatch(text) else None


def _find_decisive_since(bottleneck: Bottleneck | None, now: int) -> int | None:
    """Return the instant by which an agent was the bottleneck: the end of the hour it was first known.

    None if that is less than an hour ago. Example: known since 10:00 means by 11:00 at the latest; the page
    shows this from 12:00 on.
    """
    if bottleneck is None or bottleneck.since is None:
        return None
    latest = bottleneck.since + HOUR
    return latest if latest <= now - HOUR else None


def _read_trends(backend: Backend) -> dict[str, Any]:
    """Return the trends; none while the store cannot be read, which the page's problems explain."""
    try:
        return backend.trends()
    except StoreError:
        return {"days": [], "weeks": []}
