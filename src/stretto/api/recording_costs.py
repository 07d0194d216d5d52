"""Add up what recording takes the observed program, by session, and report it as events.

Blocks are timed in the threads that enter and leave them, without the moment after a block's span has ended.
Of the journal's writer it is the processor time that counts: its thread delays no agent by waiting.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Collection, Mapping

from stretto.clock import MINUTE, Clock
from stretto.model.event import Channel, Event, Kind

SOURCE = "stretto"
"""The source of these events: Stretto itself, not the observed program."""

MOST_WAITING = 8_192
"""Most timed blocks that wait for the writer; beyond that the oldest are forgotten."""

_blocks: deque[tuple[str, int]] = deque(maxlen=MOST_WAITING)
"""(session, nanoseconds) of blocks: appending needs no lock."""


def note_block(session: str | None, nanoseconds: int) -> None:
    """Note what entering or leaving a block took; a block outside any session is left out."""
    if session is not None:
        _blocks.append((session, nanoseconds))


class RecordingCosts:
    """What recording took since the last report, by session; for use in a single thread at a time."""

    def __init__(self, clock: Clock, process: str) -> None:
        self._clock = clock
        self._process = process
        self._costs: Counter[str] = Counter()
        self._since: dict[str, int] = {}

    def add_batch(self, spans_by_session: Mapping[str, int], took: int) -> None:
        """Add the ``took`` nanoseconds of writing a batch, shared by spans, and the blocks until now.

        Blocks of a session of which nothing was written since its last report are left out.
        """
        spans = sum(spans_by_session.values())
        for session, count in spans_by_session.items():
            self._costs[session] += took * count // spans
        for _ in range(len(_blocks)):
            session, cost = _blocks.popleft()
            if session in self._costs:
                self._costs[session] += cost
        now = self._clock()
        for session in self._costs:
            self._since.setdefault(session, now)

    def take_reports(self, ended: Collection[str]) -> list[Event]:
        """Return the costs of sessions that have ended, and of those not reported for a minute."""
        now = self._clock()
        due = [session for session, since in self._since.items() if session in ended or since <= now - MINUTE]
        return [self._take_report(session, now) for session in due]

    def take_all(self) -> list[Event]:
        """Return the costs of all sessions."""
        now = self._clock()
        return [self._take_report(session, now) for session in list(self._since)]

    def _take_report(self, session: str, now: int) -> Event:
        del self._since[session]
        return Event(
            kind=Kind.API_COST,
            session=session,
            time=now,
            id=f"{self._process}/{now}",
            duration=self._costs.pop(session),
            source=SOURCE,
            channel=Channel.API,
        )


if hasattr(os, "register_at_fork"):
    # The parent process reports what it has noted.
    os.register_at_fork(after_in_child=_blocks.clear)
