"""List the finished parallel executions of a stretch of time, a page at a time."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from enum import StrEnum

from stretto.figures.work_signature import decode_workers
from stretto.store.database import bound_instant
from stretto.store.session_queries import SESSION_COLUMNS, SessionRow, to_session_row

LISTED = 50
"""Parallel executions on a page."""

MOST_PAGES = 1_000


class FanoutSort(StrEnum):
    """The columns by which parallel executions can be sorted, the largest value first."""

    END = "end"
    SPEEDUP = "speedup"
    ELAPSED = "elapsed"
    WIDTH = "width"


_EXPRESSIONS = {
    FanoutSort.END: 'fanouts."end"',
    FanoutSort.SPEEDUP: "fanouts.delivered_work * 1.0 / fanouts.elapsed",
    FanoutSort.ELAPSED: "fanouts.elapsed",
    FanoutSort.WIDTH: "fanouts.width",
}


@dataclass(frozen=True, slots=True)
class FanoutQuery:
    """A page of a list of parallel executions; a filter that is None matches all."""

    pattern: str | None = None
    project: str | None = None
    since: int | None = None
    """It ended at this time (ns) or later."""
    until: int | None = None
    """It ended before this time (ns)."""
    sort: FanoutSort = FanoutSort.END
    page: int = 1


@dataclass(frozen=True, slots=True)
class ListedFanout:
    """A finished parallel execution; lengths in nanoseconds."""

    number: int
    """Its place in the session by start, from 1."""
    start: int
    end: int
    width: int
    tasks: int
    elapsed: int
    delivered_work: int
    pattern: str
    project: str | None
    session: SessionRow | None
    """Its session; None if that was pruned."""

    @property
    def speedup(self) -> float:
        """Delivered work over elapsed time, by the tasks' own lengths."""
        return self.delivered_work / self.elapsed


@dataclass(frozen=True, slots=True)
class FanoutPage:
    """Parallel executions of a list, and whether it continues."""

    rows: tuple[ListedFanout, ...]
    has_more: bool


def list_fanouts(connection: sqlite3.Connection, query: FanoutQuery) -> FanoutPage:
    """Return a page of the parallel executions, those of pruned sessions too."""
    conditions, values = ['fanouts."end" >= ? AND fanouts."end" < ?'], []
    for column, value in (("pattern", query.pattern), ("project", query.project)):
        if value is not None:
            conditions.append(f"fanouts.{column} = ?")
            values.append(value)
    columns = ", ".join(f"sessions.{name.strip()}" for name in SESSION_COLUMNS.split(","))
    rows = connection.execute(
        'SELECT fanouts.number, fanouts.start, fanouts."end", fanouts.width, fanouts.workers,'  # noqa: S608  # constants
        f" fanouts.elapsed, fanouts.delivered_work, fanouts.pattern, fanouts.project, {columns}"
        " FROM fanouts LEFT JOIN sessions ON sessions.id = fanouts.session AND fanouts.kept = 0"
        f" WHERE {' AND '.join(conditions)}"
        f" ORDER BY {_EXPRESSIONS[query.sort]} DESC, fanouts.session, fanouts.number LIMIT ? OFFSET ?",
        (query.since or 0, bound_instant(query.until), *values, LISTED + 1, (query.page - 1) * LISTED),
    ).fetchall()
    return FanoutPage(
        tuple(
            ListedFanout(
                number + 1, start, end, width, len(decode_workers(workers)), elapsed, work, pattern, project,
                None if session[0] is None else to_session_row(tuple(session)),
            )
            for number, start, end, width, workers, elapsed, work, pattern, project, *session in rows[:LISTED]
        ),
        len(rows) > LISTED,
    )  # fmt: skip
