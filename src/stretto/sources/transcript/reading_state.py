"""Checkpoint: keep the state that reading a transcript needs from one line, or one read, to the next.

Most lines are complete by themselves. Some facts come from earlier lines: the turn that an answer ends, the
tool that a result belongs to, whether an agent's start has been reported, and the token counts so far. Each
table is bounded. An entry that falls out costs a name or repeats an event; it never makes a false event.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

OPEN = 4096
"""Limit of tables whose entries wait for a later event: open calls, sessions, agents."""
RECENT = 1024
"""Limit of tables that only the next lines refer to: messages, requests, lines of a sidechain."""

Entry = TypeVar("Entry")

Tokens = dict[str, int]
"""Token counts under the names of an event's attributes."""


@dataclass(frozen=True, slots=True)
class TranscriptFile:
    """The transcript of a session, or of an agent in it."""

    path: Path
    session: str | None = None
    """The session id by the file's path; an id in a line is preferred."""
    agent: str | None = None
    """The agent's id if the file is an agent's."""
    agent_type: str | None = None
    delegated_by: str | None = None
    """The call that started the agent."""
    parent: str | None = None
    """The agent that started it; None is the main agent."""
    description: str | None = None
    is_warm_up: bool = False
    """Whether the agent was started only to fill the model's cache, as clients 2.0 do."""

    @property
    def is_helper(self) -> bool:
        """Whether the client runs the agent for itself, as ``acompact-…``: no task."""
        is_named_so = self.agent is not None and "-" in self.agent and self.delegated_by is None
        return is_named_so or self.is_warm_up


@dataclass(frozen=True, slots=True)
class RunState:
    """The state of a session's turn, or of an agent's run."""

    session: str
    id: str | None = None
    """The turn's id, or the agent's while it runs; None before the first turn and after the agent's stop."""
    answered: int | None = None
    """Time (ns) of the last answer without a tool call: the end, if nothing follows."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of reading a file up to a byte offset. Plain data, kept as JSON under these names."""

    turns: Mapping[str, RunState] = field(default_factory=dict)
    """Session → its current turn; holds every session whose start has been reported."""
    agents: Mapping[str, RunState] = field(default_factory=dict)
    """Agent → its run; holds every agent whose start has been reported."""
    tools: Mapping[str, str] = field(default_factory=dict)
    """Call → tool name, until the result comes."""
    works: Mapping[str, dict[str, str | int]] = field(default_factory=dict)
    """Call → the test framework it runs or the file it writes, until the result comes."""
    usage: Mapping[str, Tokens] = field(default_factory=dict)
    """Model call → its largest token counts so far."""
    requests: Mapping[str, int] = field(default_factory=dict)
    """Request → time sent (ns); only newer clients write it."""
    chains: Mapping[str, str] = field(default_factory=dict)
    """Line → the first line of its sidechain."""


def remember_entry(table: dict[str, Entry], key: str, value: Entry, limit: int) -> None:
    """Put a value last in a table; drop the oldest entry if the table is over its limit."""
    table.pop(key, None)
    table[key] = value
    if len(table) > limit:
        del table[next(iter(table))]
