"""Compute the figures of reported caches, and judge whether a cache is useless or too small."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from stretto.clock import SECOND
from stretto.figures.figure import Figure, Labels, make_ratio
from stretto.figures.sum_reading import Sums, sum_by, sum_by_dimensions, sum_in_table
from stretto.names import measures
from stretto.names.measures import Dimension

MIN_LOOKUPS = 200
"""Fewer lookups judge no cache: a young cache misses nearly always."""

MIN_GAIN = 0.05
"""Hit ratio that twice the room must add before a cache is called too small."""

_AMOUNTS = (
    ("stretto_window_cache_refusals", measures.CACHE_REFUSED, 1),
    ("stretto_window_cache_evicted_misses", measures.CACHE_EVICTED_MISSES, 1),
    ("stretto_window_cache_saved_seconds", measures.CACHE_SAVED, SECOND),
    ("stretto_window_cache_lookup_seconds", measures.CACHE_LOOKUP_TIME, SECOND),
)


@dataclass(frozen=True, slots=True)
class CacheVerdict:
    """What is wrong with a cache, with the evidence."""

    fault: str
    """``useless`` or ``too small``."""
    evidence: str


def compute_cache_size_figures(sizes: Mapping[str, tuple[int, int | None]]) -> Iterator[Figure]:
    """Yield the last reported number of entries of each cache, and its bytes if they are measured."""
    for cache, (entries, size) in sorted(sizes.items()):
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


def judge_cache(
    *, hits: int, misses: int, evicted_misses: int, saved_seconds: float, lookup_seconds: float
) -> list[CacheVerdict]:
    """Return what is wrong with a cache; nothing for fewer than MIN_LOOKUPS lookups.

    Example: 1,000 lookups took 0.02 s and saved 0.01 s: the cache is useless. With 600 hits and 150 misses
    of entries that twice the room would hold, the hit ratio would rise from 0.60 to 0.75: it is too small.
    """
    lookups = hits + misses
    if lookups < MIN_LOOKUPS:
        return []
    verdicts = []
    if saved_seconds <= lookup_seconds:
        evidence = f"{lookups} lookups took {lookup_seconds:.3g} s and saved {saved_seconds:.3g} s"
        verdicts.append(CacheVerdict("useless", evidence))
    if evicted_misses / lookups >= MIN_GAIN:
        now, then = hits / lookups, (hits + evicted_misses) / lookups
        evidence = f"with twice the room the hit ratio would be about {then:.2f} instead of {now:.2f}"
        verdicts.append(CacheVerdict("too small", evidence))
    return verdicts
