"""Lead from the names that a finding or an alert is about to their pages, and to the sessions with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from stretto.clock import SECOND, to_rfc3339
from stretto.names import MAIN, NONE, OTHER

_VIEWS = {
    "type": ("types", "type"), "task_type": ("types", "type"), "agent": ("agents", "agent"),
    "pattern": ("patterns", "pattern"), "tool": ("tools", "tool"), "model": ("models", "model"),
    "project": ("", "project"),
}  # fmt: skip
"""Dimension of a subject, or label of an alert → the view of its values, and the filter of sessions."""

_NOT_SESSIONS = frozenset({NONE, OTHER, MAIN})
"""Values that stand for several things, or for none: no filter finds their sessions."""


@dataclass(frozen=True, slots=True)
class SubjectLink:
    """A value that something is about; addresses are empty where no page is about it."""

    dimension: str
    value: str
    address: str
    sessions: str
    """The address of its sessions."""


def link_subjects(
    subjects: Mapping[str, str], begin: int | None = None, end: int | None = None
) -> list[SubjectLink]:
    """Return a link for each value, to its runs of a time if one is given (ns)."""
    bounds = _make_bounds(begin, end)
    links = []
    for dimension, value in subjects.items():
        view, _ = _VIEWS.get(dimension, ("", ""))
        links.append(
            SubjectLink(
                dimension.replace("_", " "),
                value,
                _make_address(f"/{view}/{quote(value, safe='')}", bounds) if view else "",
                link_sessions({dimension: value}, begin, end),
            )
        )
    return links


def link_sessions(subjects: Mapping[str, str], begin: int | None = None, end: int | None = None) -> str:
    """Return the address of the sessions with all of some values, in a time; empty without any of both."""
    filters = {
        _VIEWS[dimension][1]: value
        for dimension, value in subjects.items()
        if dimension in _VIEWS and value not in _NOT_SESSIONS
    }
    query = filters | _make_bounds(begin, end)
    return _make_address("/sessions", query) if query else ""


def _make_bounds(begin: int | None, end: int | None) -> dict[str, str]:
    """Return the bounds in whole seconds, the time within them."""
    bounds = {"from": begin, "to": None if end is None else end + SECOND - 1}
    return {name: f"{to_rfc3339(at)[:19]}Z" for name, at in bounds.items() if at is not None}


def _make_address(path: str, query: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(query, safe=':')}" if query else path
