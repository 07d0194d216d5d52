"""Held: one session in the ingest's hands, with what it has added to the sums so far."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from stretto.figures.parallel import Fanout, SequentialRun, fanouts, sequential_runs
from stretto.model.conclude import Classify, conclude, conclude_call, session_ended
from stretto.model.entities import Session, Task, ToolCall, Turn
from stretto.model.event import Event, Outcome
from stretto.model.facts import Facts, Known
from stretto.model.fold import apply
from stretto.store.rollup import Addition, Additions, of_call, of_session

T = TypeVar("T")

_decode = msgspec.json.Decoder(dict[str, tuple[int, int | str]]).decode


@dataclass(slots=True)
class Ended:
    """What was found to have ended: the news of a batch, for live counters and spans."""

    sessions: list[Session] = field(default_factory=list)
    turns: list[tuple[Session, Turn]] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    tool_calls: list[ToolCall] = field(default_factory=list)
    fanouts: list[tuple[Session, Fanout]] = field(default_factory=list)


@dataclass(slots=True)
class Held:
    """A session's facts and the additions they have made to the sums.

    ``dirty`` names the entities whose facts are not yet written.
    """

    facts: Facts
    lost: bool = False
    dirty: set[tuple[str, str]] = field(default_factory=set)
    open_calls: set[str] = field(default_factory=set)
    counted_calls: dict[str, tuple[Addition, ...]] = field(default_factory=dict)
    counted: Additions = field(default_factory=Counter)
    ended: set[tuple[str, str]] = field(default_factory=set)
    """Entities already reported as ended: (kind, id)."""

    def apply(self, event: Event) -> None:
        """Merge an event."""
        touched = apply(self.facts, event)
        self.dirty |= touched
        self.open_calls.update(id for kind, id in touched if kind == "call")

    def settle(
        self, classify: Classify, news: Ended
    ) -> tuple[Additions, Session, tuple[Fanout, ...], list[SequentialRun]]:
        """Conclude again and return by how much the sums change, with the session as it now stands."""
        session = conclude(self.facts, lost=self.lost, classify=classify, calls=False)
        closed = self.lost or session_ended(self.facts)
        change: Additions = Counter()
        still_open: set[str] = set()
        for id in self.open_calls:
            call = conclude_call(self.facts, id, closed=closed)
            added = of_call(call)
            before = self.counted_calls.get(id, ())
            if added != before:
                change.update(added)
                change.subtract(before)
                self.counted_calls[id] = added
            if call.end is None:
                still_open.add(id)
            else:
                self._report("call", id, news.tool_calls, call)
        self.open_calls = still_open
        found = fanouts(session.tasks)
        counted = of_session(session, found)
        change.update(counted)
        change.subtract(self.counted)
        self.counted = counted
        self._report_session(session, found, news)
        return change, session, found, list(sequential_runs(session.tasks))

    def _report_session(self, session: Session, found: Iterable[Fanout], news: Ended) -> None:
        for task in session.tasks:
            if task.end is not None:
                self._report("task", task.id, news.tasks, task)
        for turn in session.turns:
            if turn.end is not None:
                self._report("turn", turn.id, news.turns, (session, turn))
        for fanout in found:
            self._report("fanout", str(fanout.start), news.fanouts, (session, fanout))
        if session.outcome is Outcome.RUNNING:
            # A session can be resumed, and then ends again.
            self.ended.discard(("session", ""))
        else:
            self._report("session", "", news.sessions, session)

    def _report(self, kind: str, id: str, news: list[T], item: T) -> None:
        if (kind, id) not in self.ended:
            self.ended.add((kind, id))
            news.append(item)


def load(connection: sqlite3.Connection, id: str, classify: Classify) -> Held:
    """Return a session as it was last written, or a new one; what it has added so far is worked out again."""
    facts = load_facts(connection, id)
    row = connection.execute("SELECT lost FROM sessions WHERE id = ?", (id,)).fetchone()
    held = Held(facts, lost=bool(row and row[0]))
    if row:
        held.open_calls = set(facts.calls)
        held.settle(classify, Ended())
    return held


def load_facts(connection: sqlite3.Connection, id: str) -> Facts:
    """Return what is known of a session; empty where it is unknown."""
    facts = Facts(id)
    for kind, entity, known in connection.execute(
        "SELECT kind, id, known FROM facts WHERE session = ?", (id,)
    ):
        facts.put(kind, entity, _decoded(known))
    return facts


def _decoded(known: bytes) -> Known:
    return _decode(known)
