"""Read the tables of docs/figures.md with the figures of the scenes."""

from __future__ import annotations

from collections.abc import Callable

from tests.fakes import ROOT
from tests.scenes import (
    Drawing,
    background,
    clock_step_back,
    fork_join,
    idle_tail,
    lost_end,
    nested,
    one_by_one,
    resumed,
    straggler,
    wasteful,
)

SCENES: dict[str, Callable[[], Drawing]] = {
    draw.__name__: draw
    for draw in (
        fork_join,
        straggler,
        one_by_one,
        nested,
        background,
        idle_tail,
        lost_end,
        clock_step_back,
        resumed,
        wasteful,
    )
}
"""The scenes by their names in the tables."""


def read_rows(heading: str) -> list[dict[str, str]]:
    """Return the rows of the table of scenes under a heading, by column; empty cells are left out."""
    page = (ROOT / "docs" / "figures.md").read_text(encoding="utf-8")
    section = page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [
        _split_cells(line)
        for line in section[section.index("| scene |") :].splitlines()
        if line.startswith("|")
    ]
    columns, _, *found = lines
    return [
        {column: cell for column, cell in zip(columns, line, strict=True) if cell}
        for line in found
        if len(line) > 1
    ]


def read_figures(heading: str) -> dict[str, dict[str, float]]:
    """Return the numbers under a heading by scene and column."""
    return {
        row["scene"]: {
            column: float(cell) for column, cell in row.items() if column not in {"scene", "slack"}
        }
        for row in read_rows(heading)
    }


def shorten_name(name: str, scene: str) -> str:
    """Return a task's name as in the tables: without the name of its scene."""
    return name.removeprefix(scene.replace("_", "-") + "-")


def _split_cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]
