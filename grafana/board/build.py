"""Write ``grafana/dashboards`` and ``grafana/hub-dashboards``: ``python -m grafana.board.build``.

``--check`` writes nothing and exits with 1 if a file differs, is missing or belongs to no board.
"""

from __future__ import annotations

import sys
from pathlib import Path

from grafana.board.board import render_text
from grafana.board.boards import BOARDS
from grafana.board.hub_board_document import HubDatabaseKind, render_hub_board
from grafana.board.hub_boards import HUB_BOARDS

DASHBOARDS = Path(__file__).parents[1] / "dashboards"
HUB_DASHBOARDS = Path(__file__).parents[1] / "hub-dashboards"
"""A folder for each kind of database, with the same boards."""


def render_files() -> dict[Path, str]:
    """Return the text of every dashboard of a service by path."""
    return {DASHBOARDS / f"{board.id}.json": render_text(board, BOARDS) for board in BOARDS}


def render_hub_files(kind: HubDatabaseKind) -> dict[Path, str]:
    """Return the text of every dashboard of a hub by path, for a kind of database."""
    folder = HUB_DASHBOARDS / kind.value
    return {folder / f"{board.id}.json": render_hub_board(board, kind) for board in HUB_BOARDS}


def find_stale(expected: dict[Path, str], folder: Path = DASHBOARDS) -> list[Path]:
    """Return the files that differ from the expected texts, and the files that should not exist."""
    differ = [p for p, text in expected.items() if not p.exists() or p.read_text(encoding="utf-8") != text]
    return differ + sorted(set(folder.glob("*.json")) - expected.keys())


def main(arguments: list[str]) -> int:
    """Write the dashboards, or with ``--check`` list those that differ."""
    expected = render_files()
    stale = find_stale(expected)
    for kind in HubDatabaseKind:
        of_kind = render_hub_files(kind)
        stale += find_stale(of_kind, HUB_DASHBOARDS / kind.value)
        expected |= of_kind
    for path in stale:
        if "--check" in arguments:
            print(f"{path.name} is stale: run make dashboards")
        elif path in expected:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(expected[path], encoding="utf-8")
        else:
            path.unlink()
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
