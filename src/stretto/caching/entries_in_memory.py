"""Keep entries within three bounds: number, bytes and age; the least recently used leave first.

``cachetools.LRUCache`` keeps the order of use; a dictionary beside it keeps the order of age. All entries
live equally long, so the oldest one is always the first to expire. Neither is safe for threads: their user
holds a lock.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

from cachetools import LRUCache


@dataclass(slots=True)
class CacheEntry:
    """A result with everything that decides whether it is still valid."""

    value: Any
    stored: float
    """When it was stored, by the cache's clock (s)."""
    seconds: float
    """How long its computation took."""
    size: int = 0
    """Its bytes; 0 if sizes are not measured."""
    version: Hashable = None
    needs: frozenset[tuple[str, str | None]] | None = None
    """The tools that it relied on, with their versions; None if the key has the whole environment."""
    confidence: float = 1.0
    """The largest confidence that its judges left it."""
    tags: frozenset[Hashable] = frozenset()
    traits: Any = None
    """The structure by which it can be similar to another call's."""


class EntryStore:
    """Entries by key."""

    def __init__(self, entries: int, max_bytes: int | None, ttl: float | None) -> None:
        self._most_entries = entries
        self._most_bytes = math.inf if max_bytes is None else max_bytes
        self._ttl = math.inf if ttl is None else ttl
        self._by_use: LRUCache[Hashable, CacheEntry] = LRUCache(entries)
        self._by_age: dict[Hashable, CacheEntry] = {}
        self._evicted: dict[int, None] = {}
        """Hashes of the keys that were evicted last, as many as there are entries."""
        self.bytes = 0
        """The entries' sizes together."""

    def __len__(self) -> int:
        return len(self._by_age)

    def read_entry(self, key: Hashable) -> CacheEntry | None:
        """Return the entry and mark it as used now, or None. It may be past its age."""
        return self._by_use.get(key)

    def was_evicted(self, key: Hashable) -> bool:
        """Whether a key left for want of room so lately that twice the room would still hold it.

        Example: of 1,000 entries the 1,000 evicted last are remembered; that is what 2,000 would hold.
        """
        return hash(key) in self._evicted

    def is_expired(self, entry: CacheEntry, now: float) -> bool:
        """Whether an entry is past its age."""
        return now >= entry.stored + self._ttl

    def write_entry(self, key: Hashable, entry: CacheEntry) -> int:
        """Store an entry and return how many others were evicted for it; one too large is not stored.

        Entries past their age leave first, and are not counted. Example: 10 bytes are allowed and 3 + 4 + 3
        are used; an entry of 5 bytes evicts the two least recently used: 3 + 5 are left.
        """
        self.remove_entry(key)
        self.remove_expired(entry.stored)
        if self._most_entries < 1 or entry.size > self._most_bytes:
            return 0
        evicted = 0
        while len(self._by_age) >= self._most_entries or self.bytes + entry.size > self._most_bytes:
            oldest, removed = self._by_use.popitem()
            del self._by_age[oldest]
            self.bytes -= removed.size
            evicted += 1
            self._evicted[hash(oldest)] = None
        self._evicted.pop(hash(key), None)
        self._by_use[key] = self._by_age[key] = entry
        self.bytes += entry.size
        while len(self._evicted) > len(self._by_age):
            del self._evicted[next(iter(self._evicted))]
        return evicted

    def remove_entry(self, key: Hashable) -> bool:
        """Remove an entry; return whether there was one."""
        entry = self._by_age.pop(key, None)
        if entry is None:
            return False
        del self._by_use[key]
        self.bytes -= entry.size
        return True

    def remove_expired(self, now: float) -> int:
        """Remove the entries past their age; return how many."""
        expired = []
        for key, entry in self._by_age.items():
            if not self.is_expired(entry, now):
                break
            expired.append(key)
        for key in expired:
            self.remove_entry(key)
        return len(expired)

    def remove_where(self, is_chosen: Callable[[Any, CacheEntry], bool]) -> int:
        """Remove the entries that a function chooses by key and entry; return how many."""
        chosen = [key for key, entry in self._by_age.items() if is_chosen(key, entry)]
        for key in chosen:
            self.remove_entry(key)
        return len(chosen)

    def list_entries(self) -> list[tuple[Hashable, CacheEntry]]:
        """Return the entries, the oldest first, without marking them as used."""
        return [*self._by_age.items()]
