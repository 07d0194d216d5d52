"""Answer a reader of the hub: refresh the store of the reader's scope, and read it as a service does."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NoReturn

from starlette.exceptions import HTTPException

from stretto.clock import DAY, Clock
from stretto.config.configuration import Config
from stretto.errors import StoreError, StrettoError
from stretto.exporter.scrape import Exposition, FigureCollector, create_empty_registry, encode_metrics
from stretto.figures.figure import Figure
from stretto.figures.sequential_baseline_choice import NOTHING_DECLARED
from stretto.findings.analysis_run import AnalysisRequest
from stretto.findings.analysis_table import ABSENT_FOR_TEAMS
from stretto.findings.findings_snapshot import FindingsState
from stretto.gates.service_baseline_folder import BaselineFolder
from stretto.hub.access_tokens import ALL_TEAMS
from stretto.hub.answer_experiment_orders import list_experiments_of_lead
from stretto.hub.engine import DAYS_KEPT, FleetScope
from stretto.hub.engine_opening import HubDatabase
from stretto.hub.scope_store import (
    RefreshResult,
    add_released_days,
    add_session_changes,
    count_sessions_by_rules,
    find_end_of_released_days,
    find_newest_release,
    open_scope_store,
    remove_days_before,
)
from stretto.hub.team_experiment import ExperimentState, make_experiment_finding
from stretto.notifications.notification_log import NotificationLog
from stretto.operations.operation_runner import OperationRunner
from stretto.reports.make_report import make_report
from stretto.reports.report_document import Report
from stretto.reports.report_period import PeriodKind, get_last_period
from stretto.service.analysis_process import AnalysisRound, run_analysis_process
from stretto.service.analysis_schedule import AnalysisSchedule
from stretto.service.configured_snapshot import make_score_settings, take_configured_snapshot
from stretto.service.operation_sources_of_a_store import make_store_sources
from stretto.service.rebuild_progress_and_store_damage import RebuildRequest, find_damage
from stretto.service.report_schedule import make_report_rules
from stretto.service.store_answers import StoreAnswers
from stretto.service.store_reader import StoreReader
from stretto.store.run_queries import read_newest_run_time
from stretto.store.team_experiment_rows import replace_team_experiments
from stretto.summaries.snapshot import Snapshot
from stretto.web.backend import Backend
from stretto.web.guard import Refusal

REFRESH_SECONDS = 60.0
"""Longest age of a scope's store when it is read: machines ship within minutes, days are released once."""


EXPERIMENT_SHOWN = 90 * DAY
"""How long after its end (ns) an experiment is among the findings; later it is in the list of experiments."""

TURN_SECONDS = 1.0
"""Pause between two looks at whether analyses that wait for their turn are still wanted."""

INPUT_REFUSAL = Refusal(
    409,
    "a hub records only the sessions that machines ship",
    "ask the service of your machine, which ships its sessions here",
)
"""The answer to all that a service of one machine would record. It is no fault that another try mends."""

_NO_COURSE = "the hub has the numbers of a session, not its course"


class ElsewhereError(StrettoError):
    """What is asked for is on the machines and not at the hub."""


