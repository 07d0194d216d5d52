"""Missing usage: model calls that are known to be missing, as after an outage of telemetry.

A tool is called because the model asked for it. So a turn or task with tool calls had a model call. If some
source reports the session's model calls, and none of such a turn, they were lost on the way.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from stretto.clock import SECOND
from stretto.model.entities import Session, Task, ToolCall, Turn
from stretto.model.event import Outcome

SLACK = 2 * SECOND
"""Nanoseconds by which a model call may be stamped outside of the turn that it belongs to."""

FEWEST_SIBLINGS = 2
"""Other tasks of the same parent whose model calls a task's are compared with, at least."""

FEWEST_CALLS = 4
"""Tool calls from which on a task's model calls are compared with its siblings'."""

FEW = 0.5
"""The share of the model calls that its siblings made for as many tool calls, below which a task has few."""


@dataclass(frozen=True)
class UsageGaps:
    """What is known of the model calls of a session, and of those that are missing.

    ``session`` has its calls, each with the run of the agent that made it. Where no source reports any
    model call, its tasks are silent and nothing else is missing.
    """

    session: Session

    @cached_property
    def over(self) -> tuple[Task, ...]:
        """The tasks that are over: each could have reported model calls."""
        return tuple(task for task in self.session.tasks if task.outcome is not Outcome.RUNNING)

    @cached_property
    def silent_tasks(self) -> tuple[Task, ...]:
        """The tasks that are over and of which no model call is known."""
        return tuple(task for task in self.over if not self._asked[task.id])

    @cached_property
    def sparse_tasks(self) -> tuple[Task, ...]:
        """The tasks with far fewer model calls for their tool calls than every sibling of theirs.

        Example: two siblings made 20 model calls for 20 and for 30 tool calls. A task with 3 model calls for
        20 tool calls is sparse: by the more frugal sibling it needed 13, and 3 are less than half of that.
        """
        return tuple(task for task in self.over if self._has_few_calls(task))

    @cached_property
    def curtailed_tasks(self) -> tuple[Task, ...]:
        """The tasks with model calls, of whose last request the client reported the size and nothing else."""
        prompts: dict[str | None, set[int]] = {}
        for call in self.session.model_calls:
            prompts.setdefault(call.task, set()).add(call.tokens.prompt)
        return tuple(
            task
            for task in self.over
            if task.declared_prompt is not None
            and self._asked[task.id]
            and task.declared_prompt not in prompts[task.id]
        )

    @cached_property
    def incomplete_tasks(self) -> frozenset[str]:
        """The ids of the tasks that are known to miss some of their model calls, but not all."""
        return frozenset(task.id for task in (*self.sparse_tasks, *self.curtailed_tasks))

    @cached_property
    def turns(self) -> tuple[Turn, ...]:
        """The ended turns in which the main agent called tools, and of which no model call is known.

        Example: turns at 0-20 s and 60-80 s with tool calls in both, model calls at 1, 9 and 15 s: the second
        turn's are missing.
        """
        session = self.session
        if not session.model_calls:
            return ()
        asked = sorted(
            call.start for call in session.model_calls if call.task is None and call.start is not None
        )
        called = sorted(
            call.start for call in session.tool_calls if call.task is None and call.start is not None
        )
        return tuple(
            turn
            for turn in session.turns
            if turn.end is not None
            and _has_any(called, turn.start, turn.end)
            and not _has_any(asked, turn.start - SLACK, turn.end + SLACK)
        )

    @cached_property
    def unasked_calls(self) -> tuple[ToolCall, ...]:
        """The tool calls of which only the result was read: the model's message with the call is missing.

        Calls of tasks and turns without any model call are left out: those are missing as a whole.
        """
        if not self.session.model_calls:
            return ()
        silent = {task.id for task in self.silent_tasks}
        return tuple(
            call
            for call in self.session.tool_calls
            if call.tool is None
            and call.end is not None
            and call.task not in silent
            and not (call.task is None and any(_contains(turn, call.end) for turn in self.turns))
        )

    def explain(self) -> str | None:
        """Return a sentence on the model calls that are known to be missing; None if nobody reports any."""
        if not self.session.model_calls:
            return None
        # A task without tool calls may have had nothing to do.
        silent = [task for task in self.silent_tasks if self._called[task.id]]
        counts = ((self.turns, "turn(s)"), (silent, "task(s)"), (self.unasked_calls, "tool call(s)"))
        parts = [f"{len(found)} {things}" for found, things in counts if found]
        sentences = []
        if parts:
            sentences.append(f"model calls of {' and '.join(parts)} never arrived")
        if self.sparse_tasks:
            few = len(self.sparse_tasks)
            sentences.append(f"{few} task(s) reported far fewer model calls than the tasks beside")
        if self.curtailed_tasks:
            sentences.append(f"the last model call of {len(self.curtailed_tasks)} task(s) was not reported")
        return f"{'; '.join(sentences)}: tokens and costs are at least those shown" if sentences else None

    @cached_property
    def _asked(self) -> Counter[str | None]:
        return Counter([call.task for call in self.session.model_calls])

    @cached_property
    def _called(self) -> Counter[str | None]:
        return Counter([call.task for call in self.session.tool_calls])

    @cached_property
    def _rates(self) -> dict[str | None, list[tuple[float, str]]]:
        """Model calls for each tool call by task, for the tasks of each parent, the lowest first."""
        rates: dict[str | None, list[tuple[float, str]]] = {}
        for task in self.over:
            asked, called = self._asked[task.id], self._called[task.id]
            if asked and called >= FEWEST_CALLS:
                rates.setdefault(task.parent, []).append((asked / called, task.id))
        return {parent: sorted(siblings) for parent, siblings in rates.items()}

    def _has_few_calls(self, task: Task) -> bool:
        asked, called = self._asked[task.id], self._called[task.id]
        if not asked or called < FEWEST_CALLS:
            return False
        # The lowest are enough: a task may have a thousand siblings.
        others = (rate for rate, id in self._rates.get(task.parent, ()) if id != task.id)
        lowest = [*islice(others, FEWEST_SIBLINGS)]
        return len(lowest) == FEWEST_SIBLINGS and asked < FEW * lowest[0] * called


def iterate_usage_reports(session: Session) -> Iterator[tuple[int, bool]]:
    """Yield the time (ns) of each call, task and turn that could report tokens, and whether it reported all.

    A task reported its tokens if a model call of it is known; a call, unless only an unfinished answer was
    seen. Turns and tool calls count only where their model call is known to be missing.
    """
    gaps = UsageGaps(session)
    missing = gaps.incomplete_tasks | {task.id for task in gaps.silent_tasks}
    for call in session.model_calls:
        if call.start is not None:
            yield call.start + (call.duration or 0), not call.is_lower_bound
    for task in gaps.over:
        at = task.start if task.end is None else task.end
        if at is not None:
            yield at, task.id not in missing
    for turn in gaps.turns:
        yield turn.end or turn.start, False
    for tool_call in gaps.unasked_calls:
        yield tool_call.end or 0, False


def _contains(turn: Turn, time: int) -> bool:
    return turn.start <= time and (turn.end is None or time <= turn.end)


def _has_any(times: list[int], start: int, end: int) -> bool:
    return bisect_left(times, start) < bisect_right(times, end)
