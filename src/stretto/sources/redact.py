"""Redaction: strike secrets and e-mail addresses out of an event's texts before they are stored or shown.

The hook client has no time for regular expressions, so a text reaches the journal as the agent wrote it.
Every reader of the journal redacts it by the functions here, and so does every other writer of the journal.
Names repeat, so texts that were checked are remembered, and only a new text is searched.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from msgspec.structs import replace

from stretto.model.event import Event, Value
from stretto.sources.secret_formats import PLAIN_ID, strike_secrets

REDACTION_VERSION = 2
"""Raised when more is struck out: a store that was made with fewer formats is then made anew."""

REMEMBERED_TEXTS = 20_000
"""Most texts that are remembered as plain (a few megabytes); beyond that the memory begins anew."""

ID_ATTRIBUTES = frozenset(
    {
        "alias", "call", "canonical", "delegated_by", "entity", "ids", "of_id", "owner", "pair", "request",
        "response", "running", "span", "span_parent", "task", "trace",
    }
)  # fmt: skip
"""The attributes that hold ids of entities; every other text is a name or a description."""

_plain: set[str | None] = {None}
"""Texts that are known to be plain: no secret, no control character."""

_is_plain_id = PLAIN_ID.fullmatch
_is_superset = _plain.issuperset


def redact_text(text: str) -> str:
    """Return the text with secrets and e-mail addresses struck out.

    Control and formatting characters become blanks first: they could hide a secret, and obey in a terminal.
    """
    if not text.isprintable():
        text = "".join(letter if letter.isprintable() else " " for letter in text)
    return strike_secrets(text)


def redact_id_if_secret(text: str) -> str:
    """Return the id, or a short hash in its place if it looks like a secret.

    The same id always gives the same hash, so the events of an entity stay together.
    """
    if _is_plain_id(text) or redact_text(text) == text:
        return text
    return "redacted-" + sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def redact_event(event: Event) -> Event:
    """Return the event with all of its texts redacted: fields, attributes and members of lists.

    Example: an event of a known tool and agent, with a new but usual id, costs seven look-ups and a match.
    """
    id = event.id
    # Most ids are of tool calls and new: two methods of str cost a quarter of the pattern.
    if id is not None and not (id.startswith("toolu_") and id.isidentifier()) and not _is_plain_id(id):
        return _redact_texts(event)
    if _is_superset((event.parent, event.name, event.session, event.type, event.source)):
        for value in event.attributes.values():
            if value.__class__ is str:
                if value not in _plain:
                    return _redact_texts(event)
            elif isinstance(value, list) and not _is_superset(value):
                return _redact_texts(event)
        return event
    return _redact_texts(event)


def redact_session_events(events: Sequence[Event]) -> Sequence[Event]:
    """Return events of one session with all of their texts redacted, as ``redact_event`` does with each.

    The names and ids of many events are few, so each distinct text is looked up once.
    """
    return events if _are_plain(events) else [redact_event(event) for event in events]


def redact_for_journal(event: Event, *, describe: bool) -> Event:
    """Return the event as the journal may hold it: redacted, and without its description unless wanted."""
    if not describe and "description" in event.attributes:
        other_attributes = {key: value for key, value in event.attributes.items() if key != "description"}
        event = replace(event, attributes=other_attributes)
    return redact_event(event)


def _are_plain(events: Sequence[Event]) -> bool:
    """Return whether events of one session have only plain texts. False is no proof of the contrary."""
    ids: set[str | None] = {event.parent for event in events}
    ids.add(events[0].session)
    # Most calls are reported twice.
    for id in {event.id for event in events}:
        if id is not None and not (id.startswith("toolu_") and id.isidentifier()) and not _is_plain_id(id):
            ids.add(id)
    names: set[str | None] = {event.name for event in events}
    names.update([event.type for event in events])
    names.update([event.source for event in events])
    # Most events have no attributes.
    for attributes in [event.attributes for event in events if event.attributes]:
        for key, value in attributes.items():
            if value.__class__ is str:
                (ids if key in ID_ATTRIBUTES else names).add(value)
            elif isinstance(value, list):
                (ids if key in ID_ATTRIBUTES else names).update(value)
    return all(
        _check(text, is_id=is_id) == text
        for texts, is_id in ((ids, True), (names, False))
        for text in texts - _plain
        if text is not None
    )


def _redact_texts(event: Event) -> Event:
    changes: dict[str, Any] = {}
    for field in ("session", "id", "parent", "name", "type", "source"):
        text = getattr(event, field)
        # Another thread may just forget all that is known to be plain, None with it.
        if text is not None and text not in _plain:
            redacted = _check(text, is_id=field in {"session", "id", "parent"})
            if redacted != text:
                changes[field] = redacted
    attributes: dict[str, Value] = {}
    for key, value in event.attributes.items():
        is_id = key in ID_ATTRIBUTES
        if isinstance(value, str):
            attributes[key] = _check(value, is_id=is_id)
        elif isinstance(value, list):
            attributes[key] = [_check(text, is_id=is_id) for text in value]
        else:
            attributes[key] = value
    if attributes != event.attributes:
        changes["attributes"] = attributes
    return replace(event, **changes) if changes else event


def _check(text: str, *, is_id: bool) -> str:
    """Return the text redacted, and remember it if it is plain."""
    if text in _plain:
        return text
    redacted = redact_id_if_secret(text) if is_id else redact_text(text)
    if redacted == text:
        if len(_plain) >= REMEMBERED_TEXTS:
            _forget_texts()
        _plain.add(text)
    return redacted


def _forget_texts() -> None:
    _plain.clear()
    _plain.add(None)
