"""The interface of a contribution: a session in, the amounts that it adds to the sums out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Protocol

from stretto.figures.critical_path import CriticalPath, Slack, compute_slack, find_critical_path
from stretto.figures.fanout_conflict_and_test_checks import IntegrationCheck, find_conflicts_and_tests
from stretto.figures.fanouts import Fanout, SequentialRun, find_tasks_without_overlap
from stretto.figures.retries_and_recoveries import EarlierRecoveries, Recovery, find_recoveries
from stretto.figures.unreported_model_calls import iterate_usage_reports
from stretto.figures.wall_time_parts import WallPart, split_wall_time, sum_wall_parts
from stretto.figures.work_tree import Stretch, build_work_tree
from stretto.model.call_cost_and_usage_types import Price, get_reported_cost
from stretto.model.conclude_session import add_calls
from stretto.model.conclude_tasks import Classify
from stretto.model.entities import Session, Task, ToolCall
from stretto.model.event import Outcome
from stretto.model.facts import SessionFacts
from stretto.model.interval import Interval
from stretto.model.score_scales import SCALES, Scales
from stretto.store.contributions.contribution_parts_by_task_or_fanout import Part, add_up_parts
from stretto.store.sums_by_time_slot import NARROWEST, Additions

# Looking up a member of an enumeration takes ten times as long as a name, and every call is counted.
_RUNNING = Outcome.RUNNING


class SessionAspect(StrEnum):
    """The aspects of a session that a contribution may depend on, beside the kinds of its facts."""

    PATTERN = "pattern"
    """The pattern and the project."""
    TASKS = "tasks"
    """The concluded tasks, and with them fan-outs and sequential runs."""
    TURNS = "turns"
    """The concluded turns."""
    WHOLE = "whole"
    """Anything at all, once the session is over."""


@dataclass(frozen=True)
class SessionContext:
    """The input of all contributions: a session with concluded turns and tasks, and its facts."""

    facts: SessionFacts
    session: Session
    fanouts: tuple[Fanout, ...]
    sequential_runs: tuple[SequentialRun, ...]
    closed: bool
    """Whether no event can follow: entities without an end are over."""
    lost: bool
    classify: Classify
    price: Price = get_reported_cost
    scales: Scales = SCALES
    concluded: Mapping[str, Sequence[ToolCall]] = field(default_factory=dict)
    """The tool calls that are concluded already, in the form that ``calls_from_facts`` accepts."""
    whole_session: Session | None = None
    """The value of ``whole``, if the caller has it already."""

    known_lone_tasks: tuple[Task, ...] | None = None
    """The value of ``lone_tasks``, if the caller has it already."""

    settled: tuple[EarlierRecoveries, tuple[Task, ...]] | None = None
    """Of a live session with settled tasks: the recoveries among these, and its other tasks."""

    @cached_property
    def recoveries(self) -> tuple[Recovery, ...]:
        """The recoveries of failed tasks."""
        earlier, later = self.settled or (EarlierRecoveries(), self.session.tasks)
        found = earlier.find_with(later)
        return find_recoveries(self.session.tasks) if found is None else found

    @cached_property
    def lone_tasks(self) -> tuple[Task, ...]:
        """The ended tasks of known length that overlapped no other task of their parent."""
        known = self.known_lone_tasks
        return find_tasks_without_overlap(self.session.tasks) if known is None else known

    @property
    def over(self) -> bool:
        """Whether the session is over. Before that no contribution may read ``whole``."""
        return self.session.outcome is not Outcome.RUNNING

    @cached_property
    def whole(self) -> Session:
        """The session with its calls, permissions and hooks, concluded once for all contributions."""
        return self.whole_session or add_calls(
            self.session, self.facts, closed=self.closed, concluded=self.concluded
        )

    @cached_property
    def work_tree(self) -> Stretch:
        """The tree of the session's work, built once for all that reads the whole session."""
        return build_work_tree(self.whole)

    @cached_property
    def wall_parts(self) -> tuple[tuple[Interval, WallPart], ...]:
        """The session's wall time by start, as intervals with their part."""
        return tuple(split_wall_time(self.whole, self.work_tree))

    @cached_property
    def slack(self) -> Slack:
        """The slack of every task and tool call."""
        return compute_slack(self.work_tree)

    @cached_property
    def wall_time(self) -> Mapping[WallPart, int]:
        """The session's wall time by part (ns)."""
        return sum_wall_parts(self.wall_parts)

    @cached_property
    def critical_path(self) -> CriticalPath | None:
        """The session's critical path, if it has one."""
        return find_critical_path(self.whole, self.work_tree)

    @cached_property
    def usage_reports(self) -> tuple[tuple[int, bool], ...]:
        """Who could report tokens, and who did (``iterate_usage_reports``); none before the end."""
        return tuple(iterate_usage_reports(self.whole)) if self.over else ()

    @cached_property
    def integration_checks(self) -> tuple[IntegrationCheck, ...]:
        """How the results of each parallel execution fit together."""
        return find_conflicts_and_tests(self.fanouts, self.session.tasks, self.whole.tool_calls)

    def find_changes(self, before: SessionContext) -> set[str]:
        """Return the aspects in which the session differs from an earlier context of it."""
        changes: set[str] = set()
        now, then = self.session, before.session
        if (now.pattern, now.project) != (then.pattern, then.project):
            changes.add(SessionAspect.PATTERN)
        # Comparing the same tasks with themselves takes long if there are thousands.
        if now.tasks is not then.tasks and now.tasks != then.tasks:
            changes.add(SessionAspect.TASKS)
        if now.turns is not then.turns and now.turns != then.turns:
            changes.add(SessionAspect.TURNS)
        if self.over or before.over:
            changes.add(SessionAspect.WHOLE)
        return changes


@dataclass(frozen=True, slots=True)
class Contribution:
    """The amounts that a kind of entity adds to the sums.

    ``reads`` names its inputs, by kinds of facts (``facts.KINDS``) and aspects. The amounts are computed
    again when any of these has changed.
    """

    reads: frozenset[str]
    compute: Callable[[SessionContext], Additions]
    list_parts: Callable[[SessionContext], Iterable[Part]] | None = None
    """The parts that add up to ``compute``, if it consists of such."""
    is_of_tasks: bool = False
    """Whether each part is of a task, or of tasks that ran together: settled tasks keep their parts."""

    @classmethod
    def of_parts(
        cls,
        reads: Iterable[str],
        list_parts: Callable[[SessionContext], Iterable[Part]],
        *,
        is_of_tasks: bool = True,
    ) -> Contribution:
        """Return a contribution that is the sum of its parts."""
        return cls(
            frozenset(reads), lambda context: add_up_parts(list_parts(context)), list_parts, is_of_tasks
        )


class TimedEntity(Protocol):
    """An entity with an outcome, such as a task, a tool call or a phase."""

    @property
    def outcome(self) -> Outcome:
        """How it ended, or that it is running."""

    @property
    def start(self) -> int | None:
        """When it began (ns), if known."""

    @property
    def end(self) -> int | None:
        """When it ended (ns), if known."""


def find_counted_slot(entity: TimedEntity) -> int | None:
    """Return the slot of time in which an entity is counted: that of its end, else of its start.

    None while it runs.
    """
    if entity.outcome is _RUNNING:
        return None
    at = entity.start if entity.end is None else entity.end
    # As find_slot_number does; a call of it would be one more for each call of a tool.
    return None if at is None else at // NARROWEST
