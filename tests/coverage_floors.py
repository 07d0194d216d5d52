"""Compare the shares of lines and branches that tests ran with their floors, name the least covered files."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

LINES, BRANCHES = 0.95, 0.90
"""The smallest shares that are accepted."""

SHOWN = 15
"""Files that are named."""


def share_run(totals: dict[str, Any], kind: str, number: str) -> float:
    """Return the share of statements or branches that were run; 1 if there are none."""
    return float(totals[f"covered_{kind}"] / totals[number]) if totals[number] else 1.0


def main(report: Path) -> int:
    """Print both shares and the files that miss most; return 1 below a floor."""
    measured = json.loads(report.read_text(encoding="utf-8"))
    lines = share_run(measured["totals"], "lines", "num_statements")
    branches = share_run(measured["totals"], "branches", "num_branches")
    misses = {
        name: file["summary"]["missing_lines"] + file["summary"]["missing_branches"]
        for name, file in measured["files"].items()
    }
    for name in sorted(misses, key=lambda file: misses[file], reverse=True)[:SHOWN]:
        print(f"{misses[name]:5} lines and branches not run in {name}")
    print(f"lines {lines:.1%} (at least {LINES:.0%}), branches {branches:.1%} (at least {BRANCHES:.0%})")
    return 0 if lines >= LINES and branches >= BRANCHES else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
