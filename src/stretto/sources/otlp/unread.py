"""Unread input: count the spans and log records that were received and gave no event, by source and scope."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from threading import Lock
from typing import NamedTuple

from stretto.sources.otlp import conventions
from stretto.sources.otlp.plain_records import LogRecord, Span

MOST_ORIGINS = 50
"""Most pairs of source and scope that are counted apart; what comes from others is counted together."""

OTHER = "other"

LEAST_WORTH_A_WORD = 20
"""Items of a source from which on a person is informed; fewer may be a single request of a web server."""


class ItemSender(NamedTuple):
    """The sender of a span or log record."""

    source: str
    scope: str


class UnreadItems:
    """The counts since the start of the service. Safe to use from several threads."""

    def __init__(self) -> None:
        self._counts: Counter[ItemSender] = Counter()
        self._read_sources: set[str] = set()
        self._lock = Lock()

    def count_items(self, items: Iterable[Span | LogRecord]) -> None:
        """Count spans or log records that gave no event."""
        origins = Counter(ItemSender(conventions.get_source(item), item.scope) for item in items)
        with self._lock:
            for origin, count in origins.items():
                is_known = origin in self._counts or len(self._counts) < MOST_ORIGINS
                self._counts[origin if is_known else ItemSender(OTHER, OTHER)] += count

    def note_read(self, source: str) -> None:
        """Note that a source gave an event: the rest of what it sends is about something else."""
        with self._lock:
            if len(self._read_sources) < MOST_ORIGINS:
                self._read_sources.add(source)

    def list_counts(self) -> list[tuple[ItemSender, int]]:
        """Return the counts, by source and scope."""
        with self._lock:
            return sorted(self._counts.items())

    def describe_silent_sources(self) -> list[str]:
        """Return a sentence on each source of which nothing was understood, and how to change that."""
        totals: Counter[str] = Counter()
        for origin, count in self.list_counts():
            totals[origin.source] += count
        with self._lock:
            read_sources = set(self._read_sources)
        return [
            f"{count:,} spans and log records of {source} told nothing; {_HINTS.get(source, _HINT)}"
            for source, count in totals.most_common()
            if count >= LEAST_WORTH_A_WORD and source not in read_sources and source != OTHER
        ]


_HINT = (
    "a span tells of an agent with the attributes gen_ai.operation.name = invoke_agent and gen_ai.agent.name"
    " (docs/sources.md)"
)
_HINTS = {
    "opencode": "its history tells more: stretto import",
}
