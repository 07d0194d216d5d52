"""Run ``stretto`` with the shipped configuration at a faster pace; conditions, texts and routes stay.

A program: the first argument is the folder for the copies, the others are those of ``stretto``.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from stretto.cli.main import main
from stretto.servers import supervisor

FASTER = {
    "scrape_interval: 5s": "scrape_interval: 3s",
    "scrape_timeout: 4s": "scrape_timeout: 3s",
    "evaluation_interval: 5s": "evaluation_interval: 3s",
    "keep_firing_for: 1m": "keep_firing_for: 9s",
    "group_interval: 10s": "group_interval: 4s",
}
"""Shipped wait → the wait in the copy."""

find_shipped_folder = supervisor.find_shipped_folder


def copy_faster(target: Path) -> None:
    """Copy both servers' configuration and shorten its waits, each of which must be there."""
    missing = set(FASTER)
    for name in ("prometheus", "alertmanager"):
        shutil.copytree(find_shipped_folder(name), target / name)
    for path in target.rglob("*.yml"):
        text = path.read_text(encoding="utf-8")
        missing -= {wait for wait in FASTER if wait in text}
        for wait, shorter in FASTER.items():
            text = text.replace(wait, shorter)
        path.write_text(text, encoding="utf-8")
    assert not missing, f"the shipped configuration has no {missing}"


if __name__ == "__main__":
    copies = Path(sys.argv[1])
    copy_faster(copies)
    supervisor.find_shipped_folder = lambda name: copies / name
    sys.exit(main(sys.argv[2:]))
