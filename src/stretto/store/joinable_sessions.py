"""Overlapping sessions: traces of one service that ran side by side, each a session without tasks.

Agents that no span has in common are sessions of their own. If a program runs several at once, this is a
parallel execution that cannot be seen, and a span around them would show it.
"""

from __future__ import annotations

import re
import sqlite3

from stretto.clock import DAY

LEAST = 3
"""Sessions at once from which on a person is informed: two may be two requests of a web service."""

_MOST_ROWS = 5_000
_TRACE_ID = re.compile(r"[0-9a-f]{32}").fullmatch


def describe_sessions_that_seem_one_run(connection: sqlite3.Connection, now: int) -> list[str]:
    """Return a sentence on each service of which sessions without tasks overlapped in the last day."""
    rows = connection.execute(
        'SELECT source, id, start, COALESCE("end", last) FROM sessions'
        " WHERE last >= ? AND NOT tasks AND NOT recording ORDER BY last DESC LIMIT ?",
        (now - DAY, _MOST_ROWS),
    )
    by_source: dict[str, list[tuple[int, int]]] = {}
    for source, id, start, end in rows:
        # A session that its program named is a run of its own; a trace may be a part of one.
        if _TRACE_ID(id):
            by_source.setdefault(source, []).append((start, end))
    return [
        f"{count} sessions of {source} overlap, each without tasks: if they are one run, put one span around"
        " them (docs/frameworks.md)"
        for source, intervals in sorted(by_source.items())
        if (count := _count_overlapping(intervals)) >= LEAST
    ]


def _count_overlapping(intervals: list[tuple[int, int]]) -> int:
    """Return how many intervals overlap another one. Example: (0, 5), (3, 6) and (9, 10) give 2."""
    overlapping: set[int] = set()
    latest: int | None = None
    ordered = sorted(intervals)
    for number, (start, end) in enumerate(ordered):
        if latest is not None and start < ordered[latest][1]:
            overlapping |= {latest, number}
        if latest is None or end > ordered[latest][1]:
            latest = number
    return len(overlapping)
