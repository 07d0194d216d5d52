"""The running service: the worker, the sampler and the answers that HTTP routes ask for.

Answers are read from the store or the last snapshot. Input goes to the journal: ``append_input_to_journal``.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from random import Random
from typing import Any

from prometheus_client.core import Metric

from stretto import journal
from stretto.clock import SECOND, Clock
from stretto.config.configuration import Config
from stretto.errors import StoreError
from stretto.exporter.ended_work_counters import LiveMetrics
from stretto.exporter.scrape import (
    Exposition,
    FigureCollector,
    create_empty_registry,
    describe_own_process,
    encode_metrics,
)
from stretto.exporter.sum_metrics_for_fleet import MachineSumsCollector
from stretto.features.feature_switches import FEATURES
from stretto.feeds.orchestrator_feed_items import FeedInput
from stretto.figures.figure import Figure
from stretto.figures.name_budget import describe_folded_names
from stretto.findings.efficiency_score_by_day import ScoreSettings
from stretto.findings.findings_snapshot import FindingsState
from stretto.findings.regression_and_experiment_figures import (
    compute_answer_age_and_cost_figures,
    compute_finding_figures,
)
from stretto.fleet.identity import MachineIdentity
from stretto.hook.client.client import identify_boot_and_pid_namespace
from stretto.model.decisions import Decision
from stretto.names import NONE, Label
from stretto.notifications.alert_states_from_notifications import (
    describe_alerting_gap,
    find_newest_alert_states,
)
from stretto.notifications.notification_log import Notification, NotificationLog
from stretto.operations.operation_sources import OperationSources
from stretto.otlp_export.span_sender import NullSender, Sender
from stretto.resources import machine
from stretto.resources.sampler import Sampler, WatchedSession
from stretto.resources.sampler_thread import SamplerThread
from stretto.servers.post_to_alertmanager import AlertmanagerTarget, find_alertmanager
from stretto.service.analysis_process import ask_analysis_process
from stretto.service.analysis_schedule import AnalysisSchedule
from stretto.service.append_input_to_journal import JournalIntake
from stretto.service.configured_snapshot import make_score_settings
from stretto.service.execution_start_and_end_notices import ParallelNotices, wants_notices
from stretto.service.forgetting import ForgetRequest
from stretto.service.health import Health, describe_lag
from stretto.service.operation_sources_of_a_store import StoreSources
from stretto.service.rebuild_progress_and_store_damage import (
    RebuildRequest,
    RebuildState,
    build_rebuild_document,
)
from stretto.service.report_schedule import ReportSchedule
from stretto.service.reports_to_receivers import make_report_sender
from stretto.service.session_shipping import SessionShipping
from stretto.service.store_answers import StoreAnswers
from stretto.service.store_reader import StoreReader
from stretto.service.store_update_worker import Worker
from stretto.shipping.back_off import BackOff
from stretto.shipping.ship_batches import Shipper
from stretto.store import find_work_that_a_score_judges as judged
from stretto.store import journal_queries, open_session_queries
from stretto.store.database import get_store_size
from stretto.store.decision_rows import append_decisions
from stretto.store.declared_baseline_file import DeclaredBaselineReader
from stretto.store.joinable_sessions import describe_sessions_that_seem_one_run
from stretto.summaries.running_tasks import ExpectedFanout, ExpectedTask, compute_running_fanout_figures
from stretto.summaries.snapshot import Snapshot
from stretto.summaries.spending_outlook import PeriodSpending, compute_spending_figures


class Service:
    """Runs from ``start`` to ``stop``; every answer is read from the store or the last snapshot."""

    def __init__(
        self,
        config: Config,
        *,
        version: str,
        clock: Clock,
        sender: Sender | NullSender,
        resource: Mapping[str, str] | None = None,
        identity: MachineIdentity | None = None,
        hub: Shipper | None = None,
    ) -> None:
        self.config = config
        self.clock = clock
        """The one clock (ns): pages and decisions are of its time, too."""
        self._sender = sender
        self._version = version
        self.declared = DeclaredBaselineReader(config.state)
        """Baselines that a person has declared; read again when their file changes."""
        self.registry = create_empty_registry()
        describe_own_process(self.registry)
        self._live = LiveMetrics(self.registry, since=clock(), version=version)
        self.intake = JournalIntake(config, clock)
        """Appends input to the journal."""
        self.sampling = SamplerThread(
            Sampler(clock, host=identify_boot_and_pid_namespace(), service_cpu=self._measure_cpu),
            self._find_watched,
            self.intake.append_events,
            interval=config.resources_interval_seconds,
        )
        self._machine_memory = machine.read().memory
        self.analyses = AnalysisSchedule(
            config.database,
            config.journal,
            clock=clock,
            zone=config.timezone,
            machine_memory=self._machine_memory,
            switched_off=config.features.off_analyses,
            count_checks=self._live.count_checks,
            score_settings=self._make_score_settings,
        )
        self._notices = (
            ParallelNotices(
                self._find_alertmanager, config.url, clock, lambda: self.get_findings().has_slower_tasks
            )
            if wants_notices(config)
            else None
        )
        self.worker = Worker(
            config,
            clock=clock,
            sender=sender,
            version=version,
            resource=resource,
            declared=self.declared,
            live=self._live,
            resource_use=lambda: self.sampling.use,
            on_busy_change=self.sampling.wake,
            store_findings=self.analyses.store_round,
            notices=self._notices,
            store_receipts=self._store_receipts,
        )
        self.shipping = None if hub is None else self._make_shipping(hub)
        """Ships finished sessions to the hub; None if the machine is enrolled at none."""
        self._reader = StoreReader(config.database, self.worker.request_rebuild)
        self.worker.reader = self._reader
        self.answers = StoreAnswers(config, clock, self.declared, self._reader.use)
        """What pages and programs ask of the store."""
        self.registry.register(
            FigureCollector(
                {
                    "snapshot": self._get_figures,
                    "findings": self._yield_finding_figures,
                    "service": self._yield_own_figures,
                },
                config.series_budget,
            )
        )
        self._fleet_registry = create_empty_registry()
        self._fleet_registry.register(MachineSumsCollector(self.registry, self._shows_recording))
        self.reports = ReportSchedule(
            config,
            clock=clock,
            version=version,
            declared=self.declared,
            is_ready=lambda: self._is_up_to_date() and self.analyses.is_first_round_over,
            send=make_report_sender(self._find_alertmanager, config.url, clock),
        )
        self._identity = [] if identity is None else [_build_identity_figure(identity, config, version)]

    @property
    def snapshot(self) -> Snapshot | None:
        """The last snapshot, or None before the first."""
        return self.worker.snapshot

    @property
    def health(self) -> Health:
        """Timings and faults of the worker's last round."""
        return self.worker.health

    def list_own_figures(self) -> list[Figure]:
        """Return the figures about the service itself."""
        return list(self._yield_own_figures())

    def on_snapshot(self, listener: Callable[[Snapshot], None]) -> None:
        """Call ``listener`` with each snapshot, in the worker's thread. It must neither wait nor raise."""
        self.worker.snapshot_listeners.append(listener)

    def expose_metrics(self, accept: str) -> Exposition:
        """Return all metrics as text, in the format that the Accept header asks for."""
        return encode_metrics(self.registry, accept)

    def expose_fleet_metrics(self, accept: str) -> Exposition:
        """Return the few sums that may be added to those of other machines, as text."""
        return encode_metrics(self._fleet_registry, accept)

    def collect_own_metrics(self) -> Iterable[Metric]:
        """Return the families of all metrics; none while the recording of an empty store is shown."""
        return [] if self._shows_recording() else self.registry.collect()

    def list_problems(self) -> list[str]:
        """Return a sentence on each fault that needs a person now."""
        problems = []
        if (unready := self.find_unready_reason()) is not None:
            problems.append(unready)
        elif self.health.error:
            problems.append(f"the store is not up to date: {self.health.error}")
        lag = describe_lag(self._measure_lag(), self.health.pending_bytes)
        problems += [lag] if lag is not None else []
        problems += self.intake.unread.describe_silent_sources()
        if unready is None:
            with self._reader.use() as connection:
                problems += describe_sessions_that_seem_one_run(connection, self.clock())
        folded = None if self.snapshot is None else describe_folded_names(self.snapshot.folded_names)
        if folded is not None:
            problems.append(folded)
        if self.intake.grpc_attempts:
            problems.append(
                f"{self.intake.grpc_attempts} connection(s) spoke gRPC to {self.config.address}: set "
                "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf, or install grpcio and run stretto up --otlp-ports"
            )
        if self._sender.failing:
            problems.append(
                f"traces of {self.worker.spans.waiting} finished session(s) wait to be sent again: "
                f"{self._sender.last_error}"
            )
        shipping = None if self.shipping is None else self.shipping.describe_problem()
        problems += [] if shipping is None else [shipping]
        if self.sampling.error:
            problems.append(f"the agents' processes are not sampled: {self.sampling.error}")
        problems += [self.reports.problem] if self.reports.problem is not None else []
        if self.health.shortened:
            files = ", ".join(self.health.shortened)
            problems.append(
                f"{files} in the journal was cut or replaced and is read again:"
                " 'stretto rebuild' removes the lost events from the store"
            )
        if self.health.excess_bytes:
            used = self.config.retention.most_bytes + self.health.excess_bytes
            problems.append(
                f"store and journal take {used / 1e6:.0f} MB, more than retention_megabytes:"
                " the last two days and open sessions are never pruned"
            )
        problems += [
            f"{file} in the journal cannot be read: {reason}"
            for file, reason in self.health.unreadable.items()
        ]
        return problems

    def find_unready_reason(self) -> str | None:
        """Return why the figures are not those of the journal, while the store is damaged or made again."""
        return self.worker.find_unready_reason()

    def make_operation_sources(
        self,
        notifications: Callable[[], Sequence[Notification]] = tuple,
        alerting_gap: Callable[[], str | None] = lambda: None,
    ) -> OperationSources:
        """Return what operations read: figures and findings from memory, the rest from the store."""
        store = StoreSources(self.config, self.clock, self.declared, self._refuse_unready)
        return OperationSources(
            clock=self.clock,
            zone=self.config.timezone,
            database=str(self.config.database),
            connect=store.open_store,
            snapshot=lambda at: self.snapshot if at is None else store.take_snapshot(at),
            session_summary=store.summarise,
            session=store.read_session,
            findings=self.get_findings,
            past_findings=store.read_findings,
            ask=ask_analysis_process,
            expected_tasks=self.list_expected_tasks,
            notifications=notifications,
            alerting_gap=alerting_gap,
            alert_limits=self.config.alert_limits,
            score_settings=self._make_score_settings,
            machine_memory=machine.read().memory,
        )

    def _make_score_settings(self) -> ScoreSettings:
        return make_score_settings(self.config, self.declared())

    def _refuse_unready(self) -> None:
        """Raise StoreError while the store is not that of the journal."""
        reason = self.find_unready_reason()
        if reason is not None:
            raise StoreError(reason, hint="try again when the rebuild is finished")

    def request_rebuild(self) -> None:
        """Make the store again from the journal, in the worker's thread."""
        self.worker.request_rebuild(RebuildRequest("asked for by 'stretto rebuild'"))

    def get_rebuild_document(self) -> dict[str, Any]:
        """Return the progress of the rebuild under way, or the result of the last."""
        return build_rebuild_document(self.worker.get_rebuild_state())

    def get_findings(self) -> FindingsState:
        """Return what the analyses found, and what was decided about it, as last stored."""
        return self.analyses.state

    def read_past_findings(self, at: int) -> FindingsState:
        """Return the findings as known at an instant (ns). Raises StoreError if the store cannot be read."""
        with self._reader.use() as connection:
            return self.analyses.read_state(connection, at)

    def list_budgets(self) -> list[PeriodSpending]:
        """Return spending against each budget, as of some seconds ago."""
        return self.worker.spending

    def append_decision(self, decision: Decision) -> None:
        """Append a decision, after which analyses look again. Raises OSError if it cannot be written."""
        append_decisions(self.config.journal, [decision])
        self.worker.wake()

    def list_expected_tasks(self) -> list[ExpectedTask]:
        """Return the running tasks with their time left, the overdue ones first."""
        return self.worker.expectations.list_expected(self.clock())

    def list_expected_fanouts(self) -> list[ExpectedFanout]:
        """Return the running parallel executions with their progress and time left, by start."""
        return self.worker.expectations.list_expected_fanouts(self.clock())

    def read_feed_input(self, log: NotificationLog) -> FeedInput:
        """Return what the feeds are made from; an analysis that failed is there with its last good answer."""
        now = self.clock()
        firing = find_newest_alert_states(log.list_newest(), log.watchdog_heard, now).firing
        machine = {"cores": float(os.cpu_count() or 0), "memory_bytes": self._machine_memory}
        return FeedInput(
            now,
            self.snapshot,
            self.analyses.state,
            tuple(self.list_expected_tasks()),
            tuple(firing),
            {name: value for name, value in machine.items() if value},
            describe_alerting_gap(log.watchdog_heard, now),
            fanouts=tuple(self.list_expected_fanouts()),
        )

    def request_forget(self, session: str | None, project: str | None) -> None:
        """Forget a session, or all of a project, in the worker's thread. Raises UsageError."""
        self.worker.request_forget(ForgetRequest(session, project))

    def get_forget_document(self) -> dict[str, Any]:
        """Return the result of the last request to forget, or that it is under way."""
        return self.worker.forgotten

    def append_scores(self, items: Sequence[object]) -> list[judged.ScoreReceipt]:
        """Append scores from outside; return for each how it was read, or the reason of its refusal.

        Raises OSError if the journal cannot be written.
        """
        with self._reader.use() as connection:
            receipts = judged.read_scores(connection, items, self.clock(), self.config.scores.scales)
        self.intake.append_events(receipt.event for receipt in receipts if receipt.event is not None)
        return receipts

    def start(
        self, *, demo_wanted: bool = False, report: Callable[[RebuildState], None] = lambda _: None
    ) -> None:
        """Bring the store up to date with the journal, then follow it. Answers are complete afterwards.

        ``report`` is called with the progress after each batch.
        """
        self.intake.recall_sessions()
        self.worker.start(demo_wanted=demo_wanted, report=report)
        self.sampling.start()
        with self._reader.use() as connection:
            self.analyses.start(connection)
        self.reports.start()
        if self._notices is not None:
            self._notices.start()
        if self.shipping is not None:
            self.shipping.start()

    def stop(self) -> None:
        """Finish the current round, send the spans that wait and close the store."""
        if self.shipping is not None:
            self.shipping.stop()
        self.reports.stop()
        self.analyses.stop()
        self.sampling.close()
        self.worker.stop()
        if self._notices is not None:
            self._notices.stop()
        self._sender.close(timeout=5.0)
        self._live.close()
        self._reader.close()
        self.worker.close()

    def _make_shipping(self, hub: Shipper) -> SessionShipping:
        return SessionShipping(
            hub,
            self.config.database,
            BackOff(Random().random),  # noqa: S311  # spreads machines in time, keeps no secret
            is_ready=self._is_up_to_date,
            wake_writer=self.worker.wake,
        )

    def _store_receipts(self, connection: sqlite3.Connection) -> None:
        if self.shipping is not None:
            self.shipping.store_receipts(connection)

    def _find_alertmanager(self) -> AlertmanagerTarget | None:
        """Return the Alertmanager that reports and notices are handed to; None while there is none."""
        if not self.config.features.is_on("alerting"):
            return None
        folder = self.config.state / "servers"
        return find_alertmanager(folder, self.config.alertmanager_url, self.config.token)

    def _is_up_to_date(self) -> bool:
        """Return whether the store has all of the journal."""
        return self.find_unready_reason() is None and not self.health.pending_bytes

    def _find_watched(self) -> list[WatchedSession]:
        """Return the processes of the agents that are busy."""
        if self.find_unready_reason() is not None:
            return []
        with self._reader.use() as connection:
            busy = open_session_queries.list_busy_session_processes(connection)
        return [WatchedSession(id, start, process) for id, start, process in busy if process is not None]

    def _shows_recording(self) -> bool:
        """Return whether the figures are those of the recording in an empty store."""
        return self.snapshot is None or bool(self.snapshot.activity.recordings)

    def _measure_lag(self) -> float:
        sizes = journal.list_file_sizes(self.config.journal)
        return self.worker.ingested.measure_lag(sizes, time.monotonic())

    def _get_figures(self) -> Iterable[Figure]:
        if self.snapshot is None:
            raise RuntimeError("no snapshot yet")
        return self.snapshot.figures

    def _yield_finding_figures(self) -> Iterator[Figure]:
        yield from compute_finding_figures(self.analyses.state)
        now, expectations = self.clock(), self.worker.expectations
        yield from compute_spending_figures(self.worker.spending)
        running = len(expectations.running)
        yield Figure("stretto_overdue_tasks", (), expectations.count_overdue(now), running)
        yield Figure(
            "stretto_overdue_tasks_by_chance",
            (),
            expectations.count_overdue_explained_by_chance(now),
            running,
        )
        yield from compute_running_fanout_figures(expectations, now)

    def _measure_cpu(self) -> int:
        """Return the nanoseconds of processor time of this process and of its analyses so far."""
        return time.process_time_ns() + round(self.analyses.cpu_seconds * SECOND)

    def _yield_own_figures(self) -> Iterator[Figure]:
        snapshot = self.snapshot
        yield Figure("stretto_build_info", (("version", self._version),), 1, 1)
        yield from self._identity
        for name in FEATURES:
            yield Figure("stretto_feature_enabled", (("feature", name),), self.config.features.is_on(name), 1)
        if snapshot is not None:
            yield Figure("stretto_snapshot_timestamp_seconds", (), snapshot.at / SECOND, 1)
            yield Figure("stretto_ingest_events", (), snapshot.events, snapshot.events)
            for dimension, count in sorted(snapshot.folded_names.items()):
                yield Figure("stretto_names_folded", (("label", dimension),), count, count)
            for reason, count in sorted(journal_queries.count_reject_kinds(snapshot.rejects).items()):
                yield Figure("stretto_rejected_lines", (("reason", reason),), count, count)
        for (source, scope), count in self.intake.unread.list_counts():
            yield Figure("stretto_unread_items", (("scope", scope), ("source", source)), count, count)
        yield Figure("stretto_grpc_attempts", (), self.intake.grpc_attempts, 1)
        yield Figure("stretto_snapshot_duration_seconds", (), self.health.snapshot_seconds, 1)
        yield Figure("stretto_ingest_pending_bytes", (), self.health.pending_bytes, 1)
        yield Figure("stretto_ingest_lag_seconds", (), self._measure_lag(), 1)
        yield Figure("stretto_journal_bytes", (), journal.measure_disk_use(self.config.journal), 1)
        yield Figure("stretto_store_bytes", (), get_store_size(self.config.database), 1)
        sampler_seconds = self.sampling.cpu_seconds
        yield Figure("stretto_sampler_cpu_seconds", (), sampler_seconds, 1, self.sampling.use.reason)
        yield from compute_answer_age_and_cost_figures(
            self.analyses.state, self.clock(), self.analyses.cpu_seconds
        )
        yield Figure("stretto_spans_sent", (), self._sender.sent, 1)
        yield Figure("stretto_spans_dropped", (), self.worker.spans.dropped, 1)
        if self.shipping is not None:
            counts = self.shipping.counts
            yield Figure("stretto_ship_pending", (), counts.pending, 1)
            yield Figure("stretto_ship_lag_seconds", (), self.shipping.measure_lag(), 1)
            yield Figure("stretto_ship_rejected", (), counts.refused, 1)


def _build_identity_figure(identity: MachineIdentity, config: Config, version: str) -> Figure:
    """Return the figure by which a fleet knows this machine, and sees which machines have other rules."""
    labels = {
        Label.TEAM: identity.team or NONE,
        Label.INSTANCE_ID: identity.instance,
        Label.VERSION: version,
        Label.RULES: config.fingerprint,
    }
    return Figure(
        "stretto_identity_info", tuple(sorted((label.value, text) for label, text in labels.items())), 1, 1
    )
