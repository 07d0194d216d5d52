"""Answer the JSON routes: snapshot, trends, periods, sessions, problems and notifications."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from stretto.clock import to_rfc3339
from stretto.features.switched_off_texts import build_features_document
from stretto.findings.look_up_findings_about_sessions import (
    build_session_finding_document,
    find_session_findings,
    order_by_holdup_seconds,
)
from stretto.notifications import notification_log as notifications
from stretto.notifications.alert_states_from_notifications import find_newest_alert_states, is_repeat_overdue
from stretto.store.session_search import CursorError
from stretto.summaries import snapshot
from stretto.summaries.session_json import build_row_document, build_session_document
from stretto.summaries.time_window import TimeWindow
from stretto.web import responses
from stretto.web.backend import Backend
from stretto.web.requested_periods import (
    PERIOD_PARAMETERS,
    build_periods_document,
    compare_requested_periods,
    parse_periods,
)
from stretto.web.session_list_parameters import parse_session_query
from stretto.web.window_parameters import WINDOW_PARAMETERS, QueryError, check_names, parse_window

NOTIFICATIONS = "/api/notifications"
DEFAULT_LIMIT = 50


class JsonRoutes:
    """The endpoints below ``/api``. Those that only read run in threads, so that none delays another."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def list_routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/api/snapshot", self.get_snapshot),
            Route("/api/trends", self.get_trends),
            Route("/api/periods", self.compare_periods),
            Route("/api/baselines", self.get_baselines),
            Route("/api/sessions", self.list_sessions),
            # Agents choose the ids, so an id may hold a slash.
            Route("/api/sessions/{id:path}", self.get_session),
            Route("/api/problems", self.list_problems),
            Route("/api/features", self.get_features),
            Route(NOTIFICATIONS, self.handle_notifications, methods=["GET", "POST"]),
        ]

    def get_snapshot(self, request: Request) -> Response:
        """Answer all figures, or those of the window that is asked for; 503 before the first snapshot."""
        latest = self._backend.snapshot()
        if latest is None:
            return responses.build_error(
                request.url.path, 503, "there are no figures yet", "try again in a second"
            )
        try:
            window = self._parse_window(request)
        except QueryError as error:
            return responses.build_error(request.url.path, 400, str(error))
        if window is not None:
            latest = self._backend.windowed_snapshot(latest, window)
        return responses.build_json(snapshot.build_snapshot_document(latest))

    def _parse_window(self, request: Request) -> TimeWindow | None:
        check_names(request.query_params, WINDOW_PARAMETERS)
        return parse_window(request.query_params, self._backend.clock())

    def get_trends(self, request: Request) -> Response:
        """Answer parallel work by day and by week, up to the end of the window that is asked for."""
        try:
            window = self._parse_window(request)
        except QueryError as error:
            return responses.build_error(request.url.path, 400, str(error))
        return responses.build_json(self._backend.trends(window))

    def compare_periods(self, request: Request) -> Response:
        """Answer the figures of a window beside those of the time before it, or of another earlier period."""
        path = request.url.path
        try:
            check_names(request.query_params, PERIOD_PARAMETERS)
            choice = parse_periods(request.query_params, self._backend.clock())
        except QueryError as error:
            return responses.build_error(path, 400, str(error))
        compared = compare_requested_periods(self._backend, choice)
        if compared is None:
            return responses.build_error(path, 503, "there are no figures yet", "try again in a second")
        return responses.build_json(build_periods_document(choice, compared.comparison))

    def get_baselines(self, request: Request) -> Response:  # noqa: ARG002  # the shape of an endpoint
        """Answer all baselines, the runs that are refused with their reasons, and the use of each."""
        return responses.build_json(self._backend.baselines())

    def list_sessions(self, request: Request) -> Response:
        """Answer a page of the sessions that match the parameters; ``next`` continues it by ``?after=``."""
        try:
            query = parse_session_query(request.query_params, self._backend.clock(), DEFAULT_LIMIT)
            state = self._backend.findings()
            page = self._backend.sessions(order_by_holdup_seconds(query, state))
        except (QueryError, CursorError) as error:
            return responses.build_error(request.url.path, 400, str(error))
        found = find_session_findings(state, {row.id: row.pattern for row in page.rows})
        return responses.build_json(
            {
                "sessions": [
                    build_row_document(row) | build_session_finding_document(found.get(row.id))
                    for row in page.rows
                ],
                "next": page.next,
            }
        )

    def get_session(self, request: Request) -> Response:
        """Answer the complete document of a session."""
        summary = self._backend.session_summary(request.path_params["id"])
        if summary is None:
            return responses.build_error(
                request.url.path,
                404,
                "no such session",
                "GET /api/sessions lists the sessions with their ids",
            )
        return responses.build_json(build_session_document(summary))

    def list_problems(self, _: Request) -> Response:
        """Answer the problems of the running service itself, a sentence each."""
        return responses.build_json({"problems": self._backend.faults()})

    def get_features(self, _: Request) -> Response:
        """Answer every optional part, whether it is on, and the place that decided it."""
        return responses.build_json(build_features_document(self._backend.features))

    async def handle_notifications(self, request: Request) -> Response:
        """Answer Alertmanager's notifications, newest first; by POST receive new notifications."""
        if request.method == "POST":
            return await self._receive_notifications(request)
        return await run_in_threadpool(self._list_notifications)

    def _list_notifications(self) -> Response:
        newest, now = self._backend.notifications.list_newest(), self._backend.clock()
        current = {id(entry) for entry in find_newest_alert_states(newest).firing}
        listed = [
            {
                **notifications.build_document(entry),
                "overdue": id(entry) in current and is_repeat_overdue(entry, now),
            }
            for entry in newest
        ]
        last_watchdog = self._backend.notifications.watchdog_heard
        return responses.build_json(
            {
                "watchdog_heard": None if last_watchdog is None else to_rfc3339(last_watchdog),
                "notifications": listed,
            }
        )

    async def _receive_notifications(self, request: Request) -> Response:
        try:
            received = notifications.parse_webhook(await request.body(), self._backend.clock())
        except notifications.PayloadError as error:
            hint = "point a webhook_config of Alertmanager at this address"
            return responses.build_error(request.url.path, 400, str(error), hint)
        try:
            await run_in_threadpool(self._backend.notifications.add_notifications, received)
        except OSError as error:
            # Alertmanager sends it again after a 5xx.
            return responses.build_error(
                request.url.path, 503, f"the notification cannot be stored: {error.strerror}"
            )
        self._backend.updates.announce_notification()
        self._backend.announce(received)
        return Response(status_code=204)
