"""Write ``docs/dashboards.md``, which describes all boards and panels."""

from __future__ import annotations

from collections.abc import Iterator

from grafana.board.board import Board
from grafana.board.boards import BOARDS
from grafana.board.unused import UNUSED

INTRODUCTION = """\
![The overview, drawn from a real Prometheus over a simulated month](pictures/board-overview.png)

Grafana loads the boards from `grafana/dashboards`; `make dashboards` writes them from `grafana/board`. Their
data source is the Prometheus with the uid `prometheus`. In a Grafana of your own that data source needs the
user and the password that `stretto servers` names.

- A board shows one service: *Data source*, *Job* and *Service* choose it, so that nothing is added up or
  averaged across machines. With one service there is nothing to choose.
- A panel that says "live only" reads counters that begin with the service; it names the panel that has the
  past.
- These pictures are drawn by the project's own tests from answers of a real Prometheus, not by Grafana:
  [the overview](pictures/board-overview.png) and [change](pictures/board-trends.png) over a simulated month.
- The other variables narrow every panel whose figures have the label. *Window* is the period over which a
  figure is computed; the time range of the board is the period that is drawn.
- A single number is the current value. Unknown values are left out or marked: they are never drawn as 0 or
  as their last value.
- Dashed lines are targets, and limits read from the series that the alerts compare with. The colours of
  single numbers and tables come from the same rule file, `prometheus/rules/thresholds.yml`, when the boards
  are built: after changing a limit, run `make dashboards`.
- A click on a bar, a line or a name leads to the board with the details, for that task type, agent, pattern
  or tool. "Sessions of this …" opens the service's list of sessions, filtered by that agent, pattern,
  task type, tool or model and the window; single sessions are no labels.
- No panel has points between two scrapes, and rates are taken over four: 5 s apart as shipped, what
  `--interval` says in exported boards, whatever interval your data source has."""


def render_page(mark: str) -> str:
    """Return the page; ``mark`` is the notice that it is generated."""
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
