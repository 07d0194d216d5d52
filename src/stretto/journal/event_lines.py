"""Lines of the journal: an event as a record, and a line as an event or the reason for rejecting it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from stretto.model.event import (
    LATEST,
    LONGEST_DURATION,
    LONGEST_LIST,
    LONGEST_TEXT,
    MOST_ATTRIBUTES,
    VERSION,
    Channel,
    Event,
    Kind,
    Outcome,
    Value,
)

LONGEST_LINE = 1 << 20
"""Bytes. All parts of an event are bounded, so no event is this long; a longer line is not parsed."""


class _UncheckedEvent(Event, frozen=True, kw_only=True, gc=False):
    """An event whose values may be out of bounds, so that the reason can be worded."""

    version: int = VERSION
    session: str
    time: int
    source: str = "claude-code"
    id: str | None = None
    parent: str | None = None
    duration: int | None = None
    name: str | None = None
    type: str | None = None
    attributes: Mapping[str, Value] = msgspec.field(default_factory=dict)


# Encoded at a third of the cost of a dictionary of the values that are present.
class _Record(msgspec.Struct, omit_defaults=True, gc=False):
    """The fields of an event in the order of its record, absent ones left out."""

    version: int
    kind: Kind
    session: str
    time: int
    source: str
    channel: Channel
    id: str | None = None
    parent: str | None = None
    duration: int | None = None
    name: str | None = None
    type: str | None = None
    outcome: Outcome | None = None
    attributes: Mapping[str, Value] = msgspec.field(default_factory=dict)


_decode = msgspec.json.Decoder(Event).decode
_decode_unchecked = msgspec.json.Decoder(_UncheckedEvent).decode
_encode = msgspec.json.Encoder().encode


def encode_event(event: Event) -> bytes:
    """Return the journal record of an event, newlines included."""
    record = _Record(
        event.version,
        event.kind,
        event.session,
        event.time,
        event.source,
        event.channel,
        event.id,
        event.parent,
        event.duration,
        event.name,
        event.type,
        event.outcome,
        event.attributes,
    )
    return b"\n" + _encode(record) + b"\n"


def parse_line(line: bytes) -> Event | str:
    """Return the event on a line, or the reason for rejecting the line. Never raises."""
    try:
        event = _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _explain_refusal(line)
    # The two bounds that the decoder does not know.
    if event.outcome is Outcome.RUNNING or (not event.session and event.kind is not Kind.REJECT):
        return _explain_refusal(line)
    return event


def parse_valid_lines(lines: Sequence[bytes]) -> list[Event] | None:
    """Return the events on lines without newlines, or None if ``parse_line`` must look at each line.

    Empty lines are skipped. A line that is to be rejected, or a blank line that is not empty, gives None.
    """
    if max(map(len, lines), default=0) >= LONGEST_LINE:
        return None
    try:
        events = [_decode(line) for line in lines if line]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    reject, running = Kind.REJECT, Outcome.RUNNING
    for event in events:
        if event.kind is reject or event.outcome is running or not event.session:
            return None
    return events


def _explain_refusal(line: bytes) -> str:
    """Return the reason for rejecting a line."""
    try:
        event = _decode_unchecked(line)
    except msgspec.ValidationError as error:
        # The message may quote the value; only its end names the field.
        return f"not an event: {str(error).rpartition(' - at ')[2].strip('`')[:LONGEST_TEXT]}"
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "not JSON"
    return _find_problem(event)


def _find_problem(event: Event) -> str:
    """Return the reason for rejecting an event: its values must fit the store and the labels."""
    if not 0 < event.version <= VERSION:
        problem = "newer version" if event.version > 0 else "not an event: $.version"
    elif not 0 < event.time < LATEST:
        problem = "time out of range"
    elif event.duration is not None and not 0 <= event.duration <= LONGEST_DURATION:
        problem = "duration out of range"
    elif event.outcome is Outcome.RUNNING:
        problem = "not an event: $.outcome"
    elif not event.session and event.kind is not Kind.REJECT:
        problem = "no session"
    else:
        problem = _find_text_problem(event) or _find_attribute_problem(event.attributes) or "not an event"
    return problem


def _find_text_problem(event: Event) -> str | None:
    texts = (event.source, event.id, event.parent, event.name, event.type)
    total_length = len(event.session)
    for text in texts:
        if text is not None:
            if not text:
                return "empty text"
            total_length += len(text)
    # Cheap test first: the total is nearly always shorter than the limit for a single text.
    if total_length > LONGEST_TEXT and _measure_longest(filter(None, (event.session, *texts))) > LONGEST_TEXT:
        return "text too long"
    return None


def _find_attribute_problem(attributes: Mapping[str, Value]) -> str | None:
    if len(attributes) > MOST_ATTRIBUTES:
        return "too many attributes"
    longest = _measure_longest(attributes)
    for value in attributes.values():
        if isinstance(value, str):
            longest = max(longest, len(value))
        elif isinstance(value, list):
            if len(value) > LONGEST_LIST:
                return "list too long"
            if "" in value:
                return "empty text"
            longest = max(longest, _measure_longest(value))
    return "text too long" if longest > LONGEST_TEXT else None


def _measure_longest(texts: Iterable[str]) -> int:
    return max(map(len, texts), default=0)
