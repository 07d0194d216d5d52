"""Ingest of the journal: fold its events, then store rows, sums and journal position in one transaction.

If the process is killed, the store still holds exactly the events before its journal position, each once.
"""

from __future__ import annotations

import io
import logging
import sqlite3
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import msgspec

from stretto import journal
from stretto.clock import MINUTE, SECOND
from stretto.journal import pruned_session_records
from stretto.journal.compression import delete_parts_already_compressed
from stretto.journal.file_identity import compute_identity
from stretto.journal.pruned_session_records import KeptRecord, hash_session_id, is_kept_file
from stretto.model.call_cost_and_usage_types import Price, get_reported_cost
from stretto.model.conclude_session import is_known_by_telemetry_alone
from stretto.model.conclude_tasks import Classify
from stretto.model.event import Event, Kind, Outcome
from stretto.model.fold import NO_SIGN_OF_LIFE
from stretto.model.score_scales import SCALES, Scales
from stretto.sources.redact import REDACTION_VERSION, redact_event, redact_session_events, redact_text
from stretto.store import journal_queries, store_notes
from stretto.store.concluded_session import NewlyEnded, Rules
from stretto.store.contributions.registry import get_sums_version
from stretto.store.database import open_transaction
from stretto.store.database_schema import CONCLUDED, KEPT_TABLES
from stretto.store.decision_rows import write_decisions
from stretto.store.garbage_collector_pause import pause_collector
from stretto.store.journal_positions import JournalPositions, StoredPosition
from stretto.store.records_of_pruned_sessions import (
    add_kept_record,
    find_pruned_until,
    is_record_added,
    make_kept_record,
)
from stretto.store.session_in_memory import SessionState, load_session_state
from stretto.store.session_row_writer import write_session_rows
from stretto.store.session_search import delete_words
from stretto.store.shipped_sessions import mark_changed_sessions
from stretto.store.stored_facts import delete_facts, write_facts
from stretto.store.sums_by_time_slot import Additions, write_sums
from stretto.store.traces_joined_to_sessions import (
    find_session_home,
    find_session_joins,
    merge_sessions_and_find_moved_id,
)

LOG = logging.getLogger(__name__)

ATTEMPTS = 3
"""How often a batch is tried before it is ingested line by line."""

MOST_CALLS_IN_MEMORY = 8_000
"""Most tool calls and other entities of sessions that stay in memory between batches, about 5 kB each."""

TELEMETRY_IDLE = 30 * MINUTE
"""Nanoseconds of silence that end a session known by telemetry alone; hooks may be silent for hours."""

TELEMETRY_SOURCES = ("claude-code", "codex")
"""Clients whose telemetry reports each request to the model as it ends."""

SESSIONS_PER_TRANSACTION = 16
"""Most idle sessions that are loaded and closed at once: a session takes about 0.4 MB."""

# Looking up a member of an enumeration takes ten times as long as a name, and every event is asked.
_DECISION = Kind.DECISION

_RULES = "rules"
"""The name of the stored note about the rules and the version of sums that the store was made with."""

# Members are sorted, so that a rebuild gives the same bytes.
_encode = msgspec.json.Encoder(order="deterministic").encode


@dataclass(slots=True)
class IngestResult:
    """The result of a transaction: of a batch, or of idle sessions that were closed."""

    events: int = 0
    rejects: int = 0
    ended: NewlyEnded = field(default_factory=NewlyEnded)


