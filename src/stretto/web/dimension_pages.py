"""Answer the views that list task types, agents, patterns, tools and models, and the page of each of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from stretto.names import NONE, OTHER, UNNAMED_AGENT, WINDOWS, Label
from stretto.operations.agent_answers import SHARED_PROCESSES
from stretto.store.session_search import SessionQuery
from stretto.summaries.run_statistics_by_kind import ProfileKind
from stretto.summaries.snapshot_of_any_window import find_summed_window
from stretto.summaries.time_window import ALL, TimeWindow, make_named_window
from stretto.web import dimension_views, session_list_columns, tool_and_model_views
from stretto.web.collaboration_network import draw_network
from stretto.web.page_endpoints import PageEndpoints
from stretto.web.run_statistics_view import describe_profile
from stretto.web.snapshot_of_requested_window import WindowChoice, choose_window_snapshot_if_any
from stretto.web.window_parameters import QueryError
from stretto.web.work_table import MOST_TASKS, build_work_table

SESSIONS_LISTED = 10
"""Sessions on the page of a name."""

CONVERSATIONS_LISTED = 30
"""Pairs of agents on the page of a pattern: those with the most messages."""


@dataclass(frozen=True, slots=True)
class DimensionView:
    """A view: the label whose values it lists, and how it names them."""

    kind: ProfileKind
    title: str
    noun: str
    """One of its values."""
    unnamed: str
    """The value ``none``."""
    runs: tuple[str, str]
    """One of the runs that its pages describe, and several."""
    parameter: str
    """The filter of lists of sessions."""
    counts: str
    """The figure that counts these runs in a window."""
    list_rows: Callable[[dimension_views.FigureIndex, str], Sequence[object]]


DIMENSIONS = {
    "types": DimensionView(
        ProfileKind.TASK_TYPE, "Task types", "task type", "none", ("task", "tasks"), "type",
        "stretto_window_tasks", dimension_views.list_type_rows,
    ),
    "agents": DimensionView(
        ProfileKind.AGENT, "Agents", "agent", UNNAMED_AGENT, ("task", "tasks"), "agent",
        "stretto_window_agent_tasks", dimension_views.list_agent_rows,
    ),
    "patterns": DimensionView(
        ProfileKind.PATTERN, "Patterns", "pattern", "no named pattern", ("session", "sessions"), "pattern",
        "stretto_window_sessions", dimension_views.list_pattern_rows,
    ),
    "tools": DimensionView(
        ProfileKind.TOOL, "Tools", "tool", "unnamed tool", ("call", "calls"), "tool",
        "stretto_window_tool_calls", tool_and_model_views.list_tool_figures,
    ),
    "models": DimensionView(
        ProfileKind.MODEL, "Models", "model", "unnamed model", ("call", "calls"), "model",
        "stretto_window_model_calls", tool_and_model_views.list_model_figures,
    ),
}  # fmt: skip
"""First part of a view's path → the view."""


class DimensionPages(PageEndpoints):
    """The endpoints of the views."""

    def list_routes(self) -> list[Route]:
        """Return the routes. Names are chosen outside Stretto and may hold a slash."""
        return [
            *(Route(f"/{view}", self.show_view) for view in DIMENSIONS),
            *(Route(f"/{view}/{{name:path}}", self.show_detail) for view in DIMENSIONS),
        ]

    def show_view(self, request: Request) -> Response:
        """Answer the figures of each value in a window."""
        now, view = self._backend.clock(), request.url.path.strip("/")
        try:
            choice = choose_window_snapshot_if_any(self._backend, request.query_params, now)
        except QueryError as error:
            return self._refuse(request, 400, str(error))
        window = None if choice is None else choice.window.name
        rows: Sequence[object] = ()
        hooks: dict[str, Sequence[object]] = {}
        failed: Sequence[object] = ()
        work = None
        if choice is not None:
            figures = dimension_views.FigureIndex(choice.snapshot)
            rows = DIMENSIONS[view].list_rows(figures, choice.window.name)
            if view == "agents":
                failed = tool_and_model_views.list_failed_tasks(figures, choice.window.name)
            if view == "patterns":
                summed = find_summed_window(choice.window, choice.snapshot.at)
                work = build_work_table(self._backend.task_runs(summed, MOST_TASKS))
            if view == "tools":
                hooks = {
                    label: tool_and_model_views.list_hook_figures(figures, choice.window.name, label)
                    for label in (Label.EVENT.value, Label.COMMAND.value)
                }
        return self._page(
            "view.html",
            request,
            now,
            live=True,
            view=view,
            dimension=DIMENSIONS[view],
            window=window,
            coarser=None if choice is None else choice.snapshot.coarser,
            rows=rows,
            hooks=hooks,
            failed=failed,
            work=work,
            resources=SHARED_PROCESSES,
        )

    def show_detail(self, request: Request) -> Response:
        """Answer the page of one value: its runs in words and drawings, its sessions, and its figures."""
        now, view, name = self._backend.clock(), request.url.path.split("/")[1], request.path_params["name"]
        dimension = DIMENSIONS[view]
        try:
            choice = choose_window_snapshot_if_any(self._backend, request.query_params, now)
        except QueryError as error:
            return self._refuse(request, 400, str(error))
        latest = self._backend.snapshot()
        rows = [] if latest is None else dimension_views.list_detail_rows(latest, dimension.kind.value, name)
        window, profile = None, None
        for window in () if choice is None else _list_windows(choice, dimension.counts, rows, now):
            profile = self._backend.run_profile(dimension.kind, name, window)
            if profile.runs:
                break
        sessions = self._backend.sessions(
            SessionQuery(
                limit=SESSIONS_LISTED, **{_QUERY_FIELDS.get(dimension.parameter, dimension.parameter): name}
            )
        ).rows
        if window is None or profile is None or not (rows or profile.runs or sessions):
            return self._refuse(
                request, 404, "There is no figure of that name.", f"The page /{view} lists them."
            )
        return self._page(
            "detail.html",
            request,
            now,
            # Single calls are read from whole sessions, which takes too long to follow each event.
            live=dimension.kind not in {ProfileKind.TOOL, ProfileKind.MODEL},
            view=view,
            dimension=dimension,
            name=name,
            window=window.name,
            profile=describe_profile(profile, *dimension.runs),
            sessions=sessions if name not in {NONE, OTHER} else (),
            list_columns=session_list_columns.COLUMNS,
            finding_of=session_list_columns.collect_findings(self._backend.findings(), sessions),
            rows=rows,
            network=draw_network(profile.conversations),
            most_conversations=CONVERSATIONS_LISTED,
            windows=list(WINDOWS),
        )


def _list_windows(
    choice: WindowChoice, counts: str, rows: Sequence[dimension_views.DetailRow], now: int
) -> list[TimeWindow]:
    """Return the windows to look for runs of a name in, in this order.

    ``counts`` is the figure that counts those that ended in a window. A task that ended in the window may
    have begun before it, and is then no run of it.
    """
    if choice.is_asked:
        return [choice.window]
    place = list(WINDOWS).index(choice.window.name)
    has_runs = any(row.name == counts and row.cells[place] is not None for row in rows)
    return [*([choice.window] if has_runs else []), make_named_window(ALL, now)]


_QUERY_FIELDS = {"type": "task_type"}
"""Filter of lists of sessions → field of SessionQuery, where they differ."""
