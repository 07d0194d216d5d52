"""The service: one process that follows the journal, folds, stores, refreshes the snapshot, serves and emits.

One worker thread is the store's only writer. Everything it learns it learns from the journal, whether an
event came in by a hook process or over HTTP, so killing it at any moment loses nothing.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stretto import demo, journal
from stretto.clock import MINUTE, SECOND, Clock
from stretto.config import Config
from stretto.exporter.counters import LiveMetrics
from stretto.exporter.scrape import Exposition, FigureCollector, expose, registry
from stretto.figures.fanouts import Fanout, Sequential, sequential
from stretto.figures.figure import Figure
from stretto.hook.client.client import record
from stretto.hook.install.client_copy import secret
from stretto.model.entities import Session
from stretto.model.event import Event, Outcome
from stretto.names import NONE
from stretto.otlp_export.sender import NullSender, Sender
from stretto.otlp_export.session_spans import session_spans
from stretto.resources.sampler import Sampler, Watched
from stretto.resources.sampler_thread import Sampling
from stretto.sources.otlp.receive import NOTED, Received, Receiver, Signal
from stretto.sources.redact import fit_to_keep
from stretto.store import queries
from stretto.store import score_targets as judged
from stretto.store.database import open_reader, open_writer, size
from stretto.store.declared_baselines import Followed
from stretto.store.fanout_queries import baselines
from stretto.store.ingest import Ingest, Taken
from stretto.store.prune import Pruned, prune
from stretto.store.queries import SessionRow
from stretto.summaries import snapshot
from stretto.summaries.session_summary import Insight, insight
from stretto.summaries.snapshot import Live, Snapshot
from stretto.summaries.stuck_tasks import StuckTask, Watch
from stretto.summaries.trends import trends

LOG = logging.getLogger(__name__)

TICK_SECONDS = 0.25
"""How often the journal is looked at; with one refresh, well inside a second from event to figure."""

REFRESH_SECONDS = 10.0
"""Windows move even when nothing happens."""

SWEEP_SECONDS = 30.0
PRUNE_SECONDS = 3_600.0
EMITTING_SINCE = "emitting since"
"""The note of when spans were first sent: history from before is nobody's debt."""

SETTLE_SECONDS = 2.0
"""How long a session must have been over before its spans go out: async hooks arrive after the end."""


@dataclass(slots=True)
class Health:
    """What the service knows of itself."""

    snapshot_seconds: float = 0.0
    pending_bytes: int = 0
    shortened: tuple[str, ...] = ()
    """Journal files that became shorter after they were read: what is gone there is still in the store."""
    error: str | None = None
    """Why the worker's last round failed; None where it went well."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The journal when all of it was in the store: the sizes of its files, and when (monotonic seconds).

    An unfinished line at the end of a file counts as taken in: only its writer can do anything about it.
    """

    sizes: Mapping[str, int]
    at: float

    def lag(self, sizes: Mapping[str, int], now: float) -> float:
        """Return how many seconds, at most, the oldest byte that is not in the store has waited."""
        waits = any(size > self.sizes.get(file, 0) for file, size in sizes.items())
        return now - self.at if waits else 0.0


