"""The columns of the list of sessions, the findings about its rows, and the filters that are set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from stretto.findings.findings_snapshot import FindingsState
from stretto.findings.look_up_findings_about_sessions import SessionFinding, find_session_findings
from stretto.store.session_queries import SessionRow
from stretto.store.session_search import SessionSort
from stretto.summaries.time_window import ALL
from stretto.web.session_list_parameters import TEXTS

FILTER_TITLES = {
    "q": "words", "project": "project", "worktree": "worktree", "repository": "repository",
    "source": "source", "pattern": "pattern", "agent": "agent", "type": "task type", "tool": "tool",
    "model": "model", "label": "label", "outcome": "outcome", "failed": "with failures",
    "parallel": "with parallel executions", "window": "window", "from": "from", "to": "to",
}  # fmt: skip
"""Parameter of a filter → its title, in the order in which they are shown."""


NO_FILTER = {"window": ALL}
"""Parameter → the value that lets everything through, where it is not ``no``."""


@dataclass(frozen=True, slots=True)
class ListColumn:
    """A column of the list: its heading, what it sorts by, and whether it holds numbers."""

    title: str
    sort: SessionSort
    term: str = ""
    """Its term in ``DEFINITIONS``, if it needs one."""
    is_number: bool = True


COLUMNS = (
    ListColumn("Session", SessionSort.START, is_number=False),
    ListColumn("Last event", SessionSort.LAST, is_number=False),
    ListColumn("Elapsed", SessionSort.ELAPSED),
    ListColumn("Speed-up", SessionSort.SPEEDUP, "session_speedup"),
    ListColumn("Delivered", SessionSort.DELIVERED, "session_delivered"),
    ListColumn("Cost", SessionSort.COST, "session_cost"),
    ListColumn("Outcome", SessionSort.OUTCOME, is_number=False),
    ListColumn("Executions", SessionSort.FANOUTS, "parallel"),
    ListColumn("Finding", SessionSort.FINDING, "session_finding", is_number=False),
)


@dataclass(frozen=True, slots=True)
class ListFilter:
    """A filter of the list: its parameter, its title, and its value, empty where it is not set."""

    parameter: str
    title: str
    value: str


def list_filters(parameters: Mapping[str, str]) -> list[ListFilter]:
    """Return the filters that are set; the value of a switch is empty."""
    return [
        ListFilter(name, title, "" if name in ("failed", "parallel") else parameters[name])
        for name, title in FILTER_TITLES.items()
        if parameters.get(name) and parameters[name] != NO_FILTER.get(name, "no")
    ]


def list_text_filters(parameters: Mapping[str, str]) -> list[ListFilter]:
    """Return the filters whose value is typed in, with the values that are set."""
    return [ListFilter(name, FILTER_TITLES[name], parameters.get(name, "")) for name in (*TEXTS, "label")]


def collect_findings(state: FindingsState, rows: Iterable[SessionRow]) -> dict[str, SessionFinding]:
    """Return what the findings say about the sessions of a list, by id."""
    return find_session_findings(state, {row.id: row.pattern for row in rows})
