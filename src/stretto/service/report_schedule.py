"""Write the reports of days, weeks and months that are over, at local midnight or at the next start.

A missed night is made up for once: of each kind only the last period that is over is written, so that a
machine that slept for a week sends one report of a day and not seven.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing

from stretto.clock import DAY, HOUR, Clock
from stretto.config.configuration import Config
from stretto.errors import StoreError, StrettoError
from stretto.figures.sequential_baseline_choice import DeclaredBaselines
from stretto.reports.make_report import ReportRules, make_report
from stretto.reports.report_document import Report
from stretto.reports.report_folder import FOLDER, ReportFolder
from stretto.reports.report_period import WRITTEN_KINDS, ReportPeriod, get_last_period, parse_period
from stretto.store.database import open_reader
from stretto.store.run_queries import count_runs
from stretto.store.sum_queries import find_first_slot_time

LOG = logging.getLogger(__name__)

TICK_SECONDS = 20.0
"""Pause between two looks at the clock: midnight is noticed that much later."""

FIRST_SECONDS = 20.0
"""Time from the start to the first look: a start is busy enough."""

CHECK_PAUSE = HOUR
"""Time (ns) between two looks for kept reports whose time has grown."""

MOST_REPLACED = 5
"""Reports that are made again in a look: each reads the sums of its period."""

Send = Callable[[Report], bool]
"""Sends a report and returns whether it has arrived; false if there is nobody to send it now."""


class ReportSchedule:
    """Writes and sends the reports, in a thread of its own with a reader of its own."""

    def __init__(
        self,
        config: Config,
        *,
        clock: Clock,
        version: str,
        declared: Callable[[], DeclaredBaselines],
        is_ready: Callable[[], bool] = lambda: True,
        send: Send | None = None,
    ) -> None:
        """Prepare it. ``is_ready`` tells whether the store has all that a report is to have."""
        self._config = config
        self._clock = clock
        self._version = version
        self._declared = declared
        self._is_ready = is_ready
        self._send = send
        self._next_check = 0
        """When it is next looked whether kept reports lack runs (ns)."""
        self.folder = ReportFolder(config.state / FOLDER)
        self.problem: str | None = None
        """Why a report could not be written or sent, as a sentence; None if all went well."""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="reports", daemon=True)

    @property
    def is_on(self) -> bool:
        """Whether reports are switched on."""
        return self._config.features.is_on("reports")

    def start(self) -> None:
        """Begin to look at the clock, unless reports are switched off."""
        if self.is_on:
            self._thread.start()

    def stop(self) -> None:
        """End the thread after the report that it is writing."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def write_due_reports(self) -> list[str]:
        """Write each report that is due, and send those that wait; return the ids of the written ones.

        Kept reports whose time has more runs than when they were made are written again, once an hour; those
        of sessions that are too old to be kept themselves are deleted.
        Nothing is written while the store is not ready, such as before the first analyses have answered, and
        nothing of a time before the first event.
        Raises StrettoError, and OSError if a file cannot be written.
        """
        now = self._clock()
        due = [
            period
            for kind in WRITTEN_KINDS
            if not self.folder.has_report((period := get_last_period(kind, now, self._config.timezone)).id)
        ]
        written = []
        is_check_due = now >= self._next_check
        if (due or is_check_due) and self._is_ready():
            with closing(open_reader(self._config.database)) as connection:
                for period in due:
                    if _has_begun(connection, period):
                        self._write_report(connection, period, now)
                        written.append(period.id)
                if is_check_due:
                    self._next_check = now + CHECK_PAUSE
                    self.folder.expire_sessions(now - self._config.retention.raw_days * DAY)
                    written += self._replace_outdated(connection, now)
        if self._send is not None:
            self._send_waiting(self._send)
        return written

    def _write_report(self, connection: sqlite3.Connection, period: ReportPeriod, now: int) -> None:
        report = self._make_report(connection, period, now)
        # A report that nothing ran is no news, nor is one that was sent before it was forgotten.
        is_news = not report.is_quiet and not self.folder.was_forgotten(report.id)
        self.folder.keep_report(report, is_to_send=self._send is not None and is_news)

    def _replace_outdated(self, connection: sqlite3.Connection, now: int) -> list[str]:
        """Make the kept reports again whose time has more runs by now, as after an import.

        Fewer runs are no reason: what was pruned is in the kept report alone.
        """
        replaced: list[str] = []
        for report in self.folder.list_reports():
            if report.sessions_ended is None or report.tasks_begun is None:
                continue
            period = parse_period(report.id.partition("-")[2], now, report.zone)
            ended, begun = count_runs(connection, period.start, period.end)
            grown = ended - report.sessions_ended, begun - report.tasks_begun
            if min(grown) >= 0 and max(grown) > 0:
                self.folder.replace_report(self._make_report(connection, period, now))
                replaced.append(report.id)
            if len(replaced) == MOST_REPLACED:
                # The others follow at the next look.
                self._next_check = now
                break
        return replaced

    def _make_report(self, connection: sqlite3.Connection, period: ReportPeriod, now: int) -> Report:
        rules = make_report_rules(self._config, self._declared(), self._version)
        return make_report(connection, period, now, rules)

    def _send_waiting(self, send: Send) -> None:
        """Send every report that waits. Raises the last fault, after the others were tried."""
        fault: StrettoError | OSError | None = None
        for id in self.folder.list_unsent():
            try:
                report = self.folder.read_report(id)
            except (StrettoError, OSError) as error:
                fault = error
                continue
            if report is not None and send(report):
                self.folder.note_sent(id)
        if fault is not None:
            raise fault

    def _follow(self) -> None:
        self._stopping.wait(FIRST_SECONDS)
        while not self._stopping.is_set():
            try:
                self.write_due_reports()
                self.problem = None
            except Exception as error:  # noqa: BLE001  # a fault of one look must not end the later ones
                self._note_problem(error)
            self._stopping.wait(TICK_SECONDS)

    def _note_problem(self, error: Exception) -> None:
        text = error.to_line() if isinstance(error, StrettoError) else str(error)
        if isinstance(error, StoreError):
            # The store is made again just now; the next look finds it.
            LOG.info("no report was written: %s", text)
        elif self.problem is None:
            LOG.warning("a report could not be written or sent: %s", text)
        self.problem = f"a report could not be written or sent: {text}"


def make_report_rules(config: Config, declared: DeclaredBaselines, version: str) -> ReportRules:
    """Return the rules by which reports are computed, from the configuration."""
    return ReportRules(
        hours=config.hours,
        workflows=config.workflows,
        declared=declared,
        scoring=config.scoring,
        rule=config.make_headline_rule(declared),
        version=version,
        parts=config.reports_parts,
        budgets=config.budgets,
        switched_off=config.features.off_analyses,
    )


def _has_begun(connection: sqlite3.Connection, period: ReportPeriod) -> bool:
    """Return whether anything was stored before the end of a period."""
    first = find_first_slot_time(connection)
    return first is not None and first < period.end
