"""Records: decode a line of a history leniently, and read values of an expected type from it.

A sound line is decoded fast. A line with half a surrogate pair, a control character, or the rest of a write
that was cut short is decoded by the slower and more lenient decoder of the standard library.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from stretto.model.event import LATEST

Record = dict[str, Any]
"""A JSON object. ``Any``: a later version of the client may put any value anywhere."""

_decode = msgspec.json.Decoder().decode
_LENIENT = json.JSONDecoder(strict=False, parse_constant=lambda _: None)

OBJECTS = 64
"""Attempts to find an object in a damaged line."""


def decode_records(line: bytes) -> tuple[list[Record], str | None]:
    """Return the objects on a line, and a reason if part of the line is unreadable. Never raises.

    A line that is a list gives the objects in it. Example: ``{"type":"mess{"type":"message"}`` gives the
    second object and the reason "not JSON".
    """
    try:
        value = _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _recover_records(line)
    except RecursionError:
        return [], "too deep"
    if isinstance(value, list):
        return [item for item in value if isinstance(item, dict)], None
    return ([value], None) if isinstance(value, dict) else ([], "not an object")


def _recover_records(line: bytes) -> tuple[list[Record], str | None]:
    text = line.decode("utf-8", "replace").strip("\ufeff\0 \t\r\n")
    records: list[Record] = []
    reason = None if text else "not JSON"
    position = attempts = 0
    while 0 <= position < len(text) and attempts < OBJECTS:
        attempts += 1
        try:
            value, position = _LENIENT.raw_decode(text, position)
        except json.JSONDecodeError:
            reason = "not JSON"
            position = text.find('{"', position + 1)
            continue
        except RecursionError:
            return records, "too deep"
        if not isinstance(value, dict):
            return records, reason or "not an object"
        if not reason or "type" in value or "timestamp" in value:
            records.append(_replace_surrogates(value))
        while position < len(text) and text[position] in "\0 \t\r":
            position += 1
    return records, reason


def _replace_surrogates(record: Record) -> Record:
    """Return the object with each lone surrogate replaced: they cannot be stored."""
    clean = json.dumps(record, ensure_ascii=False).encode("utf-8", "replace")
    return dict(json.loads(clean))


def get_object(value: object, *path: str) -> Record:
    """Return the object at a path of keys, empty if there is none."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def iterate_objects(value: object) -> Iterator[Record]:
    """Yield the objects of a list; nothing for any other value."""
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))


def get_texts(value: object) -> str:
    """Return the text of a message's content: plain, or the texts of its parts one after another."""
    if isinstance(value, str):
        return value
    texts = (part.get("text") for part in iterate_objects(value))
    return "\n".join(text for text in texts if isinstance(text, str))


def to_epoch_time(milliseconds: object) -> int | None:
    """Return the nanoseconds since the epoch of a time in milliseconds, or None for any other value."""
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int | float):
        return None
    # A float would round nanoseconds to 256.
    time = int(milliseconds) * 1_000_000 if abs(milliseconds) < LATEST else 0
    return time if 0 < time < LATEST else None
