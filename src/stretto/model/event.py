"""Event: one thing a source reported, the only shape in the journal.

Every source turns what it sees into events before anything is written; every figure is worked out from events
alone. An event carries names, types, sizes, durations and outcomes, never content.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

VERSION = 1
"""The shape of a journal line. A reader refuses a higher one instead of misreading it."""

LATEST = 4_102_444_800_000_000_000
"""2100-01-01 in nanoseconds since the epoch. A time from here on is no time, and must fit into 64 bits."""

Value = str | int | float | bool | list[str]
"""What an attribute may hold."""


class Kind(StrEnum):
    """What an event reports. The set is closed: a source that sees something else counts it and leaves it."""

    SESSION_START = "session.start"
    SESSION_END = "session.end"
    TURN_START = "turn.start"
    TURN_END = "turn.end"
    TASK_START = "task.start"
    TASK_END = "task.end"
    TOOL_START = "tool.start"
    TOOL_END = "tool.end"
    BATCH_END = "batch.end"
    """All calls of one parallel batch have ended; ``attributes["ids"]`` names them."""
    PERMISSION_REQUEST = "permission.request"
    NOTIFICATION = "notification"
    COMPACTION_START = "compaction.start"
    COMPACTION_END = "compaction.end"
    MODEL_CALL = "model.call"
    """One request to a language model, told once it is over: ``time`` is its start."""
    PHASE_START = "phase.start"
    PHASE_END = "phase.end"
    MESSAGE = "message"
    """One communication between agents; ``duration`` is the response time where known."""
    SCORE = "score"
    """A judgement: ``name`` says of what, ``attributes["value"]`` how good, ``attributes["by"]`` who says.

    ``id`` is that of what is judged, ``attributes["of"]`` whether that is a session, a phase or a task.
    """
    HOOKS_RUN = "hooks.run"
    """Hooks that the agent waited for, timed by itself: ``time`` is their start, ``name`` the hook event."""
    SAMPLE = "sample"
    """What the session's processes used during ``duration`` from ``time`` on; the amounts are attributes."""
    CACHE_REPORT = "cache.report"
    """What happened in a cache named ``name`` since the last report; the counts are attributes."""
    REJECT = "reject"
    """A source met input it could not read; ``attributes["reason"]`` says why."""


class Outcome(StrEnum):
    """How a piece of work ended, or that it has not."""

    SUCCESS = "success"
    FAILURE = "failure"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"
    """It is over, and nothing says how or when: its duration is absent."""
    RUNNING = "running"


class Channel(StrEnum):
    """The way an event came in. The order of trust between channels is the fold's."""

    HOOK = "hook"
    OTLP = "otlp"
    TRANSCRIPT = "transcript"
    API = "api"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One reported thing.

    ``time`` is nanoseconds since the epoch (UTC), ``duration`` nanoseconds as the source itself measured it.
    ``id`` names the entity the event is about (tool call, task, turn, model call), ``parent`` the task inside
    which it happened; no parent means the main agent. Events about the same entity may be repeated, may come
    through several channels and in any order.
    """

    version: int = VERSION
    kind: Kind
    session: str
    time: int
    source: str = "claude-code"
    """The product that was watched."""
    channel: Channel = Channel.HOOK
    id: str | None = None
    parent: str | None = None
    duration: int | None = None
    name: str | None = None
    """Tool, agent or model name, by kind."""
    type: str | None = None
    outcome: Outcome | None = None
    attributes: Mapping[str, Value] = field(default_factory=dict)


def omit_none(**attributes: Value | None) -> dict[str, Value]:
    """Return the attributes that have a value: what is not known is left out, never written as empty."""
    return {name: value for name, value in attributes.items() if value is not None}