class Service:
    """Follows the journal until ``stop``; every answer is read from the store or the last snapshot."""

    def __init__(
        self,
        config: Config,
        *,
        version: str,
        clock: Clock,
        sender: Sender | NullSender,
        resource: Mapping[str, str] | None = None,
    ) -> None:
        self._config = config
        self._clock = clock
        self._sender = sender
        self._version = version
        self._resource = resource
        self.health = Health()
        self.declared = Followed(config.state)
        """What baselines a person has declared; read again when its file changes."""
        self.registry = registry()
        self._snapshot: Snapshot | None = None
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._due: dict[str, float] = {}
        self._told_of_snapshots: list[Callable[[Snapshot], None]] = []
        self._keep_recording = False
        self._shows_recording = False
        self._writer = open_writer(config.database)
        self._ingest = Ingest(
            self._writer,
            config.task_types.classify,
            idle_limit=config.idle_minutes * 60,
            price=config.prices.cost_of,
            scales=config.scores.scales,
        )
        # Requests come in several threads and are short: one handle and a lock serve them all.
        self._reader = open_reader(config.database)
        self._reading = threading.Lock()
        self._live = LiveMetrics(self.registry, since=clock(), version=version)
        self.registry.register(
            FigureCollector({"snapshot": self._figures, "service": self._own_figures}, config.series_budget)
        )
        self._secret = secret(config.state)
        self._otlp = Receiver(
            lambda event: journal.encode(fit_to_keep(event, describe=config.descriptions)), key=self._secret
        )
        self._worker = threading.Thread(target=self._run, name="ingest", daemon=True)
        self.sampling = Sampling(
            Sampler(clock), self._watched, self._keep_samples, interval=config.resources_interval_seconds
        )
        self._stuck = Watch(config.task_types.classify, limit=config.stuck_minutes * MINUTE)
        self._stuck_tasks: tuple[StuckTask, ...] = ()
        self._seen = Seen({}, time.monotonic())

    # What the surfaces ask for.

    @property
    def snapshot(self) -> Snapshot | None:
        """The last snapshot, or None before the first."""
        return self._snapshot

    def own_figures(self) -> list[Figure]:
        """Return what the service says of itself."""
        return list(self._own_figures())

    def tell_of_snapshots(self, tell: Callable[[Snapshot], None]) -> None:
        """Call this with each new snapshot, in the worker's thread; it must neither wait nor raise."""
        self._told_of_snapshots.append(tell)

    def sessions(self, limit: int, before: int | None, after: str | None = None) -> list[SessionRow]:
        """Return sessions, the one last heard of first, going on from an instant (ns) and an id at it."""
        with self._reading:
            return queries.sessions(self._reader, limit=limit, before=before, after=after)

    def insight(self, id: str) -> Insight | None:
        """Return one session worked out, or None where it is unknown."""
        with self._reading:
            return insight(
                self._reader,
                id,
                self._config.task_types.classify,
                self._config.hours,
                self._config.prices.cost_of,
                declared=self.declared(),
                scoring=self._config.scoring,
            )

    def trends(self) -> dict[str, Any]:
        """Return parallel work by day and by week, as JSON."""
        with self._reading:
            return trends(self._reader, self._clock(), self._config.hours, self.declared())

    def expose(self, accept: str) -> Exposition:
        """Return all metrics as text."""
        return expose(self.registry, accept)

    def problems(self) -> list[str]:
        """Return what is wrong now and needs a person, a sentence each."""
        found = []
        if self.health.error:
            found.append(f"the store is not up to date: {self.health.error}")
        if self._sender.failing:
            found.append(f"spans are being dropped: {self._sender.last_error}")
        if self.sampling.error:
            found.append(f"the agents' processes are not sampled: {self.sampling.error}")
        if self.health.shortened:
            files = ", ".join(self.health.shortened)
            found.append(f"{files} in the journal became shorter: 'stretto rebuild' forgets what is gone")
        return found

    def append_hook(self, payload: bytes) -> None:
        """Append what an HTTP hook brought. Raises OSError where the journal cannot be written."""
        now = self._clock()
        journal.append(
            journal.file_of(self._config.journal, now),
            record(payload, now, key=self._secret, describe=self._config.descriptions),
        )
        self._wake.set()

    def receive_otlp(self, signal: Signal, body: bytes, content_type: str, content_encoding: str) -> Received:
        """Append what an exporter sent. Raises RefusedError; OSError where the journal cannot be written."""
        now = self._clock()
        got = self._otlp.receive(
            signal, body, content_type=content_type, content_encoding=content_encoding, now=now
        )
        if got.records:
            journal.append(journal.file_of(self._config.journal, now), got.records)
            self._wake.set()
        return got

    def append_scores(self, items: Sequence[object]) -> list[str | None]:
        """Append scores from outside; return for each why it was not taken, or None.

        Raises OSError where the journal cannot be written.
        """
        now = self._clock()
        with self._reading:
            found = judged.events(self._reader, items, now)
        records = b"".join(journal.encode(event) for event in found if isinstance(event, Event))
        if records:
            journal.append(journal.file_of(self._config.journal, now), records)
            self._wake.set()
        return [event if isinstance(event, str) else None for event in found]

    # Its life.

    def start(self, *, demo_wanted: bool = False) -> None:
        """Build the store anew where the rules have changed, take the journal in, and start to follow it."""
        self._keep_recording = demo_wanted
        self._otlp.recall(journal.recent(self._config.journal, NOTED))
        self._ingest.renew(self._config.fingerprint)
        for _ in self._ingest.catch_up(self._config.journal, now=self._clock()):
            pass
        self._place_recording(wanted=demo_wanted)
        self._ingest.sweep(self._clock())
        self._look_for_stuck()
        self._refresh()
        self._owe_spans()
        self._worker.start()
        self.sampling.start()

    def stop(self) -> None:
        """Finish the round under way, send what waits, and let go of the store."""
        self.sampling.close()
        self._stopping.set()
        self._wake.set()
        if self._worker.is_alive():
            self._worker.join()
        for id in list(self._due):
            self._emit(id)
        self._sender.close(timeout=5.0)
        self._live.close()
        with self._reading:
            self._reader.close()
        self._writer.close()

    def _run(self) -> None:
        refreshed = swept = pruned = time.monotonic()
        pruning = self._prune()
        while not self._stopping.is_set():
            try:
                changed = self._take_in()
                now = time.monotonic()
                if now - swept >= SWEEP_SECONDS:
                    self._report(self._ingest.sweep(self._clock()))
                    self._look_for_stuck()
                    swept, changed = now, True
                # A step a round: ingest goes on between two of them.
                if next(pruning, None) is None and now - pruned >= PRUNE_SECONDS:
                    pruning, pruned = self._prune(), now
                # A long refresh waits longer for its next turn: ingest always gets most of the time.
                if changed or now - refreshed >= max(REFRESH_SECONDS, 4 * self.health.snapshot_seconds):
                    self._refresh()
                    refreshed = time.monotonic()
                self._emit_due()
                self.health.error = None
            except Exception as error:
                # A full disk, a moved folder, a fault of ours: say so and try again. A thread that died here
                # would leave figures that look alive; the journal loses nothing meanwhile.
                if self.health.error is None:
                    LOG.exception("the journal could not be taken in")
                self.health.error = f"{type(error).__name__}: {error}"
                self._stopping.wait(1.0)
            self._wake.wait(TICK_SECONDS)
            self._wake.clear()

    def _take_in(self) -> bool:
        changed = False
        seen = Seen(journal.files(self._config.journal), time.monotonic())
        for taken in self._ingest.catch_up(self._config.journal, now=self._clock()):
            changed = True
            self._report(taken)
            if self._stopping.is_set():
                break
        else:
            self._seen = seen
        if changed:
            self._drop_recording_if_own()
        self.health.pending_bytes = sum(size for _, _, size in self._ingest.pending(self._config.journal))
        self.health.shortened = tuple(queries.shortened(self._writer))
        return changed

    def _prune(self) -> Iterator[Pruned]:
        return prune(self._writer, self._ingest, self._config.journal, self._config.retention, self._clock())

    def _report(self, taken: Taken) -> None:
        ended = taken.ended
        self._live.sessions(ended.sessions)
        self._live.turns(ended.turns)
        self._live.tasks(ended.tasks)
        self._live.tool_calls(ended.tool_calls)
        self._live.phases(ended.phases)
        self._live.used(ended.used)
        self._live.fanouts(ended.fanouts, self._held_against)
        due = time.monotonic() + SETTLE_SECONDS
        self._due.update({session.id: due for session in ended.sessions if not session.recording})

    def _held_against(self, session: Session, fanout: Fanout) -> Sequential:
        find = baselines(self._writer, self._config.hours, self.declared())
        return sequential(fanout, find(session.pattern or NONE, fanout.signature))

    def _refresh(self) -> None:
        started = time.perf_counter()
        self._snapshot = snapshot.take(
            self._writer,
            self._clock(),
            self._config.task_types,
            self._config.hours,
            declared=self.declared(),
            scoring=self._config.scoring,
            live=Live(self.sampling.use, self._stuck_tasks),
        )
        self.health.snapshot_seconds = time.perf_counter() - started
        for tell in self._told_of_snapshots:
            tell(self._snapshot)

    def _look_for_stuck(self) -> None:
        self._stuck_tasks = self._stuck.look(self._writer, self._clock())

    # What the agents use of the machine.

    def _watched(self) -> list[Watched]:
        with self._reading:
            busy = queries.busy_processes(self._reader)
        return [Watched(id, start, found) for id, start, found in busy if found is not None]

    def _keep_samples(self, samples: Sequence[Event]) -> None:
        records = b"".join(journal.encode(sample) for sample in samples)
        journal.append(journal.file_of(self._config.journal, self._clock()), records)
        self._wake.set()

    # The recording that an empty store shows.

    def _place_recording(self, *, wanted: bool) -> None:
        activity = queries.activity(self._writer)
        own = activity.sessions - activity.recordings
        if wanted or not own:
            if activity.recordings:
                self._forget_recording()
            demo.load(self._config.journal, self._clock())
            self._shows_recording = True
            for _ in self._ingest.catch_up(self._config.journal, now=self._clock()):
                pass
        elif activity.recordings:
            self._forget_recording()

    def _drop_recording_if_own(self) -> None:
        # Counting sessions takes longer the more there are, and most services show no recording.
        if not self._shows_recording or self._keep_recording:
            return
        activity = queries.activity(self._writer)
        if activity.sessions > activity.recordings:
            self._forget_recording()

    def _forget_recording(self) -> None:
        (self._config.journal / demo.FILE).unlink(missing_ok=True)
        self._ingest.forget(queries.recordings(self._writer), demo.FILE)
        self._shows_recording = False

    # Spans.

    def _owe_spans(self) -> None:
        """Have sessions sent that ended while nobody was there to send them, since sending is on."""
        if isinstance(self._sender, NullSender):
            return
        since = queries.meta(self._writer, EMITTING_SINCE)
        if since is None:
            queries.write_meta(self._writer, EMITTING_SINCE, str(self._clock()))
            return
        owed = queries.not_emitted(self._writer, int(since))
        self._due.update(dict.fromkeys(owed, time.monotonic()))

    def _emit_due(self) -> None:
        now = time.monotonic()
        for id in [id for id, at in self._due.items() if at <= now]:
            self._emit(id)

    def _emit(self, id: str) -> None:
        due = self._due.pop(id, None)
        if isinstance(self._sender, NullSender):
            return
        session = queries.session(self._writer, id, self._config.task_types.classify)
        if (
            session is None
            or session.outcome is Outcome.RUNNING
            or queries.emitted(self._writer, id) == session.last
        ):
            return
        spans = session_spans(session, version=self._version, resource=self._resource)
        if due is not None and not self._stopping.is_set() and not self._sender.has_room(len(spans)):
            # The queue is full: the store still has the session, so it can wait for its turn.
            self._due[id] = time.monotonic() + SETTLE_SECONDS
            return
        self._sender.submit(spans)
        queries.write_emitted(self._writer, id, session.last)

    # Its own figures.

    def _figures(self) -> Iterable[Figure]:
        taken = self._snapshot
        if taken is None:
            raise RuntimeError("no snapshot yet")
        return taken.figures

    def _own_figures(self) -> Iterator[Figure]:
        taken = self._snapshot
        yield Figure("stretto_build_info", (("version", self._version),), 1, 1)
        if taken is not None:
            yield Figure("stretto_snapshot_timestamp_seconds", (), taken.at / SECOND, 1)
            yield Figure("stretto_ingest_events", (), taken.events, taken.events)
            for reason, count in sorted(queries.reject_kinds(taken.rejects).items()):
                yield Figure("stretto_rejected_lines", (("reason", reason),), count, count)
        yield Figure("stretto_snapshot_duration_seconds", (), self.health.snapshot_seconds, 1)
        yield Figure("stretto_ingest_pending_bytes", (), self.health.pending_bytes, 1)
        sizes = journal.files(self._config.journal)
        yield Figure("stretto_ingest_lag_seconds", (), self._seen.lag(sizes, time.monotonic()), 1)
        yield Figure("stretto_journal_bytes", (), sum(sizes.values()), 1)
        yield Figure("stretto_store_bytes", (), size(self._config.database), 1)
        sampler = self.sampling.cpu_seconds
        yield Figure("stretto_sampler_cpu_seconds", (), sampler, 1, self.sampling.use.reason)
        yield Figure("stretto_spans_sent", (), self._sender.sent, 1)
        yield Figure("stretto_spans_dropped", (), self._sender.dropped, 1)
