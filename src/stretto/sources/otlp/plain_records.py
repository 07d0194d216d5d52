"""Records: spans and log events as plain values, whatever they were encoded in, and how values are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from stretto.model.conclude_calls import LONGEST_ACTIVITY

Scalar = str | bool | int | float
Attributes = Mapping[str, Scalar]
"""The attributes that were asked for, of the span or else of its resource; lists and maps are left out."""

ID_LIMIT = 200
"""Characters; anything longer is no id."""
NAME_LIMIT = 120
"""Characters that are kept of a name."""
NUMBER_LIMIT = 10**18
"""More is no count and no length."""

_TOKEN_MARKS = str.maketrans("", "", "-_.:/")


class MalformedError(Exception):
    """The body is not what its type says."""


class TooManyError(Exception):
    """The body holds more items than are taken at once."""


class ScopeContext(NamedTuple):
    """What the items of one scope share: the resource's attributes stand for those that a span lacks."""

    scope: str
    service: str
    attributes: dict[str, Scalar]


class SpanEvent(msgspec.Struct, frozen=True, gc=False):
    """Something that happened during a span; the time is ns since the epoch."""

    time: int
    attributes: Attributes


MOST_SPAN_EVENTS = 128
"""Judgements read of one span: as many events as SDKs keep of it by default."""


class Span(msgspec.Struct, frozen=True, gc=False):
    """One finished span. Ids are lower-case hex, a root has no ``parent``, times are ns since the epoch."""

    trace: str
    id: str
    parent: str
    name: str
    start: int
    end: int
    failed: bool
    """Its status is ERROR."""
    attributes: Attributes
    scope: str
    """Name of the instrumentation that made it."""
    service: str
    """The resource's ``service.name``."""
    judgements: tuple[SpanEvent, ...] = ()
    """Its events ``gen_ai.evaluation.result``, at most ``MOST_SPAN_EVENTS``; others are not read."""

    @property
    def duration(self) -> int | None:
        """Length in ns, or None where its edges were not told by one clock."""
        return to_duration(self.end - self.start)


class LogRecord(msgspec.Struct, frozen=True, gc=False):
    """One log event; ``span`` is that of the context it was written in, or empty."""

    time: int
    trace: str
    span: str
    name: str
    """The event's name; empty for a plain log line."""
    attributes: Attributes
    scope: str
    service: str


@dataclass(slots=True)
class DecodedRequest:
    """What a request held. ``rejected`` counts the spans or log records that could not be read."""

    spans: list[Span]
    logs: list[LogRecord]
    metrics: int = 0
    rejected: int = 0
    reason: str = ""
    """Why the first of the rejected ones was."""

    def count_rejected(self, reason: str) -> None:
        """Count one that could not be read."""
        self.rejected += 1
        self.reason = self.reason or reason


def to_duration(nanoseconds: float) -> int | None:
    """Return a length in whole ns, or None for what cannot be one."""
    return round(nanoseconds) if 0 <= nanoseconds <= LONGEST_ACTIVITY else None


def get_text(attributes: Attributes, *names: str) -> str | None:
    """Return the first text that is there under one of the names, cut to the length of a name."""
    for name in names:
        value = attributes.get(name)
        if type(value) is str and value:
            return value[:NAME_LIMIT]
    return None


def get_id(attributes: Attributes, *names: str) -> str | None:
    """Return the first id under one of the names. Too long a one is none: cut to size it would be another."""
    for name in names:
        value = attributes.get(name)
        if type(value) is str and 0 < len(value) <= ID_LIMIT:
            return value
    return None


def get_class_name(attributes: Attributes, *names: str) -> str | None:
    """Return the first text that looks like the name of a class: the gate that keeps messages out."""
    for name in names:
        value = attributes.get(name)
        if type(value) is str and len(value) <= NAME_LIMIT:
            bare = value.translate(_TOKEN_MARKS)
            if bare.isascii() and bare.isalnum():
                return value
    return None


def get_count(attributes: Attributes, *names: str) -> int | None:
    """Return the first count under one of the names, rounded; some senders write numbers as text."""
    value = get_number(attributes, *names)
    return None if value is None else round(value)


def get_number(attributes: Attributes, *names: str) -> float | None:
    """Return the first number under one of the names; a negative or absurd one measures nothing."""
    for name in names:
        value = attributes.get(name)
        if type(value) is str:
            try:
                value = float(value) if len(value) <= ID_LIMIT else None
            except ValueError:
                continue
        if (type(value) is int or type(value) is float) and 0 <= value < NUMBER_LIMIT:
            return value
    return None
