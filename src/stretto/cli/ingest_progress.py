"""Ingest progress: bring the store up to date from the command line, and print how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from stretto.clock import read_wall_clock
from stretto.service.rebuild_progress_and_store_damage import RebuildState
from stretto.store.ingest import Ingest

REPORT_SECONDS = 2.0
"""Seconds between two lines of progress; what is over sooner prints none."""


class IngestProgress:
    """Prints how much of the journal was read, a line every few seconds."""

    def __init__(
        self,
        print_line: Callable[[str], None],
        describe: Callable[[RebuildState], str] = RebuildState.describe_progress,
    ) -> None:
        self._print_line = print_line
        self._describe = describe
        self._printed = time.monotonic()

    def __call__(self, state: RebuildState) -> None:
        """Print a line if the last is old enough."""
        if not state.finished and time.monotonic() - self._printed >= REPORT_SECONDS:
            self._print_line(self._describe(state))
            self._printed = time.monotonic()


def describe_import(state: RebuildState) -> str:
    """Return a sentence on how much of what was imported is stored."""
    share = 100 * state.read_bytes // state.all_bytes if state.all_bytes else 100
    return f"{min(share, 100)} % of {state.all_bytes / 1e6:.1f} MB of events are stored"


def ingest_with_progress(
    ingest: Ingest,
    folder: Path,
    print_line: Callable[[str], None],
    describe: Callable[[RebuildState], str] = RebuildState.describe_progress,
) -> tuple[int, int]:
    """Ingest the journal and close idle sessions; return the numbers of events and of rejects."""
    report = IngestProgress(print_line, describe)
    pending = sum(size for _, _, size in ingest.list_pending(folder))
    events = rejects = 0
    for result in ingest.catch_up(folder, now=read_wall_clock(), close_idle=True):
        events += result.events
        rejects += result.rejects
        left = sum(size for _, _, size in ingest.list_pending(folder))
        report(RebuildState("stretto rebuild", read_bytes=max(0, pending - left), all_bytes=pending))
    ingest.close_idle_sessions(read_wall_clock())
    return events, rejects
