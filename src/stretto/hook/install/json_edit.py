"""Change a single member of a JSON object in its text, and leave the text around it byte for byte.

If the file were written from its value, the user's layout would be lost and a small change would look large.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

_SPACE = re.compile(r"[ \t\r\n]*")
_INDENTED = re.compile(r"\n([ \t]+)\"")


@dataclass(frozen=True, slots=True)
class _Member:
    key: str
    start: int
    """Offset of its key."""
    value: int
    """Offset of its value."""
    stop: int
    """Offset after its value."""


def set_member(text: str, key: str, value: object) -> str:
    """Return the text of a JSON object with the member's value replaced or, if it is missing, added last.

    The value gets the text's indentation and line ends. ``text`` must be a valid JSON object.
    """
    members = _find_members(text)
    newline = "\r\n" if "\r\n" in text else "\n"
    indented = _INDENTED.search(text)
    unit = indented.group(1) if indented else None if members else "  "
    if unit is None:
        # The object is on a single line, and stays so, with or without spaces.
        lead, colon = (", ", ": ") if re.search(r'":\s', text) else (",", ":")
        value_text = json.dumps(value, separators=(lead, colon), ensure_ascii=text.isascii())
    else:
        colon, lead = ": ", f",{newline}{unit}"
        lines = json.dumps(value, indent=unit, ensure_ascii=text.isascii()).split("\n")
        value_text = f"{newline}{unit}".join(lines)
    present = [member for member in members if member.key == key]
    if present:
        return text[: present[-1].value] + value_text + text[present[-1].stop :]
    added = f"{json.dumps(key)}{colon}{value_text}"
    if members:
        return text[: members[-1].stop] + lead + added + text[members[-1].stop :]
    return f"{text[: text.index('{') + 1]}{newline}{unit}{added}{newline}{text[text.rindex('}') :]}"


def drop_member(text: str, key: str) -> str:
    """Return the text of a JSON object without the member and without its comma and space."""
    members = _find_members(text)
    # Of several equal keys, JSON readers use the last.
    index = max((place for place, member in enumerate(members) if member.key == key), default=None)
    if index is None:
        return text
    if index > 0:
        return text[: members[index - 1].stop] + text[members[index].stop :]
    if len(members) > 1:
        return text[: members[0].start] + text[members[1].start :]
    return text[: text.index("{") + 1] + text[text.rindex("}") :]


def _find_members(text: str) -> list[_Member]:
    decoder = json.JSONDecoder()
    members = []
    at = _skip_space(text, text.index("{") + 1)
    while text[at] != "}":
        key, end = decoder.raw_decode(text, at)
        value = _skip_space(text, _skip_space(text, end) + 1)
        _, stop = decoder.raw_decode(text, value)
        members.append(_Member(key, at, value, stop))
        at = _skip_space(text, stop)
        if text[at] == ",":
            at = _skip_space(text, at + 1)
    return members


def _skip_space(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return space.end() if space else at
