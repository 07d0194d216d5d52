"""Recognise a session's title among the words of a search: "release · infra · 29 Nov 16:17 · 40 tasks"."""

from __future__ import annotations

import re
from typing import NamedTuple

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

_MINUTE = re.compile(
    rf"\b(?P<day>\d{{1,2}})\s(?P<month>{'|'.join(_MONTHS)})\s(?P<time>\d\d:\d\d)\b"
    # The number of tasks grows while a session is open, so that it says nothing about which one it is.
    r"(?:\s·\s[\d.]+(?:\s?k)?\stasks?)?",
    re.IGNORECASE,
)


class TitleSearch(NamedTuple):
    """The words of a search without the minute of a title."""

    words: str
    minute: str | None
    """When the session began, as month, day and time in UTC, ``11-29 16:17``; None if they do not say."""


def split_title(words: str) -> TitleSearch:
    """Return the words with the minute of a title apart, if one is among them.

    Example: ``release 29 Nov 16:17`` is the word ``release`` and the minute ``11-29 16:17``.
    """
    found = _MINUTE.search(words)
    if found is None:
        return TitleSearch(words, None)
    month = _MONTHS.index(found["month"].lower()) + 1
    rest = f"{words[: found.start()]} {words[found.end() :]}"
    return TitleSearch(rest, f"{month:02}-{int(found['day']):02} {found['time']}")
