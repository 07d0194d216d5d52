"""Ingest: journal → fold → rows, sums and journal position, moved in one transaction.

Whatever kills the process, the store holds exactly the events before its journal position, each of them once.
"""

from __future__ import annotations

import gc
import logging
import sqlite3
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from stretto import journal
from stretto.clock import SECOND
from stretto.model.conclude import Classify
from stretto.model.conclude_leaves import find_newest_entries
from stretto.model.event import Event, Outcome
from stretto.model.fold import NO_SIGN_OF_LIFE
from stretto.model.model_call_cost import Price, get_reported_cost
from stretto.model.score_scales import SCALES, Scales
from stretto.names import NONE
from stretto.sources.redact import redact_event
from stretto.store import queries
from stretto.store.contributions.registry import get_sums_version
from stretto.store.database import open_transaction
from stretto.store.rollup import Additions, write_sums
from stretto.store.schema import CONCLUDED, KEPT
from stretto.store.session_state import NewlyEnded, Rules, SessionState, SettledSession, load_session_state

LOG = logging.getLogger(__name__)

ATTEMPTS = 3
"""How often a batch is tried before it is taken line by line."""

HELD_CALLS = 20_000
"""Most tool calls of sessions kept in memory between batches."""

_EXECUTIONS = ("sequential_runs", "fanouts")

_RULES = "rules"
"""The note of the rules that the store was concluded under, and of how it was counted."""

# The members in one order, so that a rebuild gives the same bytes.
_encode = msgspec.json.Encoder(order="deterministic").encode


@dataclass(slots=True)
class IngestResult:
    """What one call of ``ingest_batch`` or ``close_idle_sessions`` did."""

    events: int = 0
    rejects: int = 0
    ended: NewlyEnded = field(default_factory=NewlyEnded)


