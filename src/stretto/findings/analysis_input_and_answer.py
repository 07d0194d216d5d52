"""The input and the answer of an analysis."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from stretto.figures.cache_figures_and_faults import CacheUse
from stretto.findings.efficiency_score_by_day import DayScore
from stretto.findings.issued_forecasts import IssuedForecast
from stretto.model.decisions import Decision
from stretto.model.findings import Finding, FindingVerdict
from stretto.model.owner_days import OwnerDay
from stretto.model.run_rows_for_analyses import SessionRun, TaskRun

if TYPE_CHECKING:
    from stretto.analysis.series_of_run_values import Series

NEW_NORMAL = "new_normal"
"""The detail of an annotation after which earlier runs are no longer compared."""


DayLengths = tuple[int, Mapping[int, int]]
"""The middle of a day (ns), and how many of its lengths (ns) there were."""

DayTurns = tuple[int, int, int]
"""The middle of a day (ns), its turns that ran tasks in parallel, and those that could."""


@dataclass(frozen=True)
class AnalysisInput:
    """The input of all analyses: runs and decisions as known at an instant."""

    instant: int
    tasks: Sequence[TaskRun]
    sessions: Sequence[SessionRun]
    decisions: Sequence[Decision] = ()
    zone: str = "UTC"
    machine_memory: float | None = None
    """Bytes of the machine, if they are known."""
    history: Mapping[str, Finding] = field(default_factory=dict)
    """Id of each finding of the history → how it was last, which decisions refer to."""
    promises: Mapping[str, Finding] = field(default_factory=dict)
    """Id of each decision that advice was applied → the advice as it was then."""
    cores: int | None = None
    """Processors of the machine."""
    growth: float = 0.0
    """Share by which the work of each session is to grow, where an analysis plans ahead."""
    tool_lengths: Mapping[str, Sequence[DayLengths]] = field(default_factory=dict)
    """Lengths of tool calls by tool, of each whole day of UTC."""
    hook_lengths: Mapping[str, Sequence[DayLengths]] = field(default_factory=dict)
    """How long agents waited for hooks by event, of each whole day of UTC."""
    turns: Mapping[str | None, Sequence[DayTurns]] = field(default_factory=dict)
    """Turns of each named pattern, and under None of all, of each whole day of UTC."""
    efficiency: Mapping[str | None, Sequence[DayScore]] = field(default_factory=dict)
    """Efficiency scores of each named pattern, and under None of all, of each whole day of UTC."""
    cache_uses: Mapping[str, CacheUse] = field(default_factory=dict)
    """What happened lately in each cache that programs report."""
    issued: Sequence[IssuedForecast] = ()
    """The forecasts of the last weeks as they were given."""
    owner_days: Sequence[OwnerDay] | None = None
    """The released days of a team by owner; None if the store is not that of a team."""

    team_experiments: Sequence[Finding] | None = None
    """The experiments of a team as the hub worked them out, likewise."""

    @cached_property
    def tasks_by_session(self) -> Mapping[str, Sequence[TaskRun]]:
        """The tasks of each session, by start."""
        grouped: dict[str, list[TaskRun]] = defaultdict(list)
        for run in self.tasks:
            grouped[run.session].append(run)
        return grouped

    @cached_property
    def run_series(self) -> Sequence[Series]:
        """The series of tasks and of parallel work."""
        from stretto.analysis.series_of_run_values import (  # noqa: PLC0415  # loads numpy
            make_all_task_value_series,
            make_fanout_elapsed_series,
        )

        return [*make_all_task_value_series(self.tasks), *make_fanout_elapsed_series(self.sessions)]

    @cached_property
    def sessions_by_pattern(self) -> Mapping[str, Sequence[SessionRun]]:
        """The sessions that delegated, by pattern, each by end. Those without a pattern are left out."""
        grouped: dict[str, list[SessionRun]] = defaultdict(list)
        for run in self.sessions:
            if run.pattern is not None and run.task_types:
                grouped[run.pattern].append(run)
        return grouped


@dataclass(frozen=True, slots=True)
class AnalysisAnswer:
    """The answer of an analysis."""

    findings: Sequence[Finding]
    unlisted: Mapping[FindingVerdict, int] = field(default_factory=dict)
    """Checks that are no finding of the answer, by verdict: without them silence looks like not looking."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further values for surfaces, such as the hold-ups of single sessions."""
