"""Parse the window of a request: ``window``, or ``from`` and ``to``, the same for pages and the API."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

from stretto.clock import DAY
from stretto.format import rfc3339
from stretto.summaries.snapshot_of_any_window import find_summed_window
from stretto.summaries.time_window import (
    WINDOW_NAMES,
    TimeWindow,
    make_bounded_window,
    make_named_window,
)

WINDOW_PARAMETERS = ("window", "from", "to")

BEFORE_PARAMETERS = ("before_from", "before_to")
"""The bounds of the period that a window is compared with."""

PAGE_PARAMETERS = ("refresh", "format", "number")
"""Parameters of every page: whether it renews itself, and which table or drawing is taken along."""

_FIRST, _LAST = -rfc3339.FARTHEST, rfc3339.FARTHEST
"""The bounds of an instant; dates beyond are moved to the bound."""


class QueryError(ValueError):
    """A query parameter is invalid; the message is the rule it breaks."""


def parse_window(parameters: Mapping[str, str], now: int) -> TimeWindow | None:
    """Return the window of a request's parameters; None without any. Empty parameters count as absent.

    A date as ``to`` is included whole. Raises QueryError for an unknown window, for a bound that is no time,
    for an end that is not after the beginning, and for a beginning that is yet to come.
    """
    given = {name: parameters[name] for name in WINDOW_PARAMETERS if parameters.get(name)}
    name = given.get("window")
    if name is None:
        return _parse_bounds(given, now) if given else None
    if len(given) > 1:
        raise QueryError("window and from or to exclude each other")
    if name not in WINDOW_NAMES:
        raise QueryError(f"window must be one of {', '.join(WINDOW_NAMES)}")
    return make_named_window(name, now)


def parse_window_of_list(parameters: Mapping[str, str], now: int) -> TimeWindow | None:
    """Return the window of what is listed, as ``parse_window`` does.

    One with a name begins where its figures do, such as at a full hour: a list has as many rows as the figure
    that leads to it counts. Bounds that somebody chose are taken as they are.
    """
    window = parse_window(parameters, now)
    return find_summed_window(window, now) if window is not None and window.is_named else window


def _parse_bounds(given: Mapping[str, str], now: int) -> TimeWindow:
    start, end = parse_instant(given, "from", 0), parse_instant(given, "to", DAY)
    if start is not None and end is not None and end <= start:
        raise QueryError("to must be later than from")
    if start is not None and start > now:
        raise QueryError("from must not lie in the future")
    return make_bounded_window(start, end)


def check_names(given: Mapping[str, str], known: tuple[str, ...]) -> None:
    """Raise QueryError for a parameter that is not known, with the name that was probably meant."""
    for name in given:
        if name not in known:
            near = get_close_matches(name, known, 1)
            others = f"there are {', '.join(known)}" if known else "there is none"
            hint = f"did you mean {near[0]}?" if near else others
            raise QueryError(f"there is no parameter {name}: {hint}")


def parse_number_from_one(name: str, text: str, most: int) -> int:
    """Return a parameter that counts from 1. Raises QueryError for any other text, and beyond ``most``."""
    # The digits are counted first: int() raises another error for thousands of digits.
    if text.isascii() and text.isdigit() and len(text) <= len(str(most)) and 1 <= int(text) <= most:
        return int(text)
    raise QueryError(f"{name} must be a whole number from 1 to {most}")


def parse_instant(given: Mapping[str, str], name: str, whole_day: int) -> int | None:
    """Return the instant (ns) of a parameter; ``whole_day`` is added to a date without a time.

    A time without a zone, such as a field of a form has it, is one of UTC. Raises QueryError.
    """
    text = given.get(name)
    if text is None:
        return None
    try:
        # A plus sign that was not encoded arrives as a space.
        instant, is_date = rfc3339.parse_time_of_field(text.replace(" ", "+"))
    except ValueError:
        raise QueryError(
            f"{name} must be a date or an RFC 3339 time, for example 2026-11-20T16:49:25Z"
        ) from None
    return min(max(instant + (whole_day if is_date else 0), _FIRST), _LAST)
