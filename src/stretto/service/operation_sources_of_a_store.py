"""Read for operations from a store: the same functions for the running service and for a command alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

from stretto.clock import Clock
from stretto.config.configuration import Config
from stretto.figures.sequential_baseline_choice import DeclaredBaselines
from stretto.findings.findings_snapshot import FindingsState, read_findings_state
from stretto.model.entities import Session
from stretto.notifications.notification_log import Notification
from stretto.operations.operation_sources import OperationSources
from stretto.resources import machine
from stretto.service.analysis_process import ask_analysis_process
from stretto.service.configured_session_summary import summarise_configured_session
from stretto.service.configured_snapshot import make_score_settings, take_configured_snapshot
from stretto.store import session_queries
from stretto.store.database import open_reader
from stretto.store.declared_baseline_file import load_declared_baselines
from stretto.summaries.running_tasks import (
    RunningSessionReader,
    TaskExpectations,
    list_running_tasks,
    read_successful_task_lengths,
)
from stretto.summaries.session_summary import SessionSummary
from stretto.summaries.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class StoreSources:
    """Reads a store by a connection of its own for each question: a long answer delays no page."""

    config: Config
    clock: Clock
    declared: Callable[[], DeclaredBaselines]
    check: Callable[[], None] = lambda: None
    """Raises StoreError while the store must not be read, as during a rebuild."""

    @contextmanager
    def open_store(self) -> Iterator[sqlite3.Connection]:
        """Open the store to read. Raises StoreError."""
        self.check()
        with closing(open_reader(self.config.database)) as connection:
            yield connection

    def take_snapshot(self, at: int) -> Snapshot:
        """Return the figures at an instant (ns)."""
        with self.open_store() as connection:
            return take_configured_snapshot(connection, self.config, at, self.declared())

    def summarise(self, id: str) -> SessionSummary | None:
        """Return the summary of a session, or None if it is unknown."""
        with self.open_store() as connection:
            return summarise_configured_session(connection, self.config, id, self.declared(), self.clock())

    def read_session(self, id: str) -> Session | None:
        """Return a session, whose tasks may have any types, or None if it is unknown."""
        with self.open_store() as connection:
            return session_queries.read_session(connection, id, None)

    def read_findings(self, at: int | None = None) -> FindingsState:
        """Return the findings as last stored, or as known at an instant (ns) in the past."""
        with self.open_store() as connection:
            return read_findings_state(
                connection,
                self.clock(),
                self.config.timezone,
                at=at,
                switched_off=self.config.features.off_analyses,
            )

    def read_expectations(self) -> TaskExpectations:
        """Return the running tasks with the finished ones that they are compared with."""
        now = self.clock()
        with self.open_store() as connection:
            sessions = RunningSessionReader(self.config.task_types.classify).read_sessions(connection, now)
            return TaskExpectations(
                list_running_tasks(sessions), read_successful_task_lengths(connection, now)
            )


def make_store_sources(
    config: Config, clock: Clock, notifications: Callable[[], Sequence[Notification]] = tuple
) -> OperationSources:
    """Return the sources of a command that reads the store itself; no service runs."""
    store = StoreSources(config, clock, lambda: load_declared_baselines(config.state))
    return OperationSources(
        clock=clock,
        zone=config.timezone,
        database=str(config.database),
        connect=store.open_store,
        snapshot=lambda at: store.take_snapshot(clock() if at is None else at),
        session_summary=store.summarise,
        session=store.read_session,
        findings=store.read_findings,
        past_findings=store.read_findings,
        ask=ask_analysis_process,
        expected_tasks=lambda: store.read_expectations().list_expected(clock()),
        notifications=notifications,
        alerting_gap=lambda: "no service runs, so nothing watches the limits now",
        is_followed=False,
        alert_limits=config.alert_limits,
        score_settings=lambda: make_score_settings(config, store.declared()),
        machine_memory=machine.read().memory,
    )
