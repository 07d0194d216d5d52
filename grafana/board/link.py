"""Links from a figure to the board that has its details, the choice of variables taken along."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from grafana.board.variable import SERVICE

from stretto.names import Label


class BoardId(StrEnum):
    """The boards by the name of their file; ``stretto-`` in front makes the uid, so that links survive."""

    OVERVIEW = "overview"
    PARALLELISM = "parallelism"
    AGENTS = "agents"
    PATTERNS = "patterns"
    TOOLS = "tools"
    QUALITY = "quality"
    TRENDS = "trends"
    ITSELF = "itself"

    @property
    def uid(self) -> str:
        """Return the uid of the dashboard."""
        return f"stretto-{self.value}"


@dataclass(frozen=True, slots=True)
class Link:
    """A way on from a panel: to a board, for the clicked value of one label where ``by`` names it."""

    to: BoardId
    title: str
    by: Label | None = None


@dataclass(frozen=True, slots=True)
class ServiceLink:
    """A way on from a panel to a page of the service; a table may put a column's value at the end."""

    path: str
    title: str
    column: str = ""


def build_url(link: Link | ServiceLink, carried: tuple[str, ...], column: str = "") -> str:
    """Return a data link's address; ``carried`` names the variables that both boards have.

    ``column`` is the header of the table column that holds the label; without it the series' own label is
    meant.
    """
    if isinstance(link, ServiceLink):
        end = f'${{__data.fields["{link.column}"]:percentencode}}' if link.column else ""
        return f"${{{SERVICE}}}{link.path}{end}"
    parts = [f"${{{name}:queryparam}}" for name in carried if name != link.by]
    if link.by:
        clicked = f'__data.fields["{column}"]' if column else f"__field.labels.{link.by}"
        parts.append(f"var-{link.by}=${{{clicked}:percentencode}}")
    return f"/d/{link.to.uid}?" + "&".join([*parts, "${__url_time_range}"])
