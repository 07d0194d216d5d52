"""The pages a person reads: overview, views, sessions, one session, an alert's runbook."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from stretto.clock import HOUR, SECOND
from stretto.figures.bottleneck import Bottleneck
from stretto.model.event import Outcome
from stretto.names import PREFIX, WINDOWS
from stretto.notifications import current_alerts as alerts
from stretto.summaries.session_summary import build_session_document
from stretto.web import (
    dimension_views,
    headline,
    markdown,
    responses,
    session_timeline,
    session_view,
    trend_chart,
)
from stretto.web.backend import Backend
from stretto.web.json_routes import QueryError, format_continuation, parse_continuation
from stretto.web.metric_definitions import ABSENT
from stretto.web.renderer import Renderer

SESSIONS_SHOWN = 50
"""Sessions on one page of the list."""

_ALERT = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_SECONDS = re.compile(r"\d{1,9}(\.\d{1,9})?")
_NUMBER = re.compile(r"\d{1,6}")

LABELS = {"types": "task_type", "agents": "agent", "patterns": "pattern"}
"""View → the label whose values it lists."""


class PageRoutes:
    """The endpoints that answer HTML. ``addresses`` are those of the static files by name."""

    def __init__(self, backend: Backend, addresses: Mapping[str, str]) -> None:
        self._backend = backend
        self._page = Renderer(backend, addresses).render_page

    def list_routes(self) -> list[Route]:
        """Return the routes. A name or an id is someone's own text: it may hold a slash."""
        return [
            Route("/", self.show_overview),
            Route("/sessions", self.show_sessions),
            Route("/sessions/{id:path}", self.show_session),
            *(Route(f"/{view}", self.show_view) for view in LABELS),
            *(Route(f"/{view}/{{name:path}}", self.show_detail) for view in LABELS),
            Route("/runbook", self.show_runbooks),
            Route("/runbook/{alert}", self.show_runbook),
        ]

    def show_overview(self, request: Request) -> Response:
        """Answer the first page: the verdict, what runs and fires now, and what stands behind it."""
        backend, now = self._backend, self._backend.clock()
        taken = backend.snapshot()
        log = backend.notifications
        told = alerts.select_alerts(log.list_newest(), log.watchdog_heard, now)
        common: dict[str, Any] = {
            "problems": backend.problems(),
            "alerts": told,
            "pages": {n.alertname for n in (*told.firing, *told.resolved) if self._has_page(n.alertname)},
            "set_aside": log.set_aside,
        }
        if (refused := _refuse_unknown_window(request)) is not None:
            return refused
        if taken is None:
            return self._page("overview.html", request, now, live=True, taken=None, window=None, **common)
        window = headline.choose_window(taken, request.query_params.get("window"))
        figures = dimension_views.FigureIndex(taken)
        trends = backend.trends()
        return self._page(
            "overview.html",
            request,
            now,
            live=True,
            taken=taken,
            window=window,
            windows=list(WINDOWS),
            line=headline.build_headline(taken, window),
            verdicts=taken.verdicts,
            open=[row for row in taken.latest if row.outcome is Outcome.RUNNING],
            bottleneck=taken.bottlenecks.get(window),
            decisive_since=_find_decisive_since(taken.bottlenecks.get(window), now),
            days=trend_chart.build_chart(trends["days"]),
            weeks=trend_chart.build_chart(trends["weeks"]),
            changed=trend_chart.list_changes(taken.change.figures),
            completeness=dimension_views.replace_reason(
                figures.find_figure("capture_completeness_ratio", "", window=window),
                "no task or tool call is over",
            ),
            self_figures={
                figure.name.removeprefix(PREFIX): figure
                for figure in backend.self_figures()
                if not figure.labels
            },
            rejects=dimension_views.rank_reject_reasons(taken),
            stale=(now - taken.at) / SECOND > backend.fresh_seconds,
            **common,
        )

    def show_view(self, request: Request) -> Response:
        """Answer the figures of each task type, agent or pattern in a window."""
        if (refused := _refuse_unknown_window(request)) is not None:
            return refused
        now, taken, view = self._backend.clock(), self._backend.snapshot(), request.url.path.strip("/")
        if taken is None:
            return self._page("view.html", request, now, live=True, view=view, window=None, rows=[])
        window = headline.choose_window(taken, request.query_params.get("window"))
        figures = dimension_views.FigureIndex(taken)
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
        name, taken = request.path_params["name"], self._backend.snapshot()
        rows = [] if taken is None else dimension_views.list_detail_rows(taken, LABELS[view], name)
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
        """Answer the sessions, the one last heard of first, page by page."""
        try:
            before, after = parse_continuation(request)
        except QueryError as error:
            return responses.build_error(request.url.path, 400, str(error))
        rows = self._backend.sessions(SESSIONS_SHOWN + 1, before, after)
        shown = rows[:SESSIONS_SHOWN]
        return self._page(
            "sessions.html",
            request,
            self._backend.clock(),
            live=before is None,
            rows=shown,
            earlier=before is not None,
            next=format_continuation(shown[-1], rows[SESSIONS_SHOWN]) if len(rows) > SESSIONS_SHOWN else None,
        )

    def show_session(self, request: Request) -> Response:
        """Answer the page of one session."""
        found = self._backend.insight(request.path_params["id"])
        if found is None:
            return responses.build_error(
                request.url.path, 404, "There is no such session.", "The page / lists the latest."
            )
        entity, document = found.session, build_session_document(found)
        asked = request.query_params
        part = session_timeline.choose_view(
            entity, _parse_seconds(asked.get("from")), _parse_seconds(asked.get("to"))
        )
        drawing = session_timeline.draw_session(entity, part)
        tools = session_view.list_tool_rows(entity)
        pages = max(1, -(-len(entity.tasks) // session_view.TASKS_SHOWN))
        page = min(pages, max(1, int(number) if _NUMBER.fullmatch(number := asked.get("page", "1")) else 1))
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
            parallels=session_view.list_fanout_rows(found, document, drawing),
            hidden_fanouts=max(0, len(found.fanouts) - session_view.FANOUTS_SHOWN),
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
            absent_figures=found.absent,
            absent_words=ABSENT,
        )

    def show_runbooks(self, request: Request) -> Response:
        """Answer the list of alerts that have a page, each with what it means."""
        pages = [(alert, self._backend.runbook(alert) or "") for alert in self._backend.alerts()]
        return self._page(
            "runbooks.html",
            request,
            self._backend.clock(),
            live=False,
            pages=[(alert, markdown.find_first_sentence(text)) for alert, text in pages],
        )

    def show_runbook(self, request: Request) -> Response:
        """Answer what an alert means and what to do first."""
        alert = request.path_params["alert"]
        text = self._backend.runbook(alert) if _ALERT.fullmatch(alert) else None
        if text is None:
            return responses.build_error(
                request.url.path, 404, "There is no such alert.", "The page / lists what fires."
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
    """Answer whoever asks for a window that is none."""
    asked = request.query_params.get("window")
    if asked is None or asked in WINDOWS:
        return None
    return responses.build_error(
        request.url.path, 400, "There is no such window.", f"There are {', '.join(WINDOWS)}."
    )


def _parse_seconds(text: str | None) -> float | None:
    return float(text) if text and _SECONDS.fullmatch(text) else None


def _find_decisive_since(bottleneck: Bottleneck | None, now: int) -> int | None:
    """Return since when at the latest an agent is the bottleneck: the end of the hour that it is known by.

    None where that is less than an hour ago, which says nothing.
    """
    if bottleneck is None or bottleneck.since is None:
        return None
    latest = bottleneck.since + HOUR
    return latest if latest <= now - HOUR else None
