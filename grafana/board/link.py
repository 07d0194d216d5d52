"""Define links from a panel to a board with details, keeping the chosen variables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from grafana.board.variable import SERVICE

from stretto.names import Label


class BoardId(StrEnum):
    """The boards by file name; the uid adds the prefix ``stretto-`` and never changes."""

    OVERVIEW = "overview"
    PARALLELISM = "parallelism"
    AGENTS = "agents"
    PATTERNS = "patterns"
    TOOLS = "tools"
    QUALITY = "quality"
    TRENDS = "trends"
    ADVICE = "advice"
    ITSELF = "itself"

    @property
    def uid(self) -> str:
        """Return the uid of the dashboard."""
        return f"stretto-{self.value}"


SESSION_FILTERS: Mapping[Label, str] = {
    Label.TASK_TYPE: "type",
    Label.AGENT: "agent",
    Label.PATTERN: "pattern",
    Label.TOOL: "tool",
    Label.MODEL: "model",
}
"""Label → the parameter by which the service's list of sessions is filtered."""


@dataclass(frozen=True, slots=True)
class Link:
    """A link to a board, filtered by the clicked value of the label ``by`` if there is one."""

    to: BoardId
    title: str
    by: Label | None = None


@dataclass(frozen=True, slots=True)
class ServiceLink:
    """A link to a page of the service; in a table, a column's value may end the path.

    ``by`` is a label whose clicked value filters the sessions of the page, beside the window.
    """

    path: str
    title: str
    column: str = ""
    by: Label | None = None


def list_sessions(by: Label) -> ServiceLink:
    """Return the link to the sessions of the clicked value of a label that filters sessions."""
    return ServiceLink("/sessions", f"Sessions of this {by.replace('_', ' ')}", by=by)


def build_url(link: Link | ServiceLink, carried: tuple[str, ...], column: str = "") -> str:
    """Return the address of a link; ``carried`` names the variables that both boards have.

    ``column`` is the header of the table column with the label's value; without it the series' label is
    used.
    """
    if isinstance(link, ServiceLink):
        if link.by:
            chosen = f"{SESSION_FILTERS[link.by]}={_refer_clicked(link.by, column)}"
            return f"${{{SERVICE}}}{link.path}?{chosen}&{Label.WINDOW}=${{{Label.WINDOW}}}"
        end = f'${{__data.fields["{link.column}"]:percentencode}}' if link.column else ""
        return f"${{{SERVICE}}}{link.path}{end}"
    parts = [f"${{{name}:queryparam}}" for name in carried if name != link.by]
    if link.by:
        parts.append(f"var-{link.by}={_refer_clicked(link.by, column)}")
    return f"/d/{link.to.uid}?" + "&".join([*parts, "${__url_time_range}"])


def _refer_clicked(label: Label, column: str) -> str:
    """Return Grafana's reference to the clicked value: of a table's column, else of a series' label."""
    clicked = f'__data.fields["{column}"]' if column else f"__field.labels.{label}"
    return f"${{{clicked}:percentencode}}"
