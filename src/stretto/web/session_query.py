"""Parse the query parameters of a list of sessions, the same for the page and for ``/api/sessions``."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

from stretto.clock import SECOND
from stretto.format import rfc3339
from stretto.model.event import Outcome
from stretto.store.session_finder import SessionQuery, SessionSort, split_label

PERIODS = {"1h": 3_600, "24h": 86_400, "7d": 604_800, "30d": 2_592_000, "90d": 7_776_000}
"""Name of a period that ends now → its length in seconds. ``all`` is the period without an end."""
ALL = "all"

TEXTS = {"project": "project", "worktree": "worktree", "source": "source", "pattern": "pattern",
         "agent": "agent"}  # fmt: skip
"""Parameter → field of SessionQuery, for filters that are compared with a text."""

PARAMETERS = (*TEXTS, "q", "outcome", "label", "failed", "parallel", "window", "from", "to", "sort", "limit",
              "after")  # fmt: skip
MOST = 500
"""Most sessions in an answer."""
_FIRST, _LAST = -(1 << 63), (1 << 63) - 1
"""The bounds of a 64-bit instant; dates beyond are moved to the bound."""
_YES = {"yes": True, "no": False}


class QueryError(ValueError):
    """A query parameter is invalid; the message is the rule it breaks."""


def parse_session_query(
    parameters: Mapping[str, str], now: int, limit: int, *, ignored: tuple[str, ...] = ()
) -> SessionQuery:
    """Return the query of a request's parameters; an empty parameter counts as absent.

    ``ignored`` are parameters with another purpose. Raises QueryError for any other unknown parameter, and
    for a value that breaks the parameter's rule.
    """
    given = {name: text for name, text in parameters.items() if text and name not in ignored}
    for name in given:
        _check_name(name)
    since, until = _parse_period(given, now)
    sort = given.get("sort", f"-{SessionSort.LAST.value}")
    return SessionQuery(
        **{field: given.get(name) for name, field in TEXTS.items()},
        words=given.get("q", ""),
        outcome=_parse_outcome(given.get("outcome")),
        label=_parse_label(given.get("label")),
        has_failures=_parse_switch(given, "failed"),
        has_fanouts=_parse_switch(given, "parallel"),
        since=since,
        until=until,
        sort=_parse_sort(sort.removeprefix("-")),
        ascending=not sort.startswith("-"),
        limit=_parse_limit(parameters["limit"]) if "limit" in parameters else limit,
        after=given.get("after"),
    )


def _check_name(name: str) -> None:
    if name not in PARAMETERS:
        near = get_close_matches(name, PARAMETERS, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(PARAMETERS)}"
        raise QueryError(f"there is no parameter {name}: {hint}")


def _parse_period(given: Mapping[str, str], now: int) -> tuple[int | None, int | None]:
    """Return the first instant and the instant after the last one; None where the list has no bound."""
    period = given.get("window")
    if period is None:
        return _parse_instant(given, "from"), _parse_instant(given, "to")
    if "from" in given or "to" in given:
        raise QueryError("window and from or to exclude each other")
    if period == ALL:
        return None, None
    if period not in PERIODS:
        raise QueryError(f"window must be one of {', '.join(PERIODS)}, {ALL}")
    return now - PERIODS[period] * SECOND, None


def _parse_instant(given: Mapping[str, str], name: str) -> int | None:
    text = given.get(name)
    if text is None:
        return None
    # A plus sign that was not encoded arrives as a space.
    for candidate in (text.replace(" ", "+"), f"{text}T00:00:00Z"):
        try:
            return min(max(rfc3339.parse_rfc3339(candidate), _FIRST), _LAST)
        except ValueError:
            continue
    raise QueryError(f"{name} must be a date or an RFC 3339 time, for example 2026-11-20T16:49:25Z")


def _parse_outcome(text: str | None) -> Outcome | None:
    try:
        return None if text is None else Outcome(text)
    except ValueError:
        raise QueryError(f"outcome must be one of {', '.join(Outcome)}") from None


def _parse_label(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    label = split_label(text)
    if label is None:
        raise QueryError("label must be KEY=VALUE")
    return label


def _parse_switch(given: Mapping[str, str], name: str) -> bool:
    try:
        return _YES[given.get(name, "no")]
    except KeyError:
        raise QueryError(f"{name} must be yes or no") from None


def _parse_sort(text: str) -> SessionSort:
    try:
        return SessionSort(text)
    except ValueError:
        names = ", ".join(SessionSort)
        raise QueryError(
            f"sort must be one of {names}, with a hyphen before it to begin at the top"
        ) from None


def _parse_limit(text: str) -> int:
    # The digits are counted first: int() raises another error for thousands of digits.
    if text.isascii() and text.isdigit() and len(text) <= len(str(MOST)) and 1 <= int(text) <= MOST:
        return int(text)
    raise QueryError(f"limit must be a whole number from 1 to {MOST}")
