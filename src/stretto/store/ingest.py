"""Ingest: journal → fold → rows, sums and journal position, moved in one transaction.

Whatever kills the process, the store holds exactly the events before its journal position, each of them once.
"""

from __future__ import annotations

import gc
import sqlite3
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from stretto import journal
from stretto.clock import SECOND
from stretto.model.conclude import Classify
from stretto.model.event import Event, Kind, Outcome
from stretto.names import NONE
from stretto.sources.redact import redact
from stretto.store import queries
from stretto.store.database import transaction
from stretto.store.held import Ended, Held, Settled, load
from stretto.store.rollup import Additions, write
from stretto.store.schema import CONCLUDED, KEPT

HELD_CALLS = 20_000
"""Most tool calls of sessions kept in memory between batches."""

_RULES = "rules"
"""The note of the rules that the store was concluded under."""

# The members in one order, so that a rebuild gives the same bytes.
_encode = msgspec.json.Encoder(order="deterministic").encode


@dataclass(slots=True)
class Taken:
    """What one call of ``take`` or ``sweep`` did."""

    events: int = 0
    rejects: int = 0
    ended: Ended = field(default_factory=Ended)


class Ingest:
    """The store's one writer.

    ``idle_limit`` is in seconds: a session that nothing is heard of for longer is over, its outcome unknown.
    """

    def __init__(self, connection: sqlite3.Connection, classify: Classify, *, idle_limit: int) -> None:
        self._connection = connection
        self._classify = classify
        self._idle_limit = idle_limit * SECOND
        self._held: OrderedDict[str, Held] = OrderedDict()

    def pending(self, folder: Path) -> Iterator[tuple[str, int, int]]:
        """Yield (file, offset, unread bytes) of each journal file that has grown since it was read."""
        positions = dict(self._connection.execute("SELECT file, offset FROM journal"))
        for file, size in journal.files(folder).items():
            offset = positions.get(file, 0)
            if size > offset:
                yield file, offset, size - offset

    def catch_up(self, folder: Path, *, now: int | None = None) -> Iterator[Taken]:
        """Take all that is in the journal, a transaction per batch.

        ``now`` (ns) tells the files that nobody writes to any more, whose last line is taken as it stands.
        """
        for file, offset, _ in list(self.pending(folder)):
            position = offset
            closed = now is not None and journal.closed(file, now)
            while True:
                with _collector_paused():
                    batch = journal.read(folder, file, position, closed=closed)
                    taken = None if batch.end == position else self.take(batch)
                if taken is None:
                    break
                yield taken
                position = batch.end

    def take(self, batch: journal.Batch) -> Taken:
        """Store a batch: all of it and the new journal position, or nothing."""
        taken = Taken()
        rejects = [(r.file, r.offset, r.length, r.reason) for r in batch.rejects]
        touched: dict[str, Held] = {}
        try:
            with transaction(self._connection):
                for session_id, told in _by_session(batch.events).items():
                    events = self._not_pruned(session_id, told)
                    if events:
                        held = touched[session_id] = self._hold(session_id)
                        # A judgement may come long after: it is no sign that the session goes on.
                        held.lost = held.lost and all(event.kind is Kind.SCORE for event in events)
                        held.arrived = max(held.arrived, batch.file)
                        held.apply(events)
                self._write(touched, taken.ended)
                self._connection.executemany("INSERT OR REPLACE INTO rejects VALUES (?, ?, ?, ?)", rejects)
                self._connection.execute(
                    "INSERT INTO journal VALUES (?, ?, ?) ON CONFLICT (file)"
                    " DO UPDATE SET offset = excluded.offset, events = events + excluded.events",
                    (batch.file, batch.end, len(batch.events)),
                )
        except BaseException:
            # What is in memory is ahead of what was rolled back.
            self._held.clear()
            raise
        taken.events, taken.rejects = len(batch.events), len(rejects)
        self._release(touched)
        return taken

    def sweep(self, now: int) -> Taken:
        """Close the sessions that nothing was heard of for longer than the idle limit."""
        query = "SELECT id FROM sessions WHERE outcome = ? AND last < ?"
        idle = self._connection.execute(query, (Outcome.RUNNING.value, now - self._idle_limit)).fetchall()
        taken = Taken()
        touched: dict[str, Held] = {}
        try:
            with transaction(self._connection):
                for (session_id,) in idle:
                    held = touched[session_id] = self._hold(session_id)
                    held.lost = True
                self._write(touched, taken.ended)
        except BaseException:
            self._held.clear()
            raise
        self._release(touched)
        return taken

    def forget(self, session_ids: Iterable[str], file: str) -> None:
        """Take sessions out of the store and the sums, with the position of the file they came from."""
        with transaction(self._connection):
            for session_id in session_ids:
                write(self._connection, _negated(self._hold(session_id).all_counted))
                self._connection.execute(
                    "DELETE FROM sequential_runs WHERE session = ? AND kept = 0", (session_id,)
                )
                self._drop(session_id)
            self._connection.execute("DELETE FROM journal WHERE file = ?", (file,))
            self._connection.execute("DELETE FROM rejects WHERE file = ?", (file,))

    def retire(self, session_ids: Iterable[str]) -> None:
        """Let sessions go and keep what they have added to the sums: no figure of a window misses them."""
        try:
            with transaction(self._connection):
                for session_id in session_ids:
                    held = self._hold(session_id)
                    counted = held.all_counted
                    write(self._connection, _negated(counted))
                    write(self._connection, counted, kept=True)
                    self._connection.execute(
                        "UPDATE sequential_runs SET kept = 1 WHERE session = ? AND kept = 0", (session_id,)
                    )
                    self._connection.execute(
                        "INSERT INTO pruned SELECT id, last FROM sessions WHERE id = ?"
                        " ON CONFLICT (session) DO UPDATE SET last = excluded.last",
                        (session_id,),
                    )
                    self._drop(session_id)
        except BaseException:
            self._held.clear()
            raise

    def renew(self, rules: str) -> None:
        """Forget everything if it was concluded under other rules than these, told by their fingerprint."""
        if queries.meta(self._connection, _RULES) != rules:
            self.clear()
            queries.write_meta(self._connection, _RULES, rules)

    def clear(self) -> None:
        """Forget everything that is concluded from the journal, so that it can be taken again."""
        with transaction(self._connection):
            for table in CONCLUDED:
                kept = " WHERE kept = 0" if table in KEPT else ""
                self._connection.execute(f"DELETE FROM {table}{kept}")  # noqa: S608  # names from a constant
        self._held.clear()

    def _drop(self, session_id: str) -> None:
        for table, key in (("facts", "session"), ("sessions", "id")):
            query = f"DELETE FROM {table} WHERE {key} = ?"  # noqa: S608  # names from the line above
            self._connection.execute(query, (session_id,))
        self._held.pop(session_id, None)

    def _not_pruned(self, session_id: str, events: list[Event]) -> list[Event]:
        """Return the events that are not of a session's past which has been counted and pruned."""
        if session_id in self._held:
            return events
        row = self._connection.execute("SELECT last FROM pruned WHERE session = ?", (session_id,)).fetchone()
        return events if row is None else [event for event in events if event.time > row[0]]

    def _hold(self, session_id: str) -> Held:
        held = self._held.get(session_id)
        if held is None:
            held = self._held[session_id] = load(self._connection, session_id, self._classify)
        self._held.move_to_end(session_id)
        return held

    def _release(self, touched: Mapping[str, Held]) -> None:
        """Let go of sessions that are over, and of those untouched for longest where there are too many."""
        for session_id, held in touched.items():
            if held.over:
                # Seldom heard of again, and then read back.
                del self._held[session_id]
        size = sum(map(_weight, self._held.values()))
        while size > HELD_CALLS and len(self._held) > 1:
            _, gone = self._held.popitem(last=False)
            size -= _weight(gone)

    def _write(self, touched: dict[str, Held], news: Ended) -> None:
        change: Additions = Counter()
        facts: list[tuple[str, str, str, bytes]] = []
        for session_id, held in touched.items():
            settled = held.settle(self._classify, news)
            change.update(settled.change)
            facts += (
                (session_id, kind, key, _encode(held.facts.entity(kind, key))) for kind, key in held.dirty
            )
            held.dirty.clear()
            self._write_session(held, settled)
        self._connection.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?, ?, ?)", facts)
        write(self._connection, change)

    def _write_session(self, held: Held, settled: Settled) -> None:
        session = settled.session
        running = sum(task.outcome is Outcome.RUNNING for task in session.tasks)
        in_turn = any(turn.outcome is Outcome.RUNNING for turn in session.turns)
        busy = session.outcome is Outcome.RUNNING and (running > 0 or in_turn)
        self._connection.execute(
            "INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                session.id,
                session.source,
                session.project,
                session.pattern,
                session.recording,
                session.start,
                session.end,
                session.last,
                session.outcome.value,
                held.lost,
                busy,
                len(session.turns),
                len(session.tasks),
                running,
                len(held.facts.calls) + sum(held.repeats.values()),
                len(settled.fanouts),
                held.arrived,
            ),
        )
        pattern = session.pattern or NONE
        self._connection.execute("DELETE FROM sequential_runs WHERE session = ? AND kept = 0", (session.id,))
        self._connection.executemany(
            "INSERT INTO sequential_runs VALUES (?, ?, ?, ?, ?, ?, 0)",
            [
                (session.id, number, pattern, run.signature, run.end, _encode(run.lengths).decode())
                for number, run in enumerate(settled.sequential_runs)
            ],
        )


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Keep the cycle collector out: a batch makes many objects and no cycles; each pass walks them all."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _negated(additions: Additions) -> Additions:
    return Counter({addition: -value for addition, value in additions.items()})


def _weight(held: Held) -> int:
    facts = held.facts
    return 1 + len(facts.calls) + len(facts.model_calls) + len(facts.tasks) + len(facts.permissions)


def _by_session(events: Iterable[Event]) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = {}
    for event in events:
        own = found.get(event.session)
        if own is None:
            own = found[event.session] = []
        own.append(redact(event) if "description" in event.attributes else event)
    return found