class Ingest:
    """The only writer of the store.

    ``price`` returns the cost of a model call. ``idle_limit`` is in seconds: a session without events for
    longer than that is over, with outcome unknown.
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
        self._otherwise_known: set[str] = set()
        """The idle sessions that hooks or a history report, too: they are not looked at again."""
        self._positions = JournalPositions(connection)
        self._is_tidy = False
        """Whether compressions that a kill interrupted were looked for."""
        self.unreadable: dict[str, str] = {}
        """Journal files that could not be read the last time, each with the reason."""
        self._batch_bytes = journal.CHUNK
        self._states: OrderedDict[str, SessionState] = OrderedDict()
        self._idle_before: int | None = None
        """Sessions whose last event is before this time (ns) are closed with the batch that has it."""

    @property
    def positions(self) -> JournalPositions:
        """The positions in the journal's files."""
        return self._positions

    def list_pending(self, folder: Path) -> Iterator[tuple[str, int, int]]:
        """Yield (file, offset, unread bytes) of each journal file that has grown since it was read."""
        positions = self._positions.read_all()
        for file, size in journal.list_file_sizes(folder).items():
            offset = positions[file].offset if file in positions else 0
            if size > offset:
                yield file, offset, size - offset

    def catch_up(
        self,
        folder: Path,
        *,
        now: int | None = None,
        close_idle: bool = False,
        batch_bytes: int = journal.CHUNK,
    ) -> Iterator[IngestResult]:
        """Ingest all unread lines of the journal, a transaction per batch.

        A batch whose content makes the store fail is tried again, and then ingested line by line. Lines that
        still fail are set aside as ``internal``. A file that is not the file that was read, because it was
        cut, replaced or restored, is read again from its start. ``now`` (ns) decides which files are closed:
        the last line of a closed file is ingested even without a line end. Kept records are read first: they
        decide which events are ignored.

        With ``close_idle`` a session without events since the idle limit before ``now`` is closed while it is
        in memory, and opened again if a later batch goes on with it: for callers that publish no result.
        Batches then end between sessions, so that this is rare where sessions follow one another in a file.
        A batch has about ``batch_bytes``: smaller ones take less memory, larger ones less processor time.
        """
        self._batch_bytes = batch_bytes
        self._idle_before = now - self._idle_limit if close_idle and now is not None else None
        if not self._is_tidy:
            delete_parts_already_compressed(folder)
            self._is_tidy = True
        files = journal.scan_file_states(folder)
        self.unreadable = {}
        for is_kept in (True, False):
            positions = self._positions.read_all()
            for file in [name for name in files if is_kept_file(name) is is_kept]:
                try:
                    yield from self._ingest_file(folder, file, files[file], positions.get(file), now)
                except _UnreadableFileError as error:
                    # One file that cannot be read must not keep the others from being read.
                    self.unreadable[file] = str(error)

    def _ingest_file(
        self,
        folder: Path,
        file: str,
        state: journal.FileState,
        stored: StoredPosition | None,
        now: int | None,
    ) -> Iterator[IngestResult]:
        with _tell_read_errors_apart():
            position = self._positions.find_start(folder, file, state, stored)
        if state.size <= position:
            return
        closed = now is not None and journal.is_day_file_closed(file, now)
        if is_kept_file(file):
            with _tell_read_errors_apart(), journal.open_content(folder, file) as content:
                records = io.BytesIO(content.read())
            yield self._ingest_kept_records(records, file, position)
            return
        with _tell_read_errors_apart():
            content = journal.open_content(folder, file)
        with content:
            while state.size > position:
                with pause_collector():
                    with _tell_read_errors_apart():
                        batch = journal.read_next_batch(
                            content,
                            file,
                            position,
                            limit=self._batch_bytes,
                            closed=closed,
                            # Or a session would be closed with its first part, and opened again.
                            ends_between_sessions=self._idle_before is not None
                            and position + self._batch_bytes < state.size,
                        )
                    start, position = position, batch.end
                    results = () if position == start else self._ingest_with_retries(folder, batch)
                    # Freed while the collector is paused, or it would visit every event of the batch.
                    del batch
                if not results:
                    return
                yield from results

    def _ingest_with_retries(self, folder: Path, batch: journal.Batch) -> Sequence[IngestResult]:
        fault: Exception | None = None
        for _ in range(ATTEMPTS):
            try:
                return [self.ingest_batch(batch)]
            except Exception as error:
                if not _is_caused_by_batch(error):
                    raise
                fault = error
        LOG.error("%s from byte %d on is ingested line by line", batch.file, batch.start, exc_info=fault)
        return [self._ingest_or_set_aside(line) for line in journal.reread_batch_by_line(folder, batch)]

    def _ingest_or_set_aside(self, line: journal.Batch) -> IngestResult:
        try:
            return self.ingest_batch(line)
        except Exception as error:
            if not _is_caused_by_batch(error):
                raise
            # The message of an error may quote private text of the line; its type does not.
            reason = f"internal: {type(error).__name__}"
        reject = journal.Reject(line.file, line.start, line.end - line.start - 1, reason)
        return self.ingest_batch(replace(line, events=(), rejects=(reject,)))

    def _ingest_kept_records(self, content: BinaryIO, file: str, position: int) -> IngestResult:
        """Add the unread records of a file to the store, each in a transaction with the file's position.

        A record that was added before is skipped. If the session of a new record is still stored, the prune
        that wrote the record was killed, and is completed here.
        """
        result = IngestResult()
        for line in pruned_session_records.read_kept_lines(content, file, position):
            identity = compute_identity(content, line.end) or ""
            entry = line.content
            if isinstance(entry, KeptRecord):
                try:
                    self._add_record(entry, file, line.end, identity)
                    continue
                except sqlite3.IntegrityError:
                    entry = journal.Reject(
                        file, line.start, line.end - line.start, "internal: IntegrityError"
                    )
            with open_transaction(self._connection):
                if entry is not None:
                    result.rejects += 1
                    reject = (entry.file, entry.offset, entry.length, entry.reason)
                    self._connection.execute("INSERT OR REPLACE INTO rejects VALUES (?, ?, ?, ?)", reject)
                self._positions.write_position(file, line.end, 0, identity)
        return result

    def _add_record(self, record: KeptRecord, file: str, end: int, identity: str) -> None:
        try:
            with open_transaction(self._connection):
                if not is_record_added(self._connection, record):
                    self._replace_stored(record)
                    add_kept_record(self._connection, record)
                self._positions.write_position(file, end, 0, identity)
        except BaseException:
            self._states.clear()
            raise

    def _replace_stored(self, record: KeptRecord) -> None:
        """Remove the stored session that a new record is about.

        If it has events after the record, all events are read again: those up to the record are then ignored.
        """
        if record.findings:
            return
        for id, last in self._connection.execute("SELECT id, last FROM sessions").fetchall():
            if hash_session_id(id) == record.session:
                self._remove_session(id)
                if last > record.last:
                    self._connection.execute(
                        "DELETE FROM journal WHERE file NOT LIKE ?", (pruned_session_records.PREFIX + "%",)
                    )

    def ingest_batch(self, batch: journal.Batch) -> IngestResult:
        """Store a batch and the new journal position: all of it, or nothing."""
        result = IngestResult()
        rejects = [(r.file, r.offset, r.length, redact_text(r.reason)) for r in batch.rejects]
        touched: dict[str, SessionState] = {}
        try:
            with open_transaction(self._connection):
                decisions = [event for event in batch.events if event.kind is _DECISION]
                if decisions:
                    write_decisions(self._connection, map(redact_event, decisions))
                self._move_named_traces(batch.events, touched)
                for named, all_events in _group_by_session(batch.events).items():
                    session_id = find_session_home(self._connection, named)
                    events = self._skip_pruned(session_id, all_events)
                    if events:
                        state = touched[session_id] = self._get_state(session_id)
                        # Some kinds are no sign of life: they may arrive long after a session was lost.
                        state.lost = state.lost and all(event.kind in NO_SIGN_OF_LIFE for event in events)
                        state.arrived = max(state.arrived, batch.file)
                        state.apply_events(events)
                idle_before = None if batch.is_part_of_session else self._idle_before
                self._write_sessions(touched, result.ended, idle_before=idle_before)
                self._connection.executemany("INSERT OR REPLACE INTO rejects VALUES (?, ?, ?, ?)", rejects)
                self._positions.write_position(batch.file, batch.end, len(batch.events), batch.identity)
        except BaseException:
            # The states in memory are ahead of the store after a rollback.
            self._states.clear()
            raise
        result.events, result.rejects = len(batch.events), len(rejects)
        self._release_states(touched)
        return result

    def close_idle_sessions(self, now: int, publish: Callable[[IngestResult], None] | None = None) -> None:
        """Close the sessions without events for longer than the idle limit, a few in each transaction.

        ``publish`` is called with the result of each transaction. No result outlives its transaction, so that
        memory does not grow with the number of sessions.
        """
        query = "SELECT id FROM sessions WHERE outcome = ? AND last < ? ORDER BY last, id"
        rows = self._connection.execute(query, (Outcome.RUNNING.value, now - self._idle_limit)).fetchall()
        idle = [id for (id,) in rows] + self._find_silent_telemetry(now)
        for first in range(0, len(idle), SESSIONS_PER_TRANSACTION):
            result = self._close_sessions(idle[first : first + SESSIONS_PER_TRANSACTION])
            if publish is not None:
                publish(result)

    def _find_silent_telemetry(self, now: int) -> list[str]:
        """Return the open sessions of which only telemetry reported, none of it for ``TELEMETRY_IDLE``.

        It reports no session's end, and each request to the model: silence is an end sooner than by hooks.
        """
        query = (
            "SELECT id FROM sessions WHERE outcome = ? AND last >= ? AND last < ? AND source IN (?, ?)"
            " ORDER BY last, id"
        )
        until = now - TELEMETRY_IDLE
        period = (now - self._idle_limit, until)
        rows = self._connection.execute(query, (Outcome.RUNNING.value, *period, *TELEMETRY_SOURCES))
        silent = []
        for (session_id,) in rows.fetchall():
            if session_id not in self._otherwise_known:
                if is_known_by_telemetry_alone(self._get_state(session_id).facts):
                    silent.append(session_id)
                else:
                    self._otherwise_known.add(session_id)
        self._release_states({})
        return silent

    def _close_sessions(self, session_ids: Iterable[str]) -> IngestResult:
        result = IngestResult()
        touched: dict[str, SessionState] = {}
        try:
            with open_transaction(self._connection):
                for session_id in session_ids:
                    state = touched[session_id] = self._get_state(session_id)
                    state.lost = True
                self._write_sessions(touched, result.ended)
        except BaseException:
            self._states.clear()
            raise
        self._release_states(touched)
        return result

    def forget_sessions(self, session_ids: Iterable[str], file: str) -> None:
        """Delete sessions from the store and the sums, with the position of their journal file."""
        with open_transaction(self._connection):
            for session_id in session_ids:
                self._remove_session(session_id)
            self._positions.forget_file(file)

    def release_sessions(self, session_ids: Sequence[str], folder: Path, *, coarse_before: int = 0) -> None:
        """Delete sessions but keep their sums, so that no figure of a window changes.

        Their records are in the journal before the store forgets them; ``coarse_before`` (ns) is the time
        before which sums by the hour are enough. Raises OSError if the records cannot be written.
        """
        records = {
            session_id: make_kept_record(
                self._connection,
                session_id,
                self._get_state(session_id).sum_additions(),
                coarse_before=coarse_before,
            )
            for session_id in session_ids
        }
        appended = pruned_session_records.append_kept_records(folder, records.values())
        try:
            with open_transaction(self._connection):
                for session_id, record in records.items():
                    self._remove_session(session_id)
                    add_kept_record(self._connection, record)
                positions = self._positions.read_all()
                for file, (before, after) in appended.items():
                    # Otherwise the file has lines that were never read; reading adds no record twice.
                    if (positions[file].offset if file in positions else 0) == before:
                        identity = journal.identify_content(folder, file, after) or ""
                        self._positions.write_position(file, after, 0, identity)
        except BaseException:
            self._states.clear()
            raise

    def reset_if_rules_changed(self, rules: str) -> None:
        """Clear the store if it was made under other rules, or another version of the sums or the redaction.

        ``rules`` is a fingerprint of the configured rules.
        """
        made_by = f"{rules} {get_sums_version()} {REDACTION_VERSION}"
        if store_notes.read_note(self._connection, _RULES) != made_by:
            self.clear_store()
            store_notes.write_note(self._connection, _RULES, made_by)

    def clear_store(self) -> None:
        """Delete everything that is concluded from the journal, so that the journal can be ingested again."""
        with open_transaction(self._connection):
            for table in CONCLUDED:
                self._connection.execute(f"DELETE FROM {table}")  # noqa: S608  # names from a constant
            self._positions.forget_looks()
            journal_queries.forget_shortened_files(self._connection)
        self._states.clear()

    def _remove_session(self, session_id: str) -> None:
        """Delete a session with its executions, and subtract its additions from the sums."""
        write_sums(self._connection, _invert_additions(self._get_state(session_id).sum_additions()))
        for table in KEPT_TABLES:
            query = f"DELETE FROM {table} WHERE session = ? AND kept = 0"  # noqa: S608  # names from a constant
            self._connection.execute(query, (session_id,))
        delete_words(self._connection, session_id)
        delete_facts(self._connection, session_id)
        for table, key in (("cache_entries", "session"), ("sessions", "id")):
            query = f"DELETE FROM {table} WHERE {key} = ?"  # noqa: S608  # names from the line above
            self._connection.execute(query, (session_id,))
        self._states.pop(session_id, None)

    def _move_named_traces(self, events: Iterable[Event], touched: dict[str, SessionState]) -> None:
        """Move what is stored of traces into the sessions that their later spans name."""
        for join in find_session_joins(events):
            trace = merge_sessions_and_find_moved_id(self._connection, join)
            if trace is None:
                continue
            trace_state = self._get_state(trace)
            self._remove_session(trace)
            touched.pop(trace, None)
            if trace_state.facts.session:
                home = find_session_home(self._connection, trace)
                state = touched[home] = self._get_state(home)
                state.arrived = max(state.arrived, trace_state.arrived)
                state.absorb_facts(trace_state.facts)

    def _skip_pruned(self, session_id: str, events: list[Event]) -> list[Event]:
        """Return the events of a session after its pruned past, which is already in the kept sums."""
        if session_id in self._states:
            return events
        until = find_pruned_until(self._connection, session_id)
        return events if until is None else [event for event in events if event.time > until]

    def _get_state(self, session_id: str) -> SessionState:
        state = self._states.get(session_id)
        if state is None:
            state = self._states[session_id] = load_session_state(self._connection, session_id, self._rules)
        self._states.move_to_end(session_id)
        return state

    def _release_states(self, touched: Mapping[str, SessionState]) -> None:
        """Drop the states of sessions that are over, and beyond the limit those unused for longest."""
        for session_id, state in touched.items():
            if state.over:
                # Few sessions have events after their end; these are loaded again.
                del self._states[session_id]
        size = sum(map(_weigh_state, self._states.values()))
        while size > MOST_CALLS_IN_MEMORY and len(self._states) > 1:
            _, oldest = self._states.popitem(last=False)
            size -= _weigh_state(oldest)

    def _write_sessions(
        self, touched: dict[str, SessionState], newly_ended: NewlyEnded, *, idle_before: int | None = None
    ) -> None:
        change: Additions = Counter()
        for state in touched.values():
            settled = state.update_sums(self._rules, change, newly_ended, idle_before=idle_before)
            state.facts_form = write_facts(
                self._connection,
                state.facts,
                state.changed_entities,
                over=state.over,
                before=state.facts_form,
                concluded=state.pack_if_long(),
            )
            state.changed_entities.clear()
            write_session_rows(self._connection, state, settled)
        write_sums(self._connection, change)
        mark_changed_sessions(self._connection, touched)


