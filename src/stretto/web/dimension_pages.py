"""Answer the views that list task types, agents and patterns, and the page of each of them."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from stretto.names import WINDOWS
from stretto.web import dimension_views, responses
from stretto.web.backend import Backend
from stretto.web.renderer import Renderer
from stretto.web.window_choice import choose_window_snapshot
from stretto.web.window_parameters import QueryError

LABELS = {"types": "task_type", "agents": "agent", "patterns": "pattern"}
"""View → the label whose values it lists."""

_LISTS = {
    "types": dimension_views.list_type_rows,
    "agents": dimension_views.list_agent_rows,
    "patterns": dimension_views.list_pattern_rows,
}


class DimensionPages:
    """The endpoints of the views by task type, agent and pattern."""

    def __init__(self, backend: Backend, renderer: Renderer) -> None:
        self._backend = backend
        self._page = renderer.render_page

    def list_routes(self) -> list[Route]:
        """Return the routes. Names are chosen outside Stretto and may hold a slash."""
        return [
            *(Route(f"/{view}", self.show_view) for view in LABELS),
            *(Route(f"/{view}/{{name:path}}", self.show_detail) for view in LABELS),
        ]

    def show_view(self, request: Request) -> Response:
        """Answer the figures of each task type, agent or pattern in a window."""
        now, view = self._backend.clock(), request.url.path.strip("/")
        try:
            choice = choose_window_snapshot(self._backend, request.query_params, now)
        except QueryError as error:
            return responses.build_error(request.url.path, 400, str(error))
        if choice is None:
            return self._page("view.html", request, now, live=True, view=view, window=None, rows=[])
        window = choice.window.name
        rows = _LISTS[view](dimension_views.FigureIndex(choice.snapshot), window)
        return self._page("view.html", request, now, live=True, view=view, window=window, rows=rows)

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
