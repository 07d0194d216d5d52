"""Answer the activity of a window: agents side by side over time, and what ran at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from stretto.clock import to_rfc3339
from stretto.figures.agents_over_time import ProjectOverlap
from stretto.figures.machine_limits import MachineLimit, MachineOverTime
from stretto.figures.resource_figures import NOT_SAMPLED
from stretto.format import quantities
from stretto.summaries.time_window import make_named_window
from stretto.web.activity_lanes import lay_out_lanes, lay_out_machine
from stretto.web.backend import Backend
from stretto.web.renderer import Renderer
from stretto.web.window_parameters import QueryError, parse_window

FIRST = "24h"
"""The window that is shown unless another is asked for."""

SESSIONS_SHOWN = 12
"""Most sessions that are linked of each project."""


STRETCHES_SHOWN = 10
"""Most stretches in which the machine was used up that are listed: the longest."""

LIMIT_TEXTS = {
    MachineLimit.OWN_PROCESSORS: "processors, by the agents themselves",
    MachineLimit.PROCESSORS: "processors, also by other programs",
    MachineLimit.MEMORY: "memory, while a task ran",
}


@dataclass(frozen=True, slots=True)
class LimitRow:
    """A stretch in which the machine was used up, in words, with the address of the sessions of its time."""

    begin: int
    end: int
    text: str
    busy: float | None
    own: float | None
    address: str


def list_limit_rows(machine: MachineOverTime) -> list[LimitRow]:
    """Return the longest stretches in which the machine was used up, by time."""
    longest = sorted(machine.stretches, key=lambda each: -each.interval.length)[:STRETCHES_SHOWN]
    return [
        LimitRow(
            *each.interval,
            LIMIT_TEXTS[each.limit],
            each.busy,
            each.own,
            "/sessions?"
            + urlencode(
                {
                    name: to_rfc3339(at)[:19] + "Z"
                    for name, at in zip(("from", "to"), each.interval, strict=True)
                }
            ),
        )
        for each in sorted(longest, key=lambda each: each.interval)
    ]


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
            machine=summary.machine,
            machine_lanes=lay_out_machine(summary.machine, extent),
            limit_rows=list_limit_rows(summary.machine),
            not_sampled=NOT_SAMPLED,
            why_unsampled=self._explain_unsampled(summary.machine),
            is_clipped=summary.is_clipped,
            waited=summary.waited,
            overlaps=[_shorten(overlap) for overlap in summary.overlaps],
        )

    def _explain_unsampled(self, machine: MachineOverTime) -> str | None:
        """Return why nothing is known of the processors; None if something is."""
        if machine.no_processors == NOT_SAMPLED and not self._backend.features.is_on("resources"):
            return "the sampling of processes is switched off (stretto features set resources=on)"
        return machine.no_processors


def _shorten(overlap: ProjectOverlap) -> tuple[ProjectOverlap, Sequence[str], int]:
    """Return an overlap with the sessions to link, and how many more there are."""
    return overlap, overlap.sessions[:SESSIONS_SHOWN], max(0, len(overlap.sessions) - SESSIONS_SHOWN)
