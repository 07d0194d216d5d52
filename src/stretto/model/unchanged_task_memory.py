"""The memory of the last conclusion: the tasks of a live session whose facts are still the same.

A session with thousands of agents is concluded again with each event about one of them. Most of its agents
are over, and what depends on the facts of such an agent and of its calls is kept until one of these changes.
A task that comes out equal is kept as the object that it was: whoever depends on it then sees by the object
that nothing has changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import is_
from typing import NamedTuple

from stretto.model.entities import Task
from stretto.model.facts import SessionFacts, find_enclosing_task
from stretto.model.match_agents_with_delegating_calls import Delegation, DelegationMemory
from stretto.names.fact_fields import EntityKind


class _KnownAgent(NamedTuple):
    calls: tuple[Delegation, ...]
    """The calls that its tasks were concluded with."""
    tasks: tuple[Task, ...]


@dataclass(slots=True)
class TaskMemory:
    """The tasks of a session as they were last concluded."""

    delegations: DelegationMemory = field(default_factory=DelegationMemory)
    _agents: dict[str, _KnownAgent] = field(default_factory=dict)
    """The agents that are over, by id."""
    _tasks: tuple[Task, ...] = ()
    """All tasks as they were last returned."""

    def forget(self, changed: Iterable[tuple[str, str]]) -> None:
        """Forget what depends on the facts of these entities: (kind, key)."""
        changed = tuple(changed)
        self.delegations.forget(changed)
        for kind, key in changed if self._agents else ():
            if kind == EntityKind.TASK:
                self._agents.pop(key, None)

    def recall_tasks(
        self, facts: SessionFacts, agent_id: str, calls: Sequence[Delegation]
    ) -> Sequence[Task] | None:
        """Return the tasks of an agent that is over, or None if they must be concluded.

        The calls are new objects if their facts have changed. The task above may change with other facts.
        """
        known = self._agents.get(agent_id)
        if known is None:
            return None
        # Nearly every agent was called once, and so has a single parent.
        parents = {call.parent for call in calls}
        if (
            len(known.calls) == len(calls)
            and all(map(is_, known.calls, calls))
            and len(parents) == 1
            and known.tasks[0].parent == find_enclosing_task(facts, parents.pop())
        ):
            return known.tasks
        del self._agents[agent_id]
        return None

    def iterate_calls_of_known_agents(self) -> Iterable[tuple[str, Sequence[Delegation]]]:
        """Yield each agent that is over, and the calls that started it.

        Its tasks depend on nothing but its facts and those of these calls.
        """
        return ((agent_id, known.calls) for agent_id, known in self._agents.items())

    def keep_tasks(self, agent_id: str, calls: tuple[Delegation, ...], tasks: tuple[Task, ...]) -> None:
        """Keep the tasks of an agent that depend on nothing but its facts and those of its calls."""
        self._agents[agent_id] = _KnownAgent(calls, tasks)

    def share_tasks(self, tasks: tuple[Task, ...]) -> tuple[Task, ...]:
        """Return the tasks, those that equal the last ones as these objects; all if none has changed."""
        if not self._tasks:
            self._tasks = tuple(tasks)
            return self._tasks
        before = {task.id: task for task in self._tasks}
        shared = []
        for task in tasks:
            known = before.get(task.id)
            shared.append(known if known is not None and (known is task or known == task) else task)
        if len(shared) != len(self._tasks) or not all(map(is_, shared, self._tasks)):
            self._tasks = tuple(shared)
        return self._tasks
