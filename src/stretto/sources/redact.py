"""Redaction: strike secrets and e-mail addresses out of an event's texts before they are stored or shown.

The hook client has no time for regular expressions. A description (at most 120 characters) therefore reaches
the journal as the agent wrote it. Every reader of the journal redacts it by the functions here.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from stretto.model.event import Event, Value

STRUCK = "[redacted]"

_SECRET = re.compile(
    r"""
      \b(?:sk|pk|rk)[-_](?:ant|live|test|proj|or)[-_][A-Za-z0-9_-]{12,}      # API keys with a spoken prefix
    | \bsk-(?=[A-Za-z0-9]*[0-9])[A-Za-z0-9]{20,}
    | \bgh[pousr]_[A-Za-z0-9]{20,} | \bgithub_pat_[A-Za-z0-9_]{20,}         # code hosts
    | \bglpat-[A-Za-z0-9_-]{16,}
    | \bxox[abposr]-[A-Za-z0-9-]{10,}                                       # chat
    | \b(?:AKIA|ASIA)[A-Z0-9]{16}\b                                         # cloud access keys
    | \bAIza[A-Za-z0-9_-]{30,}
    | \beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*             # JSON web tokens
    | -----BEGIN[A-Z ]*PRIVATE\ KEY-----.*
    | \b(?i:bearer|basic)\s+(?=\S*(?:[0-9=+/]|[a-z][A-Z]))[A-Za-z0-9+/_.=-]{12,}   # not "basic documentation"
    | (?i:\b(?:password|passwd|pwd|secret|token|api[-_]?key|access[-_]?key)\b\s*[:=]\s*)\S+
    | \b[a-z][a-z0-9+.-]*://[^\s/:@]+:[^\s/@]+@                             # user:password in a URL
    | \b[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+\b               # e-mail addresses
    | \b(?=[A-Za-z0-9+/]*[0-9])(?=[A-Za-z0-9+/]*[A-Z])(?=[A-Za-z0-9+/]*[a-z])[A-Za-z0-9+/]{40,}={0,2}
    """,
    re.VERBOSE,
)


def redact_text(text: str) -> str:
    """Return the text with everything that looks like a secret or an e-mail address struck out."""
    return _SECRET.sub(STRUCK, text)


FREE_TEXT = frozenset({"description", "agent", "pattern", "command", "sender", "by", "value", "labels"})
"""The attributes that hold text chosen by a user or an agent."""


def redact_event(event: Event) -> Event:
    """Return the event with its free text redacted: name, type and the attributes in ``FREE_TEXT``."""
    changes: dict[str, Any] = {
        field: redact_text(text)
        for field in ("name", "type")
        if (text := getattr(event, field)) is not None and redact_text(text) != text
    }
    redacted_attributes = {
        key: redacted
        for key, value in event.attributes.items()
        if key in FREE_TEXT and (redacted := _redact_value(value)) != value
    }
    if redacted_attributes:
        changes["attributes"] = {**event.attributes, **redacted_attributes}
    return replace(event, **changes) if changes else event


def _redact_value(value: Value) -> Value:
    if isinstance(value, list):
        return [redact_text(text) for text in value]
    return redact_text(value) if isinstance(value, str) else value


def redact_for_journal(event: Event, *, describe: bool) -> Event:
    """Return the event as the journal may hold it: redacted, and without its description unless wanted."""
    if not describe and "description" in event.attributes:
        other_attributes = {key: value for key, value in event.attributes.items() if key != "description"}
        event = replace(event, attributes=other_attributes)
    return redact_event(event)
