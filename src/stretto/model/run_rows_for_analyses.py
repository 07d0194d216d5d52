"""What remains of a finished session and of each of its tasks for a year: the rows that analyses read.

Times are nanoseconds since the epoch, lengths nanoseconds. An unknown value is ``None``, never 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from stretto.model.event import Outcome

Covariates = Mapping[str, str]
"""Circumstances that may explain a difference: client version, effort, branch (a hash), machine, load."""

DELIVERED = frozenset({Outcome.SUCCESS, Outcome.UNKNOWN})
"""Outcomes of work that is delivered, or taken as delivered: its lengths can be compared."""


# Analyses read months of tasks at once, and a Struct is made as fast as a tuple. The collector of reference
# cycles need not visit it: nothing that a task refers to refers back.
class TaskRun(msgspec.Struct, frozen=True, gc=False):
    """One finished task."""

    session: str
    task: str
    start: int
    length: int | None
    outcome: Outcome
    type: str
    agent: str | None = None
    phase: str | None = None
    model: str | None = None
    pattern: str | None = None
    project: str | None = None
    concurrency: float = 1.0
    """Mean number of tasks of the session that ran during this one, itself included."""
    tokens: int | None = None
    dollars: float | None = None
    tool_time: int | None = None
    covariates: Covariates = msgspec.field(default_factory=dict)

    @property
    def is_delivered(self) -> bool:
        """Whether it is delivered, or taken as delivered because no channel reported its outcome."""
        return self.outcome in DELIVERED


@dataclass(frozen=True, slots=True)
class SessionRun:
    """One finished session, all its turns together."""

    session: str
    start: int
    end: int
    outcome: Outcome
    pattern: str | None = None
    project: str | None = None
    repository: str | None = None
    worktree: str | None = None
    source: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    task_types: Mapping[str, int] = field(default_factory=dict)
    """Number of its tasks by type."""
    work: int = 0
    """Summed length of its tasks."""
    delivered_work: int = 0
    elapsed: int | None = None
    """Length of its parallel executions, waits for persons left out."""
    capacity: int | None = None
    """Width times length, summed over its parallel executions."""
    longest_lane: int | None = None
    width: int = 0
    """Most tasks of one parallel execution; 0 if nothing ran in parallel."""
    wall_parts: Mapping[str, int] = field(default_factory=dict)
    """Its wall time by part, such as models, tools, permission waits."""
    path_by_agent: Mapping[str, int] = field(default_factory=dict)
    """Length of its critical path by agent."""
    tokens: int | None = None
    dollars: float | None = None
    usage_coverage: float | None = None
    """Share of its model calls whose tokens are known."""
    retries: int = 0
    conflicts: int | None = None
    tests_passed: int | None = None
    tests_failed: int | None = None
    cpu_seconds: float | None = None
    memory_mean: float | None = None
    """Bytes; the peak beside it, too."""
    memory_peak: float | None = None
    score_sums: Mapping[str, float] = field(default_factory=dict)
    """Numerators and denominators of its scores, by measure."""
    covariates: Covariates = field(default_factory=dict)