class ScopeService:
    """The store of a scope with its answers. Several threads may call each method at once."""

    def __init__(
        self,
        config: Config,
        folder: Path,
        *,
        clock: Clock,
        version: str,
        refresh: Callable[[sqlite3.Connection], RefreshResult],
        reads_released_days: bool,
        analysis_turn: threading.Semaphore | None = None,
    ) -> None:
        self.config = replace(config, state=folder, token=None)
        self._version = version
        self._wall_clock = clock
        self._refresh_store = refresh
        self._reads_released_days = reads_released_days
        self._lock = threading.Lock()
        self._refreshed: float | None = None
        """Monotonic time of the last refresh."""
        self._end: int | None = None
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._writer = open_scope_store(self.config.database)
        self.is_damaged = False
        """Whether the store must be made again. It is a cache: nothing is lost with it."""
        self._reader = StoreReader(self.config.database, self._note_damage)
        self.answers = StoreAnswers(self.config, self.read_clock, lambda: NOTHING_DECLARED, self._reader.use)
        self.snapshot: Snapshot | None = None
        self._reports: tuple[Snapshot | None, list[Report]] = None, []
        """Reports, and the snapshot of the refresh for which they were made."""
        self._registry = create_empty_registry()
        self._registry.register(FigureCollector({"snapshot": self._get_figures}, config.series_budget))
        self._analyses = AnalysisSchedule(
            self.config.database,
            None,
            clock=self.read_clock,
            # Days that are released are those of UTC.
            zone="UTC" if reads_released_days else config.timezone,
            switched_off=config.features.off_analyses,
            run=self._run_analyses,
            score_settings=lambda: make_score_settings(self.config, NOTHING_DECLARED),
            absent=ABSENT_FOR_TEAMS if reads_released_days else None,
            read_newest=find_newest_release if reads_released_days else read_newest_run_time,
        )
        self._analysis_turn = analysis_turn or threading.Semaphore()
        self._is_closed = threading.Event()

    def read_clock(self) -> int:
        """Return the time (ns) that answers are about: the end of what is released, or now."""
        return self._wall_clock() if self._end is None else self._end

    def refresh(self) -> None:
        """Bring the store up to date unless that was done within a minute. Raises EngineError, StoreError."""
        with self._lock:
            if self._refreshed is not None and time.monotonic() - self._refreshed < REFRESH_SECONDS:
                return
            try:
                changed = self._fill_store()
            except sqlite3.Error as error:
                self.is_damaged = self.is_damaged or find_damage(error) is not None
                raise StoreError(
                    "the store of these sessions cannot be written",
                    cause=str(error),
                    hint="it is made again from the database" if self.is_damaged else "try again in a second",
                ) from error
            if self._refreshed is None:
                # Before, there is nothing to analyse.
                self._analyses.start(self._writer)
            if changed.days or changed.has_experiment_changes:
                # The clock stands still between two releases, and what was forgotten must leave the answers.
                self._analyses.run_soon()
            self._refreshed = time.monotonic()

    def close(self) -> None:
        """Stop the analyses and close the store."""
        self._is_closed.set()
        self._analyses.stop()
        with self._lock:
            self._reader.close()
            self._writer.close()

    def _fill_store(self) -> RefreshResult:
        changed = self._refresh_store(self._writer)
        remove_days_before(self._writer, self._wall_clock() // DAY - DAYS_KEPT)
        if self._reads_released_days:
            self._end = find_end_of_released_days(self._writer)
        self._analyses.store_round(self._writer)
        self.snapshot = take_configured_snapshot(
            self._writer, self.config, self.read_clock(), NOTHING_DECLARED
        )
        return changed

    def _list_problems(self) -> list[str]:
        with self._reader.use() as connection:
            counts = count_sessions_by_rules(connection)
        if len(counts) < 2:  # noqa: PLR2004  # sets that could differ
            return []
        numbers = ", ".join(f"{count} of {rules[:8]}" for rules, count in counts)
        problem = (
            f"sessions of {len(counts)} rule sets: {numbers}. "
            "Task types, prices or scales differ between machines: give all the same configuration"
        )
        return [problem]

    def _note_damage(self, _: RebuildRequest) -> None:
        self.is_damaged = True

    def _run_analyses(self, request: AnalysisRequest) -> AnalysisRound:
        """Run the process when no other scope does; not at all once the store is closed."""
        while not self._analysis_turn.acquire(timeout=TURN_SECONDS):
            if self._is_closed.is_set():
                return AnalysisRound(request.instant, request.names, None, "the store was closed")
        try:
            if self._is_closed.is_set():
                return AnalysisRound(request.instant, request.names, None, "the store was closed")
            return run_analysis_process(request, stopping=self._is_closed)
        finally:
            self._analysis_turn.release()

    def make_backend(self, hosts: frozenset[str]) -> Backend:
        """Return what the pages and the API of a service need; what would record anything is refused."""
        sources = make_store_sources(self.config, self.read_clock)
        return Backend(
            snapshot=lambda: self.snapshot,
            windowed_snapshot=self.answers.get_windowed_snapshot,
            sessions=self.answers.find_sessions,
            fanouts=self.answers.list_fanouts,
            run_profile=self.answers.read_run_profile,
            task_profile=self.answers.read_task_profile,
            task_runs=self.answers.read_task_runs,
            activity=self.answers.read_activity,
            session_summary=_refuse_page,
            trends=self.answers.summarise_trends,
            baselines=self.answers.list_baselines,
            expose=self._expose_metrics,
            append_hook=_refuse_input,
            append_scores=_refuse_input,
            receive_otlp=_refuse_input,
            notifications=NotificationLog(self.config.state / "notifications.jsonl"),
            gate_baselines=BaselineFolder(self.config.state / "gates"),
            announce=lambda _: None,
            problems=self._list_problems,
            runbook=lambda _: None,
            findings=self._get_findings,
            past_findings=self._read_past_findings,
            append_decision=_refuse_input,
            request_forget=_refuse_input,
            operations=OperationRunner(
                replace(
                    sources,
                    snapshot=lambda at: self.snapshot if at is None else sources.snapshot(at),
                    findings=self._get_findings,
                    past_findings=self._read_past_findings,
                    session_summary=_refuse_session,
                    session=_refuse_session,
                    expected_tasks=tuple,
                    alerting_gap=lambda: "alerts are those of each machine and of the team's Prometheus",
                    is_followed=True,
                )
            ),
            reports=self._list_reports,
            report=self._find_report,
            version=self._version,
            features=self.config.features,
            hosts=hosts,
            input_refusal=INPUT_REFUSAL,
            clock=self.read_clock,
        )

    def _get_findings(self) -> FindingsState:
        return self._analyses.state

    def _read_past_findings(self, at: int) -> FindingsState:
        with self._reader.use() as connection:
            return self._analyses.read_state(connection, at)

    def _get_figures(self) -> Iterable[Figure]:
        return () if self.snapshot is None else self.snapshot.figures

    def _expose_metrics(self, accept: str) -> Exposition:
        return encode_metrics(self._registry, accept)

    def _list_reports(self) -> list[Report]:
        """Return the reports of the last day, week and month, made once for each refresh."""
        snapshot = self.snapshot
        made_for, reports = self._reports
        if made_for is not snapshot:
            now = self.read_clock()
            rules = make_report_rules(self.config, NOTHING_DECLARED, self._version)
            with self._reader.use() as connection:
                reports = [
                    make_report(connection, get_last_period(kind, now + 1, self.config.timezone), now, rules)
                    for kind in (PeriodKind.DAY, PeriodKind.WEEK, PeriodKind.MONTH)
                ]
            self._reports = snapshot, reports
        return reports

    def _find_report(self, id: str) -> Report | None:
        return next((report for report in self._list_reports() if report.id == id), None)


def make_owner_service(
    config: Config,
    folder: Path,
    database: HubDatabase,
    tenant: str,
    *,
    team: str,
    owner: str,
    clock: Clock,
    version: str,
    analysis_turn: threading.Semaphore | None = None,
) -> ScopeService:
    """Return the service of an owner: every detail of the documents of the owner's machines in a team."""
    scope = FleetScope(tenant=tenant, owners=((team, owner),))
    return ScopeService(
        config,
        folder,
        clock=clock,
        version=version,
        refresh=partial(add_session_changes, engine=database, scope=scope),
        reads_released_days=False,
        analysis_turn=analysis_turn,
    )


def make_lead_service(
    config: Config,
    folder: Path,
    database: HubDatabase,
    tenant: str,
    team: str | None,
    *,
    clock: Clock,
    version: str,
    analysis_turn: threading.Semaphore | None = None,
) -> ScopeService:
    """Return the service of the leads of a team, or of a whole tenant.

    It has released days, experiments, and the sessions of owners who opted in, such as pools of runners.
    """

    def refresh(connection: sqlite3.Connection) -> RefreshResult:
        released = add_released_days(connection, database, tenant, team)
        opted_in = {
            (token.team, token.owner)
            for token in database.list_tokens(tenant)
            if token.opted_in and token.revoked is None and team in {None, token.team}
        }
        scope = FleetScope(tenant=tenant, owners=tuple(sorted(opted_in)))
        listed = add_session_changes(connection, database, scope, with_sums=False)
        experiments = [
            make_experiment_finding(each, each.name if team is not None else f"{each.team}/{each.name}")
            for each in list_experiments_of_lead(database, tenant, ALL_TEAMS if team is None else team)
            if each.state is not ExperimentState.WITHDRAWN and clock() < each.end + EXPERIMENT_SHOWN
        ]
        has_changes = replace_team_experiments(connection, experiments)
        return replace(listed, days=released.days, has_experiment_changes=has_changes)

    return ScopeService(
        config,
        folder,
        clock=clock,
        version=version,
        refresh=refresh,
        reads_released_days=True,
        analysis_turn=analysis_turn,
    )


def _refuse_session(_: str) -> NoReturn:
    raise ElsewhereError(_NO_COURSE, hint="open it on the machine that it ran on")


def _refuse_page(_: str) -> NoReturn:
    raise HTTPException(404, f"{_NO_COURSE}: open it on the machine that it ran on")


def _refuse_input(*_: object) -> NoReturn:
    raise ElsewhereError(INPUT_REFUSAL.problem, hint=INPUT_REFUSAL.hint)
