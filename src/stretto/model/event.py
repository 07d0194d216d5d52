"""Event: a report of a source, and the only record type in the journal.

Every source translates its input into events before anything is written, and every figure is computed from
events alone. An event carries names, types, sizes, durations and outcomes, never content.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from stretto.clock import DAY

VERSION = 1
"""The version of a journal line. A reader rejects a higher version instead of misreading it."""

LATEST = 4_102_444_800_000_000_000
"""2100-01-01 in nanoseconds since the epoch. A later time is rejected: times must fit into 64 bits."""

MOVABLE_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
"""Matches the ids under which a part of a session may arrive before its session is known: traces, and the
threads of Codex's agents, whose ids are UUIDs of version 7."""

LONGEST_TEXT = 200
"""Characters in a name, an id or an attribute."""

LONGEST_LIST = 1_000
MOST_ATTRIBUTES = 64
LONGEST_DURATION = 3_650 * DAY
"""Nanoseconds. Like the bound on times, it keeps sums within 64 bits."""

Value = str | int | float | bool | list[str]
"""The types of an attribute's value."""

# The bounds hold for decoded events: the decoder checks them at a tenth of the cost of Python code.
_Text = Annotated[str, Meta(min_length=1, max_length=LONGEST_TEXT)]
_MayBeEmpty = Annotated[str, Meta(max_length=LONGEST_TEXT)]
_Texts = Annotated[list[_Text], Meta(max_length=LONGEST_LIST)]
_Attributes = Annotated[
    Mapping[_MayBeEmpty, _MayBeEmpty | int | float | bool | _Texts], Meta(max_length=MOST_ATTRIBUTES)
]


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
    API_COST = "api.cost"
    """What recording took a program, ``duration``, since it last reported that; ``id`` names the report."""
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


# A Struct, because the decoder makes it at a fifth of the cost of a frozen dataclass.
class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A report about an entity.

    ``time`` is nanoseconds since the epoch (UTC), ``duration`` nanoseconds as the source itself measured it.
    ``id`` is the id of its entity (tool call, task, turn, model call), ``parent`` the task inside which it
    happened; no parent means the main agent. Events about the same entity may be repeated and may arrive
    through several channels, in any order.
    """

    version: Annotated[int, Meta(ge=1, le=VERSION)] = VERSION
    kind: Kind
    session: _MayBeEmpty
    """Empty only in an event of kind ``reject``."""
    time: Annotated[int, Meta(gt=0, lt=LATEST)]
    source: _Text = "claude-code"
    """The product that is monitored."""
    channel: Channel = Channel.HOOK
    id: _Text | None = None
    parent: _Text | None = None
    duration: Annotated[int, Meta(ge=0, le=LONGEST_DURATION)] | None = None
    name: _Text | None = None
    """Tool, agent or model name, by kind."""
    type: _Text | None = None
    outcome: Outcome | None = None
    attributes: _Attributes = msgspec.field(default_factory=dict)


def omit_none(**attributes: Value | None) -> dict[str, Value]:
    """Return the attributes without those that are None: an unknown value is omitted, never written empty."""
    return {name: value for name, value in attributes.items() if value is not None}
