"""A session as concluded for the store: the rules, the executions, and what ended with a batch."""

from __future__ import annotations

from dataclasses import dataclass, field

from stretto.figures.fanouts import Executions, Fanout, SequentialRun
from stretto.model.call_cost_and_usage_types import NewUsage, Price, get_reported_cost
from stretto.model.conclude_tasks import Classify
from stretto.model.entities import Phase, Session, Task, ToolCall, Turn
from stretto.model.score_scales import SCALES, Scales
from stretto.store.settled_part import SettledPart


@dataclass(frozen=True, slots=True)
class Rules:
    """The configured rules that sessions are concluded by."""

    classify: Classify
    price: Price = get_reported_cost
    scales: Scales = SCALES


@dataclass(slots=True)
class NewlyEnded:
    """The entities that ended with a batch, for live counters and spans."""

    sessions: list[Session] = field(default_factory=list)
    turns: list[tuple[Session, Turn]] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    tool_calls: list[ToolCall] = field(default_factory=list)
    phases: list[Phase] = field(default_factory=list)
    used: list[NewUsage] = field(default_factory=list)
    """Newly reported usage of model calls."""
    fanouts: list[tuple[Session, Fanout]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ConcludedSession:
    """A session as concluded from all facts so far, with its executions."""

    session: Session
    fanouts: tuple[Fanout, ...]
    sequential_runs: tuple[SequentialRun, ...]
    settled: SettledPart | None
    rest_tasks: tuple[Task, ...]
    """The tasks that are not settled: all of them if none are."""
    rest: Executions
    """Their executions."""

    def has_same_tasks(self, other: ConcludedSession) -> bool:
        """Return whether the tasks and their executions are the very ones of an earlier state."""
        return self.session.tasks is other.session.tasks and self.fanouts is other.fanouts

    def has_same_executions(self, other: ConcludedSession) -> bool:
        """Return whether the executions are those of an earlier state of the session, and filed alike."""
        now, then = self.session, other.session
        return (
            self.fanouts is other.fanouts
            and self.sequential_runs is other.sequential_runs
            and (now.project, now.pattern) == (then.project, then.pattern)
        )
