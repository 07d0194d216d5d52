"""A call of an operation: what was asked, and everything that the answer may read, once each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stretto.clock import DAY, SECOND
from stretto.findings.finding_changes import is_notable
from stretto.findings.findings_snapshot import FindingsState, build_finding_document
from stretto.format.rfc3339 import to_exact_rfc3339
from stretto.model.findings import Finding
from stretto.model.run_rows_for_analyses import SessionRun, TaskRun
from stretto.operations.analysis_reader import AnswerReader
from stretto.operations.figure_lookup import FigureTable
from stretto.operations.find_named_workflow import ALL_WORKFLOWS, ChosenWorkflow
from stretto.operations.lock_free_cached_property import LazyAttribute
from stretto.operations.measure_finished_runs import keep_reasons
from stretto.operations.operation_errors import ErrorCode, OperationError
from stretto.operations.operation_sources import OperationSources
from stretto.store.fanout_and_baseline_queries import FanoutRun, read_fanout_runs
from stretto.store.finding_history_and_last_answers import AnalysisResult
from stretto.store.run_queries import read_session_runs, read_task_runs_begun_between
from stretto.summaries.session_json import build_session_document
from stretto.summaries.snapshot import Snapshot, build_snapshot_document

UNTESTED = {
    "p": "it is beyond a limit that its usual sessions set, or has an interval",
    "detectable": "the least size that would be seen is not worked out for this kind",
}
"""Part of a finding's evidence that may be null → the reason."""

UNFILTERED = "these are of all sessions: the figure has no pattern"
"""Why figures of everything stand in an answer about a session or a pattern."""

FRESH = 60 * SECOND
"""Age from which figures count as old: several refreshes have been missed."""


@dataclass(frozen=True, slots=True)
class Shortfall:
    """A part of an answer that is less than it should be."""

    part: str
    reason: str
    as_of: int | None = None
    """The instant (ns) that the part is about, if it is an old one."""


@dataclass(frozen=True, slots=True)
class RunSelection:
    """The finished sessions of a time span with their tasks."""

    start: int
    end: int
    sessions: tuple[SessionRun, ...]
    tasks: tuple[TaskRun, ...]
    fanouts: tuple[FanoutRun, ...] = ()

    @property
    def span(self) -> int:
        """Length (ns) of the time span."""
        return self.end - self.start


