"""Write ``grafana/dashboards``: ``python -m grafana.board.build``.

``--check`` writes nothing and exits with 1 where a file differs, is missing, or belongs to no board.
"""

from __future__ import annotations

import sys
from pathlib import Path

from grafana.board.board import render_text
from grafana.board.boards import BOARDS

DASHBOARDS = Path(__file__).parents[1] / "dashboards"


def render_files() -> dict[Path, str]:
    """Return every dashboard's text by its path."""
    return {DASHBOARDS / f"{board.id}.json": render_text(board, BOARDS) for board in BOARDS}


def find_stale(wanted: dict[Path, str], folder: Path = DASHBOARDS) -> list[Path]:
    """Return the files that differ from what is wanted, those that should not be there among them."""
    differ = [p for p, text in wanted.items() if not p.exists() or p.read_text(encoding="utf-8") != text]
    return differ + sorted(set(folder.glob("*.json")) - wanted.keys())


def main(arguments: list[str]) -> int:
    """Write the dashboards, or with ``--check`` name those that differ."""
    wanted = render_files()
    found = find_stale(wanted)
    for path in found:
        if "--check" in arguments:
            print(f"{path.name} is stale: run make dashboards")
        elif path in wanted:
            path.write_text(wanted[path], encoding="utf-8")
        else:
            path.unlink()
    return 1 if found and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
