"""What reading a transcript remembers from one line to the next, frozen between two reads.

Most of a line speaks for itself. What does not: which turn an answer ends, which tool a result is of,
whether an agent has been told to have started, and whether a repeated usage says anything new. Each table is
bounded; what falls out of it costs a name or a repeated event, never a wrong one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

OPEN = 4096
"""Entries that something is still to come for: open calls, sessions, agents."""
RECENT = 1024
"""Entries that only the next lines refer to: messages, requests, lines of a sidechain."""

Entry = TypeVar("Entry")

Tokens = dict[str, int]
"""Token counts under the names of an event's attributes."""


@dataclass(frozen=True, slots=True)
class TranscriptFile:
    """One transcript file: a session's, or that of one of its agents."""

    path: Path
    session: str | None = None
    """The session by the file's place; what a line says goes first."""
    agent: str | None = None
    """The agent's id where the file is an agent's."""
    agent_type: str | None = None
    delegated_by: str | None = None
    """The call that started the agent."""
    parent: str | None = None
    """The agent that started it; None is the main agent."""
    description: str | None = None

    @property
    def is_helper(self) -> bool:
        """Whether the client runs it for itself (``acompact-…``, ``aprompt_suggestion-…``): it is no task."""
        return self.agent is not None and "-" in self.agent and self.delegated_by is None


@dataclass(frozen=True, slots=True)
class RunState:
    """What a turn, or an agent's run, is at."""

    session: str
    id: str | None = None
    """The turn's id, or the agent's while it runs; None where no turn has begun, or the agent has stopped."""
    answered: int | None = None
    """When it last answered without asking for a tool: its end, if nothing follows."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of one file's reading at an offset. Plain data: it can be kept as JSON."""

    turns: Mapping[str, RunState] = field(default_factory=dict)
    """By session: the sessions that have been opened, and the turn each is in."""
    agents: Mapping[str, RunState] = field(default_factory=dict)
    """By agent: those that have been told to have started."""
    tools: Mapping[str, str] = field(default_factory=dict)
    """By call: the tools whose results are still to come."""
    works: Mapping[str, dict[str, str]] = field(default_factory=dict)
    """By call: which tests it runs or which file it writes, which its end will tell."""
    usage: Mapping[str, Tokens] = field(default_factory=dict)
    """By model call: the largest counts told so far."""
    requests: Mapping[str, int] = field(default_factory=dict)
    """By request: when it was sent (ns), which newer clients write."""
    chains: Mapping[str, str] = field(default_factory=dict)
    """By line: the first line of the sidechain it belongs to."""


def remember_entry(table: dict[str, Entry], key: str, value: Entry, limit: int) -> None:
    """Put a value last in a table, and let the oldest fall out of one that is full."""
    table.pop(key, None)
    table[key] = value
    if len(table) > limit:
        del table[next(iter(table))]
