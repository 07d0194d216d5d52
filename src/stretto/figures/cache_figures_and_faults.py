"""Compute the figures of reported caches, and judge whether a cache is useless or too small."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from stretto.clock import SECOND
from stretto.figures.figure import Figure, Labels, make_ratio
from stretto.figures.sums_by_dimension import Sums, sum_by, sum_by_dimensions, sum_in_table
from stretto.names import measures
from stretto.names.measures import Dimension

MIN_LOOKUPS = 200
"""Fewer lookups judge no cache: a young cache misses nearly always."""

MIN_GAIN = 0.05
"""Hit ratio that twice the room must add before a cache is called too small."""

CACHE_USE_MEASURES = (
    measures.CACHE_LOOKUPS, measures.CACHE_EVICTED_MISSES, measures.CACHE_SAVED, measures.CACHE_LOOKUP_TIME,
)  # fmt: skip
"""What ``collect_cache_uses`` reads."""

_AMOUNTS = (
    ("stretto_window_cache_refusals", measures.CACHE_REFUSED, 1),
    ("stretto_window_cache_evicted_misses", measures.CACHE_EVICTED_MISSES, 1),
    ("stretto_window_cache_saved_seconds", measures.CACHE_SAVED, SECOND),
    ("stretto_window_cache_lookup_seconds", measures.CACHE_LOOKUP_TIME, SECOND),
)


class CacheFault(StrEnum):
    """What is wrong with a cache."""

    USELESS = "useless"
    TOO_SMALL = "too small"


@dataclass(frozen=True, slots=True)
class CacheVerdict:
    """What is wrong with a cache, with the evidence."""

    fault: CacheFault
    evidence: str
    amount: float
    """Useless: saved time over the lookups' time. Too small: what twice the room adds to the hit ratio."""


@dataclass(frozen=True, slots=True)
class CacheUse:
    """What happened in a cache in some time."""

    hits: int
    misses: int
    evicted_misses: int = 0
    """Misses that twice the room would have answered."""
    saved_seconds: float = 0.0
    lookup_seconds: float | None = None
    """Absent for a cache that times nothing: nobody knows whether it is useless."""

    @property
    def lookups(self) -> int:
        """Hits and misses together."""
        return self.hits + self.misses


def compute_cache_size_figures(entries_and_bytes: Mapping[str, tuple[int, int | None]]) -> Iterator[Figure]:
    """Yield the last reported number of entries of each cache, and its bytes if they are measured."""
    for cache, (entries, size) in sorted(entries_and_bytes.items()):
        labels = (("cache", cache),)
        yield Figure("stretto_cache_entries", labels, entries, 1)
        if size is not None:
            yield Figure("stretto_cache_bytes", labels, size, 1)


def compute_cache_figures(at: Labels, sums: Sums) -> Iterator[Figure]:
    """Yield lookups, hit ratio, removals and times of each cache."""
    by_cache = sum_in_table(sums, measures.CACHE_LOOKUPS, Dimension.CACHE, Dimension.RESULT)
    for cache, lookups in sorted(by_cache.items()):
        cache_labels: Labels = (("cache", cache),)
        both = sum(lookups.values())
        for result, count in sorted(lookups.items()):
            yield Figure(
                "stretto_window_cache_lookups", (*cache_labels, ("result", result), *at), count, count
            )
        yield make_ratio("stretto_cache_hit_ratio", (*cache_labels, *at), lookups.get("hit", 0), both, both)
    removals = sum_by_dimensions(sums, measures.CACHE_REMOVALS, Dimension.CACHE, Dimension.REASON)
    for (cache, reason), count in sorted(removals.items()):
        labels = (("cache", cache), ("reason", reason), *at)
        yield Figure("stretto_window_cache_removals", labels, count, count)
    # Sums of 0 are not stored: a cache that times its lookups reports the others too.
    timed = sum_by(sums, measures.CACHE_LOOKUP_TIME, Dimension.CACHE)
    for name, measure, unit in _AMOUNTS:
        amounts = dict.fromkeys(timed, 0) | sum_by(sums, measure, Dimension.CACHE)
        for cache, amount in sorted(amounts.items()):
            count = sum(by_cache.get(cache, {}).values())
            yield Figure(name, (("cache", cache), *at), amount / unit, count)


def collect_cache_uses(sums: Sums) -> dict[str, CacheUse]:
    """Return what the sums of some time say about each cache."""
    timed = sum_by(sums, measures.CACHE_LOOKUP_TIME, Dimension.CACHE)
    saved = sum_by(sums, measures.CACHE_SAVED, Dimension.CACHE)
    evicted = sum_by(sums, measures.CACHE_EVICTED_MISSES, Dimension.CACHE)
    by_cache = sum_in_table(sums, measures.CACHE_LOOKUPS, Dimension.CACHE, Dimension.RESULT)
    return {
        cache: CacheUse(
            hits=lookups.get("hit", 0),
            misses=lookups.get("miss", 0),
            evicted_misses=evicted.get(cache, 0),
            saved_seconds=saved.get(cache, 0) / SECOND,
            lookup_seconds=timed[cache] / SECOND if cache in timed else None,
        )
        for cache, lookups in sorted(by_cache.items())
    }


def judge_cache(use: CacheUse) -> list[CacheVerdict]:
    """Return what is wrong with a cache; nothing for fewer than MIN_LOOKUPS lookups.

    Example: 1,000 lookups took 0.02 s and saved 0.01 s: the cache is useless. With 600 hits and 150 misses
    of entries that twice the room would hold, the hit ratio would rise from 0.60 to 0.75: it is too small.
    """
    if use.lookups < MIN_LOOKUPS:
        return []
    verdicts = []
    if use.lookup_seconds is not None and use.saved_seconds <= use.lookup_seconds:
        evidence = (
            f"{use.lookups} lookups took {use.lookup_seconds:.3g} s and saved {use.saved_seconds:.3g} s"
        )
        ratio = use.saved_seconds / use.lookup_seconds if use.lookup_seconds else 0.0
        verdicts.append(CacheVerdict(CacheFault.USELESS, evidence, ratio))
    gain = use.evicted_misses / use.lookups
    if gain >= MIN_GAIN:
        now, then = use.hits / use.lookups, (use.hits + use.evicted_misses) / use.lookups
        evidence = f"with twice the room the hit ratio would be about {then:.2f} instead of {now:.2f}"
        verdicts.append(CacheVerdict(CacheFault.TOO_SMALL, evidence, gain))
    return verdicts