class Ingest:
    """The store's one writer.

    ``price`` tells what model calls cost. ``idle_limit`` is in seconds: a session that nothing is heard of
    for longer is over, its outcome unknown.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        classify: Classify,
        *,
        idle_limit: int,
        price: Price = get_reported_cost,
        scales: Scales = SCALES,
    ) -> None:
        self._connection = connection
        self._rules = Rules(classify, price, scales)
        self._idle_limit = idle_limit * SECOND
        self._held: OrderedDict[str, SessionState] = OrderedDict()

    def list_pending(self, folder: Path) -> Iterator[tuple[str, int, int]]:
        """Yield (file, offset, unread bytes) of each journal file that has grown since it was read."""
        positions = self._positions()
        for file, size in journal.list_files(folder).items():
            offset = positions.get(file, 0)
            if size > offset:
                yield file, offset, size - offset

    def catch_up(self, folder: Path, *, now: int | None = None) -> Iterator[IngestResult]:
        """Take all that is in the journal, a transaction per batch.

        A batch that cannot be taken for what stands in it is tried again, and then taken line by line: what
        still cannot be taken is set aside as ``internal``, and the rest goes on. A file that has become
        shorter than what was read of it is read again from its start. ``now`` (ns) tells the files that
        nobody writes to any more, whose last line is taken as it stands.
        """
        positions = self._positions()
        for file, size in journal.list_files(folder).items():
            position = positions.get(file, 0)
            if size < position:
                self._begin_again(file, gone=position - size)
                position = 0
            closed = now is not None and journal.is_closed(file, now)
            while size > position:
                with _pause_collector():
                    batch = journal.read_batch(folder, file, position, closed=closed)
                    begun, position = position, batch.end
                    taken = () if position == begun else self._tried(folder, batch)
                    # Before the collector comes back, which would look at every event of it.
                    del batch
                if not taken:
                    break
                yield from taken

    def _tried(self, folder: Path, batch: journal.Batch) -> Sequence[IngestResult]:
        fault: Exception | None = None
        for _ in range(ATTEMPTS):
            try:
                return [self.ingest_batch(batch)]
            except Exception as error:
                if not _is_caused_by_batch(error):
                    raise
                fault = error
        LOG.error("%s from byte %d on is taken line by line", batch.file, batch.start, exc_info=fault)
        return [self._take_or_set_aside(line) for line in journal.split_batch(folder, batch)]

    def _take_or_set_aside(self, line: journal.Batch) -> IngestResult:
        try:
            return self.ingest_batch(line)
        except Exception as error:
            if not _is_caused_by_batch(error):
                raise
            # The message of a fault may quote what it stumbled over; its kind does not.
            reason = f"internal: {type(error).__name__}"
        reject = journal.Reject(line.file, line.start, line.end - line.start - 1, reason)
        return self.ingest_batch(replace(line, events=(), rejects=(reject,)))

    def _positions(self) -> dict[str, int]:
        return dict(self._connection.execute("SELECT file, offset FROM journal"))

    def _begin_again(self, file: str, *, gone: int) -> None:
        """Forget how far a file was read that has become shorter since: somebody cut it."""
        LOG.warning("%s has become %d bytes shorter and is read again from its start", file, gone)
        with open_transaction(self._connection):
            self._connection.execute("DELETE FROM journal WHERE file = ?", (file,))
            self._connection.execute("DELETE FROM rejects WHERE file = ?", (file,))
            queries.note_shortened_file(self._connection, file, gone)

    def ingest_batch(self, batch: journal.Batch) -> IngestResult:
        """Store a batch: all of it and the new journal position, or nothing."""
        taken = IngestResult()
        rejects = [(r.file, r.offset, r.length, r.reason) for r in batch.rejects]
        touched: dict[str, SessionState] = {}
        try:
            with open_transaction(self._connection):
                for session_id, told in _group_by_session(batch.events).items():
                    events = self._not_pruned(session_id, told)
                    if events:
                        held = touched[session_id] = self._hold(session_id)
                        # What is no sign of life may come long after a session was lost.
                        held.lost = held.lost and all(event.kind in NO_SIGN_OF_LIFE for event in events)
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

    def close_idle_sessions(self, now: int) -> IngestResult:
        """Close the sessions that nothing was heard of for longer than the idle limit."""
        query = "SELECT id FROM sessions WHERE outcome = ? AND last < ?"
        idle = self._connection.execute(query, (Outcome.RUNNING.value, now - self._idle_limit)).fetchall()
        taken = IngestResult()
        touched: dict[str, SessionState] = {}
        try:
            with open_transaction(self._connection):
                for (session_id,) in idle:
                    held = touched[session_id] = self._hold(session_id)
                    held.lost = True
                self._write(touched, taken.ended)
        except BaseException:
            self._held.clear()
            raise
        self._release(touched)
        return taken

    def forget_sessions(self, session_ids: Iterable[str], file: str) -> None:
        """Take sessions out of the store and the sums, with the position of the file they came from."""
        with open_transaction(self._connection):
            for session_id in session_ids:
                write_sums(self._connection, _negate_additions(self._hold(session_id).all_counted))
                self._delete_executions(session_id)
                self._drop(session_id)
            self._connection.execute("DELETE FROM journal WHERE file = ?", (file,))
            self._connection.execute("DELETE FROM rejects WHERE file = ?", (file,))

    def retire_sessions(self, session_ids: Iterable[str]) -> None:
        """Let sessions go and keep what they have added to the sums: no figure of a window misses them."""
        try:
            with open_transaction(self._connection):
                for session_id in session_ids:
                    held = self._hold(session_id)
                    counted = held.all_counted
                    write_sums(self._connection, _negate_additions(counted))
                    write_sums(self._connection, counted, kept=True)
                    self._keep_executions(session_id)
                    self._connection.execute(
                        "INSERT INTO pruned SELECT id, last FROM sessions WHERE id = ?"
                        " ON CONFLICT (session) DO UPDATE SET last = excluded.last",
                        (session_id,),
                    )
                    self._drop(session_id)
        except BaseException:
            self._held.clear()
            raise

    def reset_if_rules_changed(self, rules: str) -> None:
        """Forget everything if it was concluded under other rules than these, or counted otherwise.

        ``rules`` is a fingerprint of them; how things are counted is the program's own (``counting``).
        """
        made_by = f"{rules} {get_sums_version()}"
        if queries.read_note(self._connection, _RULES) != made_by:
            self.clear_store()
            queries.write_note(self._connection, _RULES, made_by)

    def clear_store(self) -> None:
        """Forget everything that is concluded from the journal, so that it can be taken again."""
        with open_transaction(self._connection):
            for table in CONCLUDED:
                kept = " WHERE kept = 0" if table in KEPT else ""
                self._connection.execute(f"DELETE FROM {table}{kept}")  # noqa: S608  # names from a constant
            queries.forget_shortened_files(self._connection)
        self._held.clear()

    def _drop(self, session_id: str) -> None:
        for table, key in (("facts", "session"), ("cache_entries", "session"), ("sessions", "id")):
            query = f"DELETE FROM {table} WHERE {key} = ?"  # noqa: S608  # names from the line above
            self._connection.execute(query, (session_id,))
        self._held.pop(session_id, None)

    def _not_pruned(self, session_id: str, events: list[Event]) -> list[Event]:
        """Return the events that are not of a session's past which has been counted and pruned."""
        if session_id in self._held:
            return events
        row = self._connection.execute("SELECT last FROM pruned WHERE session = ?", (session_id,)).fetchone()
        return events if row is None else [event for event in events if event.time > row[0]]

    def _hold(self, session_id: str) -> SessionState:
        held = self._held.get(session_id)
        if held is None:
            held = self._held[session_id] = load_session_state(self._connection, session_id, self._rules)
        self._held.move_to_end(session_id)
        return held

    def _release(self, touched: Mapping[str, SessionState]) -> None:
        """Let go of sessions that are over, and of those untouched for longest where there are too many."""
        for session_id, held in touched.items():
            if held.over:
                # Seldom heard of again, and then read back.
                del self._held[session_id]
        size = sum(map(_weigh_state, self._held.values()))
        while size > HELD_CALLS and len(self._held) > 1:
            _, gone = self._held.popitem(last=False)
            size -= _weigh_state(gone)

    def _write(self, touched: dict[str, SessionState], news: NewlyEnded) -> None:
        change: Additions = Counter()
        facts: list[tuple[str, str, str, bytes]] = []
        for session_id, held in touched.items():
            settled = held.settle(self._rules, change, news)
            facts += (
                (session_id, kind, key, _encode(held.facts.get_entity(kind, key))) for kind, key in held.dirty
            )
            held.dirty.clear()
            self._write_session(held, settled)
        self._connection.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?, ?, ?)", facts)
        write_sums(self._connection, change)

    def _write_session(self, held: SessionState, settled: SettledSession) -> None:
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
                len(held.facts.calls) + held.tool_calls.repeats,
                len(settled.fanouts),
                held.arrived,
            ),
        )
        self._connection.executemany(
            "INSERT OR REPLACE INTO cache_entries VALUES (?, ?, ?, ?)",
            [(session.id, name, *newest) for name, newest in find_newest_entries(held.facts).items()],
        )
        self._write_executions(held, settled)

    def _delete_executions(self, session_id: str) -> None:
        for table in _EXECUTIONS:
            query = f"DELETE FROM {table} WHERE session = ? AND kept = 0"  # noqa: S608  # names from a constant
            self._connection.execute(query, (session_id,))

    def _keep_executions(self, session_id: str) -> None:
        """Mark a session's runs and fan-outs as kept, beside those that an earlier pruning of it kept."""
        for table in _EXECUTIONS:
            query = (
                f"UPDATE {table} SET kept = (SELECT MAX(kept) + 1 FROM {table} WHERE session = ?1)"  # noqa: S608  # names from a constant
                " WHERE session = ?1 AND kept = 0"
            )
            self._connection.execute(query, (session_id,))

    def _write_executions(self, held: SessionState, settled: SettledSession) -> None:
        session, pattern = settled.session, settled.session.pattern or NONE
        runs = [
            (session.id, number, pattern, run.signature, run.end, _encode(run.lengths).decode())
            for number, run in enumerate(settled.sequential_runs)
        ]
        found = [
            (
                session.id,
                number,
                pattern,
                f.signature,
                f.start,
                f.end,
                f.width,
                f.work,
                f.elapsed,
                f.longest_lane,
            )
            for number, f in enumerate(settled.fanouts)
        ]
        # Most batches of a session end no fan-out and no run: what stands there already is left alone.
        if held.executions == (runs, found):
            return
        self._delete_executions(session.id)
        self._connection.executemany("INSERT INTO sequential_runs VALUES (?, ?, ?, ?, ?, ?, 0)", runs)
        self._connection.executemany("INSERT INTO fanouts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)", found)
        held.executions = (runs, found)


def _is_caused_by_batch(error: Exception) -> bool:
    """Tell whether what was read made the store fail, and not the disk, the memory or a damaged database."""
    if isinstance(error, sqlite3.Error):
        return isinstance(error, sqlite3.DataError | sqlite3.InterfaceError | sqlite3.ProgrammingError)
    return not isinstance(error, OSError | MemoryError)


@contextmanager
def _pause_collector() -> Iterator[None]:
    """Keep the cycle collector out: a batch makes many objects and no cycles; each pass walks them all."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _negate_additions(additions: Additions) -> Additions:
    return Counter({addition: -value for addition, value in additions.items()})


def _weigh_state(held: SessionState) -> int:
    facts = held.facts
    return 1 + len(facts.calls) + len(facts.model_calls) + len(facts.tasks) + len(facts.permissions)


def _group_by_session(events: Iterable[Event]) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = {}
    for event in events:
        own = found.get(event.session)
        if own is None:
            own = found[event.session] = []
        own.append(redact_event(event) if "description" in event.attributes else event)
    return found
