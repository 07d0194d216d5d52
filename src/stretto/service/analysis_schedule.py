"""Work the analyses out in a process of their own, when they are due, and keep the last good answers.

The thread only waits for the process. Its answers go to the worker, the only writer of the store.
"""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from stretto.clock import DAY, HOUR, MINUTE, Clock
from stretto.errors import StoreError
from stretto.findings.analysis_run import AnalysisRequest
from stretto.findings.analysis_table import list_due, list_runnable
from stretto.findings.efficiency_score_by_day import ScoreSettings
from stretto.findings.finding_changes import count_checks, list_finding_changes
from stretto.findings.findings_snapshot import FindingsState, describe_missing_extra, read_findings_state
from stretto.findings.issued_forecasts import OUTLOOKS, list_issued_forecasts
from stretto.service.analysis_process import AnalysisRound, run_analysis_process
from stretto.store.database import open_reader, open_transaction
from stretto.store.finding_history_and_last_answers import (
    AnalysisResult,
    append_finding_changes,
    read_finding_history,
    read_issued_forecasts,
    store_finding_changes,
    write_analysis_result,
)
from stretto.store.run_queries import read_newest_run_time

LOG = logging.getLogger(__name__)

TICK_SECONDS = 5.0
"""Pause between two looks at what is due."""

FIRST_SECONDS = 20.0
"""Time from the start to the first answers: a start is busy enough."""

LONGEST_FIRST_ROUND = 15 * MINUTE
"""Time (ns) after the start for which the first answers are waited for; the process itself ends before."""


