"""Answer the activity of a window: agents side by side over time, and what ran at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from stretto.clock import to_rfc3339
from stretto.figures.file_conflicts_between_sessions import SessionConflict
from stretto.figures.resource_figures import NOT_SAMPLED
from stretto.figures.when_machine_was_used_up import MachineLimit, MachineOverTime
from stretto.format import quantities
from stretto.store.session_queries import SessionRow
from stretto.store.session_search import SessionQuery
from stretto.summaries.agents_at_work_in_window import ActivitySummary
from stretto.summaries.time_window import make_named_window
from stretto.web.activity_lanes import lay_out_lanes, lay_out_machine
from stretto.web.page_endpoints import PageEndpoints
from stretto.web.window_parameters import QueryError, parse_window

FIRST = "24h"
"""The window that is shown unless another is asked for."""

SESSIONS_SHOWN = 6
"""Most sessions that are linked of each project, the newest."""

CONFLICTS_SHOWN = 10
"""Most pairs of sessions whose conflicts are listed, of all projects: those with the most files."""


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


def rank_conflicts(summary: ActivitySummary) -> list[tuple[str, SessionConflict]]:
    """Return the conflicts with their projects, those with the most files first."""
    found = [(each.overlap.project, conflict) for each in summary.parallel for conflict in each.conflicts]
    return sorted(found, key=lambda item: -len(item[1].files))


class ActivityPage(PageEndpoints):
    """The endpoint of the activity."""

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
        conflicts = rank_conflicts(summary)
        marks = [extent.start + extent.length * place // 4 for place in range(5)]
        return self._page(
            "activity.html",
            request,
            now,
            live=True,
            window=window.name,
            recordings=self._count_recordings(),
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
            projects=summary.parallel,
            sessions_shown=SESSIONS_SHOWN,
            conflicts=conflicts[:CONFLICTS_SHOWN],
            conflict_count=len(conflicts),
            rows=self._read_rows(summary, conflicts[:CONFLICTS_SHOWN]),
        )

    def _count_recordings(self) -> int:
        snapshot = self._backend.snapshot()
        return 0 if snapshot is None else snapshot.activity.recordings

    def _read_rows(
        self, summary: ActivitySummary, conflicts: Iterable[tuple[str, SessionConflict]]
    ) -> dict[str, SessionRow]:
        """Return the rows of the sessions that the page links, by id, for their titles."""
        ids = {id for _, conflict in conflicts for id in conflict.sessions}
        for each in summary.parallel:
            ids.update(each.overlap.sessions[-SESSIONS_SHOWN:])
        page = self._backend.sessions(SessionQuery(ids=tuple(sorted(ids)), limit=max(1, len(ids))))
        return {row.id: row for row in page.rows}

    def _explain_unsampled(self, machine: MachineOverTime) -> str | None:
        """Return why nothing is known of the processors; None if something is."""
        if machine.no_processors == NOT_SAMPLED and not self._backend.features.is_on("resources"):
            return "the sampling of processes is switched off (stretto features set resources=on)"
        return machine.no_processors
