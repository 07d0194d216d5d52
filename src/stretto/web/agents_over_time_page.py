"""Answer the activity of a window: agents side by side over time, and what ran at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from stretto.figures.agents_over_time import ActivityChart, ProjectOverlap
from stretto.format import quantities
from stretto.summaries.time_window import make_named_window
from stretto.web.backend import Backend
from stretto.web.renderer import Renderer
from stretto.web.window_parameters import QueryError, parse_window

FIRST = "24h"
"""The window that is shown unless another is asked for."""

LANE_HEIGHT = 22.0
"""Height in pixels of the most tasks at once."""

SESSIONS_SHOWN = 12
"""Most sessions that are linked of each project."""


@dataclass(frozen=True, slots=True)
class ActivityCell:
    """A part of a lane: ``x`` and ``width`` in percent, ``height`` in pixels."""

    x: float
    width: float
    height: float
    about: str


@dataclass(frozen=True, slots=True)
class ActivityLane:
    """The lane of an agent."""

    agent: str
    tasks: int
    work: int
    """Nanoseconds."""
    cells: Sequence[ActivityCell]


def lay_out_lanes(chart: ActivityChart) -> list[ActivityLane]:
    """Return a lane for each agent; all lanes have the same scale. Cells without work are left out."""
    most = max((running for row in chart.rows for running in row.running), default=0.0) or 1.0
    return [
        ActivityLane(
            row.agent,
            row.tasks,
            row.work,
            [
                _make_cell(chart, row.agent, place, running, most)
                for place, running in enumerate(row.running)
                if running
            ],
        )
        for row in chart.rows
    ]


def _make_cell(chart: ActivityChart, agent: str, place: int, running: float, most: float) -> ActivityCell:
    cells = len(chart.rows[0].running)
    length = chart.extent.length // cells
    begin = chart.extent.start + place * length
    times = " to ".join(quantities.format_short_instant(at) for at in (begin, begin + length))
    return ActivityCell(
        round(100 * place / cells, 3),
        round(100 / cells, 3),
        round(max(1.5, LANE_HEIGHT * running / most), 1),
        f"{agent}, {times}: {quantities.format_number(running)} at once on average",
    )


class ActivityPage:
    """The endpoint of the activity."""

    def __init__(self, backend: Backend, renderer: Renderer) -> None:
        self._backend = backend
        self._page = renderer.render_page
        self._refuse = renderer.render_error

    def list_routes(self) -> list[Route]:
        """Return the route."""
        return [Route("/activity", self.show_activity)]

    def show_activity(self, request: Request) -> Response:
        """Answer who was at work when, and what ran at once."""
        now = self._backend.clock()
        try:
            window = parse_window(request.query_params, now) or make_named_window(FIRST, now)
        except QueryError as error:
            return self._refuse(request, 400, str(error))
        summary = self._backend.activity(window)
        extent = summary.chart.extent
        marks = [extent.start + extent.length * place // 4 for place in range(5)]
        return self._page(
            "activity.html",
            request,
            now,
            live=True,
            window=window.name,
            chart=summary.chart,
            lanes=lay_out_lanes(summary.chart),
            marks=[quantities.format_short_instant(at) for at in marks],
            is_clipped=summary.is_clipped,
            waited=summary.waited,
            overlaps=[_shorten(overlap) for overlap in summary.overlaps],
        )


def _shorten(overlap: ProjectOverlap) -> tuple[ProjectOverlap, Sequence[str], int]:
    """Return an overlap with the sessions to link, and how many more there are."""
    return overlap, overlap.sessions[:SESSIONS_SHOWN], max(0, len(overlap.sessions) - SESSIONS_SHOWN)
