"""The worker: the thread that ingests the journal, prunes the store and refreshes the snapshot.

It is the store's only writer, and the journal is its only input, even for events that arrive over HTTP.
Killing the process at any moment therefore loses nothing.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import msgspec

from stretto import journal
from stretto.clock import MINUTE, Clock
from stretto.config.configuration import Config
from stretto.errors import StoreError, UsageError
from stretto.exporter.ended_work_counters import LiveMetrics
from stretto.figures.fanouts import Fanout, SequentialTime, estimate_sequential_time
from stretto.figures.resource_figures import ResourceUse
from stretto.figures.work_signature import build_work_signature
from stretto.hook.client.client import identify_boot_and_pid_namespace
from stretto.model.entities import Session
from stretto.names import NONE
from stretto.otlp_export.span_sender import NullSender, Sender
from stretto.resources.lost_session_detection import LivenessWatch
from stretto.service.configured_ingest import create_ingest
from stretto.service.configured_snapshot import take_configured_snapshot
from stretto.service.demo_recording import DemoRecording
from stretto.service.execution_start_and_end_notices import ParallelNotices
from stretto.service.finished_session_span_export import SpanQueue
from stretto.service.forgetting import (
    Erasure,
    ForgetRequest,
    build_erasure_document,
    compact_store,
    erase_sessions_before_rebuild,
)
from stretto.service.health import Health, IngestedJournal
from stretto.service.process_watch import ProcessWatch
from stretto.service.rebuild_progress_and_store_damage import (
    RebuildRequest,
    RebuildState,
    find_damage,
    identify_file,
)
from stretto.service.refresh_pace import RefreshPace
from stretto.service.store_reader import StoreReader
from stretto.store import journal_queries, open_session_queries
from stretto.store.database import STORE_ERRORS, open_writer
from stretto.store.declared_baseline_file import DeclaredBaselineReader
from stretto.store.fanout_and_baseline_queries import make_baseline_finder
from stretto.store.ingest import IngestResult
from stretto.store.prune import PruneStep, measure_bytes_over_cap, prune_history
from stretto.store.store_rescue import move_unusable_store_aside, rescue_and_move_store_aside
from stretto.summaries.running_tasks import (
    RunningSessionReader,
    TaskExpectations,
    list_running_fanouts,
    list_running_tasks,
    read_successful_task_lengths,
)
from stretto.summaries.silent_running_tasks import StuckTask, find_stuck_tasks
from stretto.summaries.snapshot import LiveState, Snapshot
from stretto.summaries.spending_outlook import PeriodSpending, read_spending

LOG = logging.getLogger(__name__)

TICK_SECONDS = 0.25
"""Pause between two looks at the journal: the events of a pause are ingested together."""

BATCH_BYTES = 1 << 18
"""Bytes of the journal that a running service ingests at once, a quarter of a rebuild's batch.

