"""A drawn month: some sessions a day, each a review beside a test task, with a planted change."""

from __future__ import annotations

import math
from collections.abc import Iterator
from random import Random

from stretto.clock import DAY, SECOND
from stretto.model.event import Event
from tests.scenes import BEGIN, Drawing

SESSIONS_A_DAY = 8


def month_of_sessions(
    days: int,
    *,
    slower: dict[int, float] | None = None,
    version: dict[int, str] | None = None,
    seed: int = 1,
    pattern: str = "release",
) -> Iterator[Event]:
    """Yield the events of a month; from each day of ``slower`` on, test tasks take that many times as long.

    ``version`` names the client's version from a day on.
    """
    random = Random(seed)
    for day in range(days):
        factor = max(
            ((since, value) for since, value in (slower or {}).items() if since <= day), default=(0, 1.0)
        )
        client = max(
            ((since, value) for since, value in (version or {}).items() if since <= day), default=(0, "")
        )
        for number in range(SESSIONS_A_DAY):
            start = day * DAY // SECOND + 30_000 + number * 3_000
            review, tests = (
                60 * math.exp(random.gauss(0, 0.3)),
                90 * factor[1] * math.exp(random.gauss(0, 0.3)),
            )
            session = f"d{day}n{number}" if pattern == "release" else f"{pattern}-d{day}n{number}"
            known = {"client_version": client[1]} if client[1] else {}
            drawing = Drawing(session).opens(start, pattern=pattern, project="shop", **known).prompt(start)
            drawing.task(f"{session}r", start, start + review, "review")
            drawing.task(f"{session}t", start, start + tests, "tests")
            end = start + max(review, tests) + 1
            yield from drawing.stop(end).ends(end).events


def end_of_day(day: int) -> int:
    """Return an instant (ns) shortly after a day of the month."""
    return BEGIN + (day + 1) * DAY + 600 * SECOND
