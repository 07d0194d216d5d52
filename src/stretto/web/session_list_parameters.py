"""Parse the query parameters of a list of sessions, the same for the page and for ``/api/sessions``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stretto.model.event import Outcome
from stretto.store.session_search import SessionQuery, SessionSort, split_label
from stretto.web.window_parameters import (
    WINDOW_PARAMETERS,
    QueryError,
    check_names,
    parse_number_from_one,
    parse_window_of_list,
)

TEXTS = {"project": "project", "worktree": "worktree", "repository": "repository", "source": "source",
         "pattern": "pattern", "agent": "agent", "type": "task_type", "tool": "tool",
         "model": "model"}  # fmt: skip
"""Parameter → field of SessionQuery, for filters that are compared with a text."""

PARAMETERS = (*TEXTS, "q", "outcome", "label", "failed", "parallel", *WINDOW_PARAMETERS, "sort", "limit",
              "after")  # fmt: skip
MOST = 500
"""Most sessions in an answer."""
_YES = {"yes": True, "no": False}


def parse_session_query(
    parameters: Mapping[str, str], now: int, limit: int, *, ignored: tuple[str, ...] = ()
) -> SessionQuery:
    """Return the query of a request's parameters; an empty parameter counts as absent.

    ``ignored`` are parameters with another purpose. Raises QueryError for any other unknown parameter, and
    for a value that breaks the parameter's rule.
    """
    given = {name: text for name, text in parameters.items() if text and name not in ignored}
    check_names(given, PARAMETERS)
    window = parse_window_of_list(given, now)
    sort = given.get("sort", f"-{SessionSort.LAST.value}")
    texts: dict[str, Any] = {field: given.get(name) for name, field in TEXTS.items()}
    return SessionQuery(
        **texts,
        words=given.get("q", ""),
        outcome=_parse_outcome(given.get("outcome")),
        label=_parse_label(given.get("label")),
        has_failures=_parse_switch(given, "failed"),
        has_fanouts=_parse_switch(given, "parallel"),
        since=None if window is None else window.start,
        until=None if window is None else window.end,
        sort=_parse_sort(sort.removeprefix("-")),
        ascending=not sort.startswith("-"),
        limit=parse_number_from_one("limit", parameters["limit"], MOST) if "limit" in parameters else limit,
        after=given.get("after"),
    )


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