def _is_caused_by_batch(error: Exception) -> bool:
    """Return whether the content of a batch caused an error, not the disk, memory or a damaged database."""
    if isinstance(error, sqlite3.Error):
        return isinstance(error, sqlite3.DataError | sqlite3.InterfaceError | sqlite3.ProgrammingError)
    # A stored row that cannot be decoded is damage of the store.
    return not isinstance(error, OSError | MemoryError | msgspec.DecodeError)


class _UnreadableFileError(Exception):
    """A journal file cannot be read."""


@contextmanager
def _tell_read_errors_apart() -> Iterator[None]:
    """Raise errors of reading a journal file as such: a full disk while storing is another fault."""
    try:
        yield
    except OSError as error:
        raise _UnreadableFileError(error.strerror or str(error)) from error


def _invert_additions(additions: Additions) -> Additions:
    return Counter({addition: -value for addition, value in additions.items()})


def _weigh_state(state: SessionState) -> int:
    facts = state.facts
    return 1 + len(facts.calls) + len(facts.model_calls) + len(facts.tasks) + len(facts.permissions)


def _group_by_session(events: Iterable[Event]) -> dict[str, list[Event]]:
    """Return the events by session, redacted; decisions belong to no session."""
    as_written: defaultdict[str, list[Event]] = defaultdict(list)
    for event in events:
        if event.kind is not _DECISION:
            as_written[event.session].append(event)
    by_session: dict[str, list[Event]] = {}
    # Texts repeat within a session, so its events are redacted together.
    for session_events in as_written.values():
        redacted = redact_session_events(session_events)
        by_session.setdefault(redacted[0].session, []).extend(redacted)
    return by_session
