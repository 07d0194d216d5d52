"""Event: a report of a source, and the only record type in the journal.

Every source translates its input into events before anything is written, and every figure is computed from
events alone. An event carries names, types, sizes, durations and outcomes, never content.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

VERSION = 1
"""The version of a journal line. A reader rejects a higher version instead of misreading it."""

LATEST = 4_102_444_800_000_000_000
"""2100-01-01 in nanoseconds since the epoch. A later time is rejected: times must fit into 64 bits."""

MOVABLE_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
"""Matches the ids under which a part of a session may arrive before its session is known: traces, and the
threads of Codex's agents, whose ids are UUIDs of version 7."""

Value = str | int | float | bool | list[str]
"""The types of an attribute's value."""


class Kind(StrEnum):
    """The kind of an event. The set is closed: a source counts any other input and skips it."""

    SESSION_START = "session.start"
    SESSION_END = "session.end"
    TURN_START = "turn.start"
    TURN_END = "turn.end"
    TASK_START = "task.start"
    TASK_END = "task.end"
    TOOL_START = "tool.start"
    TOOL_END = "tool.end"
    BATCH_END = "batch.end"
    """All calls of a parallel batch have ended; ``attributes["ids"]`` names them."""
    PERMISSION_REQUEST = "permission.request"
    NOTIFICATION = "notification"
    COMPACTION_START = "compaction.start"
    COMPACTION_END = "compaction.end"
    MODEL_CALL = "model.call"
    """A request to a language model, reported after its end; ``time`` is its start."""
    PHASE_START = "phase.start"
    PHASE_END = "phase.end"
    MESSAGE = "message"
    """A communication between agents; ``duration`` is the response time, if known."""
    SCORE = "score"
    """A judgement: ``name`` is the criterion, ``attributes["value"]`` the score, ``attributes["by"]`` the
    judge.

    ``id`` is the id of the judged entity, ``attributes["of"]`` its kind: session, phase or task.
    """
    HOOKS_RUN = "hooks.run"
    """Hooks that the agent waited for and timed; ``time`` is their start, ``name`` the hook event."""
    SAMPLE = "sample"
    """Resource use of the session's processes for ``duration`` from ``time``; the amounts are attributes."""
    PROCESSES_GONE = "processes.gone"
    """All processes of the session have ended, by ``attributes["processes"]``; ``time`` is the second look.

    The session is closed unless a later event proves that it goes on.
    """
    LABEL = "label"
    """A person's label of a session: ``name`` is its key. An empty ``attributes["value"]`` removes it."""
    CACHE_REPORT = "cache.report"
    """Counts of the cache ``name`` since its last report; the counts are attributes."""
    SPAN = "span"
    """A span of an instrumented program, open or ended; ``attributes["role"]`` is the role that it declares.

    ``id`` is the span's id, ``parent`` that of the span above it; no parent means the top of a trace. Its
    entity and the owner of that entity are found while concluding, among all spans of the session.
    """
    ALIAS = "alias"
    """A channel's id, ``attributes["alias"]``, for the entity that ``id`` names in every other channel."""
    COPY = "copy"
    """Entities that belong to another session, by ``attributes["ids"]`` and their kind, ``attributes["of"]``.

    A client copied their lines into this session's file. ``time`` is the first event of the session's own.
    """
    DECISION = "decision"
    """Something that a person or a program decided (``model.decisions``); it belongs to no session."""
    REJECT = "reject"
    """A source could not read an input; ``attributes["reason"]`` gives the reason."""


class Outcome(StrEnum):
    """How a piece of work ended, or that it is still running."""

    SUCCESS = "success"
    FAILURE = "failure"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"
    """It is over, but how and when is unknown: its duration is absent."""
    RUNNING = "running"


class Channel(StrEnum):
    """The route by which an event arrived. ``facts.RANK`` orders the channels by reliability."""

    HOOK = "hook"
    OTLP = "otlp"
    TRANSCRIPT = "transcript"
    API = "api"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A report about an entity.

    ``time`` is nanoseconds since the epoch (UTC), ``duration`` nanoseconds as the source itself measured it.
    ``id`` is the id of its entity (tool call, task, turn, model call), ``parent`` the task inside which it
    happened; no parent means the main agent. Events about the same entity may be repeated and may arrive
    through several channels, in any order.
    """

    version: int = VERSION
    kind: Kind
    session: str
    time: int
    source: str = "claude-code"
    """The product that is monitored."""
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
    """Return the attributes without those that are None: an unknown value is omitted, never written empty."""
    return {name: value for name, value in attributes.items() if value is not None}
