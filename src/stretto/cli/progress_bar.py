"""Show how many items are done: by a bar on a terminal, else by a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TypeVar

from stretto.cli.ingest_progress import REPORT_SECONDS

if TYPE_CHECKING:
    from rich.progress import Progress

Item = TypeVar("Item")


class ItemCounter(Protocol):
    """Counts the items that pass through it."""

    def __call__(self, items: Iterable[Item]) -> Iterator[Item]:
        """Yield the items, and show after each how many there were."""


class CounterInLines:
    """Counts items in a line of standard error every few seconds."""

    def __init__(self, total: int, title: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._total, self._title, self._clock = total, title, clock
        self._printed = clock()

    def __call__(self, items: Iterable[Item]) -> Iterator[Item]:
        """Yield the items; print a line if the last is old enough."""
        for count, item in enumerate(items, 1):
            yield item
            if self._clock() - self._printed >= REPORT_SECONDS:
                print(f"{self._title}: {count:,} of {self._total:,} read", file=sys.stderr)  # progress
                self._printed = self._clock()


class CounterInBar:
    """Counts items on a bar."""

    def __init__(self, progress: Progress, total: int, title: str) -> None:
        self._progress = progress
        self._task = progress.add_task(title, total=total, visible=total > 0)

    def __call__(self, items: Iterable[Item]) -> Iterator[Item]:
        """Yield the items, and advance the bar after each."""
        for item in items:
            yield item
            self._progress.advance(self._task)


@contextmanager
def show_progress(total: int, title: str = "files") -> Iterator[ItemCounter]:
    """Show how many of the items are done while they pass through what is given."""
    if not sys.stderr.isatty():
        yield CounterInLines(total, title)
        return
    # A service without a terminal never draws: this would stay in its memory, five megabytes.
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield CounterInBar(progress, total, title)