class AnalysisSchedule:
    """Runs the analyses that are due and hands their answers to the worker."""

    def __init__(
        self,
        database: Path,
        journal: Path | None,
        *,
        clock: Clock,
        zone: str,
        machine_memory: float | None = None,
        switched_off: frozenset[str] = frozenset(),
        run: Callable[[AnalysisRequest], AnalysisRound] | None = None,
        count_checks: Callable[[Mapping[str, int]], None] = lambda _: None,
        score_settings: Callable[[], ScoreSettings] = ScoreSettings,
        absent: Mapping[str, str] | None = None,
        read_newest: Callable[[sqlite3.Connection], int | None] = read_newest_run_time,
    ) -> None:
        """Prepare it. Without a journal, changes of findings are kept in the store alone.

        ``absent`` are analyses that cannot answer about the store, with the reason. ``read_newest`` returns a
        number that changes with what is to be analysed, or None while there is nothing.
        """
        self._database = database
        self._journal = journal
        self._clock = clock
        self._zone = zone
        self._machine_memory = machine_memory
        self._switched_off = switched_off
        self._absent = absent or {}
        self._read_newest = read_newest
        self._analyses = [
            analysis
            for analysis in list_runnable()
            if analysis.name not in switched_off and analysis.name not in self._absent
        ]
        self._stopping = threading.Event()
        self._run_process = run or partial(run_analysis_process, stopping=self._stopping)
        self._count_checks = count_checks
        self._make_score_settings = score_settings
        self.rounds: queue.SimpleQueue[AnalysisRound] = queue.SimpleQueue()
        """Answers that the worker has not stored yet."""
        self.state = FindingsState(
            clock(),
            zone=zone,
            missing=describe_missing_extra(),
            switched_off=switched_off,
            absent=self._absent,
        )
        """The findings as last stored."""
        self.cpu_seconds = 0.0
        """Processor time of all analyses since the start."""
        self._mark: tuple[int | None, int, int] | None = None
        """Newest run, number of decisions and hour of the last answers."""
        self._seen: tuple[int, int] | None = None
        """Rows of decisions and of changes of findings that ``state`` was read with."""
        self._decided: int | None = None
        """Rows of decisions at the last look."""
        self._answered: dict[str, int | None] = {}
        """When each analysis was last tried (ns)."""
        self._wait_until = 0
        """Until when (ns) the first round is to be waited for; 0 once it is stored or there is none."""
        self._asked = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="analysis", daemon=True)

    def start(self, connection: sqlite3.Connection) -> None:
        """Read the last good answers and begin."""
        self.refresh_state(connection)
        self._answered = {name: result.at for name, result in self.state.results.items()}
        if self.state.missing is None and self._analyses:
            self._wait_until = self._clock() + LONGEST_FIRST_ROUND
            self._thread.start()

    @property
    def is_first_round_over(self) -> bool:
        """Whether no first answers are to be waited for: they came, failed, are none or take too long."""
        return self._clock() >= self._wait_until

    def stop(self) -> None:
        """End the thread and a running process; its answer is dropped."""
        self._stopping.set()
        self._asked.set()

    def run_soon(self) -> None:
        """Work all analyses out again now."""
        self._answered = {}
        self._mark = None
        self._asked.set()

    def store_round(self, connection: sqlite3.Connection) -> bool:
        """Store the answers that wait, in the worker's thread; return whether the findings changed.

        After a decision all analyses are worked out again.
        """
        while not self.rounds.empty():
            self._store_answers(connection, self.rounds.get())
            self._wait_until = 0
            self._seen = None
        decided, earlier = _count_rows(connection, "decisions"), self._decided
        self._decided = decided
        if earlier is not None and decided > earlier:
            # Only now, as an answer that was asked for before the decision was stored would not know it.
            self.run_soon()
        seen = decided, _count_rows(connection, "finding_history")
        if seen == self._seen:
            return False
        self._seen = seen
        self.refresh_state(connection)
        return True

    def refresh_state(self, connection: sqlite3.Connection) -> None:
        """Read the findings again."""
        self.state = self.read_state(connection)

    def read_state(self, connection: sqlite3.Connection, at: int | None = None) -> FindingsState:
        """Return the findings as last stored, or as known at an instant (ns) in the past."""
        return read_findings_state(
            connection,
            self._clock(),
            self._zone,
            at=at,
            switched_off=self._switched_off,
            absent=self._absent,
        )

    def _follow(self) -> None:
        self._asked.wait(FIRST_SECONDS)
        while not self._stopping.is_set():
            now, answered = self._clock(), self._answered
            due = list_due(answered, now, self._analyses)
            if not due:
                self._wait_until = 0
            if due and self._has_news(now):
                request = AnalysisRequest(
                    str(self._database),
                    now,
                    tuple(due),
                    self._zone,
                    self._machine_memory,
                    scoring=self._make_score_settings(),
                )
                answer = self._run_process(request)
                if not self._stopping.is_set():
                    self.rounds.put(answer)
                # If all were asked for meanwhile, this is no longer what counts as answered.
                answered |= dict.fromkeys(due, now)
            self._asked.wait(TICK_SECONDS)
            self._asked.clear()

    def _has_news(self, now: int) -> bool:
        """Return whether a new answer could differ: runs or decisions came, or an hour has passed."""
        try:
            with closing(open_reader(self._database)) as connection:
                mark = (self._read_newest(connection), _count_rows(connection, "decisions"), now // HOUR)
        except (StoreError, sqlite3.Error):
            # The store is made again just now.
            return False
        if mark[0] is None or mark == self._mark:
            return False
        self._mark = mark
        return True

    def _store_answers(self, connection: sqlite3.Connection, done: AnalysisRound) -> None:
        if done.replies is None:
            LOG.warning("the analyses failed: %s", done.error)
            results = [AnalysisResult(name, failed_at=done.instant, error=done.error) for name in done.names]
        else:
            self.cpu_seconds += done.replies.cpu_seconds
            results = [reply.to_result(done.instant) for reply in done.replies.replies]
        known = read_finding_history(connection)
        changes = [
            change
            for result in results
            # In a shorter history a finding is missing for want of runs: it neither begins nor ends.
            if result.failed_at is None and not result.shortened
            for change in list_finding_changes(result.kind, result.findings, known, done.instant)
        ]
        # The one analysis that forecasts answers hourly: the others need not look for kept forecasts.
        outlooks = [result for result in results if result.kind == OUTLOOKS and result.failed_at is None]
        if outlooks:
            issued = read_issued_forecasts(connection, done.instant - 2 * DAY)
            zone = ZoneInfo(self._zone)
            for result in outlooks:
                changes += list_issued_forecasts(result, issued, done.instant, zone)
        if changes and self._journal is not None:
            append_finding_changes(self._journal, changes)
        for result in results:
            self._count_checks(count_checks(result.findings, result.unlisted))
        with open_transaction(connection):
            for result in results:
                write_analysis_result(connection, result)
            if self._journal is None:
                store_finding_changes(connection, changes)


def _count_rows(connection: sqlite3.Connection, table: str) -> int:
    (count,) = connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()  # noqa: S608  # a constant
    return int(count)
