"""Settled tasks: the tasks of a live session that are over, with all that ran beside them.

A session of thousands of tasks is concluded with each event about one of them. Settled tasks, their
executions and their amounts stay as they are, and only the tasks after them are concluded, from facts without
the settled ones. An event about a settled task, or about anything that could change one, lets the session be
concluded from all its facts.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import is_
from typing import NamedTuple

from stretto.figures.retries_and_recoveries import find_retries
from stretto.model.conclude_session import is_session_over
from stretto.model.delivered_and_wasted_tasks import WorkKey, get_agent_id_of_task, make_work_key
from stretto.model.entities import Session, Task, Turn
from stretto.model.event import Outcome
from stretto.model.facts import SessionFacts, get_number, get_text
from stretto.model.match_agents_with_delegating_calls import Delegation
from stretto.model.unchanged_task_memory import TaskMemory
from stretto.names import fact_fields
from stretto.names.fact_fields import EntityKind, list_stamped_facts

_CUT_OUTCOMES = frozenset({Outcome.UNKNOWN, Outcome.CANCELLED})
"""Outcomes of tasks whose class may depend on a turn."""

_MAIN_AGENT = "|"
"""The beginning of the permission keys of the main agent, which no task waits for."""


class _Work(NamedTuple):
    """The work of settled tasks, by the keys that are equal for the same work."""

    all: frozenset[WorkKey]
    failed: frozenset[WorkKey]
    """The work that a task failed at, or that was wasted."""
    unrepeated: frozenset[WorkKey]
    """The work of which a later task would be a retry."""


@dataclass(frozen=True, slots=True)
class SettledTasks:
    """Settled tasks, and the index by which events that bear on them are known."""

    tasks: tuple[Task, ...]
    """By start and id."""
    until: int
    """When the last of them ended (ns). Every other task that runs or has a length begins later."""
    agents: frozenset[str]
    calls: frozenset[str]
    """The calls that started the agents."""
    _ids: frozenset[str]
    _order: Sequence[tuple[int, str]]
    """The start and the id of each task."""
    _wasted_agents: frozenset[str]
    _work: _Work
    _turns: tuple[Turn, ...]
    """The turns up to the last that the class of a task depends on."""
    _turns_until: int
    """The end (ns) of that task; 0 without any."""
    _started: bool
    """Whether the start of an agent was reported."""

    def leave_out(self, facts: SessionFacts, agents: Iterable[str], calls: Iterable[str]) -> SessionFacts:
        """Return the facts with these agents and delegating calls alone, those that are not settled."""
        return replace(
            facts,
            tasks={agent: facts.tasks[agent] for agent in agents},
            delegating={*calls},
            reports_other_agents=self._started,
        )

    def are_touched(self, facts: SessionFacts, changed: Iterable[tuple[str, str]], *, lost: bool) -> bool:
        """Return whether the change of these entities, (kind, key), may bear on the settled tasks."""
        if is_session_over(facts, lost=lost) or not _is_asked_as_main_agent(facts):
            return True
        return any(self._is_touched(facts, kind, key) for kind, key in changed)

    def _is_touched(self, facts: SessionFacts, kind: str, key: str) -> bool:
        if kind == EntityKind.TASK:
            task_facts = facts.tasks.get(key, {})
            starts = [time for time, _ in list_stamped_facts(task_facts, fact_fields.START)]
            return (
                key in self.agents
                or get_text(task_facts, fact_fields.DELEGATED_BY) in self.calls
                or min(starts, default=self.until) < self.until
            )
        if kind == EntityKind.CALL:
            start = get_number(facts.calls.get(key, {}), fact_fields.START)
            is_early = key in facts.delegating and start is not None and start < self.until
            return key in self.calls or key in self.agents or is_early
        return kind == EntityKind.TURN and key in self.agents

    def are_apart_from(self, others: Sequence[Task], turns: Sequence[Turn]) -> bool:
        """Return whether these other tasks and these turns leave the settled tasks as they are."""
        count = bisect_right(turns, self._turns_until, key=_get_start_of_turn)
        return tuple(turns[:count]) == self._turns and not any(map(self._is_bound_to, others))

    def _is_bound_to(self, other: Task) -> bool:
        if other.id in self._ids or get_agent_id_of_task(other.id, self._ids) != other.id:
            return True
        if other.parent in self._wasted_agents or (other.parent in self.agents and _is_end_missing(other)):
            return True
        is_earlier = other.start is None or other.start < self.until
        if is_earlier and _has_execution(other):
            return True
        if not self._work.failed and other.outcome in {Outcome.SUCCESS, Outcome.RUNNING}:
            return False
        key = make_work_key(other)
        if not is_earlier:
            return key in self._work.unrepeated
        is_unclear = other.outcome not in {Outcome.SUCCESS, Outcome.RUNNING}
        return key in (self._work.all if is_unclear else self._work.failed)

    def go_on_from(self, earlier: SettledTasks) -> bool:
        """Return whether these are the earlier settled tasks and later ones."""
        count = len(earlier.tasks)
        return count < len(self.tasks) and all(map(is_, self.tasks, earlier.tasks))

    def list_others(self, tasks: Iterable[Task]) -> tuple[Task, ...]:
        """Return the tasks of the session that are not settled."""
        return tuple(task for task in tasks if task.id not in self._ids)

    def precede(self, others: Sequence[Task]) -> bool:
        """Return whether other tasks, by start, all begin after the settled ones."""
        return not others or (others[0].start or 0) >= self.until

    def join(self, others: Iterable[Task]) -> tuple[Task, ...]:
        """Return settled and other tasks by start and id."""
        joined = [*self.tasks]
        for count, task in enumerate(others):
            joined.insert(count + bisect_left(self._order, (task.start or 0, task.id)), task)
        return tuple(joined)


def find_settled_tasks(
    facts: SessionFacts, session: Session, memory: TaskMemory, *, most: int
) -> SettledTasks | None:
    """Return the first tasks of a session that are settled, of its first ``most``; None without any.

    ``memory`` is that of the session's last conclusion.
    """
    ids = {task.id for task in session.tasks}
    if len(ids) < len(session.tasks) or not _is_asked_as_main_agent(facts):
        return None
    # A task without an end is over once its parent is, so the facts of its parent must stay.
    waiting_parents = {task.parent for task in session.tasks if _is_end_missing(task)}
    calls_by_agent = {
        agent: calls
        for agent, calls in memory.iterate_calls_of_known_agents()
        if agent not in waiting_parents and _can_settle(facts, agent, calls)
    }
    tasks, until = _select_settled(session.tasks, calls_by_agent, ids, most)
    agents = frozenset(get_agent_id_of_task(task.id, ids) for task in tasks)
    calls = frozenset(call.id for agent in agents for call in calls_by_agent[agent])
    if not tasks or _is_any_claimed(facts, agents, calls):
        return None
    turns_until = max((task.end or 0 for task in tasks if task.outcome in _CUT_OUTCOMES), default=0)
    settled = SettledTasks(
        tasks,
        until,
        agents,
        calls,
        frozenset(task.id for task in tasks),
        [(task.start or 0, task.id) for task in tasks],
        frozenset(get_agent_id_of_task(task.id, ids) for task in tasks if task.is_wasted),
        _sort_work(tasks),
        session.turns[: bisect_right(session.turns, turns_until, key=_get_start_of_turn)],
        turns_until,
        any(list_stamped_facts(facts.tasks[agent], fact_fields.START) for agent in agents),
    )
    others = settled.list_others(session.tasks)
    return settled if settled.are_apart_from(others, session.turns) else None


def _can_settle(facts: SessionFacts, agent_id: str, calls: Sequence[Delegation]) -> bool:
    """Return whether nothing but the facts of an agent that is over and of its calls decides its tasks."""
    is_ambiguous = "/" in agent_id or agent_id in facts.calls or agent_id in facts.turns
    # A notice may name the call of an agent before the call is reported, which then takes the agent.
    named_call = get_text(facts.tasks.get(agent_id, {}), fact_fields.DELEGATED_BY)
    waits_for_call = named_call is not None and named_call not in {call.id for call in calls}
    return not (is_ambiguous or waits_for_call or agent_id == facts.id) and all(
        call.end is not None
        and call.span is None
        and call.named_agent in {None, agent_id}
        and call.id in facts.delegating
        and call.id not in facts.unnamed_calls
        and (call.parent is None or call.parent in facts.tasks)
        for call in calls
    )


def _select_settled(
    tasks: Sequence[Task], calls_by_agent: Mapping[str, object], ids: set[str], most: int
) -> tuple[tuple[Task, ...], int]:
    """Return the tasks before the last instant, among the first ``most``, that no execution crosses.

    Also returns when the last of them ended. All runs of an agent are settled, and all agents above it.
    """
    runs_left: dict[str, int] = {}
    for task in tasks:
        agent = get_agent_id_of_task(task.id, ids)
        runs_left[agent] = runs_left.get(agent, 0) + 1
    passed: list[Task] = []
    open_agents: set[str] = set()
    seen_agents: set[str | None] = {None}
    count = reach = until = 0
    for place, task in enumerate(tasks):
        if not open_agents and (task.start or 0) >= reach:
            count, until = len(passed), reach
        if place >= most:
            break
        agent = get_agent_id_of_task(task.id, ids)
        is_over = task.start is not None and task.end is not None and task.outcome is not Outcome.RUNNING
        if agent not in calls_by_agent or not is_over or task.parent not in seen_agents:
            if _has_execution(task):
                break
            # All runs of its agent stay with it.
            runs_left[agent] = -1
            continue
        passed.append(task)
        seen_agents.add(agent)
        reach = max(reach, task.end or 0)
        runs_left[agent] -= 1
        open_agents.add(agent)
        if runs_left[agent] == 0:
            open_agents.remove(agent)
    return tuple(passed[:count]), until


def _has_execution(task: Task) -> bool:
    """Return whether a task takes part in a fan-out or runs alone: it runs, or its length is known."""
    return bool(task.length) or (task.outcome is Outcome.RUNNING and task.start is not None)


def _is_end_missing(task: Task) -> bool:
    """Return whether no report ends a task: whether it runs may then depend on its parent."""
    return task.end is None or task.outcome is Outcome.RUNNING


def _is_any_claimed(facts: SessionFacts, agents: frozenset[str], calls: frozenset[str]) -> bool:
    """Return whether an agent that is not settled names a call of one that is."""
    return any(
        get_text(task_facts, fact_fields.DELEGATED_BY) in calls
        for agent, task_facts in facts.tasks.items()
        if agent not in agents
    )


def _sort_work(tasks: Sequence[Task]) -> _Work:
    repeated = {retry.failed.id for retry in find_retries(tasks)}
    delivered_from: dict[WorkKey, int] = {}
    for task in tasks:
        if not task.is_wasted:
            delivered_from[make_work_key(task)] = task.start or 0
    failed, unrepeated = set(), set()
    for task in tasks:
        is_failure = task.outcome is Outcome.FAILURE
        if not (is_failure or task.is_wasted):
            continue
        key = make_work_key(task)
        failed.add(key)
        # A retry that is not settled itself may still fail.
        is_retried = delivered_from.get(key, -1) >= (task.end or 0)
        if (task.is_wasted and not is_retried) or (is_failure and task.id not in repeated):
            unrepeated.add(key)
    return _Work(frozenset(map(make_work_key, tasks)), frozenset(failed), frozenset(unrepeated))


def _is_asked_as_main_agent(facts: SessionFacts) -> bool:
    return all(key.startswith(_MAIN_AGENT) for key in facts.permission_times)


def _get_start_of_turn(turn: Turn) -> int:
    return turn.start
