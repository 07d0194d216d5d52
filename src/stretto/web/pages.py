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
from stretto.web import dimension_views as views
from stretto.web import headline, markdown
from stretto.web import responses as answers
from stretto.web import session_timeline as timeline
from stretto.web import session_view as session
from stretto.web import trend_chart as trend
from stretto.web.backend import Surface
from stretto.web.json_routes import QueryError, continuation, continued
from stretto.web.metric_definitions import ABSENT
from stretto.web.renderer import Renderer

SESSIONS_SHOWN = 50
"""Sessions on one page of the list."""

_ALERT = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_SECONDS = re.compile(r"\d{1,9}(\.\d{1,9})?")
_NUMBER = re.compile(r"\d{1,6}")

LABELS = {"types": "task_type", "agents": "agent", "patterns": "pattern"}
"""View → the label whose values it lists."""


class Pages:
    """The endpoints that answer HTML. ``addresses`` are those of the static files by name."""

    def __init__(self, surface: Surface, addresses: Mapping[str, str]) -> None:
        self._surface = surface
        self._page = Renderer(surface, addresses).page

    def routes(self) -> list[Route]:
        """Return the routes. A name or an id is someone's own text: it may hold a slash."""
        return [
            Route("/", self.overview),
            Route("/sessions", self.sessions),
            Route("/sessions/{id:path}", self.session),
            *(Route(f"/{view}", self.view) for view in LABELS),
            *(Route(f"/{view}/{{name:path}}", self.detail) for view in LABELS),
            Route("/runbook", self.runbooks),
            Route("/runbook/{alert}", self.runbook),
        ]

    def overview(self, request: Request) -> Response:
        """Answer the first page: the verdict, what runs and fires now, and what stands behind it."""
        surface, now = self._surface, self._surface.clock()
        taken = surface.snapshot()
        log = surface.notifications
        told = alerts.alerts(log.newest(), log.watchdog_heard, now)
        common: dict[str, Any] = {
            "problems": surface.problems(),
            "alerts": told,
            "pages": {n.alertname for n in (*told.firing, *told.resolved) if self._has_page(n.alertname)},
            "set_aside": log.set_aside,
        }
        if (refused := _no_window(request)) is not None:
            return refused
        if taken is None:
            return self._page("overview.html", request, now, live=True, taken=None, window=None, **common)
        window = headline.choose_window(taken, request.query_params.get("window"))
        figures = views.Figures(taken)
        trends = surface.trends()
        return self._page(
            "overview.html",
            request,
            now,
            live=True,
            taken=taken,
            window=window,
            windows=list(WINDOWS),
            line=headline.headline(taken, window),
            verdicts=taken.verdicts,
            open=[row for row in taken.latest if row.outcome is Outcome.RUNNING],
            bottleneck=taken.bottlenecks.get(window),
            decisive_since=_decisive_since(taken.bottlenecks.get(window), now),
            days=trend.chart(trends["days"]),
            weeks=trend.chart(trends["weeks"]),
            changed=trend.changes(taken.change.figures),
            completeness=views.with_reason(
                figures.find("capture_completeness_ratio", "", window=window), "no task or tool call is over"
            ),
            own={figure.name.removeprefix(PREFIX): figure for figure in surface.own() if not figure.labels},
            rejects=views.reject_reasons(taken),
            stale=(now - taken.at) / SECOND > surface.fresh_seconds,
            **common,
        )

    def view(self, request: Request) -> Response:
        """Answer the figures of each task type, agent or pattern in a window."""
        if (refused := _no_window(request)) is not None:
            return refused
        now, taken, view = self._surface.clock(), self._surface.snapshot(), request.url.path.strip("/")
        if taken is None:
            return self._page("view.html", request, now, live=True, view=view, window=None, rows=[])
        window = headline.choose_window(taken, request.query_params.get("window"))
        figures = views.Figures(taken)
        rows = {"types": views.type_rows, "agents": views.agent_rows, "patterns": views.pattern_rows}[view]
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

    def detail(self, request: Request) -> Response:
        """Answer every figure of one task type, agent or pattern, in every window."""
        view = request.url.path.split("/")[1]
        name, taken = request.path_params["name"], self._surface.snapshot()
        rows = [] if taken is None else views.detail(taken, LABELS[view], name)
        if not rows:
            return answers.error(
                request.url.path, 404, "There is no figure of that name.", f"The page /{view} lists them."
            )
        return self._page(
            "detail.html",
            request,
            self._surface.clock(),
            live=True,
            view=view,
            name=name,
            rows=rows,
            windows=list(WINDOWS),
        )

    def sessions(self, request: Request) -> Response:
        """Answer the sessions, the one last heard of first, page by page."""
        try:
            before, after = continued(request)
        except QueryError as error:
            return answers.error(request.url.path, 400, str(error))
        rows = self._surface.sessions(SESSIONS_SHOWN + 1, before, after)
        shown = rows[:SESSIONS_SHOWN]
        return self._page(
            "sessions.html",
            request,
            self._surface.clock(),
            live=before is None,
            rows=shown,
            earlier=before is not None,
            next=continuation(shown[-1], rows[SESSIONS_SHOWN]) if len(rows) > SESSIONS_SHOWN else None,
        )

    def session(self, request: Request) -> Response:
        """Answer the page of one session."""
        found = self._surface.insight(request.path_params["id"])
        if found is None:
            return answers.error(
                request.url.path, 404, "There is no such session.", "The page / lists the latest."
            )
        entity, document = found.session, build_session_document(found)
        asked = request.query_params
        part = timeline.view(entity, _seconds(asked.get("from")), _seconds(asked.get("to")))
        drawing = timeline.draw(entity, part)
        tools = session.tool_rows(entity)
        pages = max(1, -(-len(entity.tasks) // session.TASKS_SHOWN))
        page = min(pages, max(1, int(number) if _NUMBER.fullmatch(number := asked.get("page", "1")) else 1))
        return self._page(
            "session.html",
            request,
            self._surface.clock(),
            live=True,
            changing=entity.outcome is Outcome.RUNNING,
            session=entity,
            document=document,
            elapsed=((entity.end or entity.last) - entity.start) / SECOND,
            drawing=drawing,
            zooms=session.zooms(drawing),
            path_lines=session.path_lines(document, drawing),
            parallels=session.parallels(found, document, drawing),
            hidden_fanouts=max(0, len(found.fanouts) - session.FANOUTS_SHOWN),
            wall=session.wall_time(document),
            efficiency=session.efficiency,
            tasks=session.task_rows(entity, document, (page - 1) * session.TASKS_SHOWN),
            task_page=page,
            task_pages=pages,
            tools=tools[: session.TOOLS_SHOWN],
            hidden_tools=max(0, len(tools) - session.TOOLS_SHOWN),
            task_names={task.id: session.task_name(task) for task in entity.tasks},
            parts_told=session.parts_told,
            most=session.ROWS_SHOWN,
            absent_figures=found.absent,
            absent_words=ABSENT,
        )

    def runbooks(self, request: Request) -> Response:
        """Answer the list of alerts that have a page, each with what it means."""
        pages = [(alert, self._surface.runbook(alert) or "") for alert in self._surface.alerts()]
        return self._page(
            "runbooks.html",
            request,
            self._surface.clock(),
            live=False,
            pages=[(alert, markdown.first_sentence(text)) for alert, text in pages],
        )

    def runbook(self, request: Request) -> Response:
        """Answer what an alert means and what to do first."""
        alert = request.path_params["alert"]
        text = self._surface.runbook(alert) if _ALERT.fullmatch(alert) else None
        if text is None:
            return answers.error(
                request.url.path, 404, "There is no such alert.", "The page / lists what fires."
            )
        return self._page(
            "runbook.html",
            request,
            self._surface.clock(),
            live=False,
            alert=alert,
            body=markdown.render(text),
        )

    def _has_page(self, alert: str | None) -> bool:
        return (
            alert is not None and bool(_ALERT.fullmatch(alert)) and self._surface.runbook(alert) is not None
        )


def _no_window(request: Request) -> Response | None:
    """Answer whoever asks for a window that is none."""
    asked = request.query_params.get("window")
    if asked is None or asked in WINDOWS:
        return None
    return answers.error(
        request.url.path, 400, "There is no such window.", f"There are {', '.join(WINDOWS)}."
    )


def _seconds(text: str | None) -> float | None:
    return float(text) if text and _SECONDS.fullmatch(text) else None


def _decisive_since(bottleneck: Bottleneck | None, now: int) -> int | None:
    """Return since when at the latest an agent is the bottleneck: the end of the hour that it is known by.

    None where that is less than an hour ago, which says nothing.
    """
    if bottleneck is None or bottleneck.since is None:
        return None
    latest = bottleneck.since + HOUR
    return latest if latest <= now - HOUR else None
