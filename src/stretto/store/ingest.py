"""Ingest: journal → fold → rows, sums and journal position, moved in one transaction.

Whatever kills the process, the store holds exactly the events before its journal position, each of them once.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from stretto import journal
from stretto.clock import SECOND
from stretto.figures.parallel import Fanout, SequentialRun
from stretto.model.conclude import Classify
from stretto.model.entities import Session
from stretto.model.event import Event, Kind, Outcome
from stretto.names import NONE
from stretto.sources.redact import redact
from stretto.store.database import transaction
from stretto.store.held import Ended, Held, load
from stretto.store.rollup import Additions, write
from stretto.store.schema import CONCLUDED

HELD_CALLS = 50_000
"""Most tool calls of sessions kept in memory between batches, about 40 MB."""

_encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Taken:
    """What one call of ``take`` or ``sweep`` did."""

    events: int = 0
    rejects: int = 0
    ended: Ended = field(default_factory=Ended)


class Ingest:
    """The store's one writer.

    ``idle_limit`` is in seconds: a session that nothing is heard of for longer is over, and how it ended is unknown.
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

    def catch_up(self, folder: Path) -> Iterator[Taken]:
        """Take all that is in the journal, a transaction per batch."""
        for file, offset, _ in list(self.pending(folder)):
            position = offset
            while True:
                batch = journal.read(folder, file, position)
                if batch.end == position:
                    break
                yield self.take(batch)
                position = batch.end

    def take(self, batch: journal.Batch) -> Taken:
        """Store a batch: all of it and the new journal position, or nothing."""
        taken = Taken()
        rejects = [(r.file, r.offset, r.length, r.reason) for r in batch.rejects]
        touched: dict[str, Held] = {}
        try:
            with transaction(self._connection):
                for event in batch.events:
                    if event.kind is Kind.REJECT:
                        rejects.append((batch.file, -1 - len(rejects) - batch.start, 0, _reason(event)))
                        continue
                    held = touched.get(event.session)
                    if held is None:
                        held = touched[event.session] = self._hold(event.session)
                        held.lost = False
                    held.apply(redact(event) if "description" in event.attributes else event)
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
        self._release()
        return taken

    def sweep(self, now: int) -> Taken:
        """Close the sessions that nothing was heard of for longer than the idle limit."""
        query = "SELECT id FROM sessions WHERE outcome = ? AND last < ?"
        ids = [
            id for (id,) in self._connection.execute(query, (Outcome.RUNNING.value, now - self._idle_limit))
        ]
        taken = Taken()
        touched: dict[str, Held] = {}
        with transaction(self._connection):
            for id in ids:
                touched[id] = self._hold(id)
                touched[id].lost = True
            self._write(touched, taken.ended)
        self._release()
        return taken

    def forget(self, ids: Iterable[str], file: str) -> None:
        """Take sessions out of the store and the sums, with the position of the journal file they came from."""
        with transaction(self._connection):
            for id in ids:
                held = self._hold(id)
                change: Additions = Counter()
                change.subtract(held.counted)
                for added in held.counted_calls.values():
                    change.subtract(added)
                write(self._connection, change)
                for table, key in (("facts", "session"), ("sequential_runs", "session"), ("sessions", "id")):
                    self._connection.execute(f"DELETE FROM {table} WHERE {key} = ?", (id,))  # noqa: S608  # constants
                del self._held[id]
            self._connection.execute("DELETE FROM journal WHERE file = ?", (file,))
            self._connection.execute("DELETE FROM rejects WHERE file = ?", (file,))

    def clear(self) -> None:
        """Forget everything that is concluded from the journal, so that it can be taken again."""
        with transaction(self._connection):
            for table in CONCLUDED:
                self._connection.execute(f"DELETE FROM {table}")  # noqa: S608  # names from a constant
        self._held.clear()

    def _hold(self, id: str) -> Held:
        held = self._held.get(id)
        if held is None:
            held = self._held[id] = load(self._connection, id, self._classify)
        self._held.move_to_end(id)
        return held

    def _release(self) -> None:
        size = sum(len(held.facts.calls) + 1 for held in self._held.values())
        while size > HELD_CALLS and len(self._held) > 1:
            _, gone = self._held.popitem(last=False)
            size -= len(gone.facts.calls) + 1

    def _write(self, touched: dict[str, Held], news: Ended) -> None:
        change: Additions = Counter()
        facts: list[tuple[str, str, str, bytes]] = []
        for id, held in touched.items():
            delta, session, fanouts, runs = held.settle(self._classify, news)
            for addition, value in delta.items():
                change[addition] += value
            facts += ((id, kind, key, _encode(held.facts.entity(kind, key))) for kind, key in held.dirty)
            held.dirty.clear()
            self._write_session(held, session, fanouts, runs)
        self._connection.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?, ?, ?)", facts)
        write(self._connection, change)

    def _write_session(
        self, held: Held, session: Session, fanouts: tuple[Fanout, ...], runs: list[SequentialRun]
    ) -> None:
        running = sum(task.outcome is Outcome.RUNNING for task in session.tasks)
        in_turn = any(turn.outcome is Outcome.RUNNING for turn in session.turns)
        busy = session.outcome is Outcome.RUNNING and (running > 0 or in_turn)
        self._connection.execute(
            "INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
                len(held.facts.calls),
                len(fanouts),
            ),
        )
        self._connection.execute("DELETE FROM sequential_runs WHERE session = ?", (session.id,))
        self._connection.executemany(
            "INSERT INTO sequential_runs VALUES (?, ?, ?, ?, ?, ?)",
            [
                (
                    session.id,
                    number,
                    session.pattern or NONE,
                    run.signature,
                    run.end,
                    _encode(run.lengths).decode(),
                )
                for number, run in enumerate(runs)
            ],
        )


def _reason(event: Event) -> str:
    reason = event.attributes.get("reason")
    return f"payload: {reason}" if isinstance(reason, str) else "payload: unreadable"
