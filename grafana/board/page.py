"""The page of all boards and panels, in words, for ``docs/dashboards.md``."""

from __future__ import annotations

from collections.abc import Iterator

from grafana.board.board import Board
from grafana.board.boards import BOARDS
from grafana.board.unused import UNUSED

INTRODUCTION = """\
Grafana loads the boards from `grafana/dashboards`; `make dashboards` writes them from `grafana/board`. Their
data source is the Prometheus with the uid `prometheus`.

- The variables on top narrow every panel whose figures have the label. *Window* says over how long a figure
  is taken; the time range of the board says from when to when it is drawn.
- A single number is that of now. What is not known is left out or says so: it is never drawn as 0, nor as
  its last value.
- Dashed lines are targets, and limits read from the series that the alerts compare with. The colours of
  single numbers and tables come from the same rule file, `prometheus/rules/thresholds.yml`, when the boards
  are built: after changing a limit, run `make dashboards`.
- A click on a bar, a line or a name leads to the board with the details, for that task type, agent, pattern
  or tool. Single sessions stand on the service's own page: they are no labels."""


def render_page(mark: str) -> str:
    """Return the page; ``mark`` says that it is generated."""
    lines = ["# Dashboards", "", mark, "", INTRODUCTION]
    for board in BOARDS:
        lines += _render_board(board)
    lines += ["", "## On no board", "", "| metric | because |", "| --- | --- |"]
    lines += [f"| `{name}` | {reason} |" for name, reason in sorted(UNUSED.items())]
    return "\n".join(lines) + "\n"


def _render_board(board: Board) -> Iterator[str]:
    file = f"{board.id}.json"
    variables = ", ".join(variable.title.lower() for variable in board.variables)
    yield from ("", f"## {board.title.removeprefix('Stretto / ')}", "")
    yield f"{board.asks} ([`{file}`](../grafana/dashboards/{file}); variables: {variables})"
    for row in board.rows:
        yield from ("", f"### {row.title}", "", "| panel | shows | question |", "| --- | --- | --- |")
        for panel in row.panels:
            yield f"| {panel.title} | {panel.shows} | {panel.asks} |"
