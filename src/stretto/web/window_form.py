"""Make the form of a page's window: its two fields, what it keeps of the address, and the window in links."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from stretto.clock import to_rfc3339
from stretto.web.window_parameters import (
    BEFORE_PARAMETERS,
    PAGE_PARAMETERS,
    WINDOW_PARAMETERS,
    QueryError,
    parse_instant,
    parse_window,
)

PLACES = ("after", "page")
"""Parameters that name a place in a list; another window has another list."""

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class BoundField:
    """A field of the form: ``kind`` is the type of the input, ``value`` as such an input has it."""

    parameter: str
    title: str
    kind: str
    value: str


def make_bound_fields(
    given: Mapping[str, str], parameters: tuple[str, str] = ("from", "to")
) -> list[BoundField]:
    """Return the fields of the first and the last bound.

    A bound with a time has a field with a time, in UTC, so that the form gives it back as it was.
    """
    titles = zip(parameters, ("From", "To"), strict=True)
    return [_make_bound_field(given, name, title) for name, title in titles]


def _make_bound_field(given: Mapping[str, str], parameter: str, title: str) -> BoundField:
    text = given.get(parameter) or ""
    if _DATE.fullmatch(text):
        return BoundField(parameter, title, "date", text)
    try:
        at = parse_instant(given, parameter, 0)
    except QueryError:
        at = None
    if at is None:
        return BoundField(parameter, title, "date", "")
    return BoundField(parameter, f"{title} (UTC)", "datetime-local", to_rfc3339(at)[:19])


def list_kept_parameters(given: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters that stay when the form chooses another window, such as filters and order."""
    dropped = {
        *WINDOW_PARAMETERS,
        *BEFORE_PARAMETERS,
        *PLACES,
        *(name for name in PAGE_PARAMETERS if name != "refresh"),
    }
    return {name: text for name, text in given.items() if text and name not in dropped}


def carry_window(given: Mapping[str, str], now: int) -> str:
    """Return the window of a request as the query of a link; nothing without one, or if it is none."""
    try:
        window = parse_window(given, now)
    except QueryError:
        return ""
    carried = {name: given[name] for name in WINDOW_PARAMETERS if given.get(name)}
    return "" if window is None else f"?{urlencode(carried)}"
