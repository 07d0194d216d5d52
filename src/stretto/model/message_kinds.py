"""Message kinds: the closed set under which messages between agents are counted."""

from __future__ import annotations

from stretto.model.task_type import OTHER, to_label_value
from stretto.names import NONE

PROGRESS, BLOCKED = "progress", "blocked"

REPORTS = frozenset({PROGRESS, BLOCKED})
"""Reports of a task or a phase about itself: they have no receiver who answers."""

MESSAGE_KINDS = frozenset(
    {"request", "answer", "handover", "review", "question", "status", "conflict", "decision", *REPORTS}
)
"""The kinds that are counted by name; a program may send any other, which counts as ``other``."""


def name_message_kind(kind: str | None) -> str:
    """Return the kind under which a message is counted: its own, ``other``, or ``none`` without any."""
    if not kind:
        return NONE
    name = to_label_value(kind)
    return name if name in MESSAGE_KINDS else OTHER