@dataclass
class OperationCall:
    """One call, for a single thread. Reading notes what is old or missing in ``shortfalls``."""

    sources: OperationSources
    answers: AnswerReader
    options: Mapping[str, Any]
    workflow: ChosenWorkflow = ALL_WORKFLOWS
    at: int | None = None
    """The instant (ns) in the past that the answer is about; None is now."""
    shortfalls: list[Shortfall] = field(default_factory=list)
    used: dict[str, int] = field(default_factory=dict)
    """Analysis → the instant (ns) that its answer is about."""

    @LazyAttribute
    def now(self) -> int:
        """The instant (ns) of the answer."""
        return self.sources.clock() if self.at is None else self.at

    @LazyAttribute
    def snapshot(self) -> Snapshot:
        """The figures. Raises OperationError (STORE_UNAVAILABLE) before the first."""
        taken = self.sources.snapshot(self.at)
        if taken is None:
            raise OperationError(
                ErrorCode.STORE_UNAVAILABLE, "there are no figures yet", {"retry_seconds": 1}
            )
        if self.at is None and self.now - taken.at > FRESH:
            self.note("figures", "the store is not read now: these are the last figures", taken.at)
        return taken

    @LazyAttribute
    def document(self) -> dict[str, Any]:
        """The figures as the document of ``/api/snapshot``."""
        return build_snapshot_document(self.snapshot)

    @LazyAttribute
    def figures(self) -> FigureTable:
        """The figures, to be found by name and labels."""
        return FigureTable(self.snapshot.figures)

    @LazyAttribute
    def session(self) -> dict[str, Any]:
        """The document of the session that the call is about. Raises OperationError.

        The store keeps the latest state of a session: what came after the instant of the call is noted.
        """
        id = self.workflow.session
        summary = None if id is None else self.sources.session_summary(id)
        if summary is None:
            raise OperationError(
                ErrorCode.UNKNOWN_WORKFLOW, f"the session {id!r} is not kept any more", {"workflow": id}
            )
        latest = summary.session.end or summary.session.last
        if self.at is not None and latest > self.at:
            self.note(
                "session", f"it went on until {to_time(latest)}: its own figures are those of its whole run"
            )
        return build_session_document(summary)

    @LazyAttribute
    def state(self) -> FindingsState:
        """The findings as last stored, or as they were known at the instant in the past."""
        if self.at is None:
            return self.sources.findings()
        return self.sources.past_findings(self.at)

    def read_pattern_runs(self, span: int) -> RunSelection:
        """Return the runs of the workflow's pattern; of a session without one, that session alone."""
        if self.workflow.session is None or self.pattern is None:
            return self.read_runs(span)
        pattern = ChosenWorkflow(pattern=self.pattern)
        return OperationCall(self.sources, self.answers, {}, pattern, self.at).read_runs(span)

    def read_runs(self, span: int) -> RunSelection:
        """Return the finished sessions of the workflow of the last ``span`` (ns), with their tasks.

        A workflow that is a session gives that session, however long ago it ended.
        """
        end = self.now + 1
        start = 0 if self.workflow.session is not None else end - span
        with self.sources.connect() as connection:
            sessions = [
                run for run in read_session_runs(connection, start, end, at=self.now) if self._fits(run)
            ]
            # Tasks are found by their start, which may lie before the end of the time span by days.
            first = min((run.start for run in sessions), default=end) - DAY
            ids = {run.session for run in sessions}
            tasks = [
                run
                for run in read_task_runs_begun_between(connection, first, end, at=self.now)
                if run.session in ids
            ]
            fanouts = [
                run for run in read_fanout_runs(connection, first, end, at=self.now) if run.session in ids
            ]
        return RunSelection(end - span, end, tuple(sessions), tuple(tasks), tuple(fanouts))

    def _fits(self, run: SessionRun) -> bool:
        if self.workflow.session is not None:
            return run.session == self.workflow.session
        return self.workflow.pattern in {None, run.pattern}

    def read_answer(self, name: str, growth: float = 0.0) -> AnalysisResult:
        """Return the answer of an analysis that the operation cannot do without. Raises OperationError."""
        known = self.answers.read_answer(name, self.at, growth)
        self.used[name] = known.as_of
        if known.doubt:
            self.note(name, known.doubt, known.as_of)
        return known.result

    def try_answer(self, name: str) -> AnalysisResult | None:
        """Return the answer of an analysis; None, with a note of the reason, if there is none."""
        try:
            return self.read_answer(name)
        except OperationError as error:
            self.note(name, error.message)
            return None

    def note(self, part: str, reason: str, as_of: int | None = None) -> None:
        """Note that a part of the answer is old or missing."""
        self.shortfalls.append(Shortfall(part, reason, as_of))

    def note_unfiltered(self, *parts: str) -> None:
        """Note, if a session or pattern was asked for, that these parts are of all sessions all the same."""
        if parts and self.workflow.id is not None:
            self.note(", ".join(parts), UNFILTERED)

    def select_findings(self, result: AnalysisResult | None) -> list[Finding]:
        """Return the notable findings about the workflow, without those that a person settled."""
        return [
            finding
            for finding in (() if result is None else result.findings)
            if is_notable(finding) and self.is_about(finding) and not self.state.is_settled(finding)
        ]

    def is_about(self, finding: Finding) -> bool:
        """Return whether a finding is about the workflow: of its pattern, or of no pattern."""
        return self.workflow.id is None or finding.subject.get("pattern") in {None, self.pattern}

    @LazyAttribute
    def pattern(self) -> str | None:
        """The pattern of the workflow; that of the session if it is one."""
        if self.workflow.session is not None:
            pattern: str | None = self.session["pattern"]
            return pattern
        return self.workflow.pattern

    def describe(self, finding: Finding) -> dict[str, Any]:
        """Return a finding as JSON, with its sentence, and with the reason of each test that it has not."""
        document = build_finding_document(finding, self.sources.zone)
        evidence = document["evidence"]
        return {**document, "evidence": {**evidence, "absent": keep_reasons(evidence, UNTESTED)}}


def to_time(at: int | None) -> str | None:
    """Return an instant (ns) as RFC 3339; None stays None."""
    return None if at is None else to_exact_rfc3339(at)
