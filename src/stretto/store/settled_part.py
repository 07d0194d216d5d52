"""The settled part of a live session: its settled tasks, their executions, and what is stored of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stretto.figures.fanouts import NO_EXECUTIONS, Executions, find_executions, join_executions
from stretto.figures.overlapping_fanouts import count_fanouts_once
from stretto.figures.retries_and_recoveries import EarlierRecoveries
from stretto.model.entities import Session, Task
from stretto.model.facts import SessionFacts
from stretto.names.fact_fields import EntityKind
from stretto.store.session_search import list_task_words
from stretto.store.session_task_counts import TaskCounts, count_tasks
from stretto.store.settled_tasks import SettledTasks
from stretto.store.write_execution_rows import ExecutionRows, make_execution_rows


@dataclass(frozen=True, slots=True)
class SettledPart:
    """The settled tasks of a session, with all that was made of them."""

    tasks: SettledTasks
    executions: Executions
    newly_settled: tuple[Task, ...]
    """The tasks that the part before this one did not have."""
    newly_found: Executions
    """Their executions."""
    counts: TaskCounts
    rows: ExecutionRows
    recoveries: EarlierRecoveries
    words: Sequence[str]
    """The words of the tasks, each once, in their order."""
    _names: tuple[str | None, ...]
    """What the session's sums and rows are filed under."""
    _open_agents: dict[str, None]
    """The agents that are not settled; so too the calls."""
    _open_calls: dict[str, None]

    @classmethod
    def of(
        cls, facts: SessionFacts, session: Session, tasks: SettledTasks, before: SettledPart | None
    ) -> SettledPart:
        """Return the settled part of a session, made of an earlier one whose tasks are the first of these."""
        newly_settled = tasks.tasks[0 if before is None else len(before.tasks.tasks) :]
        earlier = NO_EXECUTIONS if before is None else before.executions
        found = find_executions(newly_settled, earlier=earlier)
        counted = tuple(count_fanouts_once(found.fanouts))
        counts = count_tasks(newly_settled, counted)
        rows = make_execution_rows(session, found, counted, with_last=False)
        words = list_task_words(newly_settled)
        return cls(
            tasks,
            join_executions(earlier, found),
            newly_settled,
            found,
            counts if before is None else before.counts.add(counts),
            rows if before is None else before.rows.join(rows),
            (EarlierRecoveries() if before is None else before.recoveries).add(newly_settled, tasks.tasks),
            words if before is None else [*dict.fromkeys((*before.words, *words))],
            _get_names(session),
            dict.fromkeys(agent for agent in facts.tasks if agent not in tasks.agents),
            dict.fromkeys(call for call in facts.delegating if call not in tasks.calls),
        )

    def note_changes(self, facts: SessionFacts, changed: Iterable[tuple[str, str]]) -> None:
        """Note the agents and delegating calls among changed entities, none of which is settled."""
        for kind, key in changed:
            if kind == EntityKind.TASK and key in facts.tasks:
                self._open_agents[key] = None
            elif kind == EntityKind.CALL and key in facts.delegating:
                self._open_calls[key] = None
            elif kind == EntityKind.CALL:
                self._open_calls.pop(key, None)

    def leave_out(self, facts: SessionFacts) -> SessionFacts:
        """Return the facts without the settled agents and their calls."""
        return self.tasks.leave_out(facts, self._open_agents, self._open_calls)

    def is_apart_from(self, rest: Session) -> bool:
        """Return whether the session as concluded from the other facts leaves the settled part as it is."""
        return self._names == _get_names(rest) and self.tasks.are_apart_from(rest.tasks, rest.turns)


def _get_names(session: Session) -> tuple[str | None, ...]:
    return session.project, session.pattern, session.repository
