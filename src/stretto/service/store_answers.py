"""Answer what pages and programs ask of a store: sessions, parallel executions, windows, trends, baselines.

The running service and a hub answer from stores of the same schema, so they share these answers.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from stretto.clock import Clock
from stretto.config.configuration import Config
from stretto.figures.finished_run_statistics import RunProfile
from stretto.figures.sequential_baseline_choice import DeclaredBaselines
from stretto.model.run_rows_for_analyses import TaskRun
from stretto.service.configured_session_summary import summarise_configured_session
from stretto.store import fanout_list, session_search
from stretto.store.fanout_list import FanoutPage, FanoutQuery
from stretto.store.finished_runs_of_a_kind import RunFilter
from stretto.store.run_queries import read_task_runs_begun_between
from stretto.store.session_search import SessionPage, SessionQuery
from stretto.summaries.agents_at_work_in_window import ActivitySummary, read_activity_summary
from stretto.summaries.baseline_catalog import build_catalog_document, read_catalog
from stretto.summaries.remembered_written_files import RememberedWrittenFiles
from stretto.summaries.run_statistics_by_kind import ProfileKind, read_run_profile, read_task_profile
from stretto.summaries.session_summary import SessionSummary
from stretto.summaries.snapshot import Snapshot
from stretto.summaries.snapshot_of_any_window import SnapshotRules, WindowedSnapshots, read_windowed_snapshot
from stretto.summaries.time_window import TimeWindow
from stretto.summaries.trends import read_trends


class StoreAnswers:
    """Reads a store for each question. Several threads may call each method at once.

    ``connect`` provides a connection to one thread. It raises StoreError if the store cannot be read now.
    """

    def __init__(
        self,
        config: Config,
        clock: Clock,
        declared: Callable[[], DeclaredBaselines],
        connect: Callable[[], AbstractContextManager[sqlite3.Connection]],
    ) -> None:
        self._config = config
        self._clock = clock
        self._declared = declared
        self._connect = connect
        self._written = RememberedWrittenFiles()
        self._windowed = WindowedSnapshots(self._read_windowed_snapshot)

    def find_sessions(self, query: SessionQuery) -> SessionPage:
        """Return a page of the matching sessions. Raises CursorError for a continuation of another list."""
        with self._connect() as connection:
            return session_search.find_sessions(connection, query)

    def list_fanouts(self, query: FanoutQuery) -> FanoutPage:
        """Return a page of the finished parallel executions."""
        with self._connect() as connection:
            return fanout_list.list_fanouts(connection, query)

    def read_run_profile(self, kind: ProfileKind, name: str, window: TimeWindow) -> RunProfile:
        """Return the profile of the finished runs of a task type, agent, pattern, tool or model."""
        with self._connect() as connection:
            return read_run_profile(
                connection, kind, name, window, self._clock(), classify=self._config.task_types.classify
            )

    def read_task_profile(self, chosen: Mapping[RunFilter, str | None], window: TimeWindow) -> RunProfile:
        """Return the profile of the finished tasks with some values; of all tasks without any."""
        with self._connect() as connection:
            return read_task_profile(connection, chosen, window)

    def read_task_runs(self, window: TimeWindow, most: int) -> list[TaskRun]:
        """Return the newest finished tasks that began in a window, by start."""
        with self._connect() as connection:
            return read_task_runs_begun_between(connection, window.start or 0, window.end, most=most)

    def read_activity(self, window: TimeWindow) -> ActivitySummary:
        """Return who was at work in a window."""
        with self._connect() as connection:
            return read_activity_summary(connection, window, self._clock(), self._written)

    def summarise_session(self, id: str) -> SessionSummary | None:
        """Return the summary of a session, or None if it is unknown."""
        with self._connect() as connection:
            return summarise_configured_session(connection, self._config, id, self._declared(), self._clock())

    def get_windowed_snapshot(self, latest: Snapshot, window: TimeWindow) -> Snapshot:
        """Return the snapshot with the figures of a window."""
        return self._windowed.get_snapshot(latest, window)

    def _read_windowed_snapshot(self, latest: Snapshot, window: TimeWindow) -> Snapshot:
        declared = self._declared()
        rules = SnapshotRules(
            hours=self._config.hours,
            scoring=self._config.scoring,
            declared=declared,
            headline=self._config.make_headline_rule(declared),
            workflows=self._config.workflows,
        )
        with self._connect() as connection:
            return read_windowed_snapshot(connection, latest, window, rules)

    def summarise_trends(self, window: TimeWindow | None = None) -> dict[str, Any]:
        """Return parallel work by day and by week up to the end of a window, as JSON."""
        config, declared = self._config, self._declared()
        rule = config.make_headline_rule(declared)
        with self._connect() as connection:
            return read_trends(connection, self._clock(), config.hours, declared, rule, window=window)

    def list_baselines(self) -> dict[str, Any]:
        """Return all baselines and their use, as JSON."""
        now = self._clock()
        with self._connect() as connection:
            catalog = read_catalog(connection, self._config.hours, self._declared(), now)
        return build_catalog_document(catalog, now)
