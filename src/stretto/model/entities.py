"""The entities, as concluded from what was seen: reads top to bottom as the glossary.

All times are nanoseconds since the epoch, all lengths nanoseconds. What is not known is ``None``, never 0.
"""

from __future__ import annotations

from dataclasses import dataclass

from stretto.model.event import Outcome
from stretto.model.interval import Interval


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call of a tool by the main agent (``task`` is None) or inside a task."""

    id: str
    tool: str | None
    task: str | None
    start: int | None
    end: int | None
    duration: int | None
    """Execution as the source measured it, without waiting for permission; else end less start; else None."""
    overhead: int | None
    """Time around the execution that is neither execution nor a person's decision: hooks, mostly."""
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a model call used; None where the source does not say."""

    input: int | None = None
    """Without what was read from or written to the cache."""
    output: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None


@dataclass(frozen=True, slots=True)
class ModelCall:
    """One request to a language model."""

    id: str
    model: str | None
    task: str | None
    start: int | None
    duration: int | None
    outcome: Outcome
    tokens: Tokens = Tokens()


@dataclass(frozen=True, slots=True)
class Turn:
    """From a prompt to the answer's end; ``origin`` is ``user`` or ``host`` (a notification)."""

    id: str
    origin: str
    start: int
    end: int | None
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Task:
    """One delegated piece of work, done by an agent."""

    id: str
    task_type: str
    agent: str | None
    description: str | None
    parent: str | None
    """The task that delegated it; None is the main agent."""
    delegated_by: str | None
    """The tool call that started it, where known."""
    start: int | None
    end: int | None
    outcome: Outcome

    @property
    def interval(self) -> Interval | None:
        """The stretch it ran, or None while either edge is unknown."""
        if self.start is None or self.end is None:
            return None
        return Interval(self.start, self.end)


@dataclass(frozen=True, slots=True)
class Session:
    """One run of a coding agent or orchestrator, from start to end."""

    id: str
    source: str
    project: str | None
    pattern: str | None
    traceparent: str | None
    """The W3C context of whoever started the agent, where the agent passes it on."""
    recording: bool
    """True for the recording that an empty store shows; it is nobody's own session."""
    start: int
    end: int | None
    last: int
    """When the session was last heard of."""
    outcome: Outcome
    turns: tuple[Turn, ...]
    tasks: tuple[Task, ...]
    tool_calls: tuple[ToolCall, ...]
    model_calls: tuple[ModelCall, ...]
