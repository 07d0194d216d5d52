"""Plain records: spans and log events as plain values for every encoding, and checks of their attributes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

import msgspec

from stretto.model.calls_from_facts import LONGEST_ACTIVITY
from stretto.model.entities import MOST_LABELS
from stretto.names import LABEL_PREFIX

_MILLISECOND = 1_000_000

Scalar = str | bool | int | float
Attributes = Mapping[str, Scalar]
"""The wanted attributes of a span, and of its resource if the span lacks them; no lists and no maps."""

ID_LIMIT = 200
"""Longest id in characters; a longer text is not an id."""
NAME_LIMIT = 120
"""Characters kept of a name."""
NUMBER_LIMIT = 10**18
"""Limit of counts and durations."""

_TOKEN_MARKS = str.maketrans("", "", "-_.:/")


class MalformedBodyError(Exception):
    """The body does not fit its content type."""


class TooManyItemsError(Exception):
    """The body holds more items than a request may have."""


class ScopeContext(NamedTuple):
    """The values shared by all items of a scope; ``attributes`` are the resource's."""

    scope: str
    service: str
    attributes: dict[str, Scalar]

    @classmethod
    def from_resource(cls, attributes: dict[str, Scalar]) -> ScopeContext:
        """Return the context of a resource, before its scope is known."""
        return cls("", str(attributes.pop("service.name", "")), attributes)


class SpanEvent(msgspec.Struct, frozen=True, gc=False):
    """An event within a span; the time is ns since the epoch."""

    time: int
    attributes: Attributes


MESSAGE_RUNTIMES = ("autogen ", "agent_runtime ")
"""Beginnings of the scopes of AutoGen and Semantic Kernel, whose agents' messages begin traces of their own.

Elsewhere links also join what is no single run, such as the requests that a worker takes from a queue.
"""

JOINED_TRACE_LIMIT = 16
"""Traces read per span; a message has few senders."""

SPAN_JUDGEMENT_LIMIT = 128
"""Judgements read per span; SDKs keep at most that many events of a span by default."""


class Span(msgspec.Struct, frozen=True, gc=False):
    """A finished span. Ids are lower-case hex, a root has no ``parent``, times are ns since the epoch."""

    trace: str
    id: str
    parent: str
    name: str
    start: int
    end: int
    failed: bool
    """Whether its status is ERROR."""
    attributes: Attributes
    scope: str
    """Name of the instrumentation that made it."""
    service: str
    """The resource's ``service.name``."""
    joined_traces: tuple[str, ...] = ()
    """The other traces that a message runtime's span is linked with; links of other senders are not read."""
    judgements: tuple[SpanEvent, ...] = ()
    """Its events ``gen_ai.evaluation.result``, at most ``SPAN_JUDGEMENT_LIMIT``; others are not read."""

    @property
    def duration(self) -> int | None:
        """Duration in ns, or None if it is impossible, as between times of two clocks."""
        return to_duration(self.end - self.start)


class LogRecord(msgspec.Struct, frozen=True, gc=False):
    """A log event; ``span`` is the id of the span in whose context it was written, or empty."""

    time: int
    trace: str
    span: str
    name: str
    """The event's name; empty for a plain log line."""
    attributes: Attributes
    scope: str
    service: str


Item = TypeVar("Item")
"""The undecoded bytes of a span or log record, as an encoding holds them."""


@dataclass(frozen=True, slots=True)
class Encoding(Generic[Item]):
    """The functions that decode the items of an encoding, with the context and the wanted attributes."""

    make_span: Callable[[Item, ScopeContext, frozenset[str]], Span | None]
    """None for a span without a valid trace id or span id."""
    make_log: Callable[[Item, ScopeContext, frozenset[str]], LogRecord]
    errors: tuple[type[Exception], ...]
    """Exceptions of an item that cannot be decoded."""


@dataclass(slots=True)
class DecodedRequest:
    """The records of a request; ``rejected`` counts spans and log records that could not be read."""

    spans: list[Span]
    logs: list[LogRecord]
    metrics: int = 0
    rejected: int = 0
    reason: str = ""
    """Reason of the first rejection."""

    def add_item(
        self, signal: str, item: Item, encoding: Encoding[Item], context: ScopeContext, wanted: frozenset[str]
    ) -> None:
        """Decode a span or log record and add it; an unreadable item is counted as rejected."""
        try:
            if signal == "traces":
                span = encoding.make_span(item, context, wanted)
                if span is None:
                    self.count_rejected("a span without trace id or span id")
                else:
                    self.spans.append(span)
            else:
                self.logs.append(encoding.make_log(item, context, wanted))
        except encoding.errors:
            self.count_rejected(f"a {'span' if signal == 'traces' else 'log record'} that cannot be decoded")

    def count_rejected(self, reason: str) -> None:
        """Count a span or log record that could not be read."""
        self.rejected += 1
        self.reason = self.reason or reason


def to_duration(nanoseconds: float) -> int | None:
    """Return a duration in whole ns, or None if it is negative or implausibly long."""
    return round(nanoseconds) if 0 <= nanoseconds <= LONGEST_ACTIVITY else None


def get_text(attributes: Attributes, *names: str) -> str | None:
    """Return the first text under one of the names, cut to ``NAME_LIMIT``."""
    for name in names:
        value = attributes.get(name)
        if type(value) is str and value:
            return value[:NAME_LIMIT]
    return None


def get_id(attributes: Attributes, *names: str) -> str | None:
    """Return the first id under one of the names. Longer texts are skipped: a cut id would be another id."""
    for name in names:
        value = attributes.get(name)
        if type(value) is str and 0 < len(value) <= ID_LIMIT:
            return value
    return None


def get_class_name(attributes: Attributes, *names: str) -> str | None:
    """Return the first text that looks like the name of a class, such as ``HTTPError``; never a message."""
    for name in names:
        value = attributes.get(name)
        if type(value) is str and len(value) <= NAME_LIMIT:
            letters = value.translate(_TOKEN_MARKS)
            if letters.isascii() and letters.isalnum():
                return value
    return None


def get_count(attributes: Attributes, *names: str) -> int | None:
    """Return the first count under one of the names, rounded; some senders write numbers as text."""
    value = get_number(attributes, *names)
    return None if value is None else round(value)


def get_number(attributes: Attributes, *names: str) -> float | None:
    """Return the first plausible number under one of the names: not negative, below ``NUMBER_LIMIT``."""
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


def get_labels(attributes: Attributes) -> list[str] | None:
    """Return the labels that attributes declare, each as ``key=value``; None without any.

    Example: ``stretto.label.arm`` with the value ``B`` is ``arm=B``.
    """
    labels = [
        f"{key.removeprefix(LABEL_PREFIX)}={value}"
        for key in attributes
        if key.startswith(LABEL_PREFIX) and (value := get_text(attributes, key))
    ]
    return sorted(labels)[:MOST_LABELS] or None


def get_duration(attributes: Attributes, name: str = "duration_ms") -> int | None:
    """Return a duration in nanoseconds from one in milliseconds, or None if it is absent or implausible."""
    milliseconds = get_number(attributes, name)
    return None if milliseconds is None else to_duration(milliseconds * _MILLISECOND)
