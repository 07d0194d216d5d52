"""Answer the overview: the verdict of a window, what runs now, what fires, and what changed."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from stretto.clock import HOUR, SECOND
from stretto.errors import StoreError
from stretto.figures.bottleneck_agent import Bottleneck
from stretto.figures.monitoring_overhead import OverheadPart
from stretto.names import PREFIX
from stretto.notifications import alert_states_from_notifications as alerts
from stretto.notifications.group_notifications_by_alert import group_by_rule
from stretto.store.session_queries import SessionRow
from stretto.store.session_search import SessionQuery
from stretto.summaries.budget_in_words import describe_budget
from stretto.summaries.time_window import TimeWindow
from stretto.web import (
    dimension_views,
    findings_view,
    session_list_columns,
    time_saved_chart,
    verdict_in_words,
)
from stretto.web.backend import Backend
from stretto.web.page_endpoints import PageEndpoints
from stretto.web.run_statistics_view import ProfileView, describe_profile
from stretto.web.runbook_lookup import get_runbook_markdown
from stretto.web.snapshot_of_requested_window import WindowChoice, choose_window_snapshot_if_any
from stretto.web.window_parameters import QueryError

OVERHEAD_PARTS = {
    OverheadPart.MAIN_HOOKS: "hooks of main agents",
    OverheadPart.AGENT_HOOKS: "hooks of the other agents",
    OverheadPart.API: "the Python API",
    OverheadPart.SERVICE: "the service",
}
"""The parts of the cost of watching as people read them."""


class OverviewPage(PageEndpoints):
    """The endpoint of the overview."""

    def list_routes(self) -> list[Route]:
        """Return the route."""
        return [Route("/", self.show_overview)]

    def show_overview(self, request: Request) -> Response:
        """Answer the overview: the verdict, running sessions, firing alerts, trends and health."""
        now = self._backend.clock()
        try:
            choice = choose_window_snapshot_if_any(self._backend, request.query_params, now)
        except QueryError as error:
            return self._refuse(request, 400, str(error), "The page / shows the last day.")
        common = self._collect_news(now)
        if choice is None:
            return self._page("overview.html", request, now, live=True, snapshot=None, window=None, **common)
        return self._page(
            "overview.html", request, now, live=True, **common, **self._collect_window(choice, now)
        )

    def _collect_news(self, now: int) -> dict[str, Any]:
        """Return what the page shows whatever the window is."""
        backend = self._backend
        log = backend.notifications
        newest = log.list_newest()
        current = alerts.find_newest_alert_states(newest, log.watchdog_heard, now)
        rules = group_by_rule(newest, current)
        return {
            "problems": backend.problems(),
            "budgets": [describe_budget(each) for each in backend.budgets()],
            "alerts": current,
            "rules": rules,
            "pages": {group.rule for group in rules if get_runbook_markdown(backend, group.rule) is not None},
            "set_aside": log.set_aside,
            "news": findings_view.list_regressions_and_overdue_tasks(
                backend.findings(), backend.expected_tasks()
            ),
        }

    def _collect_window(self, choice: WindowChoice, now: int) -> dict[str, Any]:
        """Return what the page shows of a window."""
        backend, snapshot, window = self._backend, choice.snapshot, choice.window.name
        figures, findings = dimension_views.FigureIndex(snapshot), backend.findings()
        trends = _read_trends(backend, choice.window if choice.is_asked else None)
        return {
            "snapshot": snapshot,
            "window": window,
            "list_columns": session_list_columns.COLUMNS,
            "finding_of": session_list_columns.collect_findings(findings, snapshot.latest),
            "line": verdict_in_words.build_headline(
                snapshot, window, are_tasks_slower=findings.has_slower_tasks
            ),
            "newest": self._find_newest_parallel(choice),
            "tasks": self._describe_tasks(choice.window),
            "verdicts": {**choice.latest.verdicts, **snapshot.verdicts},
            "open": snapshot.open_sessions,
            "bottleneck": snapshot.bottlenecks.get(window),
            "decisive_since": _find_decisive_since(snapshot.bottlenecks.get(window), now),
            "days": time_saved_chart.build_chart(trends["days"]),
            "weeks": time_saved_chart.build_chart(trends["weeks"]),
            "old_definition_until": trends.get("old_definition_until"),
            "changed": time_saved_chart.list_changes(snapshot.change.figures),
            "completeness": dimension_views.replace_reason(
                figures.find_figure("stretto_capture_completeness_ratio", "", window=window),
                "no task or tool call is over",
            ),
            "overhead": figures.find_figure("stretto_overhead_ratio", "", window=window),
            "overhead_parts": [
                (
                    title,
                    figures.find_figure(
                        "stretto_window_overhead_part_seconds", "", part=part.value, window=window
                    ),
                )
                for part, title in OVERHEAD_PARTS.items()
            ],
            "self_figures": {
                figure.name.removeprefix(PREFIX): figure
                for figure in backend.self_figures()
                if not figure.labels
            },
            "rejects": dimension_views.rank_reject_reasons(snapshot),
            "stale": (now - snapshot.at) / SECOND > backend.fresh_seconds and choice.window.is_named,
        }

    def _describe_tasks(self, window: TimeWindow) -> ProfileView | None:
        """Return the tasks of a window with bounds, such as a day; None for one that moves on."""
        if window.is_named:
            return None
        return describe_profile(self._backend.task_profile({}, window), "task")

    def _find_newest_parallel(self, choice: WindowChoice) -> SessionRow | None:
        """Return the newest session with a parallel execution if the window has none, as far as known."""
        snapshot = choice.snapshot
        if snapshot.verdicts[choice.window.name].tasks or not snapshot.activity.sessions:
            return None
        try:
            rows = self._backend.sessions(SessionQuery(has_fanouts=True, limit=1)).rows
        except StoreError:
            return None
        return rows[0] if rows else None


def _find_decisive_since(bottleneck: Bottleneck | None, now: int) -> int | None:
    """Return the instant by which an agent was the bottleneck: the end of the hour it was first known.

    None if that is less than an hour ago. Example: known since 10:00 means by 11:00 at the latest; the page
    shows this from 12:00 on.
    """
    if bottleneck is None or bottleneck.since is None:
        return None
    latest = bottleneck.since + HOUR
    return latest if latest <= now - HOUR else None


def _read_trends(backend: Backend, window: TimeWindow | None) -> dict[str, Any]:
    """Return the trends; none while the store cannot be read, which the page's problems explain."""
    try:
        return backend.trends(window)
    except StoreError:
        return {"days": [], "weeks": []}