The memory that a batch took stays with the process: the sessions that it leaves lie between what it freed.
"""

MOST_DAMAGES = 5
DAMAGE_SECONDS = 600.0
"""So many rebuilds of damaged stores in this time, and no further one is tried: the disk is at fault."""

LIVENESS_SECONDS = 5.0
"""Pause between two looks at the processes of open sessions."""

SWEEP_SECONDS = 30.0
LENGTHS_SECONDS = 300.0
PRUNE_SECONDS = 3_600.0


class Worker:
    """Keeps the store and the snapshot up to date from ``start`` to ``stop``."""

    def __init__(
        self,
        config: Config,
        *,
        clock: Clock,
        sender: Sender | NullSender,
        version: str,
        resource: Mapping[str, str] | None,
        declared: DeclaredBaselineReader,
        live: LiveMetrics,
        resource_use: Callable[[], ResourceUse],
        on_busy_change: Callable[[], None] = lambda: None,
        store_findings: Callable[[sqlite3.Connection], bool] = lambda _: False,
        notices: ParallelNotices | None = None,
        store_receipts: Callable[[sqlite3.Connection], None] = lambda _: None,
    ) -> None:
        self._config = config
        self._clock = clock
        self._declared = declared
        self._live = live
        self._resource_use = resource_use
        self._on_busy_change = on_busy_change
        self._store_findings = store_findings
        self._notices = notices
        self._store_receipts = store_receipts
        self._busy: frozenset[str] = frozenset()
        """The sessions that were busy after the last batch."""
        self._processes = ProcessWatch(clock, LivenessWatch(identify_boot_and_pid_namespace()))
        self.health = Health()
        self.snapshot: Snapshot | None = None
        """The last snapshot; None before the first."""
        self._pace = RefreshPace(time.monotonic())
        self.ingested = IngestedJournal({}, time.monotonic())
        self.snapshot_listeners: list[Callable[[Snapshot], None]] = []
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self.aside = move_unusable_store_aside(config.database, config.journal, clock())
        """The store that could not be used at the start, if any; it is made again from the journal."""
        self.reader: StoreReader | None = None
        """The reader that is closed while the store is made again."""
        self._requested: RebuildRequest | None = None
        """Why the store is to be made again in the next round."""
        self.forgetting: ForgetRequest | None = None
        """The sessions to forget in the next round."""
        self.forgotten: dict[str, Any] = {"state": "none"}
        """The result of the last request to forget, or that it is under way."""
        self._damages: deque[float] = deque(maxlen=MOST_DAMAGES)
        """Times (monotonic s) of the last rebuilds that nobody asked for."""
        self._open_store()
        self._recording = DemoRecording(self.writer, self._ingest, config.journal, clock)
        self.spans = SpanQueue(
            self.writer,
            sender,
            config.task_types.classify,
            clock=clock,
            version=version,
            resource=resource,
            stopping=self._stopping,
        )
        self._thread = threading.Thread(target=self._run, name="ingest", daemon=True)
        self._running_sessions = RunningSessionReader(config.task_types.classify)
        self._stuck_tasks: tuple[StuckTask, ...] = ()
        self.expectations = TaskExpectations()
        """The running tasks as of the last sweep, and the finished ones that they are compared with."""
        self._lengths_read = 0.0
        self.spending: list[PeriodSpending] = []
        """Spending against the budgets as of the last sweep; empty without a budget."""

    def _open_store(self) -> None:
        """Open the store for writing, and remember which file it is."""
        config = self._config
        self.writer = open_writer(config.database)
        try:
            self._ingest = create_ingest(config, self.writer)
        except STORE_ERRORS as error:
            self.writer.close()
            damage = find_damage(error)
            if damage is None:
                raise
            self.aside = rescue_and_move_store_aside(config.database, config.journal, self._clock(), damage)
            self.writer = open_writer(config.database)
            self._ingest = create_ingest(config, self.writer)
        self._store_file = identify_file(config.database)

    def request_rebuild(self, request: RebuildRequest) -> None:
        """Make the store again from the journal in the next round. Any thread may call this."""
        self._requested = request
        self.wake()

    def request_forget(self, request: ForgetRequest) -> None:
        """Forget sessions in the next round. Any thread may call this; one request at a time."""
        self.forgotten = {"state": "running"}
        self.forgetting = request
        self.wake()

    def get_rebuild_state(self) -> RebuildState | None:
        """Return the rebuild that is wanted or under way, else the last."""
        requested, state = self._requested, self.health.rebuild
        if requested is not None and (state is None or state.finished):
            return RebuildState(requested.cause)
        return state

    def find_unready_reason(self) -> str | None:
        """Return a sentence while the store is damaged or is being made again."""
        state = self.health.rebuild
        if state is not None and not state.finished:
            return state.describe_progress()
        return None if self._requested is None else self._requested.cause

    def wake(self) -> None:
        """Look at the journal now instead of at the next tick."""
        self._wake.set()

    def start(self, *, demo_wanted: bool, report: Callable[[RebuildState], None] = lambda _: None) -> None:
        """Rebuild the store if the rules have changed, ingest the journal, then follow it in a thread.

        ``report`` is called with the progress after each batch.
        """
        try:
            self._begin(report, demo_wanted=demo_wanted)
        except (sqlite3.Error, msgspec.DecodeError) as error:
            damage = find_damage(error)
            if damage is None:
                raise
            self._rebuild_store(RebuildRequest(damage, is_damaged=True))
            self._begin(report, demo_wanted=demo_wanted)
        self._thread.start()

    def _begin(self, report: Callable[[RebuildState], None], *, demo_wanted: bool) -> None:
        for state in self._catch_up("new events" if self.aside is None else self.aside.cause):
            report(state)
        self._recording.place_if_needed(wanted=demo_wanted)
        self._sweep_sessions()
        self._refresh_snapshot()
        self.spans.add_unsent()

    def stop(self) -> None:
        """Finish the current round and queue the spans that wait. ``close`` must follow."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        self.spans.send_all()

    def close(self) -> None:
        """Note which spans and sessions were acknowledged in time, and close the store."""
        self.spans.note_results()
        self._store_receipts(self.writer)
        self.writer.close()

    def _run(self) -> None:
        """Repeat until ``stop``: ingest, sweep, prune, refresh and send, each when it is due."""
        swept = pruned = looked = time.monotonic()
        pruning = self._start_pruning()
        while not self._stopping.is_set():
            try:
                if self._rebuild_if_needed():
                    pruning = self._start_pruning()
                self._ingest_journal()
                now = time.monotonic()
                if now - swept >= SWEEP_SECONDS:
                    self._sweep_sessions(self._publish)
                    self._pace.is_stale = True
                    swept = now
                if now - looked >= LIVENESS_SECONDS:
                    self._report_gone_processes()
                    looked = now
                # One step of pruning a round, so that ingest continues between two steps.
                if next(pruning, None) is None and now - pruned >= PRUNE_SECONDS:
                    pruning, pruned = self._start_pruning(), now
                if self._store_findings(self.writer):
                    self._announce_snapshot()
                self._refresh_if_due()
                self.spans.send_due()
                self._store_receipts(self.writer)
                self.health.error = None
            except Exception as error:
                # A full disk, a moved folder or a fault in this program: report it and try again. A thread
                # that ended here would leave old figures that look current. The journal loses nothing.
                if self.health.error is None:
                    LOG.exception("the journal could not be ingested")
                damage = find_damage(error)
                if damage is not None and self._requested is None:
                    self._requested = RebuildRequest(damage, is_damaged=True)
                self.health.error = f"{type(error).__name__}: {error}"
                self._stopping.wait(1.0)
            self._wake.wait(min(TICK_SECONDS, self._pace.compute_wait(time.monotonic())))
            self._wake.clear()

    def _rebuild_if_needed(self) -> bool:
        """Make the store again if somebody asked for it, or if it is damaged, deleted or replaced."""
        erasure = self._erase_sessions()
        request, file = self._requested, identify_file(self._config.database)
        if file != self._store_file:
            cause = "the store was deleted" if file is None else "the store was replaced by another file"
            request = RebuildRequest(cause, is_damaged=True)
        if request is None:
            return False
        if request.is_damaged:
            now = time.monotonic()
            if len(self._damages) == MOST_DAMAGES and now - self._damages[0] < DAMAGE_SECONDS:
                raise StoreError(
                    f"{request.cause}, again and again",
                    where=str(self._config.database),
                    hint="check the disk",
                )
            self._damages.append(now)
        self._rebuild_store(request)
        if erasure is not None and not self._stopping.is_set():
            compact_store(self.writer, erasure.sessions)
            self.forgotten = {"state": "done", **build_erasure_document(erasure)}
        return True

    def _erase_sessions(self) -> Erasure | None:
        """Erase the sessions that are to be forgotten, and ask for a rebuild without them.

        In this thread, since only here are files of the journal compressed and pruned.
        """
        request, self.forgetting = self.forgetting, None
        if request is None:
            return None
        try:
            erasure = erase_sessions_before_rebuild(self._config, request)
        except UsageError as error:
            self.forgotten = {"state": "refused", "error": error.to_line(), "hint": error.hint or ""}
            return None
        if erasure.is_empty:
            self.forgotten = {"state": "done", **build_erasure_document(erasure)}
            return None
        self._requested = RebuildRequest("sessions are forgotten")
        return erasure

    def _rebuild_store(self, request: RebuildRequest) -> None:
        """Make the store again from the journal. A damaged store is moved aside, a healthy one is cleared.

        Until it is finished the last snapshot stays, and requests that need the store are refused. A service
        that stops meanwhile continues at its next start.
        """
        LOG.warning("the store is made again from the journal: %s", request.cause)
        self.health.rebuild = RebuildState(request.cause)
        self._announce_snapshot()
        if self.reader is not None:
            self.reader.suspend(lambda: self.find_unready_reason() or request.cause)
        with suppress(sqlite3.Error):
            self.writer.close()
        config, now = self._config, self._clock()
        if request.is_damaged:
            self.aside = rescue_and_move_store_aside(config.database, config.journal, now, request.cause)
        else:
            self.aside = move_unusable_store_aside(config.database, config.journal, now, thorough=True)
        self._open_store()
        self.spans.use_store(self.writer)
        self._recording.use_store(self.writer, self._ingest)
        self._ingest.clear_store()
        state = self.health.rebuild
        for state in self._catch_up(request.cause):
            if self._stopping.is_set():
                return
            self.health.rebuild = replace(state, finished=False)
        self._sweep_sessions()
        self.health.rebuild, self._requested = state, None
        if self.reader is not None:
            self.reader.resume()
        self._refresh_snapshot()
        self.spans.add_unsent()
        LOG.warning("the store is complete again")

    def _catch_up(self, cause: str) -> Iterator[RebuildState]:
        """Ingest the journal and yield the progress after each batch, and at the end the result."""
        started = time.perf_counter()
        self._ingest.reset_if_rules_changed(self._config.fingerprint)
        pending = sum(size for _, _, size in self._ingest.list_pending(self._config.journal))
        state = RebuildState(cause, all_bytes=pending)
        for result in self._ingest.catch_up(self._config.journal, now=self._clock(), close_idle=True):
            left = sum(size for _, _, size in self._ingest.list_pending(self._config.journal))
            state = replace(
                state,
                read_bytes=max(0, pending - left),
                events=state.events + result.events,
                rejects=state.rejects + result.rejects,
                seconds=time.perf_counter() - started,
            )
            yield state
        sessions = open_session_queries.read_activity(self.writer).sessions
        yield replace(
            state,
            finished=True,
            read_bytes=pending,
            sessions=sessions,
            seconds=time.perf_counter() - started,
        )

    def _ingest_journal(self) -> None:
        """Ingest new events; the snapshot follows at its pace, also while there is much to ingest."""
        changed = False
        ingested = IngestedJournal(journal.list_file_sizes(self._config.journal), time.monotonic())
        batches = self._ingest.catch_up(self._config.journal, now=self._clock(), batch_bytes=BATCH_BYTES)
        for result in batches:
            # Shows the batches before this: the last is shown when the recording that it replaces is gone.
            self._refresh_if_due()
            changed = self._pace.is_stale = True
            self._publish(result)
            if self._stopping.is_set():
                break
        else:
            self.ingested = ingested
        if changed:
            self._recording.remove_if_replaced()
            busy = open_session_queries.list_busy_session_ids(self.writer)
            if busy != self._busy:
                self._busy = busy
                self._on_busy_change()
        self.health.pending_bytes = sum(
            size for _, _, size in self._ingest.list_pending(self._config.journal)
        )
        self.health.shortened = tuple(journal_queries.read_shortened_files(self.writer))
        self.health.unreadable = dict(self._ingest.unreadable)

    def _report_gone_processes(self) -> None:
        """Write to the journal which sessions have lost their processes; the next round ingests it."""
        gone = self._processes.look(self.writer, time.monotonic_ns())
        if gone:
            records = b"".join(journal.encode_event(event) for event in gone)
            journal.append_records(journal.get_day_file(self._config.journal, self._clock()), records)
            self._wake.set()

    def _start_pruning(self) -> Iterator[PruneStep]:
        folder, retention = self._config.journal, self._config.retention
        yield from prune_history(self.writer, self._ingest, folder, retention, self._clock())
        self.health.excess_bytes = measure_bytes_over_cap(self.writer, folder, retention)

    def _publish(self, result: IngestResult) -> None:
        """Count newly ended entities in the live metrics and queue their sessions' spans."""
        ended = result.ended
        self._live.count_sessions(ended.sessions)
        self._live.record_turns(ended.turns)
        self._live.count_tasks(ended.tasks)
        self._live.count_tool_calls(ended.tool_calls)
        self._live.record_phases(ended.phases)
        self._live.count_usage(ended.used)
        self._live.count_fanouts(ended.fanouts, self._find_baseline)
        if self._notices is not None:
            self._notices.note_finished(ended.fanouts, self._find_baseline)
        self.spans.add_ended(ended.sessions)

    def _find_baseline(self, session: Session, fanout: Fanout) -> SequentialTime:
        find = make_baseline_finder(self.writer, self._config.hours, self._declared(), now=self._clock())
        signature = build_work_signature(session, fanout.tasks)
        return estimate_sequential_time(fanout, find(session.pattern or NONE, signature))

    def _refresh_if_due(self) -> None:
        if self._pace.compute_wait(time.monotonic()) <= 0:
            self._refresh_snapshot()

    def _refresh_snapshot(self) -> None:
        started = time.monotonic()
        live = LiveState(self._resource_use(), self._stuck_tasks)
        self.snapshot = take_configured_snapshot(
            self.writer, self._config, self._clock(), self._declared(), live
        )
        self.health.snapshot_seconds = self._pace.note_refresh(started, time.monotonic())
        self._announce_snapshot()

    def _announce_snapshot(self) -> None:
        """Let the open pages look again, for a new snapshot or a new problem."""
        if self.snapshot is not None:
            for notify in self.snapshot_listeners:
                notify(self.snapshot)

    def _sweep_sessions(self, publish: Callable[[IngestResult], None] | None = None) -> None:
        """Close idle sessions; look at the running tasks, and every few minutes at the finished ones."""
        self._ingest.close_idle_sessions(self._clock(), publish)
        now = self._clock()
        sessions = self._running_sessions.read_sessions(self.writer, now)
        self._stuck_tasks = find_stuck_tasks(
            sessions,
            now,
            self._config.stuck_minutes * MINUTE,
            lambda session: self._processes.find_state(self.writer, session),
        )
        running = list_running_tasks(sessions)
        if self._notices is not None:
            self._notices.note_running(running)
        lengths = self.expectations.lengths
        if running and (not lengths or time.monotonic() - self._lengths_read >= LENGTHS_SECONDS):
            lengths, self._lengths_read = read_successful_task_lengths(self.writer, now), time.monotonic()
        self.expectations = TaskExpectations(running, lengths, list_running_fanouts(sessions))
        self.spending = read_spending(self.writer, now, self._config.timezone, self._config.budgets)
