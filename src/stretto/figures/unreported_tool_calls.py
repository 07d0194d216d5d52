"""Missing tool calls: those of tasks that nobody saw, or that a client counted without reporting each."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from stretto.model.entities import Session, Task
from stretto.model.event import Outcome


@dataclass(frozen=True)
class ToolCallGaps:
    """The tasks of a session that are over, and those of which not all tool calls are known."""

    session: Session

    @cached_property
    def over(self) -> tuple[Task, ...]:
        """The tasks that are over."""
        return tuple(task for task in self.session.tasks if task.outcome is not Outcome.RUNNING)

    @cached_property
    def partial_tasks(self) -> tuple[Task, ...]:
        """The tasks with fewer known tool calls than the client counted, or of which nothing was seen."""
        return tuple(task for task in self.over if self._is_partial(task))

    @cached_property
    def uncounted(self) -> int:
        """How many tool calls the client counted beyond those that were seen."""
        return sum(
            max(0, (task.declared_tool_calls or 0) - self._called[task.id]) for task in self.session.tasks
        )

    @property
    def total(self) -> int:
        """The tool calls of the session: those that were seen, and those that the client only counted."""
        return len(self.session.tool_calls) + self.uncounted

    @property
    def is_total_complete(self) -> bool:
        """Whether the total holds the tool calls of every task."""
        return all(task.declared_tool_calls is not None for task in self.partial_tasks)

    def count_calls(self, task: Task) -> int | None:
        """Return how many tools a task called, as seen or as the client counted; None if nobody saw it."""
        called = self._called[task.id]
        if task.declared_tool_calls is not None:
            return max(called, task.declared_tool_calls)
        return called if called or task.seen else None

    def _is_partial(self, task: Task) -> bool:
        count = self.count_calls(task)
        return count is None or self._called[task.id] < count

    @cached_property
    def _called(self) -> Counter[str | None]:
        return Counter([call.task for call in self.session.tool_calls])
